//! Running commands: lists, pipelines, compound commands, functions, and when `set -e` ends the shell.

use std::rc::Rc;

use super::halt::{Halt, Outcome};
use super::lexer::Parser;
use super::syntax::{Arm, ArmEnd, Body, Chain, Command, Item, Joint, Pipeline, Word};
use super::{Bytes, Dialect, Shell, Stop, Stream, World, limits};

impl Shell {
    /// Runs a script to its end, with what `trap` left to do there.
    pub fn run(&mut self, world: &mut dyn World, text: &[u8]) -> Result<u8, Stop> {
        self.prepare();
        let result = self.text(world, text, 1);
        self.conclude(world, result)
    }

    /// The variables that every shell has.
    fn prepare(&mut self) {
        self.set(b"IFS", b" \t\n".to_vec());
        self.set(b"OPTIND", b"1".to_vec());
        if self.get(b"PWD").is_none() {
            let directory = self.directory.clone();
            self.set(b"PWD", directory);
        }
        self.next_option = (1, 0);
    }

    /// Runs a text line by line inside of this shell.
    pub(super) fn text(&mut self, world: &mut dyn World, text: &[u8], line: usize) -> Outcome<u8> {
        self.deeper(|shell| {
            // Reading takes from the same stack as running.
            let depth = shell.depth * limits::NESTING / limits::DEPTH;
            let mut parser = Parser::new(text.into(), line, shell.dialect, depth)?;
            let mut status = 0;
            loop {
                // An alias counts from the line after the one that makes it.
                parser.aliases = shell.aliases.clone();
                let Some(list) = parser.next_line()? else { break };
                status = shell.list(world, &list)?;
            }
            Ok(status)
        })
    }

