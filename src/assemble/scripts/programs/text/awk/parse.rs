//! Tokens of awk → [`Program`]: rules, functions and statements.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::dialect::Dialect;
use super::lexer::{self, Token};
use super::syntax::{
    Block, Expr, Function, Name, Pattern, Place, Program, Rule, Special, Statement, Target, TargetKind,
};
use crate::shell::Bytes;

/// Expressions and statements within each other.
const DEPTH: usize = 100;

pub(super) type Parsed<T> = Result<T, String>;

pub(super) struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    globals: BTreeMap<Bytes, usize>,
    names: Vec<Bytes>,
    /// Of the function that is being read.
    locals: Vec<Bytes>,
    functions: Vec<Function>,
    /// `>` is no operator in a list to be printed.
    pub(super) no_greater: bool,
    /// Loops around what is being read.
    loops: usize,
    in_function: bool,
}

/// Reads a program.
pub(super) fn parse(text: &[u8], dialect: Dialect) -> Parsed<Program> {
    let tokens = lexer::tokens(text, dialect)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        globals: BTreeMap::new(),
        names: Vec::new(),
        locals: Vec::new(),
        functions: Vec::new(),
        no_greater: false,
        loops: 0,
        in_function: false,
    };
    for name in Special::NAMES {
        parser.name(name);
    }
    let parsed = parser.program();
    let line = parser.line();
    let mut program = parsed.map_err(|message| format!("{message} in line {line} of its program"))?;
    if let Some(function) = parser.functions.iter().find(|function| function.body.is_none()) {
        return Err(format!("the function `{}`", String::from_utf8_lossy(&function.name)));
    }
    program.functions = parser.functions;
    program.globals = parser.names;
    Ok(program)
}

