//! rpm's scriptlets in its built-in Lua: run by the real Lua, whose whole world is the tree.
//!
//! Lua 5.4 with the libraries that compute (base, table, string, utf8, math) and, in place of those that touch a host,
//! functions over the [`Machine`]: `io`, `os`, `posix`, `rpm`. What rpm has and this has not ends the run as a [`Stop`],
//! which no `pcall` holds. Instructions and steps inside the libraries are counted, memory is bounded.
//!
//! Numbers are given as rpm gives them, arguments too: `arg[2]` is what a shell calls `$1`. Source: rpm's
//! docs/manual/lua.md, lib/rpmscript and rpmio/lposix of 4.11 to 6.0; where they differ, whatever works in any.

mod base64;
mod fuel;
mod glob;
mod io;
mod libraries;
mod macros;
mod modes;
mod open_files;
mod os;
mod patterns;
mod posix;
mod process;
mod rpm;
mod search;
mod values;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::{ChunkMode, Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, VmState};

use self::fuel::{Fuel, MEMORY, over};
use self::process::{Over, Process};
use self::values::{Trouble, Value};
use super::machine::Machine;
use crate::shell::{Bytes, Shell, Stop, StopKind, quote};

/// Memory that costs no steps: Lua itself and what is here.
const FREE_MEMORY: usize = 1 << 20;
/// Instructions between two looks at what is left.
const INSTRUCTIONS: u32 = 100;
/// One chunk, in parts by subject.
const PRELUDE: &str = concat!(
    include_str!("prelude/base.lua"),
    include_str!("prelude/texts.lua"),
    include_str!("prelude/files.lua"),
    include_str!("prelude/libraries.lua"),
    include_str!("prelude/run.lua"),
);
/// Functions that are looked at for the line that a scriptlet is at.
const LEVELS: usize = 40;

/// Runs a scriptlet with descriptors, environment and arguments of `shell`. The lines of its standard input are the paths
/// that a file trigger is called for. The status is 1 if the scriptlet fails: its message is on the standard error.
pub(super) fn run(machine: &mut Machine, shell: &Shell, text: &[u8]) -> Result<u8, Stop> {
    if let Some(reason) = machine.accepted.get("lua").cloned() {
        machine.note("lua", "accepted", reason);
        return Ok(0);
    }
    let mut shell = shell.clone();
    shell.directory = b"/".to_vec();
    let running = &machine.running;
    let name = format!("{}({}-{}.{})", running.script, running.package, running.version, running.arch);
    let script = Script { text: body(text), name, arguments: shell.arguments.clone() };
    let process = RefCell::new(Process::new(machine, shell));
    let result = loop {
        match script.execute(&process) {
            Ok(_) if process.borrow_mut().resume() => {}
            result => break result,
        }
    };
    let mut process = process.into_inner();
    process.settle();
    result
}

/// Expands rpm's macros as `rpm --eval` does; nothing if `text` is broken. A macro that is not known here is a stop.
pub(super) fn evaluate(machine: &mut Machine, text: &[u8]) -> Result<Option<Bytes>, Stop> {
    macros::evaluate(machine, text)
}

/// The text without what says that it is one in Lua and what triggers it, each of which leaves its line.
fn body(text: &[u8]) -> Bytes {
    let mut body = text.to_vec();
    let mut at = 0;
    while body.get(at) == Some(&b'#') {
        let end = body.iter().skip(at).position(|byte| *byte == b'\n').map_or(body.len(), |end| at + end);
        body[at..end].fill(b' ');
        at = end + 1;
    }
    body
}

struct Script {
    text: Bytes,
    /// As rpm calls it in messages.
    name: String,
    arguments: Vec<Bytes>,
}

fn failure(error: &mlua::Error) -> Stop {
    match error {
        mlua::Error::MemoryError(_) => out_of_memory(),
        other => Stop::new(StopKind::Failure(format!("running Lua: {other}"))),
    }
}

fn out_of_memory() -> Stop {
    Stop::limit(format!("a scriptlet in Lua that needs more than {} MiB", MEMORY >> 20))
}

