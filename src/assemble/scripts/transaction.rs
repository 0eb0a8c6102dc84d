//! The transaction: packages are unpacked and their scripts run, in dpkg's order and in rpm's.
//!
//! dpkg (Debian Policy 6.5 to 6.7, deb-triggers(5)): all `config`; then for each package `preinst install` and its files;
//! then each `postinst configure ""`; then triggers. rpm: all `%pretrans`; then for each package its accounts, `%pre`,
//! files, `%post`; then the triggers that something sets off; `%posttrans` last. On a root of both, dpkg's come first.

use std::collections::BTreeMap;

use anyhow::Context;

use super::files::Files;
use super::machine::{Installed, Machine, Status};
use super::marks::Mark;
use super::names::{REMOVAL, full_name, is_meant};
use super::probe::{Moment, Observer, Probe};
use super::results::{Outcome, Problem, ScriptAccount, Why};
use super::run::{self, Ran};
use super::{mistakes, order, programs, triggers};
use crate::assemble::packages::unpack::{self, Unpacking};
use crate::assemble::root::Root;
use crate::assemble::{accounts, kernel};
use crate::package::{Family, Package, Script};
use crate::recipe::{AcceptedScript, UnknownPrograms};
use crate::shell::{Stop, StopKind};
use crate::tree::{Tree, TreePath};

struct Transaction<'r, 'a, 'o> {
    root: &'r mut Root<'a>,
    observer: Option<Observer<'o>>,
    machine: Machine<'a>,
    unpacking: Unpacking<'a>,
    accounts: Vec<ScriptAccount>,
    problems: Vec<Problem>,
}

/// Installs all packages into the root. Gives the marks that stand for what nodes make.
pub(super) fn run(root: &mut Root, probe: Probe, is_twin: bool) -> anyhow::Result<Vec<Mark>> {
    unpack::skeleton(root)?;
    let packages = root.packages.clone();
    let ordered: Vec<&Package> = order::order(&packages).into_iter().map(|index| packages[index]).collect();
    let mut transaction = Transaction::begin(root, &ordered, probe)?;
    transaction.machine.is_twin = is_twin;
    let of = |family: Family| ordered.iter().copied().filter(move |package| package.family == family);
    let debs: Vec<&Package> = of(Family::Deb).collect();
    // What every system has is there before anything else is asked, as a bootstrap leaves it.
    let essential = |package: &&Package| {
        let field = |name: &str| package.control.iter().any(|(field, value)| field == name && value == "yes");
        field("Essential") || package.id.name == "debconf"
    };
    let base = debs.iter().rposition(essential).map_or(0, |last| last + 1);
    transaction.debs(&debs[..base])?;
    transaction.debs(&debs[base..])?;
    transaction.dpkg_triggers(&debs)?;
    transaction.rpms(&of(Family::Rpm).collect::<Vec<_>>())?;
    transaction.finish()
}

impl<'r, 'a, 'o> Transaction<'r, 'a, 'o> {
    fn begin(
        root: &'r mut Root<'a>,
        ordered: &[&'a Package],
        Probe { observer, without }: Probe<'o>,
    ) -> anyhow::Result<Transaction<'r, 'a, 'o>> {
        let recipe = root.inputs.recipe;
        let tree = std::mem::replace(&mut root.tree, Tree::new(recipe.epoch, &root.origin));
        let files = Files::new(tree, root.inputs.contents, recipe.epoch, root.origin.clone());
        let mut machine =
            Machine::new(files, std::mem::take(&mut root.accounts), root.base, recipe.arch, &programs::Table);
        machine.packages = ordered.iter().map(|package| Installed { package, status: Status::NotInstalled }).collect();
        machine.kernel_release = kernel::release(ordered);
        machine.unknown_is_noted = recipe.unknown_programs == UnknownPrograms::Note;
        for dropped in &recipe.drop {
            for path in programs::ghosts(&dropped.name) {
                machine.files.ghosts.insert(TreePath::parse(path)?, 0o755);
            }
        }
        for (question, answer) in &recipe.debconf {
            machine.debconf.preseed(question, answer);
        }
        machine.without = without;
        machine.calls = observer.is_some().then(Vec::new);
        machine.write_accounts().map_err(failure)?;
        let (unpacking, accounts, problems) = Default::default();
        Ok(Transaction { root, observer, machine, unpacking, accounts, problems })
    }

