//! What RPMs' scriptlets in shell do on a first installation.
//!
//! Unlike debhelper's blocks, what macros wrote has no marks around it, so a command counts only where it is certain to
//! run: outside of every condition, or in one that holds (`$1` is 1, no systemd and no SELinux runs here). Where nobody
//! can tell, every branch must be known and change nothing. Commands: [`rpm_commands`], [`rpm_accounts`].

use std::collections::BTreeSet;

use super::image::View;
use super::residue::Line;
use super::rpm_conditions::{Status, question, test};
use super::shell::{AndOr, Argument, Command, List, Pipeline, Statements, Variables, Word, program};
use super::{Effect, rpm_accounts, rpm_commands};

/// Configuration in the form of assignments.
const SOURCED: [&str; 5] =
    ["/etc/selinux/", "/etc/os-release", "/usr/lib/os-release", "/etc/sysconfig/", "/etc/default/"];
/// How often a loop is gone round at most.
const LOOPS: usize = 64;
/// How many commands are read, loops counted out.
const COMMANDS: usize = 4_000;

/// The effects of the statements that are known, and the other lines. A statement is known as a whole or not at all.
pub(super) fn split(lines: &[Line], view: View) -> (Vec<Effect>, Vec<Line>) {
    let mut script = Script {
        variables: first_installation(),
        doubts: 0,
        assigned: BTreeSet::new(),
        view,
        commands: COMMANDS,
        made: BTreeSet::new(),
    };
    let (mut effects, mut rest, mut assignments) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let inline = with_inline(lines);
    let lines = inline.as_slice();
    let mut statements = Statements::of(lines);
    let mut ended = false;
    while let Some(unread) = statements.unread() {
        let Some((statement, first, last)) = statements.next() else {
            rest.extend(unread..lines.len());
            break;
        };
        if script.may_exit(&statement) {
            // Whether anything after it runs is not known: it must do nothing.
            ended = true;
            assignments.extend(first..=last);
            continue;
        }
        match script.and_or(&statement).filter(|done| !ended || done.effects.is_empty()) {
            Some(done) => {
                effects.extend(done.effects);
                if is_assignment(&statement) {
                    assignments.extend(first..=last);
                }
                // Nothing after it runs.
                if done.exits {
                    break;
                }
            }
            None => {
                rest.extend(first..=last);
                // Nobody knows what it assigned.
                script.variables = first_installation();
            }
        }
    }
    // Variables do nothing by themselves, and mean something to what is left.
    if !rest.is_empty() {
        rest.append(&mut assignments);
    }
    let says = |line: &&Line| !line.text.is_empty() && !line.text.starts_with('#');
    (effects, rest.into_iter().map(|at| &lines[at]).filter(says).cloned().collect())
}

/// What macros give `systemd-sysusers` and `systemd-tmpfiles` in a here-document, as the words of a command: the lines
/// of the first; the second reads at boot what the package brings.
fn with_inline(lines: &[Line]) -> Vec<Line> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(line) = lines.get(at) {
        at += 1;
        let parts = line.text.split_once(" - <<");
        let parts = parts.and_then(|(command, after)| Some((command, after.strip_suffix("|| :")?.trim_end())));
        let Some((command, end)) = parts else {
            found.push(line.clone());
            continue;
        };
        let length = lines[at..].iter().position(|line| line.text == end);
        let text = length.and_then(|length| {
            let body = lines[at..at + length].iter().map(|line| line.text.as_str());
            let body: Vec<&str> = body.filter(|text| !text.is_empty() && !text.starts_with('#')).collect();
            let word = end.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            let plain = word && body.iter().all(|text| !text.contains(['$', '`', '\'', '\\']));
            inline(command, &body).filter(|_| plain)
        });
        found.push(Line { number: line.number, text: text.clone().unwrap_or_else(|| line.text.clone()) });
        if let (Some(length), Some(_)) = (length, text) {
            at += length + 1;
        }
    }
    found
}

