//! Tokens to commands. A script is read line by line, as shells do: what follows an `exit` may be anything.

use std::cell::OnceCell;
use std::rc::Rc;

use super::lexer::{Parser, Pending, Token, is_name};
use super::syntax::{
    Arm, ArmEnd, Body, Chain, Command, Item, Joint, List, Part, Pipeline, Redirection, Simple, Source, Target, Word,
};
use super::{Bytes, Dialect, Stop, assignment, braces, limits};

/// What ends a list: never a command's name.
const CLOSING: [&[u8]; 8] = [b"then", b"do", b"done", b"fi", b"elif", b"else", b"esac", b"}"];

/// Reads a whole text without running it.
pub fn parse_only(text: &[u8], dialect: Dialect) -> Result<(), Stop> {
    let mut parser = Parser::new(text.into(), 1, dialect, 0)?;
    while parser.next_line()?.is_some() {}
    Ok(())
}

/// The word, if nothing of it is quoted or expanded.
pub(super) fn bare(word: &Word) -> Option<&[u8]> {
    match word.parts.as_slice() {
        [Part::Literal(text)] => Some(text),
        _ => None,
    }
}

impl Parser {
    pub(super) fn unexpected(&self, token: &Token) -> Stop {
        let what = match token {
            Token::Word(word) => match bare(word) {
                Some(text) => format!("`{}`", super::quote(text, 40)),
                None => "a word".to_owned(),
            },
            Token::Operator(operator) => format!("`{operator}`"),
            Token::Number(number) => format!("`{number}`"),
            Token::Newline => "a newline".to_owned(),
            Token::End => "the end of the text".to_owned(),
        };
        self.mistake(format!("{what} is not expected here"))
    }

