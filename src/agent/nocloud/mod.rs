//! NoCloud metadata → [`NodeConfig`]: `meta-data`, `user-data` (the part of `#cloud-config` that fits an immutable
//! node) and `network-config`. Pure.
//!
//! Every mistake of all three files is reported with its place. A key that cloud-init knows and this node does not do
//! is a mistake as well, with what to do instead: silence would be a node that is not what its owner wrote.
//! Format: cloud-init's documentation (NoCloud, cloud-config examples).

use super::config::{FileToWrite, NodeConfig, NodeName, TimeServers, User};
use super::network;
use super::seed::{META_DATA, NETWORK_CONFIG, Seed, USER_DATA};
use super::yaml::{self, Fields, Located, Node, Reader, Unsupported, Value};
use super::{base64, ssh_key};
use crate::diag::{Diagnostic, Diagnostics, Location};

const META_KEYS: &[&str] = &["instance-id", "local-hostname", "hostname", "public-keys"];
const USER_DATA_KEYS: &[&str] = &[
    "hostname",
    "fqdn",
    "users",
    "ssh_authorized_keys",
    "write_files",
    "timezone",
    "ntp",
    ACCEPTED[0].0,
    ACCEPTED[1].0,
    ACCEPTED[2].0,
    ACCEPTED[3].0,
    ACCEPTED[4].0,
];

/// Keys that tools write unasked, accepted with the only value that a node has anyway.
const ACCEPTED: [(&str, bool); 5] = [
    ("manage_etc_hosts", true),
    ("package_update", false),
    ("package_upgrade", false),
    ("preserve_hostname", false),
    ("ssh_pwauth", false),
];

const IMMUTABLE: &str = "the root is immutable: put it into the image's recipe";
const NO_SCRIPTS: &str = "scripts are not run: put files into `write_files` and units into the image's recipe";
const NO_PASSWORDS: &str = "nodes have no passwords: use `ssh_authorized_keys`";
const NO_DISKS: &str = "the agent grows the disk by itself; other disks are not set up yet";

const UNSUPPORTED: &[Unsupported] = &[
    ("apt", IMMUTABLE),
    ("bootcmd", NO_SCRIPTS),
    ("ca_certs", "write the certificate with `write_files`, or put it into the image's recipe"),
    ("chpasswd", NO_PASSWORDS),
    ("disk_setup", NO_DISKS),
    ("fs_setup", NO_DISKS),
    ("growpart", NO_DISKS),
    ("locale", IMMUTABLE),
    ("mounts", NO_DISKS),
    ("packages", IMMUTABLE),
    ("password", NO_PASSWORDS),
    ("power_state", NO_SCRIPTS),
    ("resize_rootfs", NO_DISKS),
    ("runcmd", NO_SCRIPTS),
    ("ssh_keys", "host keys are made on the node"),
    ("swap", "Kubernetes nodes have no swap"),
    ("user", "name the users under `users`"),
    ("yum_repos", IMMUTABLE),
];

/// Reads all files of the seed.
pub fn parse(seed: &Seed) -> Result<NodeConfig, Diagnostics> {
    let mut reader = Reader::default();
    let mut config = NodeConfig::default();
    let meta_name = meta_data(seed, &mut reader, &mut config);
    let user_name = user_data(seed, &mut reader, &mut config);
    config.name = user_name.or(meta_name);
    if let Some(source) = seed.files.get(NETWORK_CONFIG) {
        match yaml::parse(source) {
            Ok(node) => config.network = network::parse(&node, &mut reader),
            Err(mistakes) => reader.mistakes.0.extend(mistakes.0),
        }
    }
    let mut mistakes = reader.mistakes;
    // In the order of the files, which is the order in which people mend them.
    mistakes.0.sort_by_key(|mistake| {
        mistake.location.as_ref().map(|(at, _)| {
            let file = [META_DATA, USER_DATA, NETWORK_CONFIG].iter().position(|name| *name == at.source.name);
            (file, at.span.start)
        })
    });
    mistakes.or(config)
}