fn inline(command: &str, body: &[&str]) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let file = |word: &str, directory: &str| -> Option<String> {
        let name = word.strip_prefix("--replace=")?.strip_prefix(directory)?;
        let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "._+-@".contains(letter));
        plain.then(|| format!("{}.conf", name.strip_suffix(".conf").unwrap_or(name)))
    };
    match words.as_slice() {
        [path, replaced] if program(path) == "systemd-sysusers" => {
            file(replaced, "/usr/lib/sysusers.d/")?;
            let quoted: Vec<String> = body.iter().map(|line| format!(" '{line}'")).collect();
            Some(format!("systemd-sysusers --inline{} || :", quoted.concat()))
        }
        [path, replaced, "--create"] if program(path) == "systemd-tmpfiles" => {
            Some(format!("systemd-tmpfiles --create {} || :", file(replaced, "/usr/lib/tmpfiles.d/")?))
        }
        _ => None,
    }
}

/// `$1` is the number of versions that are installed.
fn first_installation() -> Variables {
    let mut variables = Variables::default();
    variables.set("1", Some("1"));
    variables
}

fn is_assignment(statement: &AndOr) -> bool {
    matches!(statement.first.commands.as_slice(), [Command::Simple { words, .. }] if words.is_empty())
}

#[derive(Debug)]
struct Done {
    effects: Vec<Effect>,
    status: Status,
    /// Whether the script ends here.
    exits: bool,
}

fn done(effects: Vec<Effect>, status: Status) -> Option<Done> {
    Some(Done { effects, status, exits: false })
}

struct Script<'a> {
    variables: Variables,
    /// How many conditions of unknown outcome are around what is read: what is assigned there is not known after.
    doubts: usize,
    /// Names that were assigned there.
    assigned: BTreeSet<String>,
    view: View<'a>,
    /// Paths that the script has made up to here.
    made: BTreeSet<String>,
    /// How many more commands are read.
    commands: usize,
}

/// Accounts, which are made only if they are missing.
fn accounts(effects: &[Effect]) -> bool {
    effects.iter().all(|effect| matches!(effect, Effect::Account(_)))
}

/// Memberships, which make the account and the group they are about.
fn memberships(effects: &[Effect]) -> bool {
    effects.iter().all(|effect| matches!(effect, Effect::Account(line) if line.starts_with("m ")))
}

fn steps(effects: &[Effect]) -> bool {
    effects.iter().all(rpm_commands::done_by_steps)
}

