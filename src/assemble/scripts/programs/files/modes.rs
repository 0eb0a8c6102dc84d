//! Modes as chmod reads them: octal, or symbolic changes of what is there.

/// All bits that a mode has.
const ALL: u16 = 0o7777;
const SET_ID: u16 = 0o6000;

/// One step from an old mode to a new one.
#[derive(Debug, Clone, Copy)]
struct Step {
    operator: u8,
    /// Who, as bits; none if nobody was named and the umask decides.
    affected: u16,
    value: Value,
    /// Bits that were named; setuid and setgid of a directory stay as they are unless they are among these.
    mentioned: u16,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Bits(u16),
    /// These bits, and execution if it is a directory or somebody may execute it.
    ExecuteIfAny(u16),
    /// What these (`u`, `g` or `o`) have.
    Copied(u16),
}

/// A parsed mode.
#[derive(Debug, Clone)]
pub(super) struct Mode {
    steps: Vec<Step>,
}

impl Mode {
    /// Nothing if the text is no mode.
    pub(super) fn parse(text: &[u8]) -> Option<Mode> {
        if text.first().is_some_and(u8::is_ascii_digit) {
            let value = octal(text)?;
            // With less than five digits, only what is set of the upper bits is meant.
            let mentioned = if text.len() < 5 { value & 0o7000 | 0o777 } else { ALL };
            let step = Step { operator: b'=', affected: ALL, value: Value::Bits(value), mentioned };
            return Some(Mode { steps: vec![step] });
        }
        let mut mode = Mode { steps: Vec::new() };
        for clause in text.split(|byte| *byte == b',') {
            mode.clause(clause)?;
        }
        Some(mode)
    }

    fn clause(&mut self, clause: &[u8]) -> Option<()> {
        let start = clause.iter().position(|byte| b"=+-".contains(byte))?;
        let (who, mut rest) = clause.split_at(start);
        let affected = who
            .iter()
            .try_fold(0, |affected, letter| Some(affected | if *letter == b'a' { ALL } else { whose(*letter)? }))?;
        while let Some((operator, after)) = rest.split_first() {
            let end = after.iter().position(|byte| b"=+-".contains(byte)).unwrap_or(after.len());
            let (text, next) = after.split_at(end);
            self.steps.push(step(*operator, affected, text, next.is_empty())?);
            rest = next;
        }
        Some(())
    }

    /// The same, and the bits that were spoken of.
    pub(super) fn apply_and_tell(&self, old: u16, is_directory: bool, umask: u16) -> (u16, u16) {
        self.steps.iter().fold((old & ALL, 0), |(mode, spoken), step| {
            let (mode, more) = step.apply(mode, is_directory, umask);
            (mode, spoken | more)
        })
    }

    /// The mode that an inode with the mode `old` gets.
    pub(super) fn apply(&self, old: u16, is_directory: bool, umask: u16) -> u16 {
        self.apply_and_tell(old, is_directory, umask).0
    }
}

fn octal(text: &[u8]) -> Option<u16> {
    text.iter().try_fold(0u16, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        Some(value * 8 + u16::from(digit)).filter(|value| *value <= ALL)
    })
}

fn whose(letter: u8) -> Option<u16> {
    match letter {
        b'u' => Some(0o4700),
        b'g' => Some(0o2070),
        b'o' => Some(0o1007),
        _ => None,
    }
}

fn step(operator: u8, affected: u16, text: &[u8], is_last: bool) -> Option<Step> {
    if text.first().is_some_and(u8::is_ascii_digit) {
        // `+0755`: nobody may be named, and nothing may follow.
        let value = Value::Bits(octal(text).filter(|_| affected == 0 && is_last)?);
        return Some(Step { operator, affected: ALL, value, mentioned: ALL });
    }
    let value = match text {
        [letter @ (b'u' | b'g' | b'o')] => Value::Copied(whose(*letter)? & 0o777),
        _ => {
            let bits = text.iter().try_fold(0, |bits, letter| {
                Some(
                    bits | match letter {
                        b'r' => 0o444,
                        b'w' => 0o222,
                        b'x' => 0o111,
                        b'X' => 0,
                        b's' => SET_ID,
                        b't' => 0o1000,
                        _ => return None,
                    },
                )
            })?;
            if text.contains(&b'X') { Value::ExecuteIfAny(bits) } else { Value::Bits(bits) }
        }
    };
    let bits = match value {
        Value::Bits(bits) | Value::ExecuteIfAny(bits) | Value::Copied(bits) => bits,
    };
    let mentioned = if affected == 0 { bits } else { affected & bits };
    Some(Step { operator, affected, value, mentioned })
}

impl Step {
    /// The new mode, and the bits that it sets or clears.
    fn apply(&self, mode: u16, is_directory: bool, umask: u16) -> (u16, u16) {
        let kept = if is_directory { SET_ID & !self.mentioned } else { 0 };
        let bits = match self.value {
            Value::Bits(bits) => bits,
            Value::ExecuteIfAny(bits) if is_directory || mode & 0o111 != 0 => bits | 0o111,
            Value::ExecuteIfAny(bits) => bits,
            Value::Copied(whose) => {
                let has = |all: u16| if mode & whose & all == 0 { 0 } else { all };
                has(0o444) | has(0o222) | has(0o111)
            }
        };
        let reach = if self.affected == 0 { !umask } else { self.affected };
        let bits = bits & reach & !kept;
        match self.operator {
            b'+' => (mode | bits, bits),
            b'-' => (mode & !bits, bits),
            _ => {
                let others = if self.affected == 0 { 0 } else { !self.affected };
                let preserved = (others | kept) & ALL;
                (mode & preserved | bits, ALL & !preserved)
            }
        }
    }
}

/// `-rwxr-xr-x`, as ls shows it.
pub(super) fn shown(letter: char, mode: u16) -> String {
    let mut text = String::from(letter);
    for (shift, special, set) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => set.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}