    /// One level deeper: whatever can run commands inside of itself goes through here.
    pub(super) fn deeper<T>(&mut self, run: impl FnOnce(&mut Shell) -> Outcome<T>) -> Outcome<T> {
        if self.depth >= limits::DEPTH {
            return Err(Stop::limit(format!("more than {} commands inside of one another", limits::DEPTH))
                .at(self.line)
                .into());
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    /// Where a failure is looked at, `set -e` does not end the shell.
    pub(super) fn tested<T>(&mut self, tested: bool, run: impl FnOnce(&mut Shell) -> T) -> T {
        let before = std::mem::replace(&mut self.tested, tested);
        let result = run(self);
        self.tested = before;
        result
    }

    /// Whether the variables of a function go when it is left like this; at its end, a shell leaves some to its trap.
    pub(super) fn puts_back<T>(&self, result: &Outcome<T>) -> bool {
        match result {
            Err(Halt::Exit(_)) => false,
            Err(Halt::Failed(_) | Halt::Error(_)) => self.dialect == Dialect::Bash,
            _ => true,
        }
    }

    pub(super) fn checked(&self, status: u8) -> Outcome<u8> {
        if status != 0 && self.options.errexit && !self.tested { Err(Halt::Failed(status)) } else { Ok(status) }
    }

    /// The status of an error that ends the shell.
    pub(super) fn fatal(&self) -> Halt {
        Halt::Error(if self.dialect == Dialect::Dash { 2 } else { 1 })
    }

    /// Tells of an error that ends the shell.
    pub(super) fn fail<T>(&mut self, world: &mut dyn World, message: &str) -> Outcome<T> {
        self.complain(world, message)?;
        Err(self.fatal())
    }

    pub(super) fn complain(&mut self, world: &mut dyn World, message: &str) -> Result<(), Stop> {
        let name = String::from_utf8_lossy(&self.name).into_owned();
        let line = self.line;
        match self.dialect {
            Dialect::Dash => self.error(world, &format!("{name}: {line}: {message}")),
            Dialect::Bash => self.error(world, &format!("{name}: line {line}: {message}")),
        }
    }

    pub(super) fn subshell(&self) -> Shell {
        let mut child = self.clone();
        child.traps.retain(|_, action| action.is_empty());
        // Out of a loop around it, dash leaves the subshell; bash knows of none.
        if self.dialect == Dialect::Bash {
            child.loops = 0;
        }
        child
    }

    /// Runs something in a subshell to its end.
    pub(super) fn fork(
        &mut self,
        world: &mut dyn World,
        mut child: Shell,
        run: impl FnOnce(&mut Shell, &mut dyn World) -> Outcome<u8>,
    ) -> Outcome<u8> {
        // Its copy of everything is work too.
        let values = child.variables.values().filter_map(|variable| variable.value.as_ref()).chain(&child.arguments);
        let size: usize = values.map(Vec::len).sum();
        world.spend(1 + size as u64 / 1024)?;
        child.deeper(|child| {
            let result = run(child, world);
            Ok(child.conclude(world, result)?)
        })
    }

    /// The end of a shell: `trap … EXIT` runs, and gives the status if it exits itself.
    fn conclude(&mut self, world: &mut dyn World, result: Outcome<u8>) -> Result<u8, Stop> {
        let status = match result {
            Ok(status)
            | Err(Halt::Exit(status) | Halt::Failed(status) | Halt::Error(status) | Halt::Return(status)) => status,
            Err(Halt::Break(_) | Halt::Continue(_)) => self.status,
            Err(Halt::Stop(stop)) => return Err(*stop),
        };
        self.status = status;
        let Some(action) = self.traps.remove(b"EXIT".as_slice()).filter(|action| !action.is_empty()) else {
            return Ok(status);
        };
        self.tested = false;
        match self.text(world, &action, self.line) {
            Err(Halt::Exit(status) | Halt::Failed(status) | Halt::Error(status)) => Ok(status),
            Err(Halt::Stop(stop)) => Err(*stop),
            _ => Ok(status),
        }
    }

    pub(super) fn list(&mut self, world: &mut dyn World, list: &[Item]) -> Outcome<u8> {
        let mut status = 0;
        for item in list {
            status =
                if item.background { self.background(world, &item.chain)? } else { self.chain(world, &item.chain)? };
            self.status = status;
        }
        Ok(status)
    }

    /// `&`: runs at once, as nothing else goes on meanwhile.
    fn background(&mut self, world: &mut dyn World, chain: &Chain) -> Outcome<u8> {
        let mut child = self.subshell();
        child.tested = false;
        child.descriptors.insert(0, super::handle(Stream::Null));
        self.fork(world, child, |child, world| child.chain(world, chain))?;
        self.has_background = true;
        Ok(0)
    }

    fn chain(&mut self, world: &mut dyn World, chain: &Chain) -> Outcome<u8> {
        let mut status = self.joined(world, &chain.first, !chain.rest.is_empty())?;
        for (number, (joint, pipeline)) in chain.rest.iter().enumerate() {
            if (status == 0) == (*joint == Joint::And) {
                status = self.joined(world, pipeline, number + 1 < chain.rest.len())?;
            }
        }
        Ok(status)
    }

    fn joined(&mut self, world: &mut dyn World, pipeline: &Pipeline, tested: bool) -> Outcome<u8> {
        let tested = self.tested || tested || pipeline.negated;
        let status = self.tested(tested, |shell| shell.pipeline(world, pipeline))?;
        let status = if pipeline.negated { u8::from(status == 0) } else { status };
        self.status = status;
        Ok(status)
    }

    fn pipeline(&mut self, world: &mut dyn World, pipeline: &Pipeline) -> Outcome<u8> {
        if let [(command, _)] = pipeline.commands.as_slice() {
            return self.command(world, command);
        }
        let mut input = None;
        let mut status = 0;
        let mut worst = 0;
        let last = pipeline.commands.len().saturating_sub(1);
        for (number, (command, both)) in pipeline.commands.iter().enumerate() {
            let mut child = self.subshell();
            if let Some(input) = input.take() {
                child.descriptors.insert(0, input);
            }
            let output = (number < last).then(Stream::output);
            if let Some(output) = &output {
                child.descriptors.insert(1, output.clone());
                if *both {
                    child.descriptors.insert(2, output.clone());
                }
            }
            status = self.fork(world, child, |child, world| child.command(world, command))?;
            if status != 0 {
                worst = status;
            }
            input = output.map(|output| Stream::input(output.borrow_mut().take()));
        }
        self.checked(if self.options.pipefail { worst } else { status })
    }

    fn command(&mut self, world: &mut dyn World, command: &Command) -> Outcome<u8> {
        world.spend(1)?;
        if self.options.noexec {
            return Ok(0);
        }
        let status = match &command.body {
            Body::Simple(simple) => {
                let result = self.simple(world, command, simple);
                let status = result.map_err(|halt| placed(halt, command))?;
                self.status = status;
                return self.checked(status);
            }
            Body::Function(name, body) => {
                Rc::make_mut(&mut self.functions).insert(name.clone(), body.clone());
                0
            }
            body => {
                self.line = command.line;
                self.in_simple = false;
                let result = self.deeper(|shell| shell.compound(world, command, body));
                result.map_err(|halt| placed(halt, command))?
            }
        };
        self.status = status;
        Ok(status)
    }

    fn compound(&mut self, world: &mut dyn World, command: &Command, body: &Body) -> Outcome<u8> {
        if let Body::Subshell(list) = body {
            let child = self.subshell();
            let status = self.fork(world, child, |child, world| {
                match child.redirect(world, &command.redirections).map_err(|halt| placed(halt, command))? {
                    Ok(_) => child.list(world, list),
                    Err(status) => Ok(status),
                }
            })?;
            self.status = status;
            return self.checked(status);
        }
        if command.redirections.is_empty() {
            return self.body(world, body);
        }
        let saved = match self.redirect(world, &command.redirections).map_err(|halt| placed(halt, command))? {
            Ok(saved) => saved,
            Err(status) => {
                self.status = status;
                return self.checked(status);
            }
        };
        let result = self.body(world, body);
        // Bash leaves them to the trap at its end.
        if self.dialect == Dialect::Dash || !matches!(result, Err(Halt::Exit(_) | Halt::Failed(_))) {
            self.restore(saved);
        }
        result
    }

    fn body(&mut self, world: &mut dyn World, body: &Body) -> Outcome<u8> {
        match body {
            Body::Group(list) | Body::Subshell(list) => self.list(world, list),
            Body::If(branches, otherwise) => {
                for (condition, list) in branches {
                    if self.tested(true, |shell| shell.list(world, condition))? == 0 {
                        return self.list(world, list);
                    }
                }
                otherwise.as_ref().map_or(Ok(0), |list| self.list(world, list))
            }
            Body::Loop { until, condition, body } => {
                let wanted = !*until;
                self.looping(world, |shell, world| {
                    let status = shell.tested(true, |shell| shell.list(world, condition))?;
                    if (status == 0) != wanted {
                        return Ok(None);
                    }
                    shell.list(world, body).map(Some)
                })
            }
            Body::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.fields(world, words)?,
                    None => self.arguments.clone(),
                };
                let mut values = values.into_iter();
                self.looping(world, |shell, world| {
                    let Some(value) = values.next() else { return Ok(None) };
                    shell.assign(world, name, value)?;
                    shell.list(world, body).map(Some)
                })
            }
            Body::ForArithmetic { parts: [start, condition, step], body } => {
                self.arithmetic_part(world, start)?;
                let mut first = true;
                self.looping(world, |shell, world| {
                    shell.in_simple = false;
                    if !std::mem::replace(&mut first, false) {
                        shell.arithmetic_part(world, step)?;
                    }
                    if shell.arithmetic_part(world, condition)? == Some(0) {
                        return Ok(None);
                    }
                    shell.list(world, body).map(Some)
                })
            }
            Body::Case(subject, arms) => self.case(world, subject, arms),
            Body::Conditional(condition) => {
                let status = u8::from(!self.holds(world, condition)?);
                self.status = status;
                self.checked(status)
            }
            Body::Arithmetic(word) => {
                let status = u8::from(self.arithmetic_part(world, word)?.unwrap_or_default() == 0);
                self.status = status;
                self.checked(status)
            }
            Body::Unsupported(what) => Err(Stop::unsupported("", *what).into()),
            Body::Simple(_) | Body::Function(..) => Ok(0),
        }
    }

