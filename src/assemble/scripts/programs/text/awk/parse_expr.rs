//! Expressions of awk, from those that bind least to those that bind most.

use std::rc::Rc;

use super::lexer::Token;
use super::parse::{Parsed, Parser};
use super::syntax::{BuiltIn, Comparison, Expr, Operator, Place, Source};
use crate::assemble::scripts::regex::{Flavour, Regex};

/// Operators of one kind in a row, each of which holds what is left of it: they make the tree deeper, so they are few.
#[derive(Default)]
struct Links(usize);

impl Links {
    fn another(&mut self) -> Parsed<()> {
        self.0 += 1;
        if self.0 > 4 { Err("an expression as long as this".to_owned()) } else { Ok(()) }
    }
}

impl Parser {
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.deeper(Parser::ternary)
    }

    fn ternary(&mut self) -> Parsed<Expr> {
        let condition = self.any()?;
        if !self.take("?") {
            return Ok(condition);
        }
        self.skip_newlines();
        let yes = self.expr()?;
        self.skip_newlines();
        self.expect(":")?;
        self.skip_newlines();
        let no = self.expr()?;
        Ok(Expr::Choice(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn any(&mut self) -> Parsed<Expr> {
        let mut all = vec![self.all()?];
        while self.take("||") {
            self.skip_newlines();
            all.push(self.all()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::Any(all) })
    }

    fn all(&mut self) -> Parsed<Expr> {
        let mut all = vec![self.membership()?];
        while self.take("&&") {
            self.skip_newlines();
            all.push(self.membership()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::All(all) })
    }

    fn membership(&mut self) -> Parsed<Expr> {
        let mut expr = self.matching()?;
        let mut links = Links::default();
        while matches!(self.peek(), Token::Keyword("in")) {
            self.next();
            let Token::Name(array) = self.next() else { return Err("`in` without an array".to_owned()) };
            let index = match expr {
                Expr::Group(list) => list,
                expr => vec![expr],
            };
            expr = Expr::In(index, self.name(&array));
            links.another()?;
        }
        match expr {
            Expr::Group(_) => Err("a list where a value should be".to_owned()),
            expr => Ok(expr),
        }
    }

    fn matching(&mut self) -> Parsed<Expr> {
        let mut expr = self.comparison()?;
        let mut links = Links::default();
        loop {
            let negated = match self.peek() {
                Token::Symbol("~") => false,
                Token::Symbol("!~") => true,
                _ => return Ok(expr),
            };
            self.next();
            links.another()?;
            let pattern = self.comparison()?;
            expr = Expr::Match(Box::new(expr), Box::new(pattern), negated);
        }
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        let left = self.piped()?;
        let comparison = match self.peek() {
            Token::Symbol("<") => Comparison::Less,
            Token::Symbol("<=") => Comparison::LessEqual,
            Token::Symbol("==") => Comparison::Equal,
            Token::Symbol("!=") => Comparison::NotEqual,
            Token::Symbol(">") if !self.no_greater => Comparison::Greater,
            Token::Symbol(">=") => Comparison::GreaterEqual,
            _ => return Ok(left),
        };
        self.next();
        let right = self.piped()?;
        Ok(Expr::Compare(comparison, Box::new(left), Box::new(right)))
    }

    /// `"program" | getline`
    fn piped(&mut self) -> Parsed<Expr> {
        let mut expr = self.concatenation()?;
        let mut links = Links::default();
        while self.is("|") && matches!(self.peek_behind(1), Token::Keyword("getline")) {
            self.next();
            self.next();
            links.another()?;
            let place = self.getline_place()?;
            expr = Expr::Getline(Source::Program(Box::new(expr)), place);
        }
        Ok(expr)
    }

    pub(super) fn concatenation(&mut self) -> Parsed<Expr> {
        let mut parts = vec![self.sum()?];
        while self.begins_value() {
            parts.push(self.sum()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Concatenation(parts) })
    }

    /// Whether what follows can only be another value: signs belong to what is before them.
    fn begins_value(&self) -> bool {
        match self.peek() {
            Token::Number(_)
            | Token::Text(_)
            | Token::Regex(_)
            | Token::Name(_)
            | Token::Function(_)
            | Token::BuiltIn(_) => true,
            Token::Symbol(symbol) => matches!(*symbol, "$" | "(" | "++" | "--"),
            _ => false,
        }
    }

    fn sum(&mut self) -> Parsed<Expr> {
        let first = self.product()?;
        let mut rest = Vec::new();
        loop {
            let operator = match self.peek() {
                Token::Symbol("+") => Operator::Add,
                Token::Symbol("-") => Operator::Subtract,
                _ => break,
            };
            self.next();
            rest.push((operator, self.product()?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Calculate(Box::new(first), rest) })
    }

    fn product(&mut self) -> Parsed<Expr> {
        let first = self.unary()?;
        let mut rest = Vec::new();
        loop {
            let operator = match self.peek() {
                Token::Symbol("*") => Operator::Multiply,
                Token::Symbol("/") => Operator::Divide,
                Token::Symbol("%") => Operator::Remainder,
                _ => break,
            };
            self.next();
            rest.push((operator, self.unary()?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Calculate(Box::new(first), rest) })
    }

    fn unary(&mut self) -> Parsed<Expr> {
        for (symbol, make) in [("!", Expr::Not as fn(Box<Expr>) -> Expr), ("-", Expr::Negative), ("+", Expr::Positive)]
        {
            if self.take(symbol) {
                return Ok(make(Box::new(self.deeper(Parser::unary)?)));
            }
        }
        self.power()
    }

    fn power(&mut self) -> Parsed<Expr> {
        let base = self.postfix()?;
        if !(self.is("^") || self.is("**")) {
            return Ok(base);
        }
        self.next();
        // The exponent may have a sign, and is a power itself.
        let exponent = self.deeper(|parser| match parser.is("-") || parser.is("+") || parser.is("!") {
            true => parser.unary(),
            false => parser.power(),
        })?;
        Ok(Expr::Calculate(Box::new(base), vec![(Operator::Power, exponent)]))
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let expr = self.primary()?;
        let place = match self.place(expr) {
            Ok(place) => place,
            Err(expr) => return Ok(expr),
        };
        for (symbol, by) in [("++", 1.0), ("--", -1.0)] {
            if self.take(symbol) {
                return Ok(Expr::Step(Box::new(place), by, true));
            }
        }
        self.assignment(place)
    }

    /// A value may be given to a place wherever it stands: `a && b = c`.
    fn assignment(&mut self, place: Place) -> Parsed<Expr> {
        let operator = match self.peek() {
            Token::Symbol("=") => None,
            Token::Symbol("+=") => Some(Operator::Add),
            Token::Symbol("-=") => Some(Operator::Subtract),
            Token::Symbol("*=") => Some(Operator::Multiply),
            Token::Symbol("/=") => Some(Operator::Divide),
            Token::Symbol("%=") => Some(Operator::Remainder),
            Token::Symbol("^=" | "**=") => Some(Operator::Power),
            _ => return Ok(Expr::Place(Box::new(place))),
        };
        self.next();
        self.skip_newlines();
        let value = self.expr()?;
        Ok(Expr::Assign(Box::new(place), operator, Box::new(value)))
    }

    /// Something that a value can be given to, without one.
    fn lvalue(&mut self) -> Parsed<Place> {
        match self.next() {
            Token::Name(name) => {
                let name = self.name(&name);
                match self.take("[") {
                    true => Ok(Place::Element(name, self.plain(|parser| parser.list("]"))?)),
                    false => Ok(Place::Variable(name)),
                }
            }
            Token::Symbol("$") => Ok(Place::Field(self.deeper(Parser::field)?)),
            _ => Err("no variable where one should be".to_owned()),
        }
    }

    /// What stands behind a dollar sign.
    fn field(&mut self) -> Parsed<Expr> {
        for (symbol, make) in [("-", Expr::Negative as fn(Box<Expr>) -> Expr), ("+", Expr::Positive), ("!", Expr::Not)]
        {
            if self.take(symbol) {
                return Ok(make(Box::new(self.deeper(Parser::field)?)));
            }
        }
        match self.peek() {
            Token::Name(_) | Token::Symbol("$") => Ok(Expr::Place(Box::new(self.lvalue()?))),
            _ => self.primary(),
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        match self.peek().clone() {
            Token::Number(number) => {
                self.next();
                Ok(Expr::Number(number))
            }
            Token::Text(text) => {
                self.next();
                Ok(Expr::Text(text.into()))
            }
            Token::Regex(text) => {
                self.next();
                Ok(Expr::Regex(regex(&text)?))
            }
            Token::Name(_) | Token::Symbol("$") => Ok(Expr::Place(Box::new(self.lvalue()?))),
            Token::Symbol(symbol @ ("++" | "--")) => {
                self.next();
                let place = self.lvalue()?;
                Ok(Expr::Step(Box::new(place), if symbol == "++" { 1.0 } else { -1.0 }, false))
            }
            Token::Symbol("(") => self.parenthesis(),
            Token::Keyword("getline") => {
                self.next();
                let place = self.getline_place()?;
                let source = match self.take("<") {
                    true => Source::File(Box::new(self.deeper(Parser::file_name)?)),
                    false => Source::Main,
                };
                Ok(Expr::Getline(source, place))
            }
            Token::Function(name) => {
                self.next();
                self.expect("(")?;
                if BuiltIn::is_refused(&name) {
                    return Err(format!("the function `{}`", String::from_utf8_lossy(&name)));
                }
                let arguments = self.plain(|parser| parser.list(")"))?;
                Ok(Expr::Call(self.function(&name), arguments))
            }
            Token::BuiltIn(name) => {
                self.next();
                self.built_in(&name)
            }
            _ => Err(format!("`{}` where a value should be", self.shown())),
        }
    }

    /// The name behind `getline <`: steps and fields, but no operators.
    fn file_name(&mut self) -> Parsed<Expr> {
        self.primary()
    }

    fn parenthesis(&mut self) -> Parsed<Expr> {
        self.next();
        let mut list = self.deeper(|parser| parser.plain(|parser| parser.list(")")))?;
        match list.len() {
            0 => Err("nothing between parentheses".to_owned()),
            // What is in parentheses is no place, and is grouped already.
            1 => Ok(match list.remove(0) {
                Expr::Place(place) => Expr::Grouped(Box::new(Expr::Place(place))),
                expr => expr,
            }),
            _ => Ok(Expr::Group(list)),
        }
    }

    fn getline_place(&mut self) -> Parsed<Option<Box<Place>>> {
        match self.peek() {
            Token::Name(_) | Token::Symbol("$") => Ok(Some(Box::new(self.lvalue()?))),
            _ => Ok(None),
        }
    }

    fn built_in(&mut self, name: &[u8]) -> Parsed<Expr> {
        let shown = String::from_utf8_lossy(name).into_owned();
        let Some((built_in, least, most)) = BuiltIn::find(name) else { return Err(format!("the function `{shown}`")) };
        if !self.take("(") {
            return match built_in {
                BuiltIn::Length => Ok(Expr::BuiltIn(built_in, Vec::new())),
                _ => Err(format!("the function `{shown}` without arguments")),
            };
        }
        let arguments = self.plain(|parser| parser.list(")"))?;
        match (least..=most).contains(&arguments.len()) {
            true => Ok(Expr::BuiltIn(built_in, arguments)),
            false => Err(format!("the function `{shown}` with {} arguments", arguments.len())),
        }
    }
}

pub(super) fn regex(text: &[u8]) -> Parsed<Rc<Regex>> {
    let regex = Regex::new(text, Flavour::Awk, false)?;
    match regex.refusal() {
        Some(why) => Err(why.to_owned()),
        None => Ok(Rc::new(regex)),
    }
}
