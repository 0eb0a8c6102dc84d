//! Lua's `os` library: the tree's files, the fixed time, and programs through the shell. Rules: Lua 5.4's manual, §6.9.

use super::posix::{change, unlink, without_slashes};
use super::process::Process;
use super::values::{Answer, Arguments, Failure, Trouble, Value, raise, unsupported};
use crate::assemble::scripts::dates::{self, Date};
use crate::shell::Errno;
use crate::tree::{self, Content};

pub(super) fn call(process: &mut Process, arguments: &Arguments) -> Answer {
    match arguments.function {
        "date" => date(process, arguments),
        "execute" => execute(process, arguments),
        "exit" => exit(process),
        "getenv" => {
            let name = arguments.text(0)?;
            Ok(vec![Value::optional(process.state.shell.environment().get(&name))])
        }
        "remove" => remove(process, arguments),
        "rename" => rename(process, arguments),
        "setlocale" => setlocale(arguments),
        "time" => time(process, arguments),
        "tmpname" => temporary(process),
        other => unsupported(format!("os.{other}")),
    }
}

fn done(process: &mut Process, done: Result<(), Failure>, about: Option<&[u8]>) -> Answer {
    match done {
        Ok(()) => Ok(vec![Value::Boolean(true)]),
        Err(failure) => process.file_failed(failure, about),
    }
}

fn remove(process: &mut Process, arguments: &Arguments) -> Answer {
    let path = arguments.text(0)?;
    let removed = change(process, &path, |files, path| match unlink(files, path) {
        Err(Errno::IsDirectory) => files.remove_directory(path),
        other => other,
    });
    done(process, removed, Some(&path))
}

fn rename(process: &mut Process, arguments: &Arguments) -> Answer {
    let (from, to) = (arguments.text(0)?, arguments.text(1)?);
    let target = process.path(&to);
    let renamed = change(process, &from, |files, from| {
        let source = files.resolve(without_slashes(from), false)?;
        if to.is_empty() {
            return Err(Errno::NoEntry);
        }
        if files.is_later(&target) {
            return Ok(());
        }
        let place = files.resolve(without_slashes(&target), false)?;
        let id = files.tree.id(&source).ok_or(Errno::NoEntry)?;
        let directory = files.tree.inode(id).kind == tree::Kind::Directory;
        if !directory && (from.ends_with(b"/") || to.ends_with(b"/")) {
            return Err(Errno::NotDirectory);
        }
        // Whatever it is, it lies in what it is to replace.
        if source != place && source.starts_with(&place) {
            return Err(Errno::NotEmpty);
        }
        files.rename(from, &target)
    });
    let below = process.machine.files.changes.len() as u64;
    process.spend(1 + below / 16)?;
    done(process, renamed, None)
}

/// A name that is new, and the file of that name.
fn temporary(process: &mut Process) -> Answer {
    loop {
        process.spend(1)?;
        let path = format!("/tmp/lua_{:06}", process.machine.serial);
        process.machine.serial += 1;
        let content = Content::inline(Vec::new());
        match process.machine.files.make(path.as_bytes(), tree::Kind::File(content), 0o600) {
            Ok(_) => return Ok(vec![Value::text(path)]),
            Err(Errno::Exists) => {}
            Err(_) => return raise("unable to generate a unique filename"),
        }
    }
}

fn execute(process: &mut Process, arguments: &Arguments) -> Answer {
    let shell = process.machine.files.exists(b"/bin/sh");
    if arguments.is_none_or_nil(0) {
        return Ok(vec![Value::Boolean(shell)]);
    }
    let text = arguments.text(0)?;
    let shell = process.state.shell.clone();
    let status = process.system(&shell, &text)?;
    let success = if status == 0 { Value::Boolean(true) } else { Value::Nil };
    Ok(vec![success, Value::text("exit"), Value::Integer(i64::from(status))])
}

fn exit(process: &Process) -> Answer {
    if !process.state.forked {
        return raise("exit not permitted in this context");
    }
    Err(Trouble::Ended)
}

fn setlocale(arguments: &Arguments) -> Answer {
    match arguments.text_or(0, "C")?.as_slice() {
        b"" | b"C" | b"POSIX" => Ok(vec![Value::text("C")]),
        _ => unsupported("os.setlocale to another locale than C"),
    }
}

fn date(process: &Process, arguments: &Arguments) -> Answer {
    let format = arguments.text_or(0, "%c")?;
    let time = arguments.integer_or(1, process.machine.files.epoch)?;
    let format = format.strip_prefix(b"!").unwrap_or(&format);
    // Of years that nobody writes there are no dates.
    if time.div_euclid(dates::DAY).abs() > 3_000_000 {
        return raise("date result cannot be represented in this installation");
    }
    let date = Date::of(time);
    if format.starts_with(b"*t") {
        return Ok(vec![table(&date)]);
    }
    match date.format(format) {
        Ok(text) => Ok(vec![Value::Text(text)]),
        Err(letter) => unsupported(format!("os.date with `%{}`", letter.escape_default())),
    }
}

fn table(date: &Date) -> Value {
    let whole = [
        ("year", date.year),
        ("month", date.month),
        ("day", date.day),
        ("hour", date.hour),
        ("min", date.minute),
        ("sec", date.second),
        ("yday", date.day_of_year + 1),
        ("wday", date.weekday + 1),
    ];
    let fields = whole.into_iter().map(|(name, number)| (name, Value::Integer(number)));
    Value::record(fields.chain([("isdst", Value::Boolean(false))]))
}

fn time(process: &Process, arguments: &Arguments) -> Answer {
    if arguments.is_none_or_nil(0) {
        return Ok(vec![Value::Integer(process.machine.files.epoch)]);
    }
    let table = arguments.table(0)?;
    let field = |name: &str, default: Option<i64>| match table.field(name) {
        Some(value) => match value.as_integer().filter(|number| number.abs() < 1 << 31) {
            Some(number) => Ok(number),
            None => raise(format!("field '{name}' is not an integer")),
        },
        None => default.map_or_else(|| raise(format!("field '{name}' missing in date table")), Ok),
    };
    let (year, month, day) = (field("year", None)?, field("month", None)?, field("day", None)?);
    let seconds = field("hour", Some(12))? * 3_600 + field("min", Some(0))? * 60 + field("sec", Some(0))?;
    Ok(vec![Value::Integer(dates::days(year, month, day) * dates::DAY + seconds)])
}