    /// Turns of a loop until one says nothing; `break` and `continue` come here.
    fn looping(
        &mut self,
        world: &mut dyn World,
        mut turn: impl FnMut(&mut Shell, &mut dyn World) -> Outcome<Option<u8>>,
    ) -> Outcome<u8> {
        self.loops += 1;
        let mut status = 0;
        let result = loop {
            if let Err(stop) = world.spend(1) {
                break Err(stop.into());
            }
            match turn(self, world) {
                Ok(Some(last)) => status = last,
                Ok(None) => break Ok(status),
                Err(Halt::Break(levels)) if levels > 1 => break Err(Halt::Break(levels - 1)),
                Err(Halt::Break(_)) => break Ok(0),
                Err(Halt::Continue(levels)) if levels > 1 => break Err(Halt::Continue(levels - 1)),
                Err(Halt::Continue(_)) => status = 0,
                Err(halt) => break Err(halt),
            }
        };
        self.loops = self.loops.saturating_sub(1);
        result
    }

    /// One of the three parts of `for ((…))`, or `((…))`; nothing if it is empty.
    fn arithmetic_part(&mut self, world: &mut dyn World, word: &Word) -> Outcome<Option<i64>> {
        let text = self.joined_text(world, word)?;
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        self.arithmetic(world, &text).map(Some)
    }

