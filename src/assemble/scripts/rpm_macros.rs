//! What RPMs' scriptlets in shell do on a first installation.
//!
//! Unlike debhelper's blocks, what macros wrote has no marks around it, so a command counts only where it is certain to
//! run: outside of every condition, or in one that holds (`$1` is 1, no systemd and no SELinux runs here). Where nobody
//! can tell, every branch must be known and change nothing. Commands: [`rpm_commands`], [`rpm_accounts`].

use std::collections::BTreeSet;

use super::residue::Line;
use super::shell::{AndOr, Argument, Command, List, Pipeline, Statements, Variables, Word, program};
use super::{Effect, rpm_accounts, rpm_commands};

/// The effects of the statements that are known, and the other lines. A statement is known as a whole or not at all.
pub(super) fn split(lines: &[Line]) -> (Vec<Effect>, Vec<Line>) {
    let mut script = Script { variables: first_installation(), doubts: 0, assigned: BTreeSet::new() };
    let (mut effects, mut rest, mut assignments) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut statements = Statements::of(lines);
    while let Some(unread) = statements.unread() {
        let Some((statement, first, last)) = statements.next() else {
            rest.extend(unread..lines.len());
            break;
        };
        match script.and_or(&statement) {
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
    (effects, rest.into_iter().map(|at| lines[at].clone()).collect())
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

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    True,
    False,
    /// A question that the builder cannot answer.
    Unknown,
    /// A command that works, as far as anybody knows.
    Works,
    /// Whether there is an account: what follows makes it unless it is there, as a line of sysusers.d does.
    Account,
    NoAccount,
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

struct Script {
    variables: Variables,
    /// How many conditions of unknown outcome are around what is read: what is assigned there is not known after.
    doubts: usize,
    /// Names that were assigned there.
    assigned: BTreeSet<String>,
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

impl Script {
    /// A list that may or may not run.
    fn doubtful(&mut self, list: &List, harmless: fn(&[Effect]) -> bool) -> Option<Vec<Effect>> {
        self.doubts += 1;
        let found = self.list(list);
        self.doubts -= 1;
        found.filter(|found| !found.exits && harmless(&found.effects)).map(|found| found.effects)
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
            self.doubts += 1;
            let found = self.pipeline(next);
            self.doubts -= 1;
            let found = found.filter(|found| !found.exits && harmless(&found.effects))?;
            whole.effects.extend(found.effects);
            whole.status = match (*and, whole.status, found.status) {
                (true, Status::Unknown | Status::Works, Status::False) => Status::False,
                (false, Status::Unknown, Status::True) => Status::True,
                (false, Status::Works, _) => Status::Works,
                _ => Status::Unknown,
            };
        }
        Some(whole)
    }

    fn pipeline(&mut self, Pipeline { inverted, commands }: &Pipeline) -> Option<Done> {
        let [command] = commands.as_slice() else { return None };
        let mut found = self.command(command)?;
        if *inverted {
            found.status = inverse(found.status);
        }
        Some(found)
    }

    fn command(&mut self, command: &Command) -> Option<Done> {
        match command {
            Command::Simple { assignments, words } => self.simple(assignments, words),
            Command::If { branches, otherwise } => match removal_of_a_file(branches, otherwise.as_ref()) {
                true => done(Vec::new(), Status::Works),
                false => self.choice(branches, otherwise.as_ref()),
            },
            Command::For { name, words, body } => {
                self.harmless(words)?;
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
                self.doubts += 1;
                let found = self.list(list);
                self.doubts -= 1;
                found.filter(|found| !found.exits)
            }
            Command::Other => None,
        }
    }

    fn choice(&mut self, branches: &[(List, List)], otherwise: Option<&List>) -> Option<Done> {
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
            let known = value.certain && self.doubts == 0;
            if self.doubts > 0 {
                self.assigned.insert(name.clone());
            }
            self.variables.set(name, Some(value.text.as_str()).filter(|_| known));
        }
        let arguments = self.harmless(words)?;
        match arguments.split_first() {
            None => done(Vec::new(), Status::True),
            Some((first, rest)) if first.certain && assignments.is_empty() => command(&first.text, rest),
            Some(_) => None,
        }
    }
}

fn inverse(status: Status) -> Status {
    match status {
        Status::True => Status::False,
        Status::False => Status::True,
        Status::Account => Status::NoAccount,
        Status::NoAccount => Status::Account,
        Status::Unknown | Status::Works => Status::Unknown,
    }
}

/// `exit $?` after a command that works does not run.
fn exits(pipeline: &Pipeline) -> bool {
    pipeline.commands.len() == 1 && pipeline.commands[0].raw().first() == Some(&"exit")
}

fn command(path: &str, arguments: &[Argument]) -> Option<Done> {
    let all: Option<Vec<&str>> =
        arguments.iter().map(|argument| argument.certain.then_some(argument.text.as_str())).collect();
    match (program(path), all.as_deref()) {
        (":" | "true", _) => done(Vec::new(), Status::True),
        ("false", _) => done(Vec::new(), Status::False),
        ("exit", Some([] | ["0"])) => Some(Done { effects: Vec::new(), status: Status::True, exits: true }),
        ("exit", _) => None,
        ("set", Some([option])) if option.starts_with(['-', '+']) && option.len() == 2 && *option != "--" => {
            done(Vec::new(), Status::True)
        }
        ("[" | "[[", _) => {
            let (end, arguments) = arguments.split_last()?;
            let closed = end.certain && end.text == if path == "[" { "]" } else { "]]" };
            done(Vec::new(), test(arguments)).filter(|_| closed)
        }
        ("test", _) => done(Vec::new(), test(arguments)),
        // None is in force where images are made.
        ("selinuxenabled", Some([])) => done(Vec::new(), Status::False),
        ("command", Some(["-v" | "-V", _])) | ("which" | "type" | "hash", Some([_])) => {
            done(Vec::new(), Status::Unknown)
        }
        ("getent", Some(["passwd" | "group", _])) | ("id", Some([_] | ["-u" | "-g", _])) => {
            done(Vec::new(), Status::Account)
        }
        (name, all) => {
            if let Some(effects) = all.and_then(|all| rpm_accounts::command(name, all)) {
                return done(effects, Status::Works);
            }
            done(rpm_commands::command(name, arguments)?, Status::Works)
        }
    }
}

/// What only a running systemd makes.
const RUNNING: [&str; 2] = ["/run/systemd/system", "/run/systemd"];
/// What `systemd` itself brings, whose macros ask for it.
const SYSTEMD: [&str; 3] = ["/usr/lib/systemd/systemd-update-helper", "/usr/bin/systemctl", "/bin/systemctl"];

/// What `[` says (POSIX.1-2017, `test`).
fn test(arguments: &[Argument]) -> Status {
    let text = |argument: &Argument| argument.certain.then(|| argument.text.clone());
    let texts: Vec<Option<String>> = arguments.iter().map(text).collect();
    let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    let known = |holds: bool| if holds { Status::True } else { Status::False };
    match texts.as_slice() {
        [Some("!"), next, ..] if *next != Some("!") => inverse(test(&arguments[1..])),
        [Some("-d" | "-e"), Some(path)] if RUNNING.contains(path) => Status::False,
        [Some("-x" | "-e" | "-f"), Some(path)] if SYSTEMD.contains(path) => Status::True,
        [Some("-z"), Some(text)] => known(text.is_empty()),
        [Some("-n"), Some(text)] => known(!text.is_empty()),
        [Some(one), Some("=" | "=="), Some(other)] => known(one == other),
        [Some(one), Some("!="), Some(other)] => known(one != other),
        [Some(one), Some(operator), Some(other)] => {
            let (Ok(one), Ok(other)) = (one.parse::<i64>(), other.parse::<i64>()) else { return Status::Unknown };
            match *operator {
                "-eq" => known(one == other),
                "-ne" => known(one != other),
                "-gt" => known(one > other),
                "-ge" => known(one >= other),
                "-lt" => known(one < other),
                "-le" => known(one <= other),
                _ => Status::Unknown,
            }
        }
        _ => Status::Unknown,
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
        let (effects, rest) = split(&lines);
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
            "[ -x /nope ] && exit 0",
            "[ -x /nope ] || exit 0",
            "[ -x /nope ] && ldconfig || useradd q",
            "if test -x /nope; then\nuseradd q\nfi",
            "f() {\nuseradd q\n}",
            "exit 1",
            "echo x 1>/dev/null >/etc/y",
            "for x in a b; do\nuseradd q\ndone",
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
