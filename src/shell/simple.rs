//! Simple commands: who does them, what their assignments last for, which errors end the shell.

use std::rc::Rc;

use super::assignment::assignment;
use super::builtins::{self, Builtin};
use super::halt::{Halt, Outcome};
use super::redirect::Saved;
use super::state::Before;
use super::syntax::{Assignment, Command, Part, Simple, Value, Word};
use super::{Bytes, Dialect, Shell, Stop, World};

/// Who runs a command.
enum Runner {
    World,
    Function(Rc<Command>),
    Builtin(Builtin),
}

impl Shell {
    /// Runs one command by its words as a program runs another: no functions, and only those built-ins that are programs too.
    pub fn call(&mut self, world: &mut dyn World, words: &[Bytes]) -> Result<u8, Stop> {
        let Some(name) = words.first() else { return Ok(0) };
        if !world.is_special(name)
            && let Some(builtin) = builtins::find(name, self.dialect).filter(|_| builtins::is_program(name))
        {
            return match (builtin.run)(self, world, words) {
                Ok(status)
                | Err(Halt::Exit(status) | Halt::Failed(status) | Halt::Error(status) | Halt::Return(status)) => {
                    Ok(status)
                }
                Err(Halt::Break(_) | Halt::Continue(_)) => Ok(0),
                Err(Halt::Stop(stop)) => Err(*stop),
            };
        }
        world.run(self, words)
    }

    pub(super) fn simple(&mut self, world: &mut dyn World, command: &Command, simple: &Simple) -> Outcome<u8> {
        self.line = command.line;
        self.in_simple = true;
        self.substituted = None;
        let (fields, arrays) = self.command_fields(world, &simple.words)?;
        if fields.is_empty() {
            return self.only_assignments(world, command, simple);
        }
        let (words, plain) = builtins::without_command(&fields);
        let words = words.to_vec();
        let Some(name) = words.first() else { return Ok(0) };
        let (runner, special) = self.runner(world, name, plain);
        // `command` takes away what is special about the built-in.
        let special = special && !plain;
        let keeps = name.as_slice() == b"exec" && words.len() == 1 && matches!(runner, Runner::Builtin(_));
        let saved = match self.redirect(world, &command.redirections) {
            Ok(Ok(saved)) => saved,
            Ok(Err(_)) if special && self.dialect == Dialect::Dash => return Err(self.fatal()),
            Ok(Err(status)) if special => return Err(self.checked(status).err().unwrap_or(Halt::Exit(status))),
            Ok(Err(status)) => return Ok(status),
            // Bash redirects a program in that program's process.
            Err(Halt::Error(status)) if self.dialect == Dialect::Bash && matches!(runner, Runner::World) => {
                return Ok(status);
            }
            Err(halt) => return Err(halt),
        };
        let executes = name.as_slice() == b"exec" && words.len() > 1;
        let result = self.with_assignments(world, &simple.assignments, special, executes, |shell, world| {
            shell.trace(world, &simple.assignments, &words)?;
            let status = shell.run_as(world, &runner, &words)?;
            for (name, elements, append) in arrays {
                shell.assign_array(world, &name, elements, append)?;
            }
            Ok(status)
        });
        let ends = self.dialect == Dialect::Bash && matches!(result, Ok(Err(Halt::Exit(_))));
        if !(ends || keeps && matches!(result, Ok(Ok(_)))) {
            self.restore(saved);
        }
        // What such a text cannot expand ends the shell, also where they are no special built-ins.
        let runs_text = [b"eval".as_slice(), b".", b"source"].contains(&name.as_slice());
        // Assignments that fail end the shell whatever they stand before.
        match result? {
            Err(Halt::Error(status)) if !special && !runs_text && matches!(runner, Runner::Builtin(_)) => Ok(status),
            Err(Halt::Error(status)) if (special || runs_text) && self.dialect == Dialect::Bash => {
                Err(self.checked(status).err().unwrap_or(Halt::Exit(status)))
            }
            result => result,
        }
    }

    fn runner(&mut self, world: &mut dyn World, name: &[u8], plain: bool) -> (Runner, bool) {
        if world.is_special(name) {
            return (Runner::World, false);
        }
        let builtin = builtins::find(name, self.dialect);
        if let Some(builtin) = builtin.filter(|builtin| builtin.special && self.posix) {
            return (Runner::Builtin(builtin), true);
        }
        if let Some(function) = self.functions.get(name).filter(|_| !plain) {
            return (Runner::Function(function.clone()), false);
        }
        (builtin.map_or(Runner::World, Runner::Builtin), false)
    }

    fn run_as(&mut self, world: &mut dyn World, runner: &Runner, words: &[Bytes]) -> Outcome<u8> {
        match runner {
            Runner::World => Ok(world.run(self, words)?),
            Runner::Function(body) => self.call_function(world, body, words),
            Runner::Builtin(builtin) => (builtin.run)(self, world, words),
        }
    }

