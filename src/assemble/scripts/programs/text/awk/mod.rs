//! `awk`: POSIX's, as mawk (Debian's) and gawk (RPM's) have it, with some of gawk's functions.
//!
//! Random numbers and the functions of times are not there: what they give is not the same each time. Programs that it
//! starts (`system`, pipes) are run by the machine.

mod arrays;
mod builtins;
mod dialect;
mod eval;
mod halt;
mod lexer;
mod number;
mod parse;
mod parse_expr;
mod printf;
mod reading;
mod record;
mod run;
mod streams;
mod syntax;
mod text;
mod value;

use halt::Halt;
use run::Awk;
use syntax::{Name, Special};
use value::Value;

use super::streams::shown;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::{Bytes, Stop};

const OPTIONS: &[options::Known] =
    &["F|field-separator=", "v|assign=", "f|file=", "e|source=", "posix", "re-interval", "traditional"];

pub(super) fn awk(call: &mut Call) -> Result<u8, Stop> {
    let dialect = dialect::dialect(call);
    let mut options = options::parse(call, OPTIONS, false)?;
    let mut text = Bytes::new();
    for (name, value) in options.given.clone() {
        match name {
            "f" => match super::streams::read(call, &value)? {
                Ok(bytes) => text.extend(bytes),
                Err(errno) => return call.fail(2, format!("couldn't open file {}: {errno}", shown(&value))),
            },
            "e" => text.extend(value),
            _ => continue,
        }
        text.push(b'\n');
    }
    if !(options.has("f") || options.has("e")) {
        if options.operands.is_empty() {
            return call.fail(2, "no program");
        }
        text = options.operands.remove(0);
    }
    let program = match parse::parse(&text, dialect) {
        Ok(program) => program,
        Err(message) => return call.unsupported(message),
    };
    let assignments: Vec<(&str, Bytes)> =
        options.given.iter().filter(|(name, _)| matches!(*name, "v" | "F")).cloned().collect();
    let mut awk = Awk::new(&program, dialect, call, &options.operands);
    let result = prepare(&mut awk, &assignments).and_then(|()| awk.run());
    match result {
        Ok(status) => Ok(status),
        Err(Halt::Stop(stop)) => Err(*stop),
        Err(Halt::Fatal(message)) => call.fail(2, message),
        Err(_) => Ok(0),
    }
}

/// The options that set variables, before anything runs.
fn prepare(awk: &mut Awk, assignments: &[(&str, Bytes)]) -> Result<(), Halt> {
    for (option, text) in assignments {
        if *option == "v" {
            if !awk.assign(text)? {
                return Err(Halt::Fatal(format!("`{}' is not an assignment", shown(text))));
            }
            continue;
        }
        let separator = lexer::unescaped(text, awk.dialect);
        awk.set_variable(Name::Global(Special::Fs as usize), Value::input(&separator))?;
    }
    Ok(())
}