/// The instance id alone, if it can be read: enough to know that the seed was applied already, whatever has become of
/// its other files since.
pub fn instance_id(seed: &Seed) -> Option<String> {
    let node = yaml::parse(seed.files.get(META_DATA)?).ok()?;
    let mut reader = Reader::default();
    let fields = reader.fields(&node, META_KEYS, &[]);
    fields.get("instance-id").and_then(|node| reader.text(node)).map(|id| id.value)
}

fn meta_data(seed: &Seed, reader: &mut Reader, config: &mut NodeConfig) -> Option<NodeName> {
    let Some(source) = seed.files.get(META_DATA) else {
        let title = format!("the metadata volume {} has no `{META_DATA}`", seed.origin);
        reader.mistakes.push(Diagnostic::new("no-meta-data", title).help("it holds at least `instance-id: NAME`"));
        return None;
    };
    let node = match yaml::parse(source) {
        Ok(node) => node,
        Err(mistakes) => {
            reader.mistakes.0.extend(mistakes.0);
            return None;
        }
    };
    let fields = reader.fields(&node, META_KEYS, &[]);
    match fields.get("instance-id").map(|node| reader.text(node)) {
        Some(Some(id)) if !id.value.is_empty() && !id.value.contains(char::is_whitespace) => {
            config.instance_id = Some(id.value);
        }
        Some(Some(id)) => reader.mistake("instance-id", "`instance-id` is empty or has blanks", &id.at),
        Some(None) => {}
        None => reader.mistake_with_help(
            "instance-id",
            "there is no `instance-id`",
            &node.at,
            "any name that changes when the node is to be configured anew".to_owned(),
        ),
    }
    if let Some(keys) = fields.get("public-keys") {
        // A list, or EC2's form: a map from the key's name to the key.
        let keys: Vec<&Node> = match &keys.value {
            Value::Map(entries) => entries.iter().map(|(_, key)| key).collect(),
            _ => reader.list(keys).iter().collect(),
        };
        config.root_keys.extend(keys.into_iter().filter_map(|key| ssh_key(reader, key)));
    }
    let name = fields.get("local-hostname").or_else(|| fields.get("hostname"))?;
    let name = reader.text(name)?;
    node_name(reader, Some(&name), None)
}

fn user_data(seed: &Seed, reader: &mut Reader, config: &mut NodeConfig) -> Option<NodeName> {
    let source = seed.files.get(USER_DATA).filter(|source| !source.text.trim().is_empty())?;
    let first = source.text.lines().next().unwrap_or_default();
    if first.trim_end() != "#cloud-config" {
        let at = Location::new(source, 0..first.len());
        let title = "the first line is not `#cloud-config`";
        reader.mistake_with_help("not-cloud-config", title, &at, NO_SCRIPTS.to_owned());
        return None;
    }
    let node = match yaml::parse(source) {
        Ok(node) => node,
        Err(mistakes) => {
            reader.mistakes.0.extend(mistakes.0);
            return None;
        }
    };
    let fields = reader.fields(&node, USER_DATA_KEYS, UNSUPPORTED);
    for (key, only) in ACCEPTED {
        if let Some(value) = fields.get(key).and_then(|node| reader.boolean(node)).filter(|value| value.value != only) {
            reader.mistake("unsupported-value", format!("`{key}` can only be `{only}` on this node"), &value.at);
        }
    }
    if let Some(keys) = fields.get("ssh_authorized_keys") {
        let keys = reader.list(keys);
        config.root_keys.extend(keys.iter().filter_map(|key| ssh_key(reader, key)));
    }
    if let Some(users) = fields.get("users") {
        for node in reader.list(users) {
            config.users.extend(user(reader, node, &mut config.root_keys));
        }
        duplicates(reader, config.users.iter().map(|user| &user.name), "user");
    }
    if let Some(files) = fields.get("write_files") {
        config.files = reader.list(files).iter().filter_map(|node| file(reader, node)).collect();
        duplicates(reader, config.files.iter().map(|file| &file.path), "file");
    }
    config.timezone = fields.get("timezone").and_then(|node| timezone(reader, node));
    config.time_servers = fields.get("ntp").and_then(|node| time_servers(reader, node));
    let text = |reader: &mut Reader, key| fields.get(key).and_then(|node| reader.text(node));
    let (host, fqdn) = (text(reader, "hostname"), text(reader, "fqdn"));
    node_name(reader, host.as_ref(), fqdn.as_ref())
}