    fn case(&mut self, world: &mut dyn World, subject: &Word, arms: &[Arm]) -> Outcome<u8> {
        let subject = self.single(world, subject)?;
        let mut status = 0;
        let mut falling = false;
        for arm in arms {
            let mut taken = std::mem::take(&mut falling);
            for pattern in &arm.patterns {
                if taken {
                    break;
                }
                let pattern = self.pattern(world, pattern)?;
                world.spend(pattern.cost(subject.len()))?;
                taken = pattern.matches(&subject);
            }
            if !taken {
                continue;
            }
            status = self.list(world, &arm.body)?;
            match arm.end {
                ArmEnd::Leave => break,
                ArmEnd::Fall => falling = true,
                ArmEnd::Test => {}
            }
        }
        Ok(status)
    }

    /// Calls a function; the words begin with its name.
    pub(super) fn call_function(&mut self, world: &mut dyn World, body: &Rc<Command>, words: &[Bytes]) -> Outcome<u8> {
        let arguments = words.get(1..).unwrap_or_default().to_vec();
        let arguments = std::mem::replace(&mut self.arguments, arguments);
        let loops = std::mem::take(&mut self.loops);
        let temporary = std::mem::take(&mut self.temporary);
        let called_with = self.called_with.clone();
        self.called_with.extend(temporary);
        self.locals.push(Vec::new());
        self.returns += 1;
        let result = self.deeper(|shell| shell.command(world, body));
        self.returns -= 1;
        let locals = self.locals.pop().unwrap_or_default();
        if self.puts_back(&result) {
            for (name, before) in locals.into_iter().rev() {
                self.put_back(name, before);
            }
        }
        self.loops = loops;
        self.called_with = called_with;
        if self.dialect == Dialect::Dash || !matches!(result, Err(Halt::Exit(_) | Halt::Failed(_))) {
            self.arguments = arguments;
        }
        match result {
            Err(Halt::Return(status)) => Ok(status),
            result => result,
        }
    }
}

/// A stop says where it came from, unless something inside did already.
fn placed(halt: Halt, command: &Command) -> Halt {
    match halt {
        Halt::Stop(mut stop) => {
            if stop.command.is_empty() {
                stop.line.get_or_insert(command.line);
                stop.command = super::quote(command.source.bytes(), Stop::QUOTE);
            }
            Halt::Stop(stop)
        }
        halt => halt,
    }
}
