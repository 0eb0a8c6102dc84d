//! The values of `$x` and `${x…}`.

use super::expand::Context;
use super::fields::{Kind, Piece};
use super::halt::Outcome;
use super::syntax::{Index, Operation, Parameter, Place, Subject, Word};
use super::{Bytes, Dialect, Shell, Stop, World};

/// What a parameter has: one value, or one for each argument or element.
enum Values {
    One(Option<Bytes>),
    Each(Vec<Bytes>),
    /// To be joined by the first separator when quoted.
    Joined(Vec<Bytes>),
}

/// Variables whose value is the surroundings' and that nobody may guess.
const UNKNOWN: [&[u8]; 9] = [
    b"RANDOM",
    b"SRANDOM",
    b"SECONDS",
    b"EPOCHSECONDS",
    b"EPOCHREALTIME",
    b"HOSTNAME",
    b"BASHPID",
    b"BASH_SOURCE",
    b"FUNCNAME",
];

impl Shell {
    fn values(&mut self, subject: &Subject, index: Option<&Index>, world: &mut dyn World) -> Outcome<Values> {
        Ok(match subject {
            Subject::Special(b'@') => Values::Each(self.arguments.clone()),
            Subject::Special(b'*') => Values::Joined(self.arguments.clone()),
            Subject::Variable(name) => match index {
                Some(Index::Each) => Values::Each(self.array_values(name)),
                Some(Index::Joined) => Values::Joined(self.array_values(name)),
                Some(Index::At(word)) => {
                    let text = self.joined_text(world, word)?;
                    let number = self.arithmetic(world, &text)?;
                    Values::One(self.element(name, number))
                }
                None => Values::One(self.variable(name)?),
            },
            subject => Values::One(self.special(subject)),
        })
    }

    /// A variable's value, also of those that the shell makes.
    pub(super) fn variable(&mut self, name: &[u8]) -> Outcome<Option<Bytes>> {
        if let Some(value) = self.get(name) {
            return Ok(Some(value.clone()));
        }
        let bash = self.dialect == Dialect::Bash;
        Ok(match name {
            b"LINENO" => Some(self.line.to_string().into_bytes()),
            b"PPID" => Some(b"1".to_vec()),
            b"UID" | b"EUID" if bash => Some(b"0".to_vec()),
            b"BASH_VERSION" if bash => Some(b"5.2.15(1)-release".to_vec()),
            name if bash && UNKNOWN.contains(&name) => {
                let name = String::from_utf8_lossy(name).into_owned();
                return Err(Stop::unsupported("", format!("the variable {name}")).into());
            }
            _ => None,
        })
    }

    fn special(&self, subject: &Subject) -> Option<Bytes> {
        let number = |number: usize| Some(number.to_string().into_bytes());
        match subject {
            Subject::Argument(number) => self.arguments.get(number.checked_sub(1)?).cloned(),
            Subject::Special(b'0') => Some(self.name.clone()),
            Subject::Special(b'#') => number(self.arguments.len()),
            Subject::Special(b'?') => number(usize::from(self.status)),
            // A number of its own for whoever makes names from it.
            Subject::Special(b'$') => number(2),
            Subject::Special(b'!') => self.has_background.then(|| b"3".to_vec()),
            Subject::Special(b'-') => Some(self.option_letters()),
            _ => None,
        }
    }

    /// The first byte of IFS, between the values of `$*`.
    fn separator(&self) -> Bytes {
        match self.get(b"IFS") {
            None => b" ".to_vec(),
            Some(separators) => separators.iter().take(1).copied().collect(),
        }
    }

