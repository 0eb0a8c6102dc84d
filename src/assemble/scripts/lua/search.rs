//! The functions of Lua's string library that search, over [`patterns`](super::patterns).

use mlua::{Lua, MultiValue, Value};

use super::fuel::{Fuel, MEMORY, over};
use super::patterns::{Capture, Fault, Found, Matcher, plain};

/// `find`, `match`, `gsub` with a text, and the steps of `gmatch` (`next`) and of the other `gsub` (`place`).
///
/// Arguments: which, the text, the pattern, and what else it takes. Whether it is fine, and the values or the message.
pub(super) fn call(lua: &Lua, fuel: &Fuel, arguments: MultiValue) -> mlua::Result<MultiValue> {
    let arguments: Vec<Value> = arguments.into_iter().collect();
    let text = |index: usize| arguments.get(index).and_then(Value::as_string).map(|text| text.as_bytes().to_vec());
    let (Some(which), Some(subject), Some(pattern)) = (text(0), text(1), text(2)) else { return Err(over()) };
    let work = (subject.len() + pattern.len()) as u64 / 256;
    if !fuel.spend(1 + work) {
        return Err(over());
    }
    let search = Search { lua, fuel, subject, pattern, arguments: &arguments };
    let result = match which.as_slice() {
        b"find" => search.find(true),
        b"match" => search.find(false),
        b"gsub" => search.replace(&text(3).unwrap_or_default()),
        b"place" => search.next(true),
        _ => search.next(false),
    };
    let mut values = match result {
        Ok(values) => values,
        Err(Trouble::Lua(error)) => return Err(error),
        Err(Trouble::Fault(Fault::Steps)) => {
            fuel.spend(u64::MAX);
            return Err(over());
        }
        Err(Trouble::Fault(Fault::Pattern(message))) => {
            return Ok([Value::Boolean(false), Value::String(lua.create_string(message)?)].into_iter().collect());
        }
    };
    values.insert(0, Value::Boolean(true));
    Ok(MultiValue::from_vec(values))
}

enum Trouble {
    Fault(Fault),
    Lua(mlua::Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Fault(fault)
    }
}

impl From<mlua::Error> for Trouble {
    fn from(error: mlua::Error) -> Trouble {
        Trouble::Lua(error)
    }
}

fn fault<T>(message: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Fault(Fault::Pattern(message.into())))
}

struct Search<'s> {
    lua: &'s Lua,
    fuel: &'s Fuel,
    subject: Vec<u8>,
    pattern: Vec<u8>,
    arguments: &'s [Value],
}

/// A place as Lua counts: from 1.
fn place(at: usize) -> Value {
    Value::Integer(i64::try_from(at).unwrap_or(i64::MAX).saturating_add(1))
}

