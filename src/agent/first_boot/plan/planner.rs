//! A plan in the making: the facts it is made from, and what every part of it does: add a step, note a mistake.

use crate::agent::first_boot::facts::Facts;
use crate::agent::first_boot::step::{Owner, Plan, Step};
use crate::contract;
use crate::diag::{Diagnostic, Diagnostics, Location};

/// Paths that only the agent writes.
const RESERVED: [&str; 3] = ["/var/lib/nodeinit", "/etc/machine-id", contract::VAR_POPULATED];

pub const SYSTEMCTL: &str = "/usr/bin/systemctl";

#[derive(Debug)]
pub struct Planner<'a> {
    pub facts: &'a Facts,
    pub mistakes: Diagnostics,
    pub plan: Plan,
    /// Users that the plan adds, with their ids.
    pub added: Vec<(String, Owner)>,
    /// Numbers that the metadata gives to users: not to be given to others.
    pub given: Vec<u32>,
    /// systemd must read its units again.
    pub units_changed: bool,
}

impl<'a> Planner<'a> {
    /// Before the first step. `given` are the numbers that the metadata gives to users.
    pub fn new(facts: &'a Facts, given: Vec<u32>) -> Planner<'a> {
        let (mistakes, plan) = (Diagnostics::default(), Plan::default());
        Planner { facts, mistakes, plan, added: Vec::new(), given, units_changed: false }
    }

    pub fn push(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    pub fn mistake(&mut self, slug: &'static str, title: String, at: &Location, help: String) {
        self.mistakes.push(Diagnostic::new(slug, title).at(at, "here").help(help));
    }

    /// Notes a mistake if this is not a path that metadata may write.
    pub fn writable(&mut self, path: &str, at: &Location) {
        let inside = |directory: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
        let places: Vec<&str> =
            ["/etc", "/var"].into_iter().chain(self.facts.writable.iter().map(String::as_str)).collect();
        if !places.iter().any(|place| inside(place)) {
            let title = format!("`{path}` cannot be written: the root is immutable");
            self.mistake("not-writable", title, at, format!("writable: {}", places.join(", ")));
        } else if RESERVED.iter().any(|reserved| path == *reserved || inside(reserved)) {
            let title = format!("`{path}` belongs to the agent");
            self.mistake("not-writable", title, at, "choose another path".to_owned());
        }
    }
}