/// A `hostname` with dots is a full name too. The host name is the first label of whichever is given first.
fn node_name(reader: &mut Reader, host: Option<&Located<String>>, fqdn: Option<&Located<String>>) -> Option<NodeName> {
    let given = host.or(fqdn)?;
    for name in host.into_iter().chain(fqdn) {
        if let Err(why) = check_name(&name.value) {
            let title = format!("`{}` is not a host name: {why}", name.value);
            let help = "lower-case letters, digits and `-`, parts joined by dots".to_owned();
            reader.mistake_with_help("host-name", title, &name.at, help);
            return None;
        }
    }
    let (label, _) = given.value.split_once('.').unwrap_or((&given.value, ""));
    let full = fqdn.or(host).map(|name| name.value.clone()).filter(|name| name.contains('.'));
    Some(NodeName { host: label.to_owned(), fqdn: full })
}

/// RFC 1123 in lower case: the kubelet takes the host name for its node, and Kubernetes knows no upper case.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.len() > 253 {
        return Err("it is longer than 253 characters".to_owned());
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err("each part has 1 to 63 characters".to_owned());
        }
        if let Some(wrong) = label.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(format!("it has `{wrong}`"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a part starts or ends with `-`".to_owned());
        }
    }
    Ok(())
}

fn ssh_key(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    match ssh_key::check(&text.value) {
        Ok(key) => Some(key),
        Err(why) => {
            reader.mistake("ssh-key", format!("this is not an SSH public key: {why}"), &text.at);
            None
        }
    }
}

const USER_KEYS: &[&str] =
    &["name", "gecos", "uid", "groups", "shell", "homedir", "ssh_authorized_keys", "lock_passwd"];
const USER_UNSUPPORTED: &[Unsupported] = &[
    ("passwd", NO_PASSWORDS),
    ("hashed_passwd", NO_PASSWORDS),
    ("plain_text_passwd", NO_PASSWORDS),
    ("sudo", "write a file below /etc/sudoers.d with `write_files`"),
    ("ssh_import_id", "the node asks no key server: use `ssh_authorized_keys`"),
];

/// One entry of `users`: `default` is root, and a user named root only has keys.
fn user(reader: &mut Reader, node: &Node, root_keys: &mut Vec<String>) -> Option<User> {
    if node.value == Value::Scalar("default".to_owned()) {
        return None;
    }
    let fields = reader.fields(node, USER_KEYS, USER_UNSUPPORTED);
    let keys = match fields.get("ssh_authorized_keys") {
        Some(keys) => reader.list(keys).iter().filter_map(|key| ssh_key(reader, key)).collect(),
        None => Vec::new(),
    };
    if let Some(locked) = fields.get("lock_passwd").and_then(|node| reader.boolean(node)).filter(|locked| !locked.value)
    {
        reader.mistake_with_help("unsupported-value", "passwords stay locked", &locked.at, NO_PASSWORDS.to_owned());
    }
    let name = match fields.get("name") {
        Some(name) => reader.text(name)?,
        None => {
            reader.mistake("user-name", "this user has no `name`", &node.at);
            return None;
        }
    };
    if !is_account_name(&name.value) {
        let title = format!("`{}` is not a user name", name.value);
        let help = "1 to 32 lower-case letters, digits, `_` and `-`, not starting with a digit or `-`".to_owned();
        reader.mistake_with_help("user-name", title, &name.at, help);
        return None;
    }
    if name.value == "root" {
        root_keys.extend(keys);
        for key in ["uid", "groups", "shell", "homedir", "gecos"] {
            if let Some(node) = fields.get(key) {
                reader.mistake("root-user", format!("root's `{key}` is the image's"), &node.at);
            }
        }
        return None;
    }
    Some(User {
        gecos: gecos(reader, &fields).unwrap_or_default(),
        uid: fields.get("uid").and_then(|node| Some(Located::new(reader.number(node, 1..=60_000)?, &node.at))),
        groups: groups(reader, &fields),
        shell: absolute(reader, &fields, "shell"),
        home: absolute(reader, &fields, "homedir"),
        name,
        keys,
    })
}