    pub(super) fn parameter(
        &mut self,
        world: &mut dyn World,
        parameter: &Parameter,
        context: Context,
        pieces: &mut Vec<Piece>,
    ) -> Outcome<()> {
        let Parameter { subject, index, indirect, operation } = parameter;
        match operation {
            Operation::Bad => return self.fail(world, "Bad substitution"),
            Operation::Unsupported(what) => return Err(Stop::unsupported("", *what).into()),
            Operation::Names(each) => return self.names_with(subject, *each, context, pieces),
            Operation::Keys => {
                let Subject::Variable(name) = subject else { return Ok(()) };
                let keys =
                    self.arrays.get(name).map(|array| array.keys().map(|key| key.to_string().into_bytes()).collect());
                self.push_list(keys.unwrap_or_default(), matches!(index, Some(Index::Joined)), context, pieces);
                return Ok(());
            }
            _ => {}
        }
        let pointed;
        let (subject, index) = if *indirect {
            pointed = self.pointed(world, subject, index.as_ref())?;
            (&pointed, None)
        } else {
            (subject, index.as_ref())
        };
        let values = self.values(subject, index, world)?;
        let (dash, separator) = (self.dialect == Dialect::Dash, self.separator());
        let missing = |colon: bool| match &values {
            Values::One(None) => true,
            Values::One(Some(value)) => colon && value.is_empty(),
            // To dash there always are arguments, if only none.
            Values::Each(values) | Values::Joined(values) if !colon => values.is_empty() && !dash,
            Values::Each(values) if !dash => values.iter().all(Vec::is_empty) && values.len() < 2,
            Values::Each(values) | Values::Joined(values) => values.join(separator.as_slice()).is_empty(),
        };
        match operation {
            Operation::Default(colon, word) if missing(*colon) => {
                return self.operand(world, word, context, pieces);
            }
            Operation::Alternative(colon, word) => {
                if missing(*colon) {
                    let none = matches!(&values, Values::Each(values) if values.is_empty());
                    if none && context.quoted && self.dialect == Dialect::Bash {
                        self.vanished = true;
                    } else {
                        self.push_one(Bytes::new(), context, pieces);
                    }
                    return Ok(());
                }
                return self.operand(world, word, context, pieces);
            }
            Operation::Assign(colon, word) if missing(*colon) => {
                let Subject::Variable(name) = subject else { return self.fail(world, "bad variable name") };
                let single = Context { split: false, ..context };
                let mut operand = Vec::new();
                self.operand(world, word, single, &mut operand)?;
                let value = super::fields::joined(operand);
                self.assign(world, name, value.clone())?;
                self.push_one(value, context, pieces);
                return Ok(());
            }
            Operation::Error(colon, word) if missing(*colon) => {
                let message = match word {
                    Some(word) => self.single(world, word)?,
                    None if *colon && self.dialect == Dialect::Dash => b"parameter not set or null".to_vec(),
                    None if *colon => b"parameter null or not set".to_vec(),
                    None => b"parameter not set".to_vec(),
                };
                let text = format!("{}: {}", shown(subject), String::from_utf8_lossy(&message));
                return self.fail(world, &text);
            }
            _ => {}
        }
        let handles_missing =
            matches!(operation, Operation::Default(..) | Operation::Assign(..) | Operation::Error(..));
        if self.options.nounset && !handles_missing && matches!(values, Values::One(None)) {
            let text = match self.dialect {
                Dialect::Dash => format!("{}: parameter not set", shown(subject)),
                Dialect::Bash => format!("{}: unbound variable", shown(subject)),
            };
            return self.fail(world, &text);
        }
        if matches!(operation, Operation::Length) {
            let length = match &values {
                Values::One(value) => value.as_ref().map_or(0, Vec::len),
                Values::Each(values) | Values::Joined(values) => values.len(),
            };
            self.push_one(length.to_string().into_bytes(), context, pieces);
            return Ok(());
        }
        if let Operation::Slice(offset, length) = operation {
            return self.slice(world, values, subject, (offset, length.as_ref()), context, pieces);
        }
        match values {
            Values::One(value) => {
                let value = match value {
                    Some(value) => self.changed(world, value, operation)?,
                    None => Bytes::new(),
                };
                self.push_one(value, context, pieces);
            }
            Values::Each(values) => {
                let values = self.all_changed(world, values, operation)?;
                self.push_list(values, false, context, pieces);
            }
            Values::Joined(values) => {
                let values = self.all_changed(world, values, operation)?;
                self.push_list(values, true, context, pieces);
            }
        }
        Ok(())
    }

    fn push_one(&mut self, text: Bytes, context: Context, pieces: &mut Vec<Piece>) {
        pieces.push(Piece { kind: if context.quoted { Kind::Quoted } else { Kind::Split }, text });
    }