    fn debs(&mut self, packages: &[&'a Package]) -> anyhow::Result<()> {
        for package in packages {
            if let Some(templates) = package.members.get("templates")
                && let Err(problem) = self.machine.debconf.load_templates(&package.id.name, templates)
            {
                let what = format!("its debconf templates: {problem}");
                self.problem_of(package, "templates", Why::Stopped(Stop::new(StopKind::Syntax(what))));
            }
            self.script(package, "config", &["configure", ""])?;
        }
        for package in packages {
            self.script(package, "preinst", &["install"])?;
            self.unpack(package)?;
        }
        for package in packages {
            run::set_status(&mut self.machine, &package.id.name, Status::HalfConfigured);
            // debconf's frontend, which a postinst starts with its confmodule, asks once more: all is there now.
            let asks = |script: &Script| script.text.windows(10).any(|word| word == b"confmodule");
            if package.scripts.iter().any(|script| script.name == "postinst" && asks(script)) {
                self.script(package, "config", &["configure", ""])?;
            }
            self.script(package, "postinst", &["configure", ""])?;
            run::set_status(&mut self.machine, &package.id.name, Status::Installed);
        }
        Ok(())
    }

    fn dpkg_triggers(&mut self, packages: &[&'a Package]) -> anyhow::Result<()> {
        let activated = self.machine.dpkg.activated.clone();
        for package in packages {
            let names = triggers::pending(package, packages, &activated);
            if !names.is_empty() {
                self.script(package, "postinst", &["triggered", &names.join(" ")])?;
            }
            self.removals(package);
        }
        Ok(())
    }

    fn rpms(&mut self, packages: &[&'a Package]) -> anyhow::Result<()> {
        for package in packages {
            self.script(package, "%pretrans", &["1"])?;
        }
        for package in packages {
            let (root, machine) = (&mut *self.root, &mut self.machine);
            accounts::provided_by(root, package, &mut machine.accounts);
            self.machine.write_accounts().map_err(failure)?;
            self.script(package, "%pre", &["1"])?;
            self.unpack(package)?;
            self.script(package, "%post", &["1"])?;
            run::set_status(&mut self.machine, &package.id.name, Status::Installed);
        }
        let everybody = self.root.packages.clone();
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for package in &everybody {
            names.entry(&package.id.name).or_default().push(&package.id.version);
        }
        for kind in ["%triggerprein", "%triggerin", "%filetriggerin"] {
            self.triggers(packages, kind, &everybody, &names)?;
        }
        for package in packages {
            self.script(package, "%posttrans", &["1"])?;
        }
        self.triggers(packages, "%transfiletriggerin", &everybody, &names)?;
        packages.iter().for_each(|package| self.removals(package));
        Ok(())
    }

    fn triggers(
        &mut self,
        packages: &[&'a Package],
        kind: &str,
        everybody: &[&'a Package],
        names: &BTreeMap<&str, Vec<&str>>,
    ) -> anyhow::Result<()> {
        for package in packages {
            for script in package.scripts.iter().filter(|script| script.name == kind) {
                match triggers::sets_off(script, everybody, names) {
                    None => self.tell(package, script, Outcome::NotSetOff),
                    Some(paths) => {
                        let input: String = paths.iter().map(|path| format!("{path}\n")).collect();
                        self.run(package, script, &["1", "1"], input.as_bytes())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Every script of this name that a package has.
    fn script(&mut self, package: &'a Package, name: &str, arguments: &[&str]) -> anyhow::Result<()> {
        for script in package.scripts.iter().filter(|script| script.name == name) {
            self.run(package, script, arguments, b"")?;
        }
        Ok(())
    }

    fn run(&mut self, package: &'a Package, script: &Script, arguments: &[&str], input: &[u8]) -> anyhow::Result<()> {
        let accepted = self.root.inputs.recipe.accept_scripts.iter();
        let meant: Vec<&AcceptedScript> = accepted
            .filter(|accept| accept.package == package.id.name && is_meant(script, accept, &package.scripts))
            .collect();
        if let Some(whole) = meant.iter().find(|accept| accept.program.is_none()) {
            self.tell(package, script, Outcome::Accepted(whole.reason.clone()));
            return Ok(());
        }
        let programs =
            meant.iter().filter_map(|accept| Some((accept.program.clone()?, accept.reason.clone()))).collect();
        if let Some(observe) = &mut self.observer {
            observe(package, &script.name, Moment::Before, &self.machine.files);
        }
        match run::run(&mut self.machine, package, script, arguments, input, programs) {
            Ok(ran) => self.ended(package, script, ran),
            Err(Stop { kind: StopKind::Failure(why), .. }) => {
                return Err(anyhow::anyhow!(why))
                    .with_context(|| format!("interpreting `{}` of {}", script.name, package.id));
            }
            Err(stop) => self.problem(package, script, Why::Stopped(stop)),
        }
        Ok(())
    }

    fn ended(&mut self, package: &Package, script: &Script, ran: Ran) {
        let Ran { status, complaint, changes, used, calls } = ran;
        if let Some(observe) = &mut self.observer {
            observe(package, &script.name, Moment::After(&changes, &calls), &self.machine.files);
        }
        // rpm goes on after these.
        let is_only_told = package.family == Family::Rpm && !["%pre", "%pretrans"].contains(&script.name.as_str());
        let outcome = match status {
            0 => Outcome::Ran,
            status if is_only_told => Outcome::Failed(status, complaint),
            status => return self.problem(package, script, Why::Failed(status, complaint)),
        };
        let (name, sha256) = (full_name(script), run::digest(script));
        // A script that ran before, as a trigger's does, has one entry.
        let before = self.accounts.iter_mut().find(|account| account.package == package.id && account.script == name);
        match before {
            Some(account) => {
                account.changes.extend(changes);
                account.used.extend(used);
                account.changes.sort();
                account.changes.dedup();
                account.used.sort();
                account.used.dedup();
            }
            None => self.accounts.push(ScriptAccount {
                package: package.id.clone(),
                script: name,
                sha256,
                outcome,
                changes,
                used,
            }),
        }
    }

    fn problem(&mut self, package: &Package, script: &Script, why: Why) {
        self.problem_of(package, &full_name(script), why);
    }

    fn problem_of(&mut self, package: &Package, script: &str, why: Why) {
        self.problems.push(Problem { package: package.id.clone(), script: script.to_owned(), why });
    }

    /// Of a script that does not run.
    fn tell(&mut self, package: &Package, script: &Script, outcome: Outcome) {
        let (sha256, changes, used) = (run::digest(script), Vec::new(), Vec::new());
        let name = full_name(script);
        if !self.accounts.iter().any(|account| account.package == package.id && account.script == name) {
            self.accounts.push(ScriptAccount {
                package: package.id.clone(),
                script: name,
                sha256,
                outcome,
                changes,
                used,
            });
        }
    }

    fn removals(&mut self, package: &'a Package) {
        for script in package.scripts.iter().filter(|script| REMOVAL.contains(&script.name.as_str())) {
            self.tell(package, script, Outcome::NotRun);
        }
    }

    /// The package's files, into the tree as it is at this moment.
    fn unpack(&mut self, package: &'a Package) -> anyhow::Result<()> {
        self.swap();
        let done = unpack::unpack_package(self.root, package, &self.machine.dpkg, &mut self.unpacking);
        self.swap();
        run::set_status(&mut self.machine, &package.id.name, Status::Unpacked);
        done
    }

    /// Tree and accounts from the machine into the root, or back.
    fn swap(&mut self) {
        std::mem::swap(&mut self.root.tree, &mut self.machine.files.tree);
        std::mem::swap(&mut self.root.accounts, &mut self.machine.accounts);
    }

    fn finish(mut self) -> anyhow::Result<Vec<Mark>> {
        self.swap();
        let Transaction { root, machine, unpacking, mut accounts, problems, .. } = self;
        root.kernel = unpack::kernel(root, &unpacking)?;
        root.units = machine.units;
        root.alternatives = machine.alternatives;
        root.first_boot = machine.first_boot;
        accounts.sort_by(|one, other| (&one.package, &one.script).cmp(&(&other.package, &other.script)));
        root.scripts = accounts;
        root.problems = problems;
        root.mistakes.0.extend(mistakes::unmeant(&root.inputs.recipe.accept_scripts, &root.packages).0);
        forget(root)?;
        Ok(machine.marks)
    }
}

/// What scripts left where nothing of an image stays: it is empty at every boot.
fn forget(root: &mut Root) -> anyhow::Result<()> {
    for place in ["/run", "/tmp", "/dev", "/proc", "/sys", "/var/tmp", "/var/lib/rpm-state"] {
        let place = TreePath::parse(place)?;
        let below: Vec<TreePath> = root.tree.children(&place).map(|(path, ..)| path.clone()).collect();
        for path in below {
            root.tree.remove_all(&path);
        }
    }
    Ok(())
}

fn failure(stop: Stop) -> anyhow::Error {
    anyhow::anyhow!("{}", stop.kind)
}
