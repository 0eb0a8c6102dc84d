//! The shell language of scriptlets, as far as they use it: words, redirections to nowhere, and the constructs around
//! commands.
//!
//! Takes the lines of a script and gives one statement after the other. Where the text cannot be read (functions,
//! here-documents, quotations over several lines, deep nesting), [`Statements`] ends, and what is left of the script is
//! not known. Grammar: POSIX.1-2017, XCU 2.10, and bash's `[[`, `&>`.

use super::residue::Line;
use super::rpm_commands::scratch;
pub(super) use super::words::{Argument, Variables, Word};
use super::words::{assignment, braces, word};

/// How many lines one may be continued over.
const JOINED_LINES: usize = 200;
/// How deep constructs may lie in each other.
pub(super) const NESTING: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(Word),
    Operator(&'static str),
    Redirection {
        harmless: bool,
        /// To the list of login shells.
        shells: bool,
    },
    /// Text that is not understood.
    Bad,
}

pub(super) type List = Vec<AndOr>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AndOr {
    pub(super) first: Pipeline,
    /// `true` stands for `&&`, `false` for `||`.
    pub(super) rest: Vec<(bool, Pipeline)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pipeline {
    pub(super) inverted: bool,
    pub(super) commands: Vec<Command>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Simple {
        assignments: Vec<(String, Word)>,
        words: Vec<Word>,
    },
    If {
        branches: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    For {
        name: String,
        words: Vec<Word>,
        body: List,
    },
    Case {
        word: Word,
        arms: Vec<List>,
    },
    Group {
        list: List,
        subshell: bool,
    },
    /// Loops with conditions, and output that goes somewhere.
    Other,
}

impl Command {
    /// The words of a plain command as written; none of anything else.
    pub(super) fn raw(&self) -> Vec<&str> {
        match self {
            Command::Simple { words, assignments } if assignments.is_empty() => {
                words.iter().map(|word| word.raw.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A program's name without the directory that it is called in.
pub(super) fn program(path: &str) -> &str {
    let directories = ["/usr/lib/systemd/", "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/libexec/"];
    directories.iter().find_map(|directory| path.strip_prefix(directory)).unwrap_or(path)
}

/// One statement after the other, each with the places of its first and last line among the lines given.
#[derive(Debug)]
pub(super) struct Statements {
    tokens: Vec<Placed>,
    at: usize,
}

/// A token, and the places of the first and last of the lines that it was read from.
#[derive(Debug)]
struct Placed {
    token: Token,
    first: usize,
    last: usize,
}

impl Statements {
    pub(super) fn of(lines: &[Line]) -> Statements {
        Statements { tokens: tokens(lines), at: 0 }
    }

    /// The line of the first token that was not read; nothing at the end.
    pub(super) fn unread(&mut self) -> Option<usize> {
        self.blanks();
        self.tokens.get(self.at).map(|placed| placed.first)
    }

    /// The next statement; nothing if it cannot be read, after which there is no other.
    pub(super) fn next(&mut self) -> Option<(AndOr, usize, usize)> {
        let first = self.unread()?;
        let statement = self.and_or(0)?;
        let last = self.tokens.get(self.at.checked_sub(1)?)?.last;
        matches!(self.peek(), None | Some(Token::Operator("\n" | ";"))).then_some((statement, first, last))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|placed| &placed.token)
    }

    fn word(&self) -> Option<&str> {
        if let Some(Token::Word(word)) = self.peek() { Some(&word.raw) } else { None }
    }

    fn operator(&mut self, operator: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Operator(known)) if *known == operator);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        (self.word() == Some(word)).then(|| self.at += 1)
    }

    fn blanks(&mut self) {
        while self.operator("\n") || self.operator(";") {}
    }

    /// Statements up to one of these words or operators, which is left.
    fn list(&mut self, ends: &[&str], depth: usize) -> Option<List> {
        let mut list = Vec::new();
        loop {
            self.blanks();
            let ended = match self.peek()? {
                Token::Word(word) => ends.contains(&word.raw.as_str()),
                Token::Operator(operator) => ends.contains(operator),
                _ => false,
            };
            if ended {
                return Some(list);
            }
            list.push(self.and_or(depth)?);
            match self.peek()? {
                Token::Operator("\n" | ";") => {}
                Token::Operator(operator) if ends.contains(operator) => {}
                _ => return None,
            }
        }
    }

    fn and_or(&mut self, depth: usize) -> Option<AndOr> {
        let first = self.pipeline(depth)?;
        let mut rest = Vec::new();
        loop {
            let and = self.operator("&&");
            if !and && !self.operator("||") {
                return Some(AndOr { first, rest });
            }
            while self.operator("\n") {}
            rest.push((and, self.pipeline(depth)?));
        }
    }

    fn pipeline(&mut self, depth: usize) -> Option<Pipeline> {
        let inverted = self.expect("!").is_some();
        let mut commands = vec![self.command(depth)?];
        while self.operator("|") {
            while self.operator("\n") {}
            commands.push(self.command(depth)?);
        }
        Some(Pipeline { inverted, commands })
    }

    fn command(&mut self, depth: usize) -> Option<Command> {
        if depth >= NESTING {
            return None;
        }
        let inner = depth + 1;
        if self.operator("(") {
            let list = self.list(&[")"], inner)?;
            self.at += 1;
            return self.redirected(Command::Group { list, subshell: true });
        }
        let command = match self.word()? {
            "if" => self.choice(inner)?,
            "for" => {
                self.at += 1;
                let name = self.word()?.to_owned();
                self.at += 1;
                let mut words = Vec::new();
                if self.expect("in").is_some() {
                    while let Some(Token::Word(word)) = self.peek() {
                        words.extend(braces(word.clone()));
                        self.at += 1;
                    }
                }
                let body = self.body(inner)?;
                Command::For { name, words, body }
            }
            "while" | "until" => {
                self.at += 1;
                self.list(&["do"], inner)?;
                self.body(inner)?;
                Command::Other
            }
            "case" => self.case(inner)?,
            "{" => {
                self.at += 1;
                let list = self.list(&["}"], inner)?;
                self.at += 1;
                Command::Group { list, subshell: false }
            }
            "then" | "fi" | "do" | "done" | "else" | "elif" | "esac" | "in" | "}" | "function" | "select" | "time"
            | "coproc" => return None,
            _ => return self.simple(),
        };
        self.redirected(command)
    }

    fn choice(&mut self, depth: usize) -> Option<Command> {
        let (mut branches, mut otherwise) = (Vec::new(), None);
        loop {
            self.at += 1;
            let condition = self.list(&["then"], depth)?;
            self.at += 1;
            branches.push((condition, self.list(&["elif", "else", "fi"], depth)?));
            if self.word()? != "elif" {
                break;
            }
        }
        if self.expect("else").is_some() {
            otherwise = Some(self.list(&["fi"], depth)?);
        }
        self.expect("fi")?;
        Some(Command::If { branches, otherwise })
    }

    fn body(&mut self, depth: usize) -> Option<List> {
        self.blanks();
        self.expect("do")?;
        let body = self.list(&["done"], depth)?;
        self.at += 1;
        Some(body)
    }

    fn case(&mut self, depth: usize) -> Option<Command> {
        self.at += 1;
        let Some(Token::Word(word)) = self.peek().cloned() else { return None };
        self.at += 1;
        self.blanks();
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.blanks();
            if self.expect("esac").is_some() {
                return Some(Command::Case { word, arms });
            }
            self.operator("(");
            while !self.operator(")") {
                if self.word().is_none() && !matches!(self.peek(), Some(Token::Operator("|"))) {
                    return None;
                }
                self.at += 1;
            }
            arms.push(self.list(&[";;", "esac"], depth)?);
            self.operator(";;");
        }
    }

    /// Redirections after a construct.
    fn redirected(&mut self, command: Command) -> Option<Command> {
        let mut all = true;
        while let Some(Token::Redirection { harmless, .. }) = self.peek() {
            all &= harmless;
            self.at += 1;
        }
        Some(if all { command } else { Command::Other })
    }

    fn simple(&mut self) -> Option<Command> {
        let (mut assignments, mut words, mut all, mut listed) = (Vec::new(), Vec::new(), true, false);
        loop {
            match self.peek() {
                Some(Token::Word(word)) => match assignment(word).filter(|_| words.is_empty()) {
                    Some(assigned) => assignments.push(assigned),
                    None => words.extend(braces(word.clone())),
                },
                Some(Token::Redirection { harmless, shells }) => {
                    all &= harmless | shells;
                    listed |= shells;
                }
                Some(Token::Bad | Token::Operator("(")) => return None,
                _ => break,
            }
            self.at += 1;
        }
        if listed {
            // `echo PATH >> /etc/shells`, as add-shell(8) does it.
            let [echo, _] = words.as_slice() else { return Some(Command::Other) };
            if echo.raw != "echo" || !assignments.is_empty() {
                return Some(Command::Other);
            }
            words[0] = Word::plain("add-shell");
        }
        Some(if all { Command::Simple { assignments, words } } else { Command::Other })
    }
}

/// Longest first.
const OPERATORS: [&str; 9] = ["&&", "||", ";;", ";", "&", "|", "(", ")", "\n"];

fn tokens(lines: &[Line]) -> Vec<Placed> {
    let mut tokens = Vec::new();
    let mut next = 0;
    while let Some((text, first, last)) = joined(lines, next) {
        next = last + 1;
        let mut rest = text.as_str();
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            if rest.starts_with('#') {
                // Lines may be joined that are not: each ends its comment and its command.
                rest = rest.find('\n').map_or("", |end| &rest[end..]);
            }
            if rest.is_empty() {
                break;
            }
            let Some((token, after)) = token(rest) else {
                tokens.push(Placed { token: Token::Bad, first, last });
                return tokens;
            };
            tokens.push(Placed { token, first, last });
            rest = after;
        }
        tokens.push(Placed { token: Token::Operator("\n"), first, last });
    }
    tokens
}

/// The line at `first`, with those after it that a backslash or an open quotation joins to it, and the last of them. A
/// line that was left out ends it.
fn joined(lines: &[Line], first: usize) -> Option<(String, usize, usize)> {
    let mut text = lines.get(first)?.text.clone();
    let mut last = first;
    let mut end = End::after(None, &text);
    while matches!(end, End::Quotation(_) | End::Backslash(_)) && last - first < JOINED_LINES {
        let Some(line) = lines.get(last + 1).filter(|line| line.number == lines[last].number + 1) else { break };
        let open = match end {
            End::Quotation(mark) => {
                text.push('\n');
                Some(mark)
            }
            End::Backslash(open) => {
                text.pop();
                text.push(' ');
                open
            }
            End::Plain => None,
        };
        end = End::after(open, &line.text);
        text.push_str(&line.text);
        last += 1;
    }
    match end {
        End::Plain => {}
        End::Backslash(None) => drop(text.pop()),
        // What never ends is left to whoever reads the first line.
        _ => return Some((lines[first].text.clone(), first, first)),
    }
    Some((text, first, last))
}

/// How a line ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Plain,
    /// In a quotation with this mark.
    Quotation(char),
    /// With a backslash, in this quotation.
    Backslash(Option<char>),
}

impl End {
    fn after(mut open: Option<char>, text: &str) -> End {
        let (mut letters, mut before) = (text.chars(), ' ');
        while let Some(letter) = letters.next() {
            match (open, letter) {
                (None, '#') if before.is_whitespace() || ";&|()".contains(before) => return End::Plain,
                (None | Some('"'), '\\') if letters.next().is_none() => return End::Backslash(open),
                // It took the letter behind it along.
                (None | Some('"'), '\\') => {}
                (None, '\'' | '"') => open = Some(letter),
                (Some(mark), letter) if mark == letter => open = None,
                _ => {}
            }
            before = letter;
        }
        open.map_or(End::Plain, End::Quotation)
    }
}

fn token(text: &str) -> Option<(Token, &str)> {
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    if let Some(found) = redirection(&text[digits..]) {
        return found;
    }
    if text.starts_with("&>") {
        return redirection(&text[1..])?;
    }
    if let Some(operator) = OPERATORS.iter().find(|operator| text.starts_with(**operator)) {
        return Some((Token::Operator(operator), &text[operator.len()..]));
    }
    let (word, rest) = word(text)?;
    Some((Token::Word(word), rest))
}

/// The redirection that `text` begins with, or nothing inside if it is one that is not understood.
fn redirection(text: &str) -> Option<Option<(Token, &str)>> {
    let reads = text.starts_with('<') && !text.starts_with("<>");
    let after = text.strip_prefix(['<', '>'])?;
    let mut after = after.strip_prefix(['>', '|']).unwrap_or(after);
    if after.starts_with('<') {
        return Some(None);
    }
    let copied = after.starts_with('&');
    after = after.strip_prefix('&').unwrap_or(after).trim_start();
    let Some((target, rest)) = word(after) else { return Some(None) };
    let number = target.raw.chars().all(|letter| letter.is_ascii_digit() || letter == '-');
    let name = target.raw.trim_matches('"');
    let nowhere = ["/dev/null", "dev/null"].contains(&name) || scratch(name);
    // Of a file that is read only the name has to be harmless.
    let harmless = nowhere || copied && number || reads && !copied && !target.raw.contains(['$', '`', '(']);
    Some(Some((Token::Redirection { harmless, shells: name == "/etc/shells" && !reads && !copied }, rest)))
}

#[cfg(test)]
mod tests {
    use super::super::words::{COMMAND_BYTES, VALUE_BYTES};
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        text.lines().enumerate().map(|(at, line)| Line { number: at + 1, text: line.trim().to_owned() }).collect()
    }

    /// The words of the only command; `?` after those that are not certain.
    fn of(text: &str) -> Option<String> {
        let mut statements = Statements::of(&lines(text));
        let (statement, _, _) = statements.next()?;
        let [Command::Simple { words, .. }] = statement.first.commands.as_slice() else { return None };
        let arguments = Variables::default().expand(words)?;
        let end = statements.unread().is_none() && statement.rest.is_empty();
        let text = |argument: &Argument| {
            let mark = if argument.certain { "" } else { "?" };
            format!("{}{mark}{}", argument.text, if argument.harmless { "" } else { "!" })
        };
        end.then(|| arguments.iter().map(text).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn a_command_is_its_words() {
        for (text, words) in [
            (
                "useradd -c \"a b\" -d '/x y' --shell=/bin/sh n >/dev/null 2>&1",
                "useradd|-c|a b|-d|/x y|--shell=/bin/sh|n",
            ),
            ("a '' b \"\"; # c", "a||b|"),
            ("a $B \"$B\" x${B}y *", "a|?|?|xy?|*?"),
            ("a `b` $(b) `uname -i` \"$(readlink -e $x$y)\"", "a|?!|?!|?|?"),
            ("a \\\n b &> /dev/null 2>dev/null", "a|b"),
            ("a \"\\$b\" 'c'\"d\"\\ e", "a|$b|cd e"),
        ] {
            assert_eq!(of(text).as_deref(), Some(words), "{text}");
        }
        for text in ["a | b", "a > /etc/x", "a 'b", "a & b", "(a)", "a <<E", "f() { a; }", "a $(b", "a > $x"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn variables_are_the_longest_that_fit() {
        let mut variables = Variables::default();
        for (name, value) in [("pfx", "/a"), ("pfx6", "/b"), ("two", "a b")] {
            variables.set(name, Some(value));
        }
        let (statement, ..) = Statements::of(&lines("$pfx6 $pfx-x ${pfx}6 $pfxs $two")).next().unwrap();
        let Command::Simple { words, .. } = &statement.first.commands[0] else { panic!() };
        let texts: Vec<String> = variables.expand(words).unwrap().into_iter().map(|it| it.text).collect();
        assert_eq!(texts, ["/b", "/a-x", "/a6", "", ""]);
    }

    #[test]
    fn variables_do_not_grow_without_bound() {
        let mut variables = Variables::default();
        variables.set("a", Some(&"A".repeat(VALUE_BYTES + 1)));
        assert!(variables.0.is_empty());
        variables.set("a", Some(&"A".repeat(VALUE_BYTES)));
        let many = format!("echo {}", "$a".repeat(COMMAND_BYTES / VALUE_BYTES + 1));
        let (statement, ..) = Statements::of(&lines(&many)).next().unwrap();
        let Command::Simple { words, .. } = &statement.first.commands[0] else { panic!() };
        assert_eq!(variables.expand(words), None);
    }

    #[test]
    fn a_line_left_out_ends_a_command_and_deep_nesting_is_not_read() {
        let parted = [Line { number: 1, text: "echo \\".into() }, Line { number: 3, text: "useradd x".into() }];
        let mut statements = Statements::of(&parted);
        assert_eq!((statements.next().unwrap().2, statements.next().unwrap().1), (0, 1));
        let deep = |depth: usize| format!("{}x\n{}", "if a; then\n".repeat(depth), "fi\n".repeat(depth));
        assert!(Statements::of(&lines(&deep(NESTING - 1))).next().is_some());
        assert!(Statements::of(&lines(&deep(NESTING))).next().is_none());
        assert!(Statements::of(&lines(&deep(100_000))).next().is_none());
    }
}