impl Script<'_> {
    /// A list that may or may not run.
    fn doubtful(&mut self, list: &List, harmless: fn(&[Effect]) -> bool) -> Option<Vec<Effect>> {
        let found = self.in_doubt(|script| script.list(list));
        found.filter(|found| !found.exits && harmless(&found.effects)).map(|found| found.effects)
    }

    /// What is assigned meanwhile is not known any more afterwards.
    fn in_doubt<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.variables.clone();
        self.doubts += 1;
        let found = read(self);
        self.doubts -= 1;
        self.variables = before.without(&self.assigned);
        found
    }

    /// Whether a statement is a question that nobody can answer, and ends the script if the answer is so.
    fn may_exit(&mut self, AndOr { first, rest }: &AndOr) -> bool {
        let Some(((_, last), before)) = rest.split_last() else { return false };
        let leaves = last.commands.len() == 1 && matches!(last.commands[0].raw().as_slice(), ["exit"] | ["exit", "0"]);
        let asked = AndOr { first: first.clone(), rest: before.to_vec() };
        leaves
            && self.in_doubt(|script| script.and_or(&asked)).is_some_and(|found| {
                found.effects.is_empty() && !found.exits && matches!(found.status, Status::Unknown)
            })
    }

    fn list(&mut self, list: &List) -> Option<Done> {
        let mut whole = Done { effects: Vec::new(), status: Status::True, exits: false };
        for statement in list {
            let Done { effects, status, exits } = self.and_or(statement)?;
            whole.effects.extend(effects);
            (whole.status, whole.exits) = (status, exits);
            if exits {
                break;
            }
        }
        Some(whole)
    }

    fn and_or(&mut self, AndOr { first, rest }: &AndOr) -> Option<Done> {
        let mut whole = self.pipeline(first)?;
        for (and, next) in rest {
            if whole.exits {
                break;
            }
            let harmless: fn(&[Effect]) -> bool = match (*and, whole.status) {
                (true, Status::True) | (false, Status::False) => {
                    let found = self.pipeline(next)?;
                    whole.effects.extend(found.effects);
                    (whole.status, whole.exits) = (found.status, found.exits);
                    continue;
                }
                (true, Status::False) | (false, Status::True) => continue,
                (false, Status::Works) if exits(next) => continue,
                (_, Status::Unknown | Status::Works) => steps,
                (false, Status::Account) | (true, Status::NoAccount) => accounts,
                (true, Status::Account) | (false, Status::NoAccount) => memberships,
            };
            let found = self.in_doubt(|script| script.pipeline(next));
            let found = found.filter(|found| !found.exits && harmless(&found.effects))?;
            whole.effects.extend(found.effects);
            whole.status = match (*and, whole.status, found.status) {
                (true, Status::Unknown | Status::Works, Status::False) => Status::False,
                (true, Status::Works, Status::Account) => Status::Account,
                (false, Status::Account, _) => Status::Works,
                (false, Status::Unknown, Status::True) => Status::True,
                (false, Status::Works, _) => Status::Works,
                _ => Status::Unknown,
            };
        }
        Some(whole)
    }

    fn pipeline(&mut self, Pipeline { inverted, commands }: &Pipeline) -> Option<Done> {
        let [command] = commands.as_slice() else {
            // Several run at once, each for itself; what the last one says decides, and nobody knows what it reads.
            let nothing = self.in_doubt(|script| {
                let mut each = commands.iter().map(|command| script.command(command));
                each.all(|found| found.is_some_and(|found| !found.exits && found.effects.is_empty()))
            });
            return if nothing { done(Vec::new(), Status::Unknown) } else { None };
        };
        let mut found = self.command(command)?;
        if *inverted {
            found.status = found.status.inverse();
        }
        Some(found)
    }

    fn command(&mut self, command: &Command) -> Option<Done> {
        self.commands = self.commands.checked_sub(1)?;
        match command {
            Command::Simple { assignments, words } => self.simple(assignments, words),
            Command::If { branches, otherwise } => match removal_of_a_file(branches, otherwise.as_ref()) {
                true => done(Vec::new(), Status::Works),
                false => self.choice(branches, otherwise.as_ref()),
            },
            Command::For { name, words, body } => {
                let words = self.harmless(words)?;
                if let Some(found) = self.unrolled(name, &words, body) {
                    return Some(found);
                }
                // The second time round anything may be assigned that the body assigns.
                self.assigned.insert(name.clone());
                let outer = std::mem::take(&mut self.variables);
                self.doubtful(body, <[Effect]>::is_empty)?;
                self.variables = outer.without(&self.assigned);
                done(Vec::new(), Status::Works)
            }
            Command::Case { word, arms } => {
                self.harmless([word])?;
                for arm in arms {
                    self.doubtful(arm, <[Effect]>::is_empty)?;
                }
                done(Vec::new(), Status::Works)
            }
            Command::Group { list, subshell: false } => self.list(list),
            Command::Group { list, subshell: true } => {
                let found = self.in_doubt(|script| script.list(list));
                found.filter(|found| !found.exits)
            }
            Command::Other => None,
        }
    }

    /// A loop over known words, if the body is known with each of them and always runs to its end.
    fn unrolled(&mut self, name: &str, words: &[Argument], body: &List) -> Option<Done> {
        let known = !words.is_empty() && words.len() <= LOOPS && words.iter().all(|word| word.certain);
        if !known || leaves(body) || self.doubts > 0 {
            return None;
        }
        let (before, assigned) = (self.variables.clone(), self.assigned.clone());
        let mut whole = Done { effects: Vec::new(), status: Status::Works, exits: false };
        for word in words {
            self.variables.set(name, Some(&word.text));
            match self.list(body) {
                Some(found) => {
                    whole.effects.extend(found.effects);
                    whole.exits = found.exits;
                }
                None => {
                    (self.variables, self.assigned) = (before, assigned);
                    return None;
                }
            }
            if whole.exits {
                break;
            }
        }
        Some(whole)
    }

    /// `export NAME=VALUE`
    fn exported(&mut self, arguments: &[Argument]) -> Option<Done> {
        for argument in arguments {
            let (name, value) = argument.text.split_once('=').unwrap_or((&argument.text, ""));
            let named = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            if !named {
                return None;
            }
            let known = argument.certain && argument.text.contains('=');
            if self.doubts > 0 {
                self.assigned.insert(name.to_owned());
            }
            if argument.text.contains('=') {
                self.variables.set(name, Some(value).filter(|_| known));
            }
        }
        done(Vec::new(), Status::True)
    }

    fn program(&mut self, path: &str, arguments: &[Argument]) -> Option<Done> {
        match path {
            "export" => self.exported(arguments),
            // Assignments of somebody else's.
            "." | "source" => match arguments {
                [file] if file.certain && SOURCED.iter().any(|place| file.text.starts_with(place)) => {
                    self.assigned.extend(self.variables.names());
                    self.variables = first_installation();
                    done(Vec::new(), Status::Unknown)
                }
                _ => None,
            },
            _ => {
                let found = command(path, arguments, self.view.with(&self.made))?;
                self.made.extend(found.effects.iter().filter_map(Effect::made).map(str::to_owned));
                Some(found)
            }
        }
    }

    fn choice(&mut self, branches: &[(List, List)], otherwise: Option<&List>) -> Option<Done> {
        if let ([(condition, body)], None) = (branches, otherwise)
            && let Some(unit) = asks_if_enabled(condition)
        {
            // What is enabled is enabled again.
            let found = self.doubtful(body, |effects| effects.iter().all(|it| matches!(it, Effect::Enable(_))))?;
            let same = found.iter().all(|effect| *effect == Effect::Enable(unit.clone()));
            return if same { done(Vec::new(), Status::Works) } else { None };
        }
        let mut effects = Vec::new();
        // What may run of what comes next: everything, accounts, or nothing that changes anything.
        let mut harmless: Option<fn(&[Effect]) -> bool> = None;
        for (condition, body) in branches {
            let asked = self.list(condition).filter(|found| !found.exits && found.effects.is_empty())?;
            match (asked.status, harmless) {
                (Status::False, _) => continue,
                (Status::True, None) => return self.list(body),
                (Status::True, Some(harmless)) => {
                    effects.extend(self.doubtful(body, harmless)?);
                    return done(effects, Status::Works);
                }
                (Status::NoAccount, None) => {
                    effects.extend(self.doubtful(body, accounts)?);
                    // It holds on a fresh image; what follows must be as harmless, and does not run.
                    if let Some(otherwise) = otherwise {
                        self.doubtful(otherwise, accounts)?;
                    }
                    return (branches.len() == 1).then(|| done(effects, Status::Works))?;
                }
                (Status::Account, None) => {
                    effects.extend(self.doubtful(body, memberships)?);
                    harmless = Some(accounts);
                }
                _ => {
                    self.doubtful(body, <[Effect]>::is_empty)?;
                    harmless = Some(<[Effect]>::is_empty);
                }
            }
        }
        match (otherwise, harmless) {
            (None, _) => done(effects, Status::Works),
            (Some(list), None) => self.list(list),
            (Some(list), Some(harmless)) => {
                effects.extend(self.doubtful(list, harmless)?);
                done(effects, Status::Works)
            }
        }
    }

    /// The words with their variables, if putting them together changes nothing.
    fn harmless<'w>(&self, words: impl IntoIterator<Item = &'w Word>) -> Option<Vec<Argument>> {
        let arguments = self.variables.expand(words)?;
        arguments.iter().all(|argument| argument.harmless).then_some(arguments)
    }

    fn simple(&mut self, assignments: &[(String, Word)], words: &[Word]) -> Option<Done> {
        for (name, value) in assignments {
            let value = self.harmless([value])?.pop()?;
            let known = value.certain;
            if self.doubts > 0 {
                self.assigned.insert(name.clone());
            }
            self.variables.set(name, Some(value.text.as_str()).filter(|_| known));
        }
        let arguments = self.harmless(words)?;
        match arguments.split_first() {
            None => done(Vec::new(), Status::True),
            Some((first, rest)) if first.certain && assignments.is_empty() => self.program(&first.text, rest),
            Some(_) => None,
        }
    }
}