/// What an error that Lua caught means, if no scriptlet could have raised it.
fn beyond(error: &mlua::Value) -> Option<Stop> {
    match error {
        mlua::Value::Error(error) => Some(failure(error)),
        mlua::Value::String(text) if *text == "not enough memory" => Some(out_of_memory()),
        _ => None,
    }
}

impl Script {
    /// Runs the text from its beginning; the status is that of the process that it becomes.
    fn execute(&self, process: &RefCell<Process>) -> Result<u8, Stop> {
        let line = Rc::new(Cell::new(None));
        let ended = self.evaluate(process, &line);
        let mut process = process.borrow_mut();
        process.settle();
        let stopped = match process.over.take() {
            Some(Over::Ended) => return Ok(0),
            Some(Over::Stop(stop)) => Some(stop),
            None if process.fuel.is_used_up() => Some(Stop::limit("more steps than a scriptlet takes")),
            None => None,
        };
        let (kind, message) = match (stopped, ended) {
            (Some(stop), _) => return Err(self.at(stop, line.get())),
            (None, Err(error)) => return Err(self.at(failure(&error), line.get())),
            (None, Ok(ended)) => ended,
        };
        match kind.as_str() {
            "done" => Ok(0),
            // rpm has compiled it when the package was built: with another Lua than this one.
            "syntax" => Err(Stop::unsupported("lua", message)),
            _ => {
                let shell = process.state.shell.clone();
                shell.error(process.machine, &format!("error: lua script failed: {message}"))?;
                Ok(1)
            }
        }
    }

    /// The same at a line of this text, whatever line of another the scriptlet has had run.
    fn at(&self, mut stop: Stop, line: Option<usize>) -> Stop {
        let Some(line) = line else { return stop };
        if stop.command.is_empty() {
            let text = self.text.split(|byte| *byte == b'\n').nth(line.saturating_sub(1));
            stop.command = quote(text.unwrap_or_default(), Stop::QUOTE);
        }
        stop.line = Some(line);
        stop
    }

    /// The line that the scriptlet is at.
    fn line(&self, lua: &Lua) -> Option<usize> {
        (0..LEVELS).find_map(|level| {
            let line = lua.inspect_stack(level, |debug| {
                let own = debug.source().source.is_some_and(|source| source == self.name.as_str());
                if own { debug.current_line() } else { None }
            });
            line.flatten()
        })
    }

