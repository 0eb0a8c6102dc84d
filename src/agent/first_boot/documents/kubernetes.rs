//! `user-data`: the sections `kubernetes` and `ca_certs`. Like `user_data`, it passes over values of the wrong kind.
//!
//! A value that may be a secret (token, proxy) is not shown in the mistake about it.

use std::collections::BTreeMap;

use crate::agent::cluster::request::Role;
use crate::agent::cluster::{endpoint, join_words};
use crate::agent::dns_name;
use crate::agent::first_boot::config::{Join, Kubernetes, Mirror, Proxy};
use crate::agent::secret::Secret;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::pem;
use crate::words;
use crate::yaml::{Kind, Located, Value};

pub fn read(value: &Value, found: &mut Diagnostics) -> Option<Kubernetes> {
    // A wrong kind, of which the shape has told.
    if value.entries().is_empty() {
        return None;
    }
    let mirrors = value.get("registry-mirrors").map(Value::entries).unwrap_or_default();
    Some(Kubernetes {
        location: value.location.clone(),
        join: value.get("join").and_then(|value| join(value, found)),
        proxy: value.get("proxy").map(|value| proxy(value, found)),
        mirrors: mirrors
            .iter()
            .map(|(registry, hosts)| Mirror {
                registry: words::check(&words::REGISTRY, (&registry.text, &registry.location), found),
                hosts: list(Some(hosts), word("registry-mirror", "the URL of a mirror"), found, |text| {
                    url(text, &["http", "https"]).map(|()| text.to_owned())
                }),
            })
            .collect(),
    })
}

/// A kind of word: the slug of mistakes in it, and what it is called.
#[derive(Clone, Copy)]
struct Word {
    slug: &'static str,
    noun: &'static str,
}

const fn word(slug: &'static str, noun: &'static str) -> Word {
    Word { slug, noun }
}

const LABEL: Word = word("label", "a label of a node");
const ARGUMENT: Word = word("kubelet-argument", "an argument of the kubelet for this place");

/// The checked value; a mistake that shows the word otherwise.
fn judge<T>(
    text: &str,
    at: &Location,
    Word { slug, noun }: Word,
    found: &mut Diagnostics,
    check: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let mistake = |why| {
        let title = format!("`{}` is not {noun}: {why}", text.escape_debug());
        found.push(Diagnostic::new(slug, title).at(at, "not taken"));
    };
    check(text).map_err(mistake).ok()
}

/// Like [`judge`], for words that nobody may read.
fn judge_secret<T>(
    value: &Value,
    Word { slug, noun }: Word,
    found: &mut Diagnostics,
    check: impl FnOnce(&str) -> Result<T, String>,
) -> Option<Located<T>> {
    let mistake = |why| {
        found.push(Diagnostic::new(slug, format!("this is not {noun}: {why}")).at(&value.location, "not taken"));
    };
    check(value.text()?).map_err(mistake).ok().map(|checked| Located::new(checked, &value.location))
}

fn list<T>(
    value: Option<&Value>,
    word: Word,
    found: &mut Diagnostics,
    check: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let items = value.map(Value::items).unwrap_or_default();
    items.iter().filter_map(|item| judge(item.text()?, &item.location, word, found, &check)).collect()
}