/// Whether a list may leave the loop around it, or go on with the next time round.
fn leaves(list: &List) -> bool {
    let lists = |command: &Command| match command {
        Command::Simple { .. } => matches!(command.raw().first(), Some(&("continue" | "break"))),
        Command::If { branches, otherwise } => {
            branches.iter().any(|(condition, body)| leaves(condition) || leaves(body))
                || otherwise.as_ref().is_some_and(leaves)
        }
        Command::For { body, .. } => leaves(body),
        Command::Case { arms, .. } => arms.iter().any(leaves),
        Command::Group { list, .. } => leaves(list),
        Command::Other => true,
    };
    let pipelines = list.iter().flat_map(|it| std::iter::once(&it.first).chain(it.rest.iter().map(|(_, next)| next)));
    pipelines.flat_map(|pipeline| &pipeline.commands).any(lists)
}

/// `exit $?` after a command that works does not run.
fn exits(pipeline: &Pipeline) -> bool {
    pipeline.commands.len() == 1 && pipeline.commands[0].raw().first() == Some(&"exit")
}

fn command(path: &str, arguments: &[Argument], view: View) -> Option<Done> {
    let all: Option<Vec<&str>> =
        arguments.iter().map(|argument| argument.certain.then_some(argument.text.as_str())).collect();
    match (program(path), all.as_deref()) {
        (":" | "true", _) => done(Vec::new(), Status::True),
        ("false", _) => done(Vec::new(), Status::False),
        ("exit", Some([] | ["0"])) => Some(Done { effects: Vec::new(), status: Status::True, exits: true }),
        ("exit", _) => None,
        ("set", Some([option])) if option.starts_with(['-', '+']) && option.len() < 5 && *option != "--" => {
            done(Vec::new(), Status::True)
        }
        ("set", Some(["-o" | "+o", _])) => done(Vec::new(), Status::True),
        // Only in loops, whose body may then do nothing.
        ("continue" | "break", Some([])) => done(Vec::new(), Status::True),
        ("[" | "[[", _) => {
            let (end, arguments) = arguments.split_last()?;
            let closed = end.certain && end.text == if path == "[" { "]" } else { "]]" };
            done(Vec::new(), test(arguments, view)).filter(|_| closed)
        }
        ("test", _) => done(Vec::new(), test(arguments, view)),
        ("getent", Some(["passwd" | "group", _])) | ("id", Some([_] | ["-u" | "-g", _])) => {
            done(Vec::new(), Status::Account)
        }
        (name, all) => {
            if let Some(status) = question(path, arguments, view) {
                return done(Vec::new(), status);
            }
            if let Some(effects) = all.and_then(|all| rpm_accounts::command(name, all)) {
                return done(effects, Status::Works);
            }
            done(rpm_commands::command(name, arguments, view)?, Status::Works)
        }
    }
}