    /// Assignments without a command stay; the status is that of the last command substitution.
    fn only_assignments(&mut self, world: &mut dyn World, command: &Command, simple: &Simple) -> Outcome<u8> {
        let saved: Saved = match self.redirect(world, &command.redirections)? {
            Ok(saved) => saved,
            Err(status) => return Ok(status),
        };
        let mut result = Ok(());
        for assignment in &simple.assignments {
            result = self.assignment(world, assignment).map(|_| ());
            if result.is_err() {
                break;
            }
        }
        let traced = self.trace(world, &simple.assignments, &[]);
        self.restore(saved);
        result?;
        traced?;
        Ok(self.substituted.unwrap_or(0))
    }

    /// Runs a command with the assignments before it: for good before a special built-in, else only meanwhile.
    fn with_assignments(
        &mut self,
        world: &mut dyn World,
        assignments: &[Assignment],
        special: bool,
        executes: bool,
        run: impl FnOnce(&mut Shell, &mut dyn World) -> Outcome<u8>,
    ) -> Outcome<Outcome<u8>> {
        let mut before: Vec<(Bytes, Before)> = Vec::new();
        let mut result = Ok(());
        for assignment in assignments {
            // What its value assigns on the way stays.
            let value = match self.right_side(world, assignment) {
                Ok(value) => value,
                Err(halt) => {
                    result = Err(halt);
                    break;
                }
            };
            if !special {
                before.push((assignment.name.clone(), self.before(&assignment.name)));
            }
            if let Err(halt) = self.store(world, assignment, value) {
                result = Err(halt);
                break;
            }
            if (!special || executes)
                && let Some(variable) = self.variables.get_mut(&assignment.name)
            {
                variable.exported = true;
            }
        }
        let names = before.iter().map(|(name, _)| name.clone()).collect();
        let outer = std::mem::replace(&mut self.temporary, names);
        let result = result.map(|()| run(self, world));
        self.temporary = outer;
        if result.as_ref().map_or(true, |result| self.puts_back(result)) {
            for (name, before) in before.into_iter().rev() {
                self.put_back(name, before);
            }
        }
        result
    }

    /// The fields of a command's words; assignments behind `export` and the like are neither split nor matched.
    #[expect(clippy::type_complexity, reason = "arrays are rare and only passed on")]
    fn command_fields(
        &mut self,
        world: &mut dyn World,
        words: &[Word],
    ) -> Outcome<(Vec<Bytes>, Vec<(Bytes, Vec<(Option<i64>, Bytes)>, bool)>)> {
        let mut fields = Vec::new();
        let mut arrays = Vec::new();
        for word in words {
            let declared = declares(&fields, self.dialect).then(|| assignment(word, self.dialect == Dialect::Bash));
            match declared.flatten() {
                Some(Assignment { name, append, value: Value::Array(elements), .. }) => {
                    let elements = self.elements(world, &elements)?;
                    fields.push(name.clone());
                    arrays.push((name, elements, append));
                }
                Some(Assignment { name, index: None, append: false, value: Value::Scalar(value) }) => {
                    let value = self.assigned(world, &value)?;
                    fields.push([name.as_slice(), b"=", &value].concat());
                }
                _ if word.parts.iter().any(|part| matches!(part, Part::Array(_))) => {
                    return Err(Stop::unsupported("", "an array as a word").into());
                }
                _ => self.add_fields(world, word, &mut fields)?,
            }
        }
        Ok((fields, arrays))
    }

    fn trace(&mut self, world: &mut dyn World, assignments: &[Assignment], words: &[Bytes]) -> Outcome<()> {
        if !self.options.xtrace {
            return Ok(());
        }
        let prompt = self.get(b"PS4").cloned().unwrap_or_else(|| b"+ ".to_vec());
        let mut pieces: Vec<Bytes> = Vec::new();
        for assignment in assignments {
            let value = self.get(&assignment.name).cloned().unwrap_or_default();
            pieces.push([assignment.name.as_slice(), b"=", &value].concat());
        }
        pieces.extend(words.iter().cloned());
        let line = [prompt, pieces.join(&b' '), b"\n".to_vec()].concat();
        Ok(self.write(world, 2, &line)?)
    }
}

/// Whether the command so far is one whose arguments are assignments.
fn declares(fields: &[Bytes], dialect: Dialect) -> bool {
    let name = fields.iter().find(|field| field.as_slice() != b"command");
    name.is_some_and(|name| match name.as_slice() {
        b"export" | b"readonly" | b"local" => true,
        b"declare" | b"typeset" => dialect == Dialect::Bash,
        _ => false,
    })
}