    fn push_list(&mut self, values: Vec<Bytes>, joins: bool, context: Context, pieces: &mut Vec<Piece>) {
        let bash = self.dialect == Dialect::Bash;
        if joins && context.quoted || !context.split {
            let separator = if !bash || joins && !context.document { self.separator() } else { b" ".to_vec() };
            self.push_one(values.join(separator.as_slice()), context, pieces);
            return;
        }
        if values.is_empty() && context.quoted {
            self.vanished = true;
        }
        // Bash puts a separator between what it splits then; only white space does nothing there.
        let separator = self.separator();
        let visible = bash && !context.quoted && separator.iter().any(|byte| !b" \t\n".contains(byte));
        for (number, text) in values.into_iter().enumerate() {
            if number > 0 && visible {
                pieces.push(Piece { kind: Kind::Split, text: separator.clone() });
            } else if number > 0 {
                pieces.push(Piece { kind: Kind::Break, text: Bytes::new() });
            }
            self.push_one(text, context, pieces);
        }
    }

    /// The word of `${x:-word}`, whose text is split if it is not quoted.
    fn operand(
        &mut self,
        world: &mut dyn World,
        word: &Word,
        context: Context,
        pieces: &mut Vec<Piece>,
    ) -> Outcome<()> {
        let literal = if context.split { Kind::Split } else { Kind::Plain };
        self.parts(world, &word.parts, Context { literal, ..context }, pieces, true)
    }

    fn all_changed(&mut self, world: &mut dyn World, values: Vec<Bytes>, operation: &Operation) -> Outcome<Vec<Bytes>> {
        values.into_iter().map(|value| self.changed(world, value, operation)).collect()
    }

    /// A value after `#`, `%`, `/`, `^` or `,`.
    fn changed(&mut self, world: &mut dyn World, value: Bytes, operation: &Operation) -> Outcome<Bytes> {
        match operation {
            Operation::Remove { suffix, longest, pattern } => {
                let pattern = self.pattern(world, pattern)?;
                world.spend(pattern.cost(value.len()))?;
                let length = match suffix {
                    true => pattern.suffix(&value, *longest),
                    false => pattern.prefix(&value, *longest),
                };
                let length = length.unwrap_or(0);
                let rest = if *suffix { value.get(..value.len() - length) } else { value.get(length..) };
                Ok(rest.unwrap_or_default().to_vec())
            }
            Operation::Replace { pattern, with, place } => {
                let pattern = self.pattern(world, pattern)?;
                let with = self.single(world, with)?;
                let replaced = replaced(world, &value, &pattern, &with, *place)?;
                self.bounded(replaced)
            }
            Operation::Case { upper, all, pattern } => {
                let any = pattern.parts.is_empty();
                let pattern = self.pattern(world, pattern)?;
                let change = |byte: u8| if *upper { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
                let bytes = value.into_iter().enumerate();
                Ok(bytes
                    .map(
                        |(number, byte)| {
                            if (*all || number == 0) && (any || pattern.matches(&[byte])) { change(byte) } else { byte }
                        },
                    )
                    .collect())
            }
            _ => Ok(value),
        }
    }

    fn slice(
        &mut self,
        world: &mut dyn World,
        values: Values,
        subject: &Subject,
        (offset, length): (&Word, Option<&Word>),
        context: Context,
        pieces: &mut Vec<Piece>,
    ) -> Outcome<()> {
        let text = self.joined_text(world, offset)?;
        let offset = self.arithmetic_or_zero(world, &text)?;
        let length = match length {
            Some(word) => {
                let text = self.joined_text(world, word)?;
                Some(self.arithmetic_or_zero(world, &text)?)
            }
            None => None,
        };
        match values {
            Values::One(value) => {
                let value = value.unwrap_or_default();
                let Some((start, end)) = bounds(value.len(), offset, length, true) else {
                    return self.fail(world, "substring expression < 0");
                };
                self.push_one(value.get(start..end).unwrap_or_default().to_vec(), context, pieces);
            }
            Values::Each(mut values) | Values::Joined(mut values) => {
                // Of the arguments, number 0 is `$0`.
                if matches!(subject, Subject::Special(_)) {
                    values.insert(0, self.name.clone());
                }
                let skipped = usize::from(matches!(subject, Subject::Special(_)) && offset == 0 && length.is_none());
                let Some((start, end)) = bounds(values.len(), offset, length, false) else {
                    return self.fail(world, "substring expression < 0");
                };
                let _ = skipped;
                let joins = matches!(subject, Subject::Special(b'*'));
                self.push_list(values.get(start..end).unwrap_or_default().to_vec(), joins, context, pieces);
            }
        }
        Ok(())
    }

    /// What `${!x}` points to.
    fn pointed(&mut self, world: &mut dyn World, subject: &Subject, index: Option<&Index>) -> Outcome<Subject> {
        let Values::One(Some(name)) = self.values(subject, index, world)? else {
            return self.fail(world, "invalid indirect expansion");
        };
        if super::lexer::is_name(&name) {
            return Ok(Subject::Variable(name));
        }
        match name.as_slice() {
            b"0" => Ok(Subject::Special(b'0')),
            [byte @ (b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!')] => Ok(Subject::Special(*byte)),
            digits if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
                let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                Ok(Subject::Argument(number.unwrap_or(usize::MAX)))
            }
            _ => Err(Stop::unsupported("", "`${!…}` of something that is no name").into()),
        }
    }

    /// `${!prefix*}`
    fn names_with(&mut self, subject: &Subject, each: bool, context: Context, pieces: &mut Vec<Piece>) -> Outcome<()> {
        let Subject::Variable(prefix) = subject else { return Ok(()) };
        let set = self.variables.iter().filter(|(name, variable)| name.starts_with(prefix) && variable.value.is_some());
        let names = set.map(|(name, _)| name.clone()).collect();
        self.push_list(names, !each, context, pieces);
        Ok(())
    }
}

fn shown(subject: &Subject) -> String {
    match subject {
        Subject::Variable(name) => String::from_utf8_lossy(name).into_owned(),
        Subject::Argument(number) => number.to_string(),
        Subject::Special(byte) => char::from(*byte).to_string(),
    }
}

/// Start and end of a slice; nothing if its end lies before its start.
fn bounds(count: usize, offset: i64, length: Option<i64>, text: bool) -> Option<(usize, usize)> {
    let count = i64::try_from(count).ok()?;
    let start = if offset < 0 { count.saturating_add(offset) } else { offset };
    if start < 0 || start > count {
        return Some((0, 0));
    }
    let end = match length {
        None => count,
        Some(length) if length < 0 && text => count.saturating_add(length),
        Some(length) => start.saturating_add(length).min(count),
    };
    if end < start {
        return None;
    }
    Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?))
}

