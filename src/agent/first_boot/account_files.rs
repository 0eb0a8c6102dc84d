//! The account files: `/etc/passwd`, `/etc/group`, `/etc/shadow`, `/etc/gshadow`. Text in, text out.
//!
//! Formats: passwd(5), group(5), shadow(5). Only lines are added and members joined; what is there stays as it is.

/// One account of a file: name and the two numbers of passwd, or name and number of group.
fn fields<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
    text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)
}

/// User id and primary group of a user.
pub fn user(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let fields = fields(passwd, name)?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// Home directory of a user.
pub fn home<'a>(passwd: &'a str, name: &str) -> Option<&'a str> {
    fields(passwd, name)?.get(5).copied()
}

/// Number of a group.
pub fn group(group: &str, name: &str) -> Option<u32> {
    fields(group, name)?.get(2)?.parse().ok()
}

/// The numbers from 1000 that neither file has; people's accounts start there on every distribution.
pub fn free_ids(passwd: &str, group: &str) -> impl Iterator<Item = u32> {
    (1000..60_000).filter(move |id| !id_is_used(passwd, *id) && !id_is_used(group, *id))
}

/// Whether a line has this number as its third field.
pub fn id_is_used(text: &str, id: u32) -> bool {
    text.lines().any(|line| line.split(':').nth(2).and_then(|field| field.parse().ok()) == Some(id))
}

/// The text with one more line, unless its first field is there already.
pub fn with_line(text: &str, line: &str) -> String {
    let name = line.split(':').next().unwrap_or_default();
    if fields(text, name).is_some() {
        return text.to_owned();
    }
    let separator = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{separator}{line}\n")
}

/// `/etc/group` or `/etc/gshadow` with the user as a member of the group: both have the members in their last field.
pub fn with_member(text: &str, group: &str, user: &str) -> String {
    let lines = text.lines().map(|line| {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        if fields[0] == group
            && fields.len() == 4
            && let Some(members) = fields.last_mut()
            && !members.split(',').any(|member| member == user)
        {
            if !members.is_empty() {
                members.push(',');
            }
            members.push_str(user);
        }
        fields.join(":") + "\n"
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nadmin:x:1000:1000::/home/admin:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nadm:x:4:syslog\nadmin:x:1001:\n";

    #[test]
    fn accounts_are_found() {
        assert_eq!((user(PASSWD, "admin"), user(PASSWD, "adm")), (Some((1000, 1000)), None));
        assert_eq!((group(GROUP, "adm"), home(PASSWD, "root")), (Some(4), Some("/root")));
        assert_eq!(free_ids(PASSWD, GROUP).next(), Some(1002));
    }

    #[test]
    fn lines_and_members_are_added_once() {
        let text = with_line("root:x:0:0::/:/bin/sh", "a:x:1:1::/a:/bin/sh");
        assert_eq!(text, "root:x:0:0::/:/bin/sh\na:x:1:1::/a:/bin/sh\n");
        assert_eq!(with_line(&text, "a:x:9:9::/:/"), text);
        let joined = with_member(&with_member(GROUP, "adm", "admin"), "adm", "admin");
        assert_eq!(joined, "root:x:0:\nadm:x:4:syslog,admin\nadmin:x:1001:\n");
        assert_eq!(with_member("adm:!::\n", "adm", "x"), "adm:!::x\n");
    }
}