/// `systemctl is-enabled UNIT`
fn asks_if_enabled(condition: &List) -> Option<String> {
    let [AndOr { first: Pipeline { inverted: false, commands }, rest }] = condition.as_slice() else { return None };
    let [command] = commands.as_slice() else { return None };
    let raw = command.raw();
    let (first, words) = raw.split_first().filter(|_| rest.is_empty())?;
    let words: Vec<&str> = words.iter().copied().filter(|word| !["-q", "--quiet"].contains(word)).collect();
    match words.as_slice() {
        ["is-enabled", unit] if program(first) == "systemctl" => Some((*unit).to_owned()),
        _ => None,
    }
}

/// Before an alternative is registered, iptables removes programs that an old version left in the place of the link:
/// a file that is no link, which no package brings.
fn removal_of_a_file(branches: &[(List, List)], otherwise: Option<&List>) -> bool {
    fn single(list: &List) -> Vec<&str> {
        match list.as_slice() {
            [AndOr { first: Pipeline { inverted: false, commands }, rest }]
                if rest.is_empty() && commands.len() == 1 =>
            {
                commands[0].raw()
            }
            _ => Vec::new(),
        }
    }
    let ([(condition, body)], None) = (branches, otherwise) else { return false };
    let (asks, removes) = (single(condition), single(body));
    let ([open, link, "=" | "==", file, close], ["rm", "-f", gone]) = (asks.as_slice(), removes.as_slice()) else {
        return false;
    };
    *open == "["
        && *close == "]"
        && file == gone
        && file.starts_with('$')
        && !file.contains(['(', '`'])
        && *link == format!("\"$(readlink -e {file})\"")
}

