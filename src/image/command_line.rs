//! The kernel command line of a node.

use super::disk::layout;
use crate::contract;
use crate::recipe::{Recipe, Selinux};
use crate::tree::Digest;

/// What the agent must know, then what the recipe adds.
pub fn command_line(recipe: &Recipe, root_hash: &Digest) -> String {
    let var_first_lba = layout::var_first_lba(recipe.disk.esp, recipe.disk.slot);
    let mut words = vec![
        format!("{}={root_hash}", contract::CMDLINE_ROOT_HASH),
        format!("{}={var_first_lba}", contract::CMDLINE_VAR_START),
        format!("{}={}", contract::CMDLINE_VAR_FS, recipe.disk.var.word),
        format!("{}={}", contract::CMDLINE_VAR_MIN, recipe.disk.var_min),
        "panic=10".to_owned(),
    ];
    // Debian's kernels start AppArmor instead of SELinux unless they are told; the second word stands above the node's
    // /etc/selinux/config, which can be changed there.
    let selinux: &[&str] = match recipe.selinux_mode() {
        Selinux::Disabled => &[],
        Selinux::Permissive => &["security=selinux"],
        Selinux::Enforcing => &["security=selinux", "enforcing=1"],
    };
    words.extend(selinux.iter().map(|word| (*word).to_owned()));
    words.extend(recipe.kernel.cmdline.iter().cloned());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::tests::World;
    use crate::recipe::check::CMDLINE_OWN_BYTES;
    use crate::recipe::hardware::{HARDWARE, Hardware};
    use crate::yaml::Located;

    #[test]
    fn the_builders_own_words_leave_the_command_line_the_room_that_recipes_count_on() {
        let consoles = |kind: &Hardware| kind.consoles.iter().map(|console| format!("console={console}")).collect();
        let longest = HARDWARE.into_iter().max_by_key(|kind| kind.consoles.concat().len()).unwrap();
        let mut recipe = World::new().recipe;
        assert_eq!(recipe.kernel.cmdline, ["console=tty0", "console=ttyS0"]);
        recipe.kernel.cmdline = consoles(longest);
        (recipe.disk.slot, recipe.disk.var_min) = (1 << 45, u64::MAX);
        let location = recipe.disk.location.clone();
        recipe.selinux = Some(Located { value: Selinux::Enforcing, location });
        let own = command_line(&recipe, &Digest([0xff; 32]));
        assert!(own.len() <= CMDLINE_OWN_BYTES, "{} bytes", own.len());
        assert!(own.contains(" panic=10 security=selinux enforcing=1 console="), "{own}");
        recipe.selinux = None;
        recipe.kernel.cmdline.clear();
        assert!(command_line(&recipe, &Digest([0xff; 32])).ends_with(" panic=10"));
    }
}
