//! systemd's `sysusers.d` files: which system users and groups packages want.
//!
//! Format: sysusers.d(5). Read at build time so that ids are in the image and the same in every build of it;
//! `systemd-sysusers.service` is then left out of the boot.

/// One line, its ids as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// `u NAME ID GECOS HOME SHELL`; also makes a group of that name, unless the id names another one.
    User { name: String, id: Id, group: Option<GroupReference>, gecos: String, home: String, shell: String },
    /// `g NAME ID`
    Group { name: String, id: Id },
    /// `m USER GROUP`
    Member { user: String, group: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    Any,
    Exactly(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupReference {
    Id(u32),
    Name(String),
}

/// All lines of one file, or what is wrong with the first bad one and its number.
pub(crate) fn parse(text: &str) -> Result<Vec<Line>, (usize, String)> {
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        lines.extend(parse_line(trimmed).map_err(|problem| (number + 1, problem))?);
    }
    Ok(lines)
}

fn parse_line(line: &str) -> Result<Option<Line>, String> {
    let words = words(line)?;
    let word = |index: usize| words.get(index).map(String::as_str).filter(|word| !word.is_empty() && *word != "-");
    let name = || word(1).map(str::to_owned).ok_or_else(|| "the line has no name".to_owned());
    match words.first().map(String::as_str) {
        // `u!` makes an account that is locked for good: every system account of ours is.
        Some("u" | "u!") => {
            // They become fields of a line of /etc/passwd.
            let bad = |word: &&String| word.contains(|letter: char| letter == ':' || letter.is_control());
            if let Some(field) =
                words.iter().enumerate().find_map(|(at, word)| Some(word).filter(|it| at != 2 && bad(it)))
            {
                return Err(format!("`{}` has a colon or a control character", field.escape_debug()));
            }
            let (id, group) = user_id(word(2).unwrap_or("-"))?;
            Ok(Some(Line::User {
                name: name()?,
                id,
                group,
                gecos: word(3).unwrap_or_default().to_owned(),
                home: word(4).unwrap_or("/").to_owned(),
                shell: word(5).unwrap_or("/usr/sbin/nologin").to_owned(),
            }))
        }
        Some("g") => Ok(Some(Line::Group { name: name()?, id: id(word(2).unwrap_or("-"))? })),
        Some("m") => {
            let group = word(2).ok_or("`m` needs a user and a group")?;
            Ok(Some(Line::Member { user: name()?, group: group.to_owned() }))
        }
        // The range to allocate from: ids here do not come from ranges.
        Some("r") => Ok(None),
        _ => Err(format!("the type `{}` is none of u, u!, g, m, r", words.first().map_or("", String::as_str))),
    }
}

fn user_id(text: &str) -> Result<(Id, Option<GroupReference>), String> {
    let Some((user, group)) = text.split_once(':') else { return Ok((id(text)?, None)) };
    let group = match group.parse() {
        Ok(group) => GroupReference::Id(group),
        Err(_) => GroupReference::Name(group.to_owned()),
    };
    Ok((id(user)?, Some(group)))
}

fn id(text: &str) -> Result<Id, String> {
    match text {
        "-" => Ok(Id::Any),
        _ if text.starts_with('/') => Err(format!("the id is taken from the owner of `{text}`: give a number")),
        _ => text.parse().map(Id::Exactly).map_err(|_| format!("`{text}` is not an id")),
    }
}

/// Words separated by blanks; a word may be in single or double quotes.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = if first == '"' || first == '\'' {
            rest[1..].split_once(first).ok_or("a quotation is not closed")?
        } else {
            rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()))
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_read() {
        let text = "# c\nu! net - \"Net Work\"\ng kvm -\nu sync 4:65534 - /bin /bin/sync\nm a b\nr - 500-600\n\
                    u sshd -:nogroup 'sshd user' /run/sshd\n";
        let lines = parse(text).unwrap();
        let user = |name: &str, id, group, gecos: &str, home: &str, shell: &str| Line::User {
            name: name.into(),
            id,
            group,
            gecos: gecos.into(),
            home: home.into(),
            shell: shell.into(),
        };
        assert_eq!(
            lines,
            [
                user("net", Id::Any, None, "Net Work", "/", "/usr/sbin/nologin"),
                Line::Group { name: "kvm".into(), id: Id::Any },
                user("sync", Id::Exactly(4), Some(GroupReference::Id(65534)), "", "/bin", "/bin/sync"),
                Line::Member { user: "a".into(), group: "b".into() },
                user(
                    "sshd",
                    Id::Any,
                    Some(GroupReference::Name("nogroup".into())),
                    "sshd user",
                    "/run/sshd",
                    "/usr/sbin/nologin"
                ),
            ]
        );
    }

    #[test]
    fn bad_lines_say_their_number() {
        assert_eq!(parse("\nx y\n").unwrap_err(), (2, "the type `x` is none of u, u!, g, m, r".to_owned()));
        assert_eq!(parse("u a \"b").unwrap_err().1, "a quotation is not closed");
        assert!(parse("u a /usr/bin/a").unwrap_err().1.contains("owner"));
        for bad in ["u a - \"b:c\"", "u a - b /x:0", "u a - b /x /bin/sh:", "u a:b -", "u a - \"b\rc\""] {
            assert!(parse(bad).unwrap_err().1.contains("has a colon or a control character"), "{bad:?}");
        }
        assert!(parse("u a 4:5 b").is_ok());
    }
}