fn join(value: &Value, found: &mut Diagnostics) -> Option<Join> {
    let endpoint = value.get("endpoint").and_then(|value| {
        let kind = word("endpoint", "the address of an API server");
        let endpoint = judge(value.text()?, &value.location, kind, found, endpoint::parse);
        Some(Located::new(endpoint?, &value.location))
    });
    let token = value
        .get("token")
        .and_then(|value| judge_secret(value, word("token", "a bootstrap token"), found, join_words::token));
    let ca_cert_hashes = value.get("ca-cert-hashes").map(|value| {
        let kind = word("ca-cert-hash", "the hash of a certificate");
        let hashes = list(Some(value), kind, found, join_words::ca_cert_hash);
        if matches!(&value.kind, Kind::List(items) if items.is_empty()) {
            let help = "`kubeadm token create --print-join-command` on the control plane shows it";
            let mistake = Diagnostic::new("no-ca-cert-hash", "without a hash anybody could be the cluster");
            found.push(mistake.at(&value.location, "empty").help(help));
        }
        Located::new(hashes, &value.location)
    });
    let node_name = value.get("node-name").and_then(|value| {
        judge(value.text()?, &value.location, word("node-name", "the name of a node"), found, |text| {
            dns_name::check(text).map(|()| text.to_owned())
        })
    });
    let labels = table(value.get("labels"), LABEL, found, join_words::label_key, join_words::label_value);
    let taints = list(value.get("taints"), word("taint", "a taint"), found, join_words::taint);
    let kubelet_extra_args = table(
        value.get("kubelet-extra-args"),
        ARGUMENT,
        found,
        join_words::extra_argument,
        join_words::extra_argument_value,
    );
    let ignored = value.get("ignore-preflight-errors").map(|value| {
        let kind = word("preflight-check", "a preflight check to ignore");
        Located::new(
            list(Some(value), kind, found, |text| join_words::preflight_check(text).map(|()| text.to_owned())),
            &value.location,
        )
    });
    Some(Join {
        location: value.location.clone(),
        role: Role::Worker,
        endpoint: endpoint?,
        token: token?,
        ca_cert_hashes: ca_cert_hashes?,
        node_name,
        labels,
        taints,
        kubelet_extra_args,
        ignore_preflight_errors: ignored,
    })
}

fn table(
    value: Option<&Value>,
    word: Word,
    found: &mut Diagnostics,
    check_key: impl Fn(&str) -> Result<(), String>,
    check_value: impl Fn(&str) -> Result<(), String>,
) -> BTreeMap<String, String> {
    let mut table = BTreeMap::new();
    for (key, value) in value.map(Value::entries).unwrap_or_default() {
        let Some(text) = value.text() else { continue };
        judge(&key.text, &key.location, word, found, &check_key);
        judge(text, &value.location, word, found, &check_value);
        table.insert(key.text.clone(), text.to_owned());
    }
    table
}

fn proxy(value: &Value, found: &mut Diagnostics) -> Proxy {
    let mut given = |key| {
        let checked = judge_secret(value.get(key)?, word("proxy", "the URL of a proxy"), found, |text| {
            url(text, &["http", "https", "socks5"]).map(|()| Secret::new(text))
        });
        checked.map(|url| url.value)
    };
    let (http, https) = (given("http"), given("https"));
    let no = list(value.get("no"), word("no-proxy", "a host, domain or network"), found, |text| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '/' | '*' | '[' | ']');
        if !text.is_empty() && text.chars().all(plain) {
            Ok(text.to_owned())
        } else {
            Err("one for each item, as `10.0.0.0/8` or `.example.org`".to_owned())
        }
    });
    Proxy { http, https, no }
}

/// Of one of these schemes, and of characters that need no quoting in a unit or in TOML. The text is not shown.
fn url(text: &str, schemes: &[&str]) -> Result<(), String> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    if !schemes.contains(&scheme) {
        return Err(format!("it begins with none of {}, and `://`", schemes.join(", ")));
    }
    if rest.is_empty() || rest.starts_with('/') {
        return Err("it has no host".to_owned());
    }
    match rest.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '"' | '\\' | '\'' | '`')) {
        Some(wrong) => Err(format!("it has `{}`, which is written with `%`", wrong.escape_debug())),
        None => Ok(()),
    }
}

/// The lines of all certificates under `ca_certs`.
pub fn certificates(value: &Value, found: &mut Diagnostics) -> Vec<String> {
    let mut lines = Vec::new();
    for item in value.get("trusted").map(Value::items).unwrap_or_default() {
        // Long, and perhaps a private key by mistake.
        let checked = judge_secret(item, word("certificate", "a list of PEM certificates"), found, pem::certificates);
        lines.extend(checked.into_iter().flat_map(|checked| checked.value));
    }
    lines
}