fn gecos(reader: &mut Reader, fields: &Fields<'_>) -> Option<String> {
    let gecos = reader.text(fields.get("gecos")?)?;
    if gecos.value.contains([':', '\n']) {
        reader.mistake("gecos", "a user's full name has no `:` and no line break", &gecos.at);
        return None;
    }
    Some(gecos.value)
}

/// A list, or one text with commas.
fn groups(reader: &mut Reader, fields: &Fields<'_>) -> Vec<Located<String>> {
    let Some(node) = fields.get("groups") else { return Vec::new() };
    let groups = match &node.value {
        Value::Scalar(text) => text.split(',').map(|name| Located::new(name.trim().to_owned(), &node.at)).collect(),
        _ => reader.texts(node),
    };
    for group in groups.iter().filter(|group| !is_account_name(&group.value)) {
        reader.mistake("group-name", format!("`{}` is not a group name", group.value), &group.at);
    }
    groups
}

fn is_account_name(name: &str) -> bool {
    let mut characters = name.chars();
    (1..=32).contains(&name.len())
        && characters.next().is_some_and(|first| matches!(first, 'a'..='z' | '_'))
        && characters.all(|character| matches!(character, 'a'..='z' | '0'..='9' | '_' | '-'))
}

fn absolute(reader: &mut Reader, fields: &Fields<'_>, key: &str) -> Option<Located<String>> {
    let path = reader.text(fields.get(key)?)?;
    match check_path(&path.value) {
        Ok(()) if !path.value.contains(':') => Some(path),
        _ => {
            reader.mistake("path", format!("`{}` is not an absolute path of plain names", path.value), &path.at);
            None
        }
    }
}

/// Absolute, no `.` or `..`, no empty part, no control characters.
fn check_path(path: &str) -> Result<(), &'static str> {
    let Some(rest) = path.strip_prefix('/') else { return Err("it does not start with `/`") };
    if path.len() > 4095 || path.contains(char::is_control) {
        return Err("it is too long or has control characters");
    }
    match rest.split('/').find(|part| matches!(*part, "" | "." | "..")) {
        Some("") => Err("it has an empty part"),
        Some(_) => Err("it has `.` or `..`"),
        None => Ok(()),
    }
}

const FILE_KEYS: &[&str] = &["path", "content", "permissions", "owner", "encoding"];
const FILE_UNSUPPORTED: &[Unsupported] = &[
    ("append", "write the whole file, or a drop-in beside it"),
    ("defer", "files are written after the users are there, always"),
    ("source", "give the `content`: the node fetches nothing"),
];

fn file(reader: &mut Reader, node: &Node) -> Option<FileToWrite> {
    let fields = reader.fields(node, FILE_KEYS, FILE_UNSUPPORTED);
    let path = match fields.get("path") {
        Some(path) => reader.text(path),
        None => {
            reader.mistake("path", "this file has no `path`", &node.at);
            None
        }
    };
    let path = path.filter(|path| match check_path(&path.value) {
        Ok(()) => true,
        Err(why) => {
            reader.mistake("path", format!("`{}` is not a path for a file: {why}", path.value), &path.at);
            false
        }
    });
    let mode = match fields.get("permissions") {
        Some(node) => permissions(reader, node),
        None => Some(0o644),
    };
    let content = content(reader, &fields);
    let owner = match fields.get("owner") {
        Some(node) => {
            let text = reader.text(node)?;
            let (user, group) = text.value.split_once(':').unwrap_or((&text.value, &text.value));
            Located::new((user.to_owned(), group.to_owned()), &text.at)
        }
        None => Located::new(("root".to_owned(), "root".to_owned()), &node.at),
    };
    Some(FileToWrite { path: path?, content: content?, mode: mode?, owner })
}