/// A value with what the pattern matches replaced.
fn replaced(
    world: &mut dyn World,
    value: &[u8],
    pattern: &super::pattern::Pattern,
    with: &[u8],
    place: Place,
) -> Result<Bytes, Stop> {
    let mut out = Bytes::new();
    match place {
        Place::Start => {
            world.spend(pattern.cost(value.len()))?;
            if let Some(length) = pattern.prefix(value, true) {
                out.extend_from_slice(with);
                out.extend_from_slice(value.get(length..).unwrap_or_default());
                return Ok(out);
            }
            return Ok(value.to_vec());
        }
        Place::End => {
            world.spend(pattern.cost(value.len()))?;
            if let Some(length) = pattern.suffix(value, true) {
                out.extend_from_slice(value.get(..value.len() - length).unwrap_or_default());
                out.extend_from_slice(with);
                return Ok(out);
            }
            return Ok(value.to_vec());
        }
        Place::First | Place::All if value.is_empty() => {
            let all = !pattern.is_empty() && pattern.matches(b"");
            return Ok(if all { with.to_vec() } else { Bytes::new() });
        }
        Place::First | Place::All => {}
    }
    let mut rest = value;
    let mut done = false;
    while let Some(byte) = rest.first() {
        if !done {
            world.spend(pattern.cost(rest.len()))?;
            if let Some(length) = pattern.prefix(rest, true).filter(|length| *length > 0) {
                out.extend_from_slice(with);
                rest = rest.get(length..).unwrap_or_default();
                done = place == Place::First;
                continue;
            }
        }
        out.push(*byte);
        rest = rest.get(1..).unwrap_or_default();
    }
    Ok(out)
}
