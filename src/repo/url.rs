//! URLs of repositories: how they are joined and shown, and what they name.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use reqwest::Url;

use crate::trust::Refused;

/// Whether a URL is one of those that can be fetched.
pub(super) fn can_be_fetched(url: &str) -> bool {
    let rest = ["https://", "http://", "file:///"].iter().find_map(|scheme| url.strip_prefix(scheme));
    rest.is_some_and(|rest| !rest.is_empty() && !url.contains(|c: char| c.is_whitespace() || c.is_control()))
}

/// The server of a URL; files of this machine have each their own.
pub(super) fn server(url: &str) -> String {
    match Url::parse(url).map(|url| url.origin()) {
        Ok(origin) if origin.is_tuple() => origin.ascii_serialization(),
        _ => url.to_owned(),
    }
}

pub(super) fn file_path(url: &str) -> Option<PathBuf> {
    url.starts_with("file:").then(|| Url::parse(url).ok()?.to_file_path().ok()).flatten()
}

/// A URL as messages show it: without user, password and query.
pub fn shown(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return "a URL that does not parse".to_owned() };
    // Both fail only for URLs that cannot have these parts.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// A base URL and a relative path below it, its unusual characters encoded: `+` as well, which is a space to S3 and its
/// likes. The path comes from a repository: it must stay below.
pub fn below(base: &str, path: &str) -> Result<String> {
    let name = |name: &str| !name.is_empty() && name != "." && name != "..";
    let outside = || format!("the path `{}` is not a plain relative one", path.escape_debug());
    ensure!(path.split('/').all(name), Refused::new("bad-path", outside()));
    let mut url = format!("{}/", base.trim_end_matches('/'));
    for byte in path.bytes() {
        match byte {
            b'/' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => url.push(char::from(byte)),
            _ if b"-._~:@!$&'()*,;=".contains(&byte) => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(url)
}

/// The same for repositories whose packages lie beside them (`../../pool/x.rpm`, as the Open Build Service and others
/// have it): `..` at the beginning leads anywhere on the same web server, and nowhere among the files of this machine.
pub fn beside(base: &str, path: &str) -> Result<String> {
    let up = path.split('/').take_while(|name| *name == "..").count();
    let mut base = base.trim_end_matches('/');
    let start = base.find("://").map_or(0, |at| at + 3);
    if up == 0 || !["https://", "http://"].contains(&&base[..start]) {
        return below(base, path);
    }
    for _ in 0..up {
        let outside = || format!("the path `{}` leads out of the server", path.escape_debug());
        let end = base.get(start..).and_then(|path| path.rfind('/'));
        let end = end.ok_or_else(|| Refused::new("bad-path", outside()))?;
        base = base[..start + end].trim_end_matches('/');
    }
    below(base, path.splitn(up + 1, '/').last().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_from_repositories_stay_below_their_base() {
        assert_eq!(below("http://a/b/", "pool/x+y_1~2.deb").unwrap(), "http://a/b/pool/x%2By_1~2.deb");
        assert_eq!(below("http://a", "x%3a?#\\ y").unwrap(), "http://a/x%253a%3F%23%5C%20y");
        for path in ["../x", "/x", "a//b", "a/./b", ""] {
            let error = below("http://a", path).unwrap_err();
            assert_eq!(error.downcast_ref::<Refused>().unwrap().slug(), "bad-path", "{path}");
        }
    }

    #[test]
    fn what_lies_beside_a_base_is_on_the_same_web_server() {
        for (base, path, url) in [
            ("https://a/x/y/", "../../pool/p.rpm", "https://a/pool/p.rpm"),
            ("http://a:80/x/y", "../p.rpm", "http://a:80/x/p.rpm"),
            ("http://a/x//y", "../p.rpm", "http://a/x/p.rpm"),
            ("http://a/x", "p/q.rpm", "http://a/x/p/q.rpm"),
            ("file:///a/x", "p.rpm", "file:///a/x/p.rpm"),
        ] {
            assert_eq!(beside(base, path).unwrap(), url);
        }
        for (base, path) in [
            ("http://a/x", "../../p.rpm"),
            ("http://a", "../p.rpm"),
            ("http://a/x", "p/../q.rpm"),
            ("http://a/x", ".././p.rpm"),
            ("http://a/x", "..//p.rpm"),
            ("http://a/x", ".."),
            ("http://a/x", "../"),
            ("http://a/x", "..\\..\\p.rpm/../q.rpm"),
            ("file:///a/x", "../p.rpm"),
            ("ftp://a/x", "../p.rpm"),
        ] {
            let error = beside(base, path).unwrap_err();
            assert_eq!(error.downcast_ref::<Refused>().unwrap().slug(), "bad-path", "{base} {path}");
        }
    }
}