/// Octal digits, quoted or not: nobody means the decimal number 644.
fn permissions(reader: &mut Reader, node: &Node) -> Option<u32> {
    let text = reader.text(node)?;
    let digits = text.value.strip_prefix("0o").unwrap_or(&text.value);
    let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| (3..=5).contains(&digits.len()) && *mode <= 0o7777);
    if mode.is_none() {
        let title = format!("`{}` is not a file mode", text.value);
        reader.mistake_with_help("permissions", title, &text.at, "three or four octal digits, `'0644'`".to_owned());
    }
    mode
}

fn content(reader: &mut Reader, fields: &Fields<'_>) -> Option<Vec<u8>> {
    let encoding = match fields.get("encoding") {
        Some(node) => Some(reader.text(node)?),
        None => None,
    };
    let text = match fields.get("content") {
        Some(node) => reader.text(node)?,
        None => return Some(Vec::new()),
    };
    match encoding.as_ref().map(|encoding| encoding.value.as_str()) {
        None | Some("text/plain") => Some(text.value.into_bytes()),
        Some("b64" | "base64") => {
            let decoded = base64::decode(&text.value);
            if let Err(why) = &decoded {
                reader.mistake("base64", format!("the content is not base64: {why}"), &text.at);
            }
            decoded.ok()
        }
        Some(other) => {
            let title = format!("the encoding `{other}` is not known");
            let at = encoding.as_ref().map_or(&text.at, |encoding| &encoding.at);
            reader.mistake_with_help("encoding", title, at, "allowed: `b64`, `base64`, `text/plain`".to_owned());
            None
        }
    }
}

fn timezone(reader: &mut Reader, node: &Node) -> Option<Located<String>> {
    let zone = reader.text(node)?;
    let plain = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+'))
    };
    if zone.value.split('/').all(plain) {
        return Some(zone);
    }
    let title = format!("`{}` is not the name of a time zone", zone.value);
    reader.mistake_with_help("timezone", title, &zone.at, "for example `Europe/Berlin` or `UTC`".to_owned());
    None
}

fn time_servers(reader: &mut Reader, node: &Node) -> Option<Located<TimeServers>> {
    let fields = reader.fields(node, &["enabled", "servers", "pools"], &[]);
    if let Some(enabled) = fields.get("enabled").and_then(|node| reader.boolean(node)).filter(|enabled| !enabled.value)
    {
        reader.mistake(
            "unsupported-value",
            "a Kubernetes node keeps its time: `enabled` can only be `true`",
            &enabled.at,
        );
    }
    let mut names = |key| -> Vec<String> {
        let texts = fields.get(key).map(|node| reader.texts(node)).unwrap_or_default();
        let (good, bad): (Vec<_>, Vec<_>) = texts
            .into_iter()
            .partition(|name| name.value.parse::<std::net::IpAddr>().is_ok() || check_name(&name.value).is_ok());
        for name in bad {
            reader.mistake("time-server", format!("`{}` is not a host name or address", name.value), &name.at);
        }
        good.into_iter().map(|name| name.value).collect()
    };
    let servers = TimeServers { servers: names("servers"), pools: names("pools") };
    (servers != TimeServers::default()).then(|| Located::new(servers, &node.at))
}

fn duplicates<'a>(reader: &mut Reader, names: impl Iterator<Item = &'a Located<String>>, what: &str) {
    let mut seen: Vec<&Located<String>> = Vec::new();
    for name in names {
        if let Some(first) = seen.iter().find(|first| first.value == name.value) {
            let title = format!("the {what} `{}` is there twice (first at {})", name.value, first.at);
            let mistake = Diagnostic::new("duplicate", title).at(&name.at, "again").related(&first.at, "first");
            reader.mistakes.push(mistake);
        }
        seen.push(name);
    }
}

#[cfg(test)]
mod tests;
