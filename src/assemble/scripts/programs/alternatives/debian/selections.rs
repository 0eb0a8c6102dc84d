//! `--get-selections` and `--set-selections`: the choices of all groups, a line each.

use super::{Program, Step, shown};

impl Program<'_, '_, '_> {
    pub(super) fn get_selections(&mut self) -> Step<()> {
        for group in self.load_all()? {
            let current = self.current(&group.name)?.unwrap_or_default();
            let mode = if group.auto { "auto" } else { "manual" };
            let name = shown(&group.name);
            self.out([format!("{name:<30} {mode:<8} ").as_bytes(), &current, b"\n"].concat())?;
        }
        Ok(())
    }

    pub(super) fn set_selections(&mut self) -> Step<()> {
        let input = self.call.input();
        let text = shown(&input);
        for line in text.lines() {
            let mut rest = line;
            let mut word = || {
                let (word, after) = rest.split_once([' ', '\t'])?;
                rest = after.trim_start_matches([' ', '\t']);
                Some(word.to_owned())
            };
            let (Some(name), Some(status)) = (word(), word()) else {
                self.tell(0, format!("skip invalid selection line: {line}"))?;
                continue;
            };
            self.set_selection(name.as_bytes(), &status, rest.as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn set_selection(&mut self, name: &[u8], status: &str, target: &[u8]) -> Step<()> {
        let Some(mut group) = self.load_all()?.into_iter().find(|group| group.name == name) else {
            return self.tell(0, format!("skip unknown alternative {}", shown(name)));
        };
        self.modified = false;
        let current = self.current(name)?;
        let wanted = if status == "auto" {
            self.tell(0, format!("selecting alternative {} as auto", shown(name)))?;
            self.set_mode(&mut group, true);
            group.best(current.as_deref()).map(|best| best.target.clone())
        } else if group.choice(target).is_some() {
            self.tell(0, format!("selecting alternative {} as choice {}", shown(name), shown(target)))?;
            Some(self.set(&mut group, target)?)
        } else {
            let text = format!("unchanged because choice {} is not available", shown(target));
            self.tell(0, format!("alternative {} {text}", shown(name)))?;
            None
        };
        let Some(wanted) = wanted else { return Ok(()) };
        self.select_mode(&mut group, current.as_deref())?;
        self.update(group, current, Some(wanted))
    }
}