impl Parser {
    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |(_, line)| *line)
    }

    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    pub(super) fn peek_behind(&self, count: usize) -> &Token {
        self.tokens.get(self.at + count).map_or(&Token::End, |(token, _)| token)
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    pub(super) fn is(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    pub(super) fn take(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Parsed<()> {
        match self.take(symbol) {
            true => Ok(()),
            false => Err(format!("`{}` where `{symbol}` should be", self.shown())),
        }
    }

    pub(super) fn shown(&self) -> String {
        match self.peek() {
            Token::Symbol(symbol) => (*symbol).to_owned(),
            Token::Keyword(keyword) => (*keyword).to_owned(),
            Token::Newline => "newline".to_owned(),
            Token::End => "end".to_owned(),
            Token::Number(number) => number.to_string(),
            Token::Text(text)
            | Token::Regex(text)
            | Token::Name(text)
            | Token::Function(text)
            | Token::BuiltIn(text) => String::from_utf8_lossy(text).into_owned(),
        }
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Keyword(found) if *found == keyword)
    }

    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        self.at += usize::from(found);
        found
    }

    pub(super) fn skip_newlines(&mut self) {
        while *self.peek() == Token::Newline {
            self.at += 1;
        }
    }

    fn skip_ends(&mut self) {
        while *self.peek() == Token::Newline || self.is(";") {
            self.at += 1;
        }
    }

    /// Runs a part of the parser one level deeper.
    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("more than {DEPTH} expressions and statements within each other"));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// With `>` as an operator.
    pub(super) fn plain<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let before = std::mem::take(&mut self.no_greater);
        let parsed = parse(self);
        self.no_greater = before;
        parsed
    }

    pub(super) fn name(&mut self, name: &[u8]) -> Name {
        if let Some(local) = self.locals.iter().position(|local| local == name) {
            return Name::Local(local);
        }
        if let Some(global) = self.globals.get(name) {
            return Name::Global(*global);
        }
        let index = self.names.len();
        self.names.push(name.to_vec());
        self.globals.insert(name.to_vec(), index);
        Name::Global(index)
    }

    /// The number of a function, which may be defined later.
    pub(super) fn function(&mut self, name: &[u8]) -> usize {
        if let Some(index) = self.functions.iter().position(|function| function.name == name) {
            return index;
        }
        self.functions.push(Function { name: name.to_vec(), parameters: 0, body: None });
        self.functions.len() - 1
    }

    fn program(&mut self) -> Parsed<Program> {
        let mut program = Program {
            begin: Vec::new(),
            rules: Vec::new(),
            end: Vec::new(),
            functions: Vec::new(),
            globals: Vec::new(),
        };
        loop {
            self.skip_ends();
            if *self.peek() == Token::End {
                return Ok(program);
            }
            if self.take_keyword("BEGIN") {
                self.skip_newlines();
                program.begin.push(self.braces()?);
            } else if self.take_keyword("END") {
                self.skip_newlines();
                program.end.push(self.braces()?);
            } else if self.take_keyword("function") || self.take_keyword("func") {
                self.definition()?;
            } else {
                let rule = self.rule()?;
                program.rules.push(rule);
            }
        }
    }

    fn rule(&mut self) -> Parsed<Rule> {
        if self.is("{") {
            return Ok(Rule { pattern: Pattern::Always, body: Some(self.braces()?) });
        }
        let first = self.expr()?;
        let pattern = match self.take(",") {
            true => {
                self.skip_newlines();
                Pattern::Range(first, self.expr()?)
            }
            false => Pattern::When(first),
        };
        let body = match self.is("{") {
            true => Some(self.braces()?),
            false => {
                self.end_of_statement()?;
                None
            }
        };
        Ok(Rule { pattern, body })
    }

    fn definition(&mut self) -> Parsed<()> {
        let (Token::Function(name) | Token::Name(name)) = self.next() else {
            return Err("a function without a name".to_owned());
        };
        self.expect("(")?;
        let mut locals = Vec::new();
        while !self.take(")") {
            self.skip_newlines();
            match self.next() {
                Token::Name(name) => locals.push(name),
                _ => return Err("a parameter without a name".to_owned()),
            }
            self.skip_newlines();
            if !self.is(")") {
                self.expect(",")?;
            }
        }
        self.skip_newlines();
        let parameters = locals.len();
        self.locals = locals;
        self.in_function = true;
        let body = self.braces();
        self.in_function = false;
        self.locals.clear();
        let index = self.function(&name);
        let body = Some(Rc::new(body?));
        match self.functions.get_mut(index) {
            Some(function) if function.body.is_some() => Err("a function that is defined twice".to_owned()),
            Some(function) => {
                *function = Function { name, parameters, body };
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn braces(&mut self) -> Parsed<Block> {
        self.expect("{")?;
        let mut block = Vec::new();
        loop {
            self.skip_ends();
            if self.take("}") {
                return Ok(block);
            }
            block.push(self.statement()?);
        }
    }

    /// A newline, a semicolon, or a brace that closes, which is left.
    fn end_of_statement(&mut self) -> Parsed<()> {
        match self.peek() {
            Token::Newline => {
                self.at += 1;
                Ok(())
            }
            Token::End => Ok(()),
            Token::Symbol("}") => Ok(()),
            Token::Symbol(";") => {
                self.at += 1;
                Ok(())
            }
            _ => Err(format!("`{}` where a statement should end", self.shown())),
        }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        self.deeper(Parser::any_statement)
    }

    fn any_statement(&mut self) -> Parsed<Statement> {
        if self.is("{") {
            return Ok(Statement::Block(self.braces()?));
        }
        match self.peek() {
            Token::Keyword("if") => self.if_statement(),
            Token::Keyword("while") => {
                self.at += 1;
                let condition = self.condition()?;
                if self.take(";") {
                    return Ok(Statement::While(condition, Vec::new()));
                }
                Ok(Statement::While(condition, self.body()?))
            }
            Token::Keyword("do") => {
                self.at += 1;
                let body = self.body()?;
                self.skip_ends();
                if !self.take_keyword("while") {
                    return Err("`do` without `while`".to_owned());
                }
                let condition = self.condition()?;
                self.end_of_statement()?;
                Ok(Statement::DoWhile(body, condition))
            }
            Token::Keyword("for") => self.for_statement(),
            _ => {
                let statement = self.simple()?;
                self.end_of_statement()?;
                Ok(statement)
            }
        }
    }

    fn condition(&mut self) -> Parsed<Expr> {
        self.expect("(")?;
        let condition = self.plain(Parser::expr)?;
        self.expect(")")?;
        Ok(condition)
    }

    /// The body of a loop.
    fn body(&mut self) -> Parsed<Block> {
        self.loops += 1;
        let body = self.branch();
        self.loops -= 1;
        body
    }

    /// One statement behind a condition, which may be nothing.
    fn branch(&mut self) -> Parsed<Block> {
        self.skip_newlines();
        if self.take(";") {
            return Ok(Vec::new());
        }
        Ok(match self.statement()? {
            Statement::Block(block) => block,
            statement => vec![statement],
        })
    }

    fn if_statement(&mut self) -> Parsed<Statement> {
        self.at += 1;
        let condition = self.condition()?;
        let then = self.branch()?;
        let before = self.at;
        self.skip_ends();
        if self.take_keyword("else") {
            return Ok(Statement::If(condition, then, self.branch()?));
        }
        self.at = before;
        Ok(Statement::If(condition, then, Vec::new()))
    }

    fn for_statement(&mut self) -> Parsed<Statement> {
        self.at += 1;
        self.expect("(")?;
        if let (Token::Name(key), Token::Keyword("in"), Token::Name(array), Token::Symbol(")")) =
            (self.peek().clone(), self.peek_behind(1), self.peek_behind(2).clone(), self.peek_behind(3))
        {
            self.at += 4;
            let (key, array) = (self.name(&key), self.name(&array));
            return Ok(Statement::ForIn(key, array, self.body()?));
        }
        let first = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        self.skip_newlines();
        let condition = if self.is(";") { None } else { Some(self.plain(Parser::expr)?) };
        self.expect(";")?;
        self.skip_newlines();
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        let body = if self.take(";") { Vec::new() } else { self.body()? };
        Ok(Statement::For(first, condition, step, body))
    }

    fn simple(&mut self) -> Parsed<Statement> {
        let Token::Keyword(keyword) = *self.peek() else { return Ok(Statement::Expr(self.plain(Parser::expr)?)) };
        if keyword == "getline" {
            return Ok(Statement::Expr(self.plain(Parser::expr)?));
        }
        self.at += 1;
        let ends = matches!(self.peek(), Token::Newline | Token::End | Token::Symbol(";" | "}"));
        Ok(match keyword {
            "print" | "printf" => {
                let (list, target) = self.print_list()?;
                match keyword {
                    "print" => Statement::Print(list, target),
                    _ if list.is_empty() => return Err("`printf` without a format".to_owned()),
                    _ => Statement::Printf(list, target),
                }
            }
            "next" => Statement::Next,
            "nextfile" => Statement::NextFile,
            "exit" => Statement::Exit(if ends { None } else { Some(self.plain(Parser::expr)?) }),
            "return" if !self.in_function => return Err("`return` outside of a function".to_owned()),
            "return" => Statement::Return(if ends { None } else { Some(self.plain(Parser::expr)?) }),
            "break" | "continue" if self.loops == 0 => return Err(format!("`{keyword}` outside of a loop")),
            "break" => Statement::Break,
            "continue" => Statement::Continue,
            "delete" => self.delete()?,
            keyword => return Err(format!("`{keyword}`")),
        })
    }

    fn delete(&mut self) -> Parsed<Statement> {
        let parenthesis = self.take("(");
        let Token::Name(name) = self.next() else { return Err("`delete` without an array".to_owned()) };
        let name = self.name(&name);
        let statement = match self.take("[") {
            true => {
                let index = self.plain(|parser| parser.list("]"))?;
                Statement::Delete(name, index)
            }
            false => Statement::DeleteAll(name),
        };
        if parenthesis {
            self.expect(")")?;
        }
        Ok(statement)
    }

    /// Expressions between commas up to a symbol, which is taken.
    pub(super) fn list(&mut self, end: &str) -> Parsed<Vec<Expr>> {
        let mut list = Vec::new();
        self.skip_newlines();
        if self.take(end) {
            return Ok(list);
        }
        loop {
            list.push(self.expr()?);
            self.skip_newlines();
            if self.take(end) {
                return Ok(list);
            }
            self.expect(",")?;
            self.skip_newlines();
        }
    }

    /// What is printed, and where to.
    fn print_list(&mut self) -> Parsed<(Vec<Expr>, Option<Target>)> {
        let list = match self.parenthesized_list()? {
            Some(list) => list,
            None => self.open_list()?,
        };
        let kind = match self.peek() {
            Token::Symbol(">") => TargetKind::File,
            Token::Symbol(">>") => TargetKind::Append,
            Token::Symbol("|") => TargetKind::Pipe,
            _ => return Ok((list, None)),
        };
        self.at += 1;
        let before = std::mem::replace(&mut self.no_greater, true);
        let name = self.concatenation();
        self.no_greater = before;
        Ok((list, Some(Target { kind, name: name? })))
    }

    /// A list in parentheses, if nothing but a target stands behind it.
    fn parenthesized_list(&mut self) -> Parsed<Option<Vec<Expr>>> {
        let before = self.at;
        if !self.take("(") {
            return Ok(None);
        }
        let list = self.plain(|parser| parser.list(")"))?;
        let ends = matches!(self.peek(), Token::Newline | Token::End | Token::Symbol(";" | "}" | ">" | ">>" | "|"));
        if ends && !matches!((self.peek(), self.peek_behind(1)), (Token::Symbol("|"), Token::Keyword("getline"))) {
            return Ok(Some(list));
        }
        self.at = before;
        Ok(None)
    }

    fn open_list(&mut self) -> Parsed<Vec<Expr>> {
        let mut list = Vec::new();
        if matches!(self.peek(), Token::Newline | Token::End | Token::Symbol(";" | "}" | ">" | ">>" | "|")) {
            return Ok(list);
        }
        let before = std::mem::replace(&mut self.no_greater, true);
        loop {
            list.push(self.expr()?);
            if !self.take(",") {
                break;
            }
            self.skip_newlines();
        }
        self.no_greater = before;
        Ok(list)
    }

    /// A place if an expression is one.
    pub(super) fn place(&self, expr: Expr) -> Result<Place, Expr> {
        match expr {
            Expr::Place(place) => Ok(*place),
            expr => Err(expr),
        }
    }
}