impl Search<'_> {
    fn argument(&self, index: usize) -> &Value {
        self.arguments.get(index).unwrap_or(&Value::Nil)
    }

    fn matcher(&self, anchors: bool) -> Matcher<'_> {
        Matcher::new(&self.subject, &self.pattern, anchors, self.fuel.left())
    }

    /// Where to begin, from 0; negative numbers count from the end. Nothing behind the end.
    fn start(&self, function: &str) -> Result<Option<usize>, Trouble> {
        let start = match self.argument(3) {
            Value::Nil => 1,
            value => match self.lua.coerce_integer(value.clone())? {
                Some(number) => number,
                None => {
                    return fault(format!(
                        "bad argument #3 to '{function}' (number expected, got {})",
                        value.type_name()
                    ));
                }
            },
        };
        let length = i64::try_from(self.subject.len()).unwrap_or(i64::MAX);
        let start = if start > 0 {
            start - 1
        } else if start == 0 {
            0
        } else {
            (length + start).max(0)
        };
        Ok(usize::try_from(start).ok().filter(|start| *start <= self.subject.len()))
    }

    fn capture(&self, capture: Capture) -> Result<Value, Trouble> {
        match capture {
            Capture::Position(at) => Ok(place(at)),
            Capture::Part(start, length) => {
                let part = self.subject.get(start..start + length).unwrap_or_default();
                Ok(Value::String(self.lua.create_string(part)?))
            }
            Capture::Open(_) => fault("unfinished capture"),
        }
    }

    /// The captures; all that was found where there are none and `whole`.
    fn captures(&self, found: &Found, whole: bool) -> Result<Vec<Value>, Trouble> {
        if found.captures.is_empty() && whole {
            return Ok(vec![self.capture(Capture::Part(found.start, found.end - found.start))?]);
        }
        found.captures.iter().map(|capture| self.capture(*capture)).collect()
    }

    fn find(&self, places: bool) -> Result<Vec<Value>, Trouble> {
        let Some(start) = self.start(if places { "find" } else { "match" })? else { return Ok(vec![Value::Nil]) };
        let is_plain = !matches!(self.argument(4), Value::Nil | Value::Boolean(false));
        // Without a sign that begins something, even an odd bracket is a letter.
        let has_signs = self.pattern.iter().any(|letter| b"^$*+?.([%-".contains(letter));
        if places && (is_plain || !has_signs) {
            let (at, left) = plain(&self.subject, &self.pattern, start, self.fuel.left())?;
            self.fuel.set(left);
            return Ok(at.map_or(vec![Value::Nil], |at| {
                let end = at + self.pattern.len();
                vec![place(at), Value::Integer(i64::try_from(end).unwrap_or(i64::MAX))]
            }));
        }
        let mut matcher = self.matcher(true);
        let found = matcher.find(start, None);
        self.fuel.set(matcher.steps);
        let Some(found) = found? else { return Ok(vec![Value::Nil]) };
        let mut values = Vec::new();
        if places {
            values.push(place(found.start));
            values.push(Value::Integer(i64::try_from(found.end).unwrap_or(i64::MAX)));
        }
        values.extend(self.captures(&found, !places)?);
        Ok(values)
    }

    /// The next place for `gmatch` or `gsub`: behind it, where it begins (for `gsub`), the captures; nothing at the end.
    fn next(&self, replaces: bool) -> Result<Vec<Value>, Trouble> {
        let Some(start) = self.start("gmatch")? else { return Ok(vec![Value::Nil]) };
        let not_end = self.argument(4).as_integer().and_then(|end| usize::try_from(end - 1).ok());
        let mut matcher = self.matcher(replaces);
        let found = matcher.find(start, not_end);
        self.fuel.set(matcher.steps);
        let Some(found) = found? else { return Ok(vec![Value::Nil]) };
        let mut values = vec![place(found.end)];
        if replaces {
            values.push(place(found.start));
        }
        values.extend(self.captures(&found, true)?);
        Ok(values)
    }

    fn replace(&self, by: &[u8]) -> Result<Vec<Value>, Trouble> {
        let most = match self.argument(4) {
            Value::Nil => i64::MAX,
            value => match self.lua.coerce_integer(value.clone())? {
                Some(number) => number,
                None => {
                    return fault(format!("bad argument #4 to 'gsub' (number expected, got {})", value.type_name()));
                }
            },
        };
        let mut matcher = self.matcher(true);
        let (mut text, mut copied, mut from, mut not_end, mut count) = (Vec::new(), 0, 0, None, 0);
        while count < most {
            let found = matcher.find(from, not_end);
            self.fuel.set(matcher.steps);
            let Some(found) = found? else { break };
            text.extend_from_slice(self.subject.get(copied..found.start).unwrap_or_default());
            self.fill(&mut text, by, &found)?;
            if text.len() > MEMORY || !self.fuel.spend(1 + (by.len() as u64) / 16) {
                return Err(Fault::Steps.into());
            }
            matcher.steps = self.fuel.left();
            count += 1;
            (copied, from, not_end) = (found.end, found.end, Some(found.end));
            if matcher.is_anchored() {
                break;
            }
        }
        text.extend_from_slice(self.subject.get(copied..).unwrap_or_default());
        Ok(vec![Value::String(self.lua.create_string(text)?), Value::Integer(count)])
    }

    /// Appends a replacement: `%0` to `%9` are what was found.
    fn fill(&self, text: &mut Vec<u8>, by: &[u8], found: &Found) -> Result<(), Trouble> {
        let whole = Capture::Part(found.start, found.end - found.start);
        let mut letters = by.iter();
        while let Some(letter) = letters.next() {
            if *letter != b'%' {
                text.push(*letter);
                continue;
            }
            let capture = match letters.next() {
                Some(b'%') => {
                    text.push(b'%');
                    continue;
                }
                Some(b'0') => whole,
                Some(b'1') if found.captures.is_empty() => whole,
                Some(digit @ b'1'..=b'9') => match found.captures.get(usize::from(digit - b'1')) {
                    Some(capture) => *capture,
                    None => {
                        return fault(format!("invalid capture index %{} in replacement string", char::from(*digit)));
                    }
                },
                _ => return fault("invalid use of '%' in replacement string"),
            };
            match capture {
                Capture::Part(start, length) => {
                    text.extend_from_slice(self.subject.get(start..start + length).unwrap_or_default());
                }
                Capture::Position(at) => text.extend_from_slice((at + 1).to_string().as_bytes()),
                Capture::Open(_) => return fault("unfinished capture"),
            }
            if text.len() > MEMORY {
                return Err(Fault::Steps.into());
            }
        }
        Ok(())
    }
}