    fn evaluate(&self, process: &RefCell<Process>, line: &Rc<Cell<Option<usize>>>) -> mlua::Result<(String, String)> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::UTF8 | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        lua.set_memory_limit(MEMORY)?;
        let fuel = process.borrow().fuel.clone();
        count_instructions(&lua, &fuel)?;
        lua.scope(|scope| {
            let call = scope.create_function(|lua, arguments: MultiValue| {
                let answer = self.call(lua, process, arguments);
                if answer.is_err() && line.get().is_none() {
                    line.set(self.line(lua));
                }
                answer
            })?;
            let find = lua.create_function({
                let fuel = fuel.clone();
                move |lua, arguments: MultiValue| search::call(lua, &fuel, arguments)
            })?;
            let spend = lua.create_function({
                let fuel = fuel.clone();
                move |_, steps: f64| if fuel.spend(count(steps)) { Ok(()) } else { Err(over()) }
            })?;
            let is_over = scope.create_function(|lua, error: mlua::Value| {
                let mut process = process.borrow_mut();
                if process.over.is_none() && !fuel.is_used_up() {
                    process.over = beyond(&error).map(Over::Stop);
                }
                let is_over = process.over.is_some() || fuel.is_used_up();
                if is_over && line.get().is_none() {
                    line.set(self.line(lua));
                }
                Ok(is_over)
            })?;
            let prelude: Function = lua.load(PRELUDE).set_name("=prelude").set_mode(ChunkMode::Text).into_function()?;
            let text = lua.create_string(&self.text)?;
            prelude.call((call, find, spend, is_over, text, self.name.as_str(), self.arguments(&lua)?))
        })
    }

    /// `<lua>`, and numbers for what rpm gives as numbers.
    fn arguments(&self, lua: &Lua) -> mlua::Result<mlua::Table> {
        let table = lua.create_table()?;
        table.push("<lua>")?;
        for argument in &self.arguments {
            match std::str::from_utf8(argument).ok().and_then(|text| text.parse::<i64>().ok()) {
                Some(number) => table.push(number)?,
                None => table.push(lua.create_string(argument)?)?,
            }
        }
        Ok(table)
    }

    /// A call from Lua: whether it is fine, and the values or the message.
    fn call(&self, lua: &Lua, process: &RefCell<Process>, mut arguments: MultiValue) -> mlua::Result<MultiValue> {
        let mut process = process.borrow_mut();
        if process.over.is_some() || process.fuel.is_used_up() {
            return Err(over());
        }
        let function = arguments.pop_front().and_then(|name| name.to_string().ok()).unwrap_or_default();
        let values: Vec<Value> = arguments.iter().map(|value| from_lua(value, 0)).collect();
        if !process.fuel.spend(values.iter().map(Value::size).sum::<u64>() / 64) {
            return Err(over());
        }
        let answer = match (function.as_str(), values.first()) {
            ("unknown", Some(Value::Text(what))) => values::unsupported(quote(what, 60)),
            _ => process.call(&function, &values, libraries::call),
        };
        let (fine, values) = match answer {
            Ok(values) => (true, values),
            Err(Trouble::Raised(message)) => (false, vec![Value::Text(message)]),
            Err(Trouble::Stop(stop)) => {
                process.over = Some(Over::Stop(stop));
                return Err(over());
            }
            Err(Trouble::Ended) => {
                process.over = Some(Over::Ended);
                return Err(over());
            }
        };
        let mut results = MultiValue::from_vec(vec![mlua::Value::Boolean(fine)]);
        for value in &values {
            results.push_back(to_lua(lua, value)?);
        }
        Ok(results)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range")]
fn count(steps: f64) -> u64 {
    if steps > 0.0 { steps.min(1e15) as u64 / 8 } else { 0 }
}

/// Counts instructions, and what memory may cost: copying and collecting it.
fn count_instructions(lua: &Lua, fuel: &Fuel) -> mlua::Result<()> {
    let fuel = fuel.clone();
    lua.set_hook(HookTriggers::new().every_nth_instruction(INSTRUCTIONS), move |lua, _| {
        let memory = lua.used_memory().saturating_sub(FREE_MEMORY) / 1024;
        let steps = u64::from(INSTRUCTIONS) + memory as u64;
        if fuel.spend(steps) { Ok(VmState::Continue) } else { Err(over()) }
    })
}

/// Tables only as deep as any function takes them.
fn from_lua(value: &mlua::Value, depth: usize) -> Value {
    match value {
        mlua::Value::Nil => Value::Nil,
        mlua::Value::Boolean(value) => Value::Boolean(*value),
        mlua::Value::Integer(number) => Value::Integer(*number),
        mlua::Value::Number(number) => Value::Number(*number),
        mlua::Value::String(text) => Value::Text(text.as_bytes().to_vec()),
        mlua::Value::Table(table) if depth == 0 => {
            let pairs = table.pairs::<mlua::Value, mlua::Value>().flatten();
            let mut pairs: Vec<_> = pairs.map(|(key, value)| (from_lua(&key, 1), from_lua(&value, 1))).collect();
            pairs.sort_by_key(|(key, _)| (key.as_integer(), key.as_text()));
            Value::Table(pairs)
        }
        mlua::Value::Table(_) => Value::Other("table"),
        mlua::Value::Function(_) => Value::Other("function"),
        _ => Value::Other("userdata"),
    }
}

fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<mlua::Value> {
    Ok(match value {
        Value::Nil | Value::Other(_) => mlua::Value::Nil,
        Value::Boolean(value) => mlua::Value::Boolean(*value),
        Value::Integer(number) => mlua::Value::Integer(*number),
        Value::Number(number) => mlua::Value::Number(*number),
        Value::Text(text) => mlua::Value::String(lua.create_string(text)?),
        Value::Table(pairs) => {
            let table = lua.create_table()?;
            for (key, value) in pairs {
                table.raw_set(to_lua(lua, key)?, to_lua(lua, value)?)?;
            }
            mlua::Value::Table(table)
        }
    })
}
