//! What the arguments of `update-alternatives` ask for, and whether they may.

use super::{Action, Installation, Program, Request, Step, shown};
use crate::assemble::scripts::programs::alternatives::state::{Choice, Group, Slave};
use crate::shell::{Bytes, Stop};

impl Program<'_, '_, '_> {
    pub(super) fn arguments(&mut self) -> Step<Request> {
        let mut request = Request::default();
        let mut words = self.call.words.iter().cloned();
        while let Some(word) = words.next() {
            let option = shown(&word);
            match option.as_str() {
                "--quiet" => self.verbosity = -1,
                "--verbose" => self.verbosity = 1,
                "--force" => self.force = true,
                "--skip-auto" => {}
                "--log" => {
                    let [_log] = self.values(&option, &mut words)?;
                }
                "--altdir" => [self.links] = self.values(&option, &mut words)?,
                "--admindir" => [self.states] = self.values(&option, &mut words)?,
                "--install" => {
                    self.choose(&mut request, Action::Install)?;
                    self.installation(&mut request, &mut words)?;
                }
                "--slave" => self.slave(&mut request, &mut words)?,
                "--remove" | "--set" => {
                    self.choose(&mut request, if option == "--set" { Action::Set } else { Action::Remove })?;
                    [request.name, request.path] = self.values(&option, &mut words)?;
                    self.check_name(&request.name)?;
                    self.check_absolute("path", &request.path)?;
                }
                "--remove-all" | "--auto" | "--display" | "--query" | "--list" => {
                    self.choose(
                        &mut request,
                        match option.as_str() {
                            "--remove-all" => Action::RemoveAll,
                            "--auto" => Action::Auto,
                            "--display" => Action::Display,
                            "--query" => Action::Query,
                            _ => Action::List,
                        },
                    )?;
                    [request.name] = self.values(&option, &mut words)?;
                    self.check_name(&request.name)?;
                }
                "--get-selections" => self.choose(&mut request, Action::GetSelections)?,
                "--set-selections" => self.choose(&mut request, Action::SetSelections)?,
                "--config" | "--all" => {
                    return Err(Stop::refused(
                        "update-alternatives",
                        format!("`{option}` asks somebody at a terminal"),
                    )
                    .into());
                }
                option if !option.starts_with("--") => return self.fail(format!("unknown argument '{option}'")),
                option => return Err(Stop::unsupported("update-alternatives", format!("the option `{option}`")).into()),
            }
        }
        Ok(request)
    }

    pub(super) fn values<const N: usize>(
        &mut self,
        option: &str,
        words: &mut impl Iterator<Item = Bytes>,
    ) -> Step<[Bytes; N]> {
        let values: Vec<Bytes> = words.take(N).collect();
        match values.try_into() {
            Ok(values) => Ok(values),
            Err(_) => self.fail(format!("{option} needs {N} arguments")),
        }
    }

    pub(super) fn choose(&mut self, request: &mut Request, action: Action) -> Step<()> {
        match request.action.replace(action) {
            None => Ok(()),
            Some(_) => self.fail("two commands specified"),
        }
    }

    pub(super) fn installation(&mut self, request: &mut Request, words: &mut impl Iterator<Item = Bytes>) -> Step<()> {
        let [link, name, path, priority] = self.values("--install", words)?;
        if link == path {
            return self.fail(format!("<link> '{}' is the same as <path>", shown(&link)));
        }
        let priority = shown(&priority);
        let digits = priority.trim_start().trim_start_matches(['-', '+']);
        let Ok(number) = priority.trim_start().parse() else {
            let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let why = if whole { "is out of range" } else { "must be an integer" };
            return self.fail(format!("priority '{priority}' {why}"));
        };
        request.name = name;
        request.installation = Some(Installation { link, slaves: Vec::new(), choice: Choice::new(path, number) });
        Ok(())
    }

    pub(super) fn slave(&mut self, request: &mut Request, words: &mut impl Iterator<Item = Bytes>) -> Step<()> {
        let Some(installation) = &mut request.installation else {
            return self.fail("--slave only allowed with --install");
        };
        let [link, name, path] = self.values("--slave", words)?;
        let problem = if link == path {
            Some(format!("<link> '{}' is the same as <path>", shown(&link)))
        } else if name == request.name {
            Some(format!("name '{}' is both primary and slave", shown(&name)))
        } else if link == installation.link {
            Some(format!("link '{}' is both primary and slave", shown(&link)))
        } else if installation.slaves.iter().any(|slave| slave.name == name) {
            Some(format!("duplicate slave name '{}'", shown(&name)))
        } else if installation.slaves.iter().any(|slave| slave.link == link) {
            Some(format!("duplicate slave link '{}'", shown(&link)))
        } else {
            None
        };
        if let Some(problem) = problem {
            return self.fail(problem);
        }
        installation.choice.slaves.insert(name.clone(), path);
        installation.slaves.push(Slave { name, link });
        Ok(())
    }

    pub(super) fn check_name(&mut self, name: &[u8]) -> Step<()> {
        if name.iter().any(|byte| b"/ \t".contains(byte)) {
            return self.fail(format!("alternative name ({}) must not contain '/' and spaces", shown(name)));
        }
        Ok(())
    }

    pub(super) fn check_absolute(&mut self, what: &str, path: &[u8]) -> Step<()> {
        if !path.starts_with(b"/") {
            return self.fail(format!("alternative {what} is not absolute as it should be: {}", shown(path)));
        }
        Ok(())
    }

    /// No link belongs to two groups, no name is a group's and a slave's, and the file is there.
    pub(super) fn check_installation(&mut self, name: &[u8], new: &Installation) -> Step<()> {
        self.check_name(name)?;
        self.check_absolute("link", &new.link)?;
        self.check_absolute("path", &new.choice.target)?;
        let groups = self.load_all()?;
        let with_name = |wanted: &[u8]| {
            let has = |group: &&Group| group.name == wanted || group.slaves.iter().any(|slave| slave.name == wanted);
            groups.iter().find(has).filter(|group| group.name != name)
        };
        let with_link = |wanted: &[u8]| {
            let has = |group: &&Group| group.link == wanted || group.slaves.iter().any(|slave| slave.link == wanted);
            groups.iter().find(has)
        };
        if let Some(group) = with_name(name) {
            let (name, other) = (shown(name), shown(&group.name));
            return self.fail(format!("alternative {name} can't be master: it is a slave of {other}"));
        }
        let managed = |link: &[u8], group: &Group| {
            format!("alternative link {} is already managed by {}", shown(link), shown(&group.name))
        };
        if let Some(group) = with_link(&new.link).filter(|group| group.name != name) {
            return self.fail(managed(&new.link, group));
        }
        if self.is_missing(&new.choice.target)? {
            return self.fail(format!("alternative path {} doesn't exist", shown(&new.choice.target)));
        }
        for slave in &new.slaves {
            self.check_name(&slave.name)?;
            self.check_absolute("link", &slave.link)?;
            let path = new.choice.slaves.get(&slave.name).cloned().unwrap_or_default();
            self.check_absolute("path", &path)?;
            if let Some(group) = with_name(&slave.name) {
                let (other, master) = (shown(&group.name), group.name == slave.name);
                let what = if master { "a master alternative".to_owned() } else { format!("a slave of {other}") };
                let (slave, name) = (shown(&slave.name), shown(name));
                return self.fail(format!("alternative {slave} can't be slave of {name}: it is {what}"));
            }
            let Some(group) = with_link(&slave.link) else { continue };
            if group.name != name {
                return self.fail(managed(&slave.link, group));
            }
            let other = group.slaves.iter().find(|other| other.link == slave.link);
            if let Some(other) = other.filter(|other| other.name != slave.name) {
                let (link, other, name) = (shown(&slave.link), shown(&other.name), shown(name));
                return self.fail(format!("alternative link {link} is already managed by {other} (slave of {name})"));
            }
        }
        Ok(())
    }
}