#[cfg(test)]
mod tests {
    use super::super::{Alternative, Slave};
    use super::*;

    fn of(text: &str) -> (Vec<Effect>, Vec<String>) {
        let lines: Vec<Line> = text
            .lines()
            .enumerate()
            .map(|(index, line)| Line { number: index + 1, text: line.trim().to_owned() })
            .filter(|line| !line.text.is_empty() && !line.text.starts_with('#'))
            .collect();
        let (effects, rest) = split(&lines, View::unknown());
        (effects, rest.into_iter().map(|line| line.text).collect())
    }

    #[test]
    fn the_forms_of_systemd_post_preset_their_units() {
        let forms = [
            // el7
            "\nif [ $1 -eq 1 ] ; then \n        # Initial installation \n        systemctl preset kubelet.service >/dev/null 2>&1 || : \nfi \n",
            // el8
            "if [ $1 -eq 1 ] ; then\n # Initial installation\n systemctl --no-reload preset kubelet.service &>/dev/null || :\nfi",
            // el9
            "if [ $1 -eq 1 ] ; then\n systemctl --no-reload preset kubelet.service || :\nfi",
            // el10, Fedora
            "if [ $1 -eq 1 ] && [ -x \"/usr/lib/systemd/systemd-update-helper\" ]; then\n    # Initial installation\n    \
             /usr/lib/systemd/systemd-update-helper install-system-units kubelet.service || :\nfi",
        ];
        for form in forms {
            let (effects, rest) = of(form);
            assert_eq!(effects, [Effect::Preset("kubelet.service".into())], "{form}");
            assert!(rest.is_empty(), "{rest:?}");
        }
        let (effects, _) = of("systemctl --no-reload preset --global a.socket b.service || :");
        assert_eq!(effects, [Effect::Preset("user/a.socket".into()), Effect::Preset("user/b.service".into())]);
    }

    #[test]
    fn lines_in_other_conditions_and_other_commands_are_left() {
        let (effects, rest) = of("if [ -e /x ]; then\nsystemctl preset a.service\nfi\n/sbin/ldconfig\n");
        assert_eq!((effects.len(), rest.len()), (0, 3));
        let (effects, rest) = of("if [ $1 -eq 2 ]; then\nrm -rf /x\nelse\nrm -rf /y\nfi\n");
        assert_eq!((effects.len(), rest.len()), (0, 5));
        let (effects, rest) = of("if [ $1 -eq 1 ]; then\nsystemctl preset a.service\nusermod -L x\nfi\n");
        assert_eq!((effects.len(), rest.len()), (0, 4));
        for text in ["ldconfig -r /", "systemctl preset $UNIT", "true && rm -rf /", "x; true", "ldconfig;useradd $q"] {
            assert_eq!(of(text), (vec![], vec![text.to_owned()]));
        }
    }

