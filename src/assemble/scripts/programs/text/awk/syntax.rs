//! What a program of awk says.

use std::rc::Rc;

use crate::assemble::scripts::regex::Regex;
use crate::shell::Bytes;

#[derive(Debug)]
pub(super) struct Program {
    pub(super) begin: Vec<Block>,
    pub(super) rules: Vec<Rule>,
    pub(super) end: Vec<Block>,
    pub(super) functions: Vec<Function>,
    /// Names of the global variables; the first of them are [`Special`].
    pub(super) globals: Vec<Bytes>,
}

/// Variables that mean something to awk itself, in their order among the globals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    Nf,
    Nr,
    Fnr,
    Fs,
    Ofs,
    Ors,
    Rs,
    Subsep,
    Filename,
    Convfmt,
    Ofmt,
    Rstart,
    Rlength,
    Environ,
    Argc,
    Argv,
}

impl Special {
    pub(super) const NAMES: [&'static [u8]; 16] = [
        b"NF",
        b"NR",
        b"FNR",
        b"FS",
        b"OFS",
        b"ORS",
        b"RS",
        b"SUBSEP",
        b"FILENAME",
        b"CONVFMT",
        b"OFMT",
        b"RSTART",
        b"RLENGTH",
        b"ENVIRON",
        b"ARGC",
        b"ARGV",
    ];
}

pub(super) type Block = Vec<Statement>;

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    /// Nothing prints the record.
    pub(super) body: Option<Block>,
}

#[derive(Debug)]
pub(super) enum Pattern {
    Always,
    When(Expr),
    /// From one to the other.
    Range(Expr, Expr),
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: Bytes,
    /// How many of its variables are parameters.
    pub(super) parameters: usize,
    pub(super) body: Option<Rc<Block>>,
}

#[derive(Debug)]
pub(super) enum Statement {
    Expr(Expr),
    Print(Vec<Expr>, Option<Target>),
    Printf(Vec<Expr>, Option<Target>),
    If(Expr, Block, Block),
    While(Expr, Block),
    DoWhile(Block, Expr),
    For(Option<Box<Statement>>, Option<Expr>, Option<Box<Statement>>, Block),
    ForIn(Name, Name, Block),
    Block(Block),
    Next,
    NextFile,
    Exit(Option<Expr>),
    Return(Option<Expr>),
    Break,
    Continue,
    Delete(Name, Vec<Expr>),
    DeleteAll(Name),
}

/// Where output goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) kind: TargetKind,
    pub(super) name: Expr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetKind {
    File,
    Append,
    /// To a program.
    Pipe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Global(usize),
    Local(usize),
}

/// What can be given a value.
#[derive(Debug)]
pub(super) enum Place {
    Variable(Name),
    Element(Name, Vec<Expr>),
    Field(Expr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
}

#[derive(Debug)]
pub(super) enum Expr {
    Number(f64),
    Text(Rc<[u8]>),
    /// Alone it asks whether the record matches.
    Regex(Rc<Regex>),
    Place(Box<Place>),
    Assign(Box<Place>, Option<Operator>, Box<Expr>),
    /// `++x`, `x--`: by how much, and whether the value is that before.
    Step(Box<Place>, f64, bool),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Positive(Box<Expr>),
    /// Left to right.
    Calculate(Box<Expr>, Vec<(Operator, Expr)>),
    Concatenation(Vec<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Match(Box<Expr>, Box<Expr>, bool),
    In(Vec<Expr>, Name),
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    Call(usize, Vec<Expr>),
    BuiltIn(BuiltIn, Vec<Expr>),
    Getline(Source, Option<Box<Place>>),
    /// `(a)`: no place that a value can be given to.
    Grouped(Box<Expr>),
    /// `(a, b)`, only before `in`.
    Group(Vec<Expr>),
}

#[derive(Debug)]
pub(super) enum Source {
    /// The next record of the input.
    Main,
    File(Box<Expr>),
    Program(Box<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuiltIn {
    Atan2,
    Close,
    Cos,
    Exp,
    Fflush,
    Gensub,
    Gsub,
    Index,
    Int,
    Length,
    Log,
    Match,
    Sin,
    Split,
    Sprintf,
    Sqrt,
    Strtonum,
    Sub,
    Substr,
    System,
    Systime,
    Tolower,
    Toupper,
}

impl BuiltIn {
    /// By name, with the fewest and the most arguments.
    pub(super) fn find(name: &[u8]) -> Option<(BuiltIn, usize, usize)> {
        Some(match name {
            b"atan2" => (BuiltIn::Atan2, 2, 2),
            b"close" => (BuiltIn::Close, 1, 1),
            b"cos" => (BuiltIn::Cos, 1, 1),
            b"exp" => (BuiltIn::Exp, 1, 1),
            b"fflush" => (BuiltIn::Fflush, 0, 1),
            b"gensub" => (BuiltIn::Gensub, 3, 4),
            b"gsub" => (BuiltIn::Gsub, 2, 3),
            b"index" => (BuiltIn::Index, 2, 2),
            b"int" => (BuiltIn::Int, 1, 1),
            b"length" => (BuiltIn::Length, 0, 1),
            b"log" => (BuiltIn::Log, 1, 1),
            b"match" => (BuiltIn::Match, 2, 3),
            b"sin" => (BuiltIn::Sin, 1, 1),
            b"split" => (BuiltIn::Split, 2, 3),
            b"sprintf" => (BuiltIn::Sprintf, 1, usize::MAX),
            b"sqrt" => (BuiltIn::Sqrt, 1, 1),
            b"strtonum" => (BuiltIn::Strtonum, 1, 1),
            b"sub" => (BuiltIn::Sub, 2, 3),
            b"substr" => (BuiltIn::Substr, 2, 3),
            b"system" => (BuiltIn::System, 1, 1),
            b"systime" => (BuiltIn::Systime, 0, 0),
            b"tolower" => (BuiltIn::Tolower, 1, 1),
            b"toupper" => (BuiltIn::Toupper, 1, 1),
            _ => return None,
        })
    }

    /// Functions of awk, or of gawk, that are not done: what they give is not the same each time, or nobody needs them.
    pub(super) fn is_refused(name: &[u8]) -> bool {
        const NAMES: &[&[u8]] = &[
            b"and",
            b"asort",
            b"asorti",
            b"compl",
            b"isarray",
            b"lshift",
            b"mktime",
            b"or",
            b"patsplit",
            b"rand",
            b"rshift",
            b"srand",
            b"strftime",
            b"typeof",
            b"xor",
            b"bindtextdomain",
            b"dcgettext",
            b"dcngettext",
        ];
        NAMES.contains(&name)
    }
}