    /// The commands of the next line that has any, with all the lines that they go on over; nothing at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<List>, Stop> {
        self.skip_newlines()?;
        if matches!(self.peek()?, Token::End) {
            return Ok(None);
        }
        let list = self.list(true)?;
        match self.next()? {
            Token::Newline | Token::End => Ok(Some(list)),
            token => Err(self.unexpected(&token)),
        }
    }

    fn skip_newlines(&mut self) -> Result<(), Stop> {
        while matches!(self.peek()?, Token::Newline) {
            self.next()?;
        }
        Ok(())
    }

    fn at_operator(&mut self, wanted: &str) -> Result<bool, Stop> {
        Ok(matches!(self.peek()?, Token::Operator(operator) if *operator == wanted))
    }

    fn at_word(&mut self, wanted: &[u8]) -> Result<bool, Stop> {
        Ok(matches!(self.peek()?, Token::Word(word) if bare(word) == Some(wanted)))
    }

    fn take_operator(&mut self, wanted: &str) -> Result<bool, Stop> {
        let found = self.at_operator(wanted)?;
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn take_word(&mut self, wanted: &[u8]) -> Result<bool, Stop> {
        let found = self.at_word(wanted)?;
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn expect_word(&mut self, wanted: &'static str) -> Result<(), Stop> {
        if self.take_word(wanted.as_bytes())? {
            return Ok(());
        }
        let token = self.next()?;
        let mistake = self.unexpected(&token);
        Err(Stop::new(super::StopKind::Syntax(format!("{} (`{wanted}` is missing)", text_of(&mistake)))).at(self.line))
    }

    fn expect_operator(&mut self, wanted: &'static str) -> Result<(), Stop> {
        if self.take_operator(wanted)? {
            return Ok(());
        }
        let token = self.next()?;
        Err(self.unexpected(&token))
    }

    fn at_end_of_list(&mut self) -> Result<bool, Stop> {
        Ok(match self.peek()? {
            Token::End => true,
            Token::Operator(operator) => matches!(*operator, ")" | ";;" | ";&" | ";;&"),
            Token::Word(word) => bare(word).is_some_and(|text| CLOSING.contains(&text)),
            _ => false,
        })
    }

    /// Commands up to what closes the list, or only up to the end of the line.
    pub(super) fn list(&mut self, line: bool) -> Result<List, Stop> {
        let mut items = Vec::new();
        loop {
            if !line {
                self.skip_newlines()?;
            }
            if self.at_end_of_list()? || (line && matches!(self.peek()?, Token::Newline)) {
                return Ok(items);
            }
            let chain = self.chain()?;
            let background = self.at_operator("&")?;
            items.push(Item { chain, background });
            let separated = background || self.at_operator(";")? || (!line && matches!(self.peek()?, Token::Newline));
            if !separated {
                return Ok(items);
            }
            self.next()?;
        }
    }

    /// A list that must have a command.
    fn body(&mut self) -> Result<List, Stop> {
        let list = self.list(false)?;
        if list.is_empty() {
            let token = self.next()?;
            return Err(self.unexpected(&token));
        }
        Ok(list)
    }

    fn chain(&mut self) -> Result<Chain, Stop> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let joint = match self.peek()? {
                Token::Operator("&&") => Joint::And,
                Token::Operator("||") => Joint::Or,
                _ => return Ok(Chain { first, rest }),
            };
            self.next()?;
            self.skip_newlines()?;
            rest.push((joint, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, Stop> {
        let mut negated = false;
        while self.take_word(b"!")? {
            // Bash takes any number of them, dash one.
            if negated && !self.bash() {
                return Err(self.mistake("`!` is not expected here"));
            }
            negated = !negated;
        }
        let mut commands = Vec::new();
        loop {
            let command = self.nested(|parser| parser.command())?;
            let both = self.at_operator("|&")?;
            commands.push((command, both));
            if !both && !self.at_operator("|")? {
                return Ok(Pipeline { negated, commands });
            }
            self.next()?;
            self.skip_newlines()?;
        }
    }

    fn command(&mut self) -> Result<Command, Stop> {
        let (start, line) = self.place()?;
        let compound = self.compound()?;
        let (body, redirections) = match compound {
            Some(Body::Function(name, command)) => (Body::Function(name, command), Vec::new()),
            Some(body) => {
                let mut redirections = Vec::new();
                while let Some(redirection) = self.redirection()? {
                    redirections.push(redirection);
                }
                (body, redirections)
            }
            None => self.simple()?,
        };
        let end = self.ahead.as_ref().map_or(self.at, |(_, start, _)| *start);
        let source = Source { text: self.text.clone(), range: start..end.max(start) };
        Ok(Command { line, body, redirections, source })
    }

    /// A command that begins with a reserved word or a parenthesis.
    fn compound(&mut self) -> Result<Option<Body>, Stop> {
        let bash = self.bash();
        let word = match self.peek()? {
            Token::Operator("(") => return self.parenthesis_command().map(Some),
            Token::Word(word) => match bare(word) {
                Some(text) => text.to_vec(),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let reserved: fn(&mut Parser) -> Result<Body, Stop> = match word.as_slice() {
            b"{" => |parser| {
                let list = parser.body()?;
                parser.expect_word("}")?;
                Ok(Body::Group(list))
            },
            b"if" => Parser::if_command,
            b"while" => |parser| parser.loop_command(false),
            b"until" => |parser| parser.loop_command(true),
            b"for" => Parser::for_command,
            b"case" => Parser::case_command,
            b"[[" if bash => |parser| Ok(Body::Conditional(parser.condition()?)),
            b"function" if bash => Parser::function_keyword,
            b"select" | b"coproc" if bash => |_| Ok(Body::Unsupported("`select` and `coproc`")),
            _ if CLOSING.contains(&word.as_slice()) => {
                let token = self.next()?;
                return Err(self.unexpected(&token));
            }
            _ => return Ok(None),
        };
        self.next()?;
        reserved(self).map(Some)
    }

    /// `(`: a subshell, or bash's `((…))`.
    fn parenthesis_command(&mut self) -> Result<Body, Stop> {
        let (start, line) = self.place()?;
        self.next()?;
        if self.bash() && self.byte() == Some(b'(') && !self.not_arithmetic.contains(&start) {
            let (at, pending) = (self.at, self.pending.clone());
            self.at += 1;
            if let Some(word) = self.nested(|parser| parser.arithmetic_text())? {
                return Ok(Body::Arithmetic(word));
            }
            self.not_arithmetic.insert(start);
            self.at = at;
            self.line = line;
            self.pending = pending;
        }
        let list = self.body()?;
        self.expect_operator(")")?;
        Ok(Body::Subshell(list))
    }

    fn if_command(&mut self) -> Result<Body, Stop> {
        let mut branches = Vec::new();
        loop {
            let condition = self.body()?;
            self.expect_word("then")?;
            branches.push((condition, self.body()?));
            if self.take_word(b"elif")? {
                continue;
            }
            let otherwise = if self.take_word(b"else")? { Some(self.body()?) } else { None };
            self.expect_word("fi")?;
            return Ok(Body::If(branches, otherwise));
        }
    }

    fn do_body(&mut self) -> Result<List, Stop> {
        self.expect_word("do")?;
        let body = self.body()?;
        self.expect_word("done")?;
        Ok(body)
    }

    fn loop_command(&mut self, until: bool) -> Result<Body, Stop> {
        let condition = self.body()?;
        Ok(Body::Loop { until, condition, body: self.do_body()? })
    }

    fn for_command(&mut self) -> Result<Body, Stop> {
        if self.bash() && self.at_operator("(")? && self.byte() == Some(b'(') {
            self.next()?;
            return self.for_arithmetic();
        }
        let name = match self.next()? {
            Token::Word(word) => bare(&word).filter(|name| is_name(name)).map(<[u8]>::to_vec),
            _ => None,
        };
        let Some(name) = name else { return Err(self.mistake("`for` without the name of a variable")) };
        let mut semicolon = false;
        if self.at_operator(";")? {
            self.next()?;
            semicolon = true;
        }
        self.skip_newlines()?;
        let mut words = None;
        if !semicolon && self.take_word(b"in")? {
            let mut list = Vec::new();
            while matches!(self.peek()?, Token::Word(_)) {
                if let Token::Word(word) = self.next()? {
                    self.add_word(&mut list, word)?;
                }
            }
            match self.next()? {
                Token::Newline | Token::Operator(";") => {}
                token => return Err(self.unexpected(&token)),
            }
            words = Some(list);
            self.skip_newlines()?;
        }
        Ok(Body::For { name, words, body: self.for_body()? })
    }

    /// Bash takes braces too.
    fn for_body(&mut self) -> Result<List, Stop> {
        if self.bash() && self.take_word(b"{")? {
            let body = self.body()?;
            self.expect_word("}")?;
            return Ok(body);
        }
        self.do_body()
    }

    /// Between the two opening parentheses.
    fn for_arithmetic(&mut self) -> Result<Body, Stop> {
        self.at += 1;
        let mistake = self.mistake("`for ((` without two semicolons and `))`");
        let Some(Word { parts }) = self.nested(|parser| parser.arithmetic_text())? else { return Err(mistake) };
        let Some(Part::Double(parts)) = parts.into_iter().next() else { return Err(mistake) };
        let (mut pieces, mut piece) = (Vec::new(), Vec::new());
        for part in parts {
            let Part::Literal(text) = part else {
                piece.push(part);
                continue;
            };
            for (number, text) in text.split(|byte| *byte == b';').enumerate() {
                if number > 0 {
                    pieces.push(std::mem::take(&mut piece));
                }
                piece.push(Part::Literal(text.to_vec()));
            }
        }
        pieces.push(piece);
        let pieces: Vec<Word> = pieces.into_iter().map(|parts| Word { parts: vec![Part::Double(parts)] }).collect();
        let parts: [Word; 3] = pieces.try_into().map_err(|_| mistake)?;
        if self.at_operator(";")? {
            self.next()?;
        }
        self.skip_newlines()?;
        Ok(Body::ForArithmetic { parts, body: self.for_body()? })
    }

    fn case_command(&mut self) -> Result<Body, Stop> {
        let Token::Word(subject) = self.next()? else { return Err(self.mistake("`case` without a word")) };
        self.skip_newlines()?;
        self.expect_word("in")?;
        let mut arms = Vec::new();
        loop {
            self.skip_newlines()?;
            if self.take_word(b"esac")? {
                return Ok(Body::Case(subject, arms));
            }
            self.take_operator("(")?;
            let mut patterns = Vec::new();
            loop {
                match self.next()? {
                    Token::Word(word) => patterns.push(word),
                    token => return Err(self.unexpected(&token)),
                }
                if !self.take_operator("|")? {
                    break;
                }
            }
            self.expect_operator(")")?;
            let body = self.list(false)?;
            let end = match self.peek()? {
                Token::Operator(";;") => ArmEnd::Leave,
                Token::Operator(";&") => ArmEnd::Fall,
                Token::Operator(";;&") => ArmEnd::Test,
                _ => {
                    arms.push(Arm { patterns, body, end: ArmEnd::Leave });
                    self.expect_word("esac")?;
                    return Ok(Body::Case(subject, arms));
                }
            };
            self.next()?;
            arms.push(Arm { patterns, body, end });
        }
    }

    fn function_keyword(&mut self) -> Result<Body, Stop> {
        let Token::Word(word) = self.next()? else { return Err(self.mistake("`function` without a name")) };
        let Some(name) = bare(&word).map(<[u8]>::to_vec) else {
            return Err(self.mistake("a function's name with quotes or expansions"));
        };
        if self.take_operator("(")? {
            self.expect_operator(")")?;
        }
        self.function_body(name)
    }

    fn function_body(&mut self, name: Bytes) -> Result<Body, Stop> {
        self.skip_newlines()?;
        let body = self.nested(|parser| parser.command())?;
        if self.bash() && matches!(body.body, Body::Simple(_)) {
            return Err(self.mistake("a function whose body is no compound command"));
        }
        Ok(Body::Function(name, Rc::new(body)))
    }

    fn add_word(&self, words: &mut Vec<Word>, word: Word) -> Result<(), Stop> {
        if self.bash() {
            words.extend(braces::expand(word).map_err(|stop| stop.at(self.line))?);
        } else {
            words.push(word);
        }
        Ok(())
    }

    fn alias(&self, word: &Word) -> Option<&[Word]> {
        self.aliases.get(bare(word)?).map(AsRef::as_ref)
    }

    /// The words of a text that is nothing else; nothing if it is more than that.
    pub(super) fn only_words(&mut self) -> Result<Option<Vec<Word>>, Stop> {
        let mut words = Vec::new();
        loop {
            match self.next()? {
                Token::Word(word) if words.is_empty() && assignment::assignment(&word, false).is_some() => {
                    return Ok(None);
                }
                Token::Word(word) => words.push(word),
                Token::End => return Ok(Some(words)),
                _ => return Ok(None),
            }
        }
    }

    fn simple(&mut self) -> Result<(Body, Vec<Redirection>), Stop> {
        let mut simple = Simple::default();
        let mut redirections = Vec::new();
        loop {
            if let Some(redirection) = self.redirection()? {
                redirections.push(redirection);
                continue;
            }
            match self.peek()? {
                Token::Word(_) => {
                    let Token::Word(word) = self.next()? else { continue };
                    match assignment::assignment(&word, self.bash()) {
                        Some(assignment) if simple.words.is_empty() => simple.assignments.push(assignment),
                        _ if simple.words.is_empty() && self.alias(&word).is_some() => {
                            simple.words.extend(self.alias(&word).into_iter().flatten().cloned());
                        }
                        _ => self.add_word(&mut simple.words, word)?,
                    }
                }
                Token::Operator("(")
                    if simple.words.len() == 1 && simple.assignments.is_empty() && redirections.is_empty() =>
                {
                    let name = simple.words.first().and_then(bare).map(<[u8]>::to_vec);
                    let named = name.filter(|name| self.bash() || is_name(name));
                    let Some(name) = named else { return Err(self.mistake("`(` is not expected here")) };
                    self.next()?;
                    self.expect_operator(")")?;
                    return Ok((self.function_body(name)?, Vec::new()));
                }
                _ => break,
            }
        }
        if simple.words.is_empty() && simple.assignments.is_empty() && redirections.is_empty() {
            let token = self.next()?;
            return Err(self.unexpected(&token));
        }
        Ok((Body::Simple(simple), redirections))
    }

    /// A redirection if one comes.
    fn redirection(&mut self) -> Result<Option<Redirection>, Stop> {
        let number = match self.peek()? {
            Token::Number(number) => Some(*number),
            _ => None,
        };
        if let Some(number) = number {
            if number > limits::DESCRIPTOR {
                return Err(self.mistake(format!("the file descriptor {number}")));
            }
            self.next()?;
        }
        let operator = match self.peek()? {
            Token::Operator(operator) if operator.starts_with(['<', '>']) || operator.starts_with("&>") => *operator,
            token if number.is_some() => {
                let token = token.clone();
                return Err(self.unexpected(&token));
            }
            _ => return Ok(None),
        };
        self.next()?;
        let (start, _) = self.place()?;
        let Token::Word(word) = self.next()? else { return Err(self.mistake(format!("`{operator}` without a word"))) };
        let raw = self.text.get(start..self.at).unwrap_or_default();
        let descriptor = number.unwrap_or(u32::from(!operator.starts_with('<')));
        let target = match operator {
            "<" => Target::Read(word),
            ">" => Target::Write(word),
            ">|" => Target::Clobber(word),
            ">>" => Target::Append(word),
            "<>" => Target::Both(word),
            // Bash's other way to write `&>file`.
            ">&" if self.bash() && number.is_none() && !is_descriptor(&word) => Target::Everything(word, false),
            "<&" | ">&" => Target::Duplicate(word),
            "&>" => Target::Everything(word, false),
            "&>>" => Target::Everything(word, true),
            "<<<" => Target::Text(word),
            _ => {
                let (delimiter, quoted) = delimiter(raw);
                let text = Rc::new(OnceCell::new());
                self.pending.push(Pending { text: text.clone(), delimiter, quoted, tabs: operator == "<<-" });
                Target::Here(text)
            }
        };
        Ok(Some(Redirection { descriptor, target }))
    }
}

fn text_of(stop: &Stop) -> String {
    match &stop.kind {
        super::StopKind::Syntax(text) => text.clone(),
        kind => kind.to_string(),
    }
}

/// Whether what stands behind `>&` can be a number; an expansion can.
fn is_descriptor(word: &Word) -> bool {
    match bare(word) {
        Some(text) => text == b"-" || text.iter().all(u8::is_ascii_digit) || text.ends_with(b"-"),
        None => true,
    }
}

/// A here-document's delimiter without its quotes, and whether it had any.
fn delimiter(raw: &[u8]) -> (Bytes, bool) {
    let mut text = Bytes::new();
    let mut quoted = false;
    let mut inside = None;
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, inside) {
            (b'\'' | b'"', None) => {
                quoted = true;
                inside = Some(byte);
            }
            (byte, Some(quote)) if byte == quote => inside = None,
            (b'\\', None | Some(b'"')) => {
                quoted = true;
                if bytes.peek() == Some(&b'\n') {
                    bytes.next();
                } else {
                    text.extend(bytes.next());
                }
            }
            (byte, _) => text.push(byte),
        }
    }
    (text, quoted)
}