    #[test]
    fn upgrades_and_conditions_around_nothing_are_no_effect() {
        for text in [
            "if [ $1 -gt 1 ] ; then\nif ! test -e /x; then\nmv -f /a /b\nfi\nfi\n",
            "if [ -x /usr/bin/ln ]; then\n/usr/bin/ca-legacy install\n/usr/bin/update-ca-trust\nfi\n",
            "if [ -x /usr/sbin/weak-modules ]\nthen\n    /usr/sbin/weak-modules --add-kernel 6.1 || exit $?\nfi\n",
            "if [[ ! -e \"/boot/symvers-6.1.gz\" ]]; then\ncp \"/lib/modules/6.1/symvers.gz\" \"/boot/symvers-6.1.gz\"\n\
             if command -v restorecon &>/dev/null; then\nrestorecon \"/boot/symvers-6.1.gz\"\nfi\nfi\n",
            "if [ -e /etc/selinux/config ]; then\n. /etc/selinux/config\nfi\n_policytype=targeted\n\
             if [ -z \"${_policytype}\" ]; then\n_policytype=\"targeted\"\nfi\n\
             if [ \"${SELINUXTYPE}\" = \"${_policytype}\" ]; then\n\
             /usr/sbin/semodule -n -s ${_policytype} -X 200 -i /usr/share/x.pp.bz2 || :\n\
             /usr/sbin/selinuxenabled && /usr/sbin/load_policy || :\nfi\n",
            "if [ -x /usr/sbin/selinuxenabled ] && /usr/sbin/selinuxenabled; then\nSECXT=$( matchpathcon -n /x )\nfi\n",
            "restorecon /boot 2>dev/null >/dev/null || :\n",
        ] {
            assert_eq!(of(text), (vec![], vec![]), "{text}");
        }
    }

    #[test]
    fn nothing_runs_after_an_exit_and_a_condition_that_exits_is_left() {
        assert_eq!(of("exit 0\nsystemctl preset a.service\n"), (vec![], vec![]));
        let (effects, rest) = of("if [ ! -e /x ]; then\nexit 0\nfi\n");
        assert_eq!((effects.len(), rest.len()), (0, 3));
    }

    #[test]
    fn alternatives_are_read_with_their_variables_and_followers() {
        let text = "pfx=/usr/sbin/iptables\npfx6=/usr/sbin/ip6tables\nupdate-alternatives --install \\\n  $pfx iptables $pfx-nft 10 \\\n\
                    --slave $pfx6 ip6tables $pfx6-nft --family nft\n\
                    for sfx in \"\" \"-restore\" \"-save\"; do\nif [ \"$(readlink -e $pfx$sfx)\" == $pfx$sfx ]; then\nrm -f $pfx$sfx\nfi\ndone\n";
        let (effects, rest) = of(text);
        assert!(rest.is_empty(), "{rest:?}");
        let slave = Slave {
            link: "/usr/sbin/ip6tables".into(),
            name: "ip6tables".into(),
            target: "/usr/sbin/ip6tables-nft".into(),
        };
        let iptables = Alternative {
            link: "/usr/sbin/iptables".into(),
            name: "iptables".into(),
            target: "/usr/sbin/iptables-nft".into(),
            priority: 10,
            slaves: vec![slave],
            family: Some("nft".into()),
        };
        assert_eq!(effects, [Effect::Alternative(iptables)]);
        // What is left keeps the variables it is about.
        let (_, rest) = of("pfx=/usr/sbin/x\nrm -rf $pfx\n");
        assert_eq!(rest, ["pfx=/usr/sbin/x", "rm -rf $pfx"]);
    }

