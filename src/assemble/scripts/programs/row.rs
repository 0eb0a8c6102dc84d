//! A row of the table of programs: a name, what is done, and why that is right.

use super::call::Call;
use crate::assemble::scripts::machine::Machine;
use crate::package::Family;
use crate::shell::{Bytes, Shell, Stop};

/// One program.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// As scripts call it: a name, or the whole path of a helper.
    pub name: &'static str,
    /// Whose it is, where the two families have different programs of one name.
    pub family: Option<Family>,
    pub treatment: Treatment,
    /// For people: what is done and why that is right, one clause.
    pub about: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub enum Treatment {
    /// Done on the tree by this function, which gives the exit status.
    Native(fn(&mut Call) -> Result<u8, Stop>),
    /// No effect on an image: status 0, no output.
    Nothing,
    /// A step of the assembly does it for the whole image.
    Done,
    /// Always this status and output.
    Answer(u8, &'static str),
    /// Ends the build.
    Refuse,
}

impl Row {
    pub const fn native(name: &'static str, run: fn(&mut Call) -> Result<u8, Stop>, about: &'static str) -> Row {
        Row { name, family: None, treatment: Treatment::Native(run), about }
    }

    pub const fn nothing(name: &'static str, about: &'static str) -> Row {
        Row { name, family: None, treatment: Treatment::Nothing, about }
    }

    pub const fn done(name: &'static str, about: &'static str) -> Row {
        Row { name, family: None, treatment: Treatment::Done, about }
    }

    pub const fn answer(name: &'static str, status: u8, output: &'static str, about: &'static str) -> Row {
        Row { name, family: None, treatment: Treatment::Answer(status, output), about }
    }

    pub const fn refuse(name: &'static str, about: &'static str) -> Row {
        Row { name, family: None, treatment: Treatment::Refuse, about }
    }

    pub const fn of(mut self, family: Family) -> Row {
        self.family = Some(family);
        self
    }

    /// Does what the table says of it, as one call of `shell`.
    pub(super) fn run(&'static self, machine: &mut Machine, shell: &mut Shell, words: &[Bytes]) -> Result<u8, Stop> {
        match self.treatment {
            Treatment::Native(run) => run(&mut Call { machine, shell, name: self.name, words }),
            Treatment::Nothing => {
                machine.note(self.name, "nothing", self.about);
                Ok(0)
            }
            Treatment::Done => {
                machine.note(self.name, "done", self.about);
                Ok(0)
            }
            Treatment::Answer(status, output) => {
                machine.note(self.name, "answered", self.about);
                shell.out(machine, output.as_bytes())?;
                Ok(status)
            }
            Treatment::Refuse => Err(Stop::refused(self.name, self.about)),
        }
    }
}
