//! Groups of alternatives, and the files in which a distribution keeps them.

use std::collections::BTreeMap;

use crate::shell::Bytes;

/// The groups that scripts have made, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Alternatives {
    pub(super) groups: BTreeMap<Bytes, Group>,
}

impl Alternatives {
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    pub(super) fn keep(&mut self, group: Group) {
        self.groups.insert(group.name.clone(), group);
    }

    pub(super) fn forget(&mut self, name: &[u8]) {
        self.groups.remove(name);
    }
}

/// A link that follows the group's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slave {
    pub name: Bytes,
    pub link: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub target: Bytes,
    pub priority: i32,
    /// What the slaves lead to, by name; one that is not there has no file for this choice.
    pub slaves: BTreeMap<Bytes, Bytes>,
    /// Of Red Hat's only: choices that belong together over several groups, and a service.
    pub family: Option<Bytes>,
    pub service: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: Bytes,
    pub link: Bytes,
    /// Whether the best choice is taken, or the one that somebody has set.
    pub auto: bool,
    pub slaves: Vec<Slave>,
    pub choices: Vec<Choice>,
}

impl Choice {
    pub fn new(target: Bytes, priority: i32) -> Choice {
        Choice { target, priority, slaves: BTreeMap::new(), family: None, service: None }
    }

    /// The file of a slave, if this choice has one.
    pub fn slave(&self, name: &[u8]) -> Option<&Bytes> {
        self.slaves.get(name).filter(|file| !file.is_empty())
    }
}

impl Group {
    pub fn choice(&self, target: &[u8]) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.target == target)
    }

    /// Replaces the choice with this target, or adds it at the end.
    pub fn put_choice(&mut self, choice: Choice) {
        match self.choices.iter_mut().find(|known| known.target == choice.target) {
            Some(known) => *known = choice,
            None => self.choices.push(choice),
        }
    }

    pub fn put_slave(&mut self, slave: Slave) {
        match self.slaves.iter_mut().find(|known| known.name == slave.name) {
            Some(known) => known.link = slave.link,
            None => self.slaves.push(slave),
        }
    }

    /// The highest priority; of equals `current`, else the first.
    pub fn best(&self, current: Option<&[u8]>) -> Option<&Choice> {
        let first = current.and_then(|current| self.choice(current)).or(self.choices.first())?;
        Some(
            self.choices.iter().fold(first, |best, choice| if choice.priority > best.priority { choice } else { best }),
        )
    }

    /// Mode and link of the group, its slaves, an empty line; then every choice with its priority and what the slaves
    /// lead to. dpkg ends with an empty line.
    pub fn debian_file(&self) -> Bytes {
        let mut lines = self.lines(|choice| choice.priority.to_string().into_bytes());
        lines.push(Bytes::new());
        join(&lines)
    }

    /// The same with family and service around the priority, and no line at the end.
    pub fn red_hat_file(&self) -> Bytes {
        join(&self.lines(|choice| {
            let family =
                choice.family.as_ref().map(|family| [b"@", family.as_slice(), b"@"].concat()).unwrap_or_default();
            let service =
                choice.service.as_ref().map(|service| [b" ", service.as_slice()].concat()).unwrap_or_default();
            [family, choice.priority.to_string().into_bytes(), service].concat()
        }))
    }

    fn lines(&self, rank: impl Fn(&Choice) -> Bytes) -> Vec<Bytes> {
        let mut lines = vec![if self.auto { b"auto".to_vec() } else { b"manual".to_vec() }, self.link.clone()];
        lines.extend(self.slaves.iter().flat_map(|slave| [slave.name.clone(), slave.link.clone()]));
        lines.push(Bytes::new());
        for choice in &self.choices {
            lines.extend([choice.target.clone(), rank(choice)]);
            lines.extend(self.slaves.iter().map(|slave| choice.slave(&slave.name).cloned().unwrap_or_default()));
        }
        lines
    }

    /// Reads either file. What is wrong with it is for people.
    pub fn parse(name: &[u8], text: &[u8], read_rank: fn(&mut Choice, &[u8]) -> Option<()>) -> Result<Group, String> {
        let mut lines =
            text.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line));
        let mut next = || lines.next().map(<[u8]>::to_vec).ok_or_else(|| "unexpected end of file".to_owned());
        let auto = match next()?.as_slice() {
            b"auto" => true,
            b"manual" => false,
            _ => return Err("invalid status".to_owned()),
        };
        let mut group = Group { name: name.to_vec(), link: next()?, auto, slaves: Vec::new(), choices: Vec::new() };
        loop {
            let name = next()?;
            if name.is_empty() {
                break;
            }
            group.slaves.push(Slave { name, link: next()? });
        }
        // Red Hat's file just ends.
        while let Some(target) = next().ok().filter(|target| !target.is_empty()) {
            let mut choice = Choice::new(target, 0);
            let rank = next()?;
            read_rank(&mut choice, &rank)
                .ok_or_else(|| format!("invalid priority `{}`", String::from_utf8_lossy(&rank)))?;
            for slave in &group.slaves {
                choice.slaves.insert(slave.name.clone(), next()?);
            }
            group.choices.push(choice);
        }
        Ok(group)
    }
}

fn join(lines: &[Bytes]) -> Bytes {
    lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect()
}

/// A priority as dpkg writes it.
pub(super) fn debian_rank(choice: &mut Choice, text: &[u8]) -> Option<()> {
    choice.priority = std::str::from_utf8(text).ok()?.trim_start().parse().ok()?;
    Some(())
}

/// `@family@priority service`
pub(super) fn red_hat_rank(choice: &mut Choice, text: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?.trim_start();
    let (family, rest) = match text.strip_prefix('@') {
        Some(rest) => rest.split_once('@').map(|(family, rest)| (Some(family), rest))?,
        None => (None, text),
    };
    let (priority, service) =
        rest.split_once(' ').map_or((rest, ""), |(priority, service)| (priority, service.trim_start()));
    choice.family = family.map(|family| family.as_bytes().to_vec());
    choice.priority = c_number(priority)?;
    choice.service = Some(service.as_bytes().to_vec()).filter(|service| !service.is_empty());
    Some(())
}

/// A number as C writes it: decimal, `0x1f`, `017`; nothing at all is zero, and one too large loses its upper bits.
pub(super) fn c_number(text: &str) -> Option<i32> {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => i128::from_str_radix(digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i128::from_str_radix(&digits[1..], 8),
        None if digits.is_empty() && sign == 1 && text.is_empty() => Ok(0),
        None if digits.starts_with(|letter: char| letter.is_ascii_digit()) => digits.parse(),
        None => return None,
    };
    let number = (sign * number.ok()?).clamp(i64::MIN.into(), i64::MAX.into());
    u32::try_from(number & 0xffff_ffff).ok().map(u32::cast_signed)
}
