//! Addresses of files on web servers (RFC 3986, scheme `http` alone).

use std::fmt;

const SCHEME: &str = "http://";
/// Longest address: longer than any that a kernel command line or a DHCP answer can hold.
pub const MAX_BYTES: usize = 2048;

/// `http://HOST:PORT/PATH`, without user and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// A name or an IPv4 address.
    pub host: String,
    pub port: u16,
    /// Begins with `/`; with the query.
    pub path: String,
}

impl Url {
    /// # Errors
    /// Why it is none, in one line without the text itself.
    pub fn parse(text: &str) -> Result<Url, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("it is longer than {MAX_BYTES} bytes"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it has a blank, a control character or one outside of ASCII".to_owned());
        }
        let Some(scheme) = text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME)) else {
            return Err("it does not begin with `http://`, which is all that is spoken here".to_owned());
        };
        let rest = &text[scheme.len()..];
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let path = path.split('#').next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0).ok_or("its port is no number")?),
            None => (authority, 80),
        };
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
            return Err("its host is neither a name nor an IPv4 address".to_owned());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Url { host: host.to_ascii_lowercase(), port, path })
    }

    /// What a reference means that stands at this address: whole, from the server's root, or beside this one.
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, reference: &str) -> Result<Url, String> {
        let has_scheme = reference.split(['/', '?', '#']).next().is_some_and(|first| first.contains(':'));
        if has_scheme {
            return Url::parse(reference);
        }
        let Url { host, port, .. } = self;
        if let Some(authority) = reference.strip_prefix("//") {
            return Url::parse(&format!("{SCHEME}{authority}"));
        }
        let path = match reference.starts_with('/') {
            true => reference.to_owned(),
            false => format!("{}{reference}", self.directory()),
        };
        Url::parse(&format!("{SCHEME}{host}:{port}{path}"))
    }

    /// The path up to its last `/`.
    fn directory(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        &path[..path.rfind('/').map_or(0, |at| at + 1)]
    }

    /// What stands behind the last `/` of the path, without the query.
    pub fn file_name(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }

    /// As a request names the server.
    pub fn authority(&self) -> String {
        match self.port {
            80 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written) in [
            ("http://10.0.2.2:8080/a/b.netdisk", "http://10.0.2.2:8080/a/b.netdisk"),
            ("HTTP://Files.Example:80", "http://files.example/"),
            ("http://h?x=1#part", "http://h/?x=1"),
            ("http://h/a#part", "http://h/a"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), written);
        }
        for (text, why) in [
            ("https://h/", "does not begin with `http://`"),
            ("h/a", "does not begin with"),
            ("", "does not begin with"),
            ("http:///a", "neither a name"),
            ("http://user@h/", "neither a name"),
            ("http://[::1]:80/", "neither a name"),
            ("http://h:0/", "no number"),
            ("http://h:70000/", "no number"),
            ("http://h/a b", "has a blank"),
            ("http://h/\r\nX: y", "has a blank"),
            ("http://h/ä", "outside of ASCII"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(Url::parse(&format!("http://h/{}", "a".repeat(MAX_BYTES))).is_err());
    }

    #[test]
    fn references_are_joined() {
        let base = Url::parse("http://h:81/a/b.efi?x=/y").unwrap();
        for (reference, joined) in [
            ("c.netdisk", "http://h:81/a/c.netdisk"),
            ("/c", "http://h:81/c"),
            ("//g/c", "http://g/c"),
            ("http://g:82/c", "http://g:82/c"),
            ("?q", "http://h:81/a/?q"),
        ] {
            assert_eq!(base.join(reference).unwrap().to_string(), joined);
        }
        assert!(base.join("https://h/").is_err() && base.join("c d").is_err());
        assert_eq!((base.file_name(), base.directory()), ("b.efi", "/a/"));
    }
}