    #[test]
    fn what_a_condition_may_hide_is_left() {
        for text in [
            "if [ -x /usr/sbin/selinuxenabled ]; then\nuseradd hidden\nfi",
            "if selinuxenabled || true; then\nrm -rf /etc\nfi",
            "if [ $1 -gt 1 ]; then\necho up; else\nrm -rf /etc/x\nfi",
            "if [ $1 -gt 1 ]; then foo; fi; rm -rf /etc/x",
            "[ -x /nope ] && exit 0\nuseradd q",
            "[ -x /nope ] || exit 0\nsystemctl preset a.service",
            "[ -x /nope ] && exit 1",
            "[ -x /nope ] && ldconfig || useradd q",
            "if test -x /nope; then\nuseradd q\nfi",
            "f() {\nuseradd q\n}",
            "exit 1",
            "echo x 1>/dev/null >/etc/y",
            "for x in a $b; do\nuseradd q\ndone",
            "case x in\ny) useradd q ;;\nesac",
            "if [ \"$(rm -rf /etc)\" ]; then\ntrue\nfi",
            "if [ \"$(readlink -e $a)\" == $a ]; then\nrm -f $b\nfi",
            "cat <<E\nfi\nE",
        ] {
            assert_eq!(of(text), (vec![], text.lines().map(str::to_owned).collect()), "{text}");
        }
        // What may have been assigned is not known.
        let (effects, rest) = of("u=a.service\nif [ -e /x ]; then\nu=b.service\nfi\nsystemctl preset $u\n");
        assert_eq!((effects.len(), rest.last().unwrap().as_str()), (0, "systemctl preset $u"));
        let again = "for i in 1 2; do\nif [ \"$u\" = b ]; then\nrm -rf /etc\nfi\nu=b\ndone";
        assert_eq!(of(&format!("u=a\n{again}")).1.len(), 7);
        assert_eq!(of("u=a\n(u=b)\nif [ $u = b ]; then\nrm -rf /etc\nfi").1.len(), 4);
        let deep = format!("{}true\n{}", "if [ x ]; then\n".repeat(20_000), "fi\n".repeat(20_000));
        assert_eq!(of(&deep).1.len(), 40_001);
    }

    #[test]
    fn other_branches_run_where_a_condition_does_not_hold() {
        let preset = (vec![Effect::Preset("a.service".into())], vec![]);
        assert_eq!(of("if [ $1 -gt 1 ]; then\nrm -rf /etc/x\nelse\nsystemctl preset a.service\nfi"), preset);
        assert_eq!(of("if test \"$1\" -eq 1; then\nsystemctl preset a.service\nelse\nrm -rf /\nfi"), preset);
        assert_eq!(of("[ \"$1\" = 1 ] && systemctl preset a.service || :"), preset);
    }

    #[test]
    fn triggers_for_a_running_systemd_and_kernels_do_nothing() {
        for text in [
            "if test -d \"/run/systemd/system\"; then\n  anything daemon-reload || :\n\
             systemctl reload-or-restart --marked || :\nfi",
            "systemctl --system daemon-reload\nsystemd-update-helper user-reload-restart || :",
            "if [ `uname -i` == \"x86_64\" -o `uname -i` == \"i386\" ] &&\n   [ -f /etc/sysconfig/kernel ]; then\n\
             /bin/sed -r -i -e 's/^K=a$/K=b/' /etc/sysconfig/kernel || exit $?\nfi",
            "if [ -x /sbin/ldconfig ]\nthen\n    /sbin/ldconfig -X || exit $?\nfi",
            "if [[ ! -e \"/boot/symvers-6.1.gz\" ]]; then\nln -s \"/lib/modules/6.1/symvers.gz\" \"/boot/symvers-6.1.gz\"\n\
             command -v restorecon &>/dev/null && restorecon \"/boot/symvers-6.1.gz\"\nfi",
            "if command -v semodule > /dev/null 2>&1 && selinuxenabled 2>/dev/null; then\n\
             if ! semodule -i /x.cil 2>/dev/null; then\necho \"warning\" >&2\nfi\nfi",
            "p=/usr/sbin/x\nfor sfx in \"\" \"-save\"; do\nif [ \"$(readlink -e $p$sfx)\" == $p$sfx ]; then\n\
             rm -f $p$sfx\nfi\nif [ \"$(readlink -e $p$sfx)\" = $p$sfx ]; then\nrm -f $p$sfx\nfi\ndone",
        ] {
            assert_eq!(of(text), (vec![], vec![]), "{text}");
        }
    }

    #[test]
    fn sysusers_and_tmpfiles_are_named() {
        let text = "systemd-sysusers etcd.conf >/dev/null 2>&1 || :\n\
                    [ -x /usr/bin/systemd-tmpfiles ] && /usr/bin/systemd-tmpfiles --create etcd.conf || :\n";
        let (effects, rest) = of(text);
        assert_eq!(effects, [Effect::Sysusers("etcd.conf".into()), Effect::Tmpfiles("etcd.conf".into())]);
        assert!(rest.is_empty());
    }
}
