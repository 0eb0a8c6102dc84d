//! What is served: each path's answer, from the directory, the nodes' directories and the scripts.

use std::io;

use super::directory::{Directory, Found};
use super::http::answer::Answer;
use super::http::request::{Refusal, Request};
use super::http::target::{self, Target, encode};
use super::images;
use super::nodes::Nodes;
use super::script::{self, IDENTITIES};
use crate::agent::first_boot::metadata::META_DATA;
use crate::contract::CMDLINE_DATA_SOURCE;

/// The first name of a path to metadata; an identity and the name of a file follow.
const METADATA: &str = "metadata";

#[derive(Debug)]
pub(super) struct Site {
    pub(super) directory: Directory,
    /// Boot loaders that need not lie in the directory, for TFTP.
    pub(super) boot_loaders: Option<Directory>,
    pub(super) nodes: Option<Nodes>,
    /// The image that is started, of several.
    pub(super) image: Option<String>,
    /// `http://HOST:PORT` for scripts, when it is not what clients ask for.
    pub(super) url: Option<String>,
}

impl Site {
    /// The answer to a request; trouble of this machine is an answer, too.
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let target = match target::parse(&request.target) {
            Ok(target) => target,
            Err(refusal) => return Answer::refused(refusal),
        };
        self.route(request, &target).unwrap_or_else(|error| {
            Answer::refused(Refusal::new(500, "the server has a problem; its log says which")).note(error.to_string())
        })
    }

    fn route(&self, request: &Request, target: &Target) -> io::Result<Answer> {
        let names: Vec<&str> = target.names.iter().map(String::as_str).collect();
        if let (Some(nodes), [METADATA, rest @ ..]) = (&self.nodes, names.as_slice()) {
            return metadata(nodes, request, rest);
        }
        if names.is_empty() {
            return Ok(Answer::text(self.listing()?));
        }
        // A script of the user's own counts more.
        match self.directory.file(&names)? {
            Some(found) => Ok(Answer::file(request, found, names.last().copied().unwrap_or_default())),
            None if names == [script::NAME] => self.script(request, target),
            None => Ok(not_found("there is no such file")),
        }
    }

    /// Names, a line each.
    fn listing(&self) -> io::Result<String> {
        let mut names = self.directory.files()?;
        if !names.iter().any(|name| name == script::NAME) && !images::names(&self.directory)?.is_empty() {
            names.push(script::NAME.to_owned());
            names.sort();
        }
        Ok(names.iter().map(|name| format!("{name}\n")).collect())
    }

    fn script(&self, request: &Request, target: &Target) -> io::Result<Answer> {
        let identities: Vec<&str> = IDENTITIES.iter().filter_map(|name| target.value(name)).collect();
        if self.nodes.is_some() && identities.is_empty() {
            return Ok(Answer::text(script::identify()));
        }
        let names = images::names(&self.directory)?;
        let chosen = self.image.as_deref().or(target.value(script::IMAGE));
        let name = match (chosen, names.as_slice()) {
            (Some(name), _) => name,
            (None, [only]) => only,
            (None, []) => return Ok(not_found("no image here has .vmlinuz, .initrd and .cmdline")),
            (None, several) => return Ok(Answer::text(script::menu(several, &target.query))),
        };
        let Some(image) = images::image(&self.directory, name)? else {
            return Ok(not_found("there is no such image").note(format!("image {name}")));
        };
        let base = match (&self.url, request.host.as_deref().filter(|host| is_authority(host))) {
            (Some(url), _) => url.clone(),
            (None, Some(host)) => format!("http://{host}"),
            (None, None) => return Ok(Answer::refused(Refusal::new(400, "nobody knows this server's name"))),
        };
        let (words, note) = self.node_words(&identities, &base)?;
        let answer = Answer::text(script::boot(&image, &base, &words)?);
        Ok(answer.note(note))
    }

    /// What the kernel is told about a node's metadata, and by its own words; a note for the log.
    fn node_words(&self, identities: &[&str], base: &str) -> io::Result<(Vec<String>, Option<String>)> {
        let Some(nodes) = &self.nodes else { return Ok((Vec::new(), None)) };
        let Some(node) = nodes.find(identities)? else {
            return Ok((Vec::new(), Some(format!("no metadata for {}", identities.join(", ")))));
        };
        let words = nodes.words(&node)?;
        // NoCloud has none without this file: the node would look for it for ever.
        if nodes.metadata(&node, META_DATA)?.is_none() {
            return Ok((vec![words], Some(format!("no {META_DATA} for {}", identities.join(", ")))));
        }
        let address = format!("{CMDLINE_DATA_SOURCE}=nocloud;s={base}/{METADATA}/{}/", encode(&node.identity));
        let note = node.is_default().then(|| format!("the default metadata for {}", identities.join(", ")));
        Ok((vec![address, words], note))
    }

    /// A boot loader, or another file, by the name that TFTP and DHCP use.
    pub(super) fn plain_file(&self, name: &str) -> io::Result<Option<Found>> {
        let names: Vec<&str> = name.trim_start_matches('/').split('/').collect();
        match (self.directory.file(&names)?, &self.boot_loaders) {
            (None, Some(boot_loaders)) => boot_loaders.file(&names),
            (found, _) => Ok(found),
        }
    }

    /// The program that UEFI starts over HTTP on a machine with this number (PE's): its name.
    pub(super) fn efi_program(&self, machine: u16) -> io::Result<Option<String>> {
        let names = images::names(&self.directory)?;
        let name = match (&self.image, names.as_slice()) {
            (Some(name), _) => name,
            (None, [only]) => only,
            (None, _) => return Ok(None),
        };
        let program = images::efi_program(&self.directory, name)?;
        Ok(program.filter(|(_, of)| *of == machine).map(|(name, _)| name))
    }
}

fn not_found(why: &'static str) -> Answer {
    Answer::refused(Refusal::new(404, why))
}

fn metadata(nodes: &Nodes, request: &Request, rest: &[&str]) -> io::Result<Answer> {
    let [identity, name] = rest else { return Ok(not_found("metadata is asked for by identity and name")) };
    let Some(node) = nodes.find(&[identity])? else {
        return Ok(not_found("there is no metadata for this node").note(format!("no metadata for {identity}")));
    };
    let Some(found) = nodes.metadata(&node, name)? else {
        return Ok(not_found("this node has no such metadata"));
    };
    let note = node.is_default().then(|| format!("the default metadata for {identity}"));
    Ok(Answer::file(request, found, name).note(note))
}

/// Whether a `Host` may stand in a script: a name or an address, perhaps with a port (RFC 3986, 3.2.2).
fn is_authority(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 255
        && host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_:[]".contains(&it))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::http::answer::Body;
    use super::super::http::request::Method;
    use super::*;

    fn site(place: &Path, files: &[(&str, &str)]) -> Site {
        for (name, text) in files {
            let path = place.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let directory = Directory::open(&place.join("out")).unwrap();
        let nodes = place.join("nodes");
        let nodes = nodes.is_dir().then(|| Nodes::open(&nodes, &directory).unwrap());
        Site { directory, boot_loaders: None, nodes, image: None, url: None }
    }

    /// Status and body; a file's body is its length.
    fn get(site: &Site, target: &str) -> (u16, String) {
        let request = Request {
            method: Method::Get,
            target: target.to_owned(),
            host: Some("10.0.2.2:80".to_owned()),
            range: None,
            if_range: None,
            keep_alive: true,
        };
        let answer = site.answer(&request);
        let body = match &answer.body {
            Body::Text(text) => String::from_utf8(text.clone()).unwrap(),
            Body::File { start, end, .. } => (end - start).to_string(),
        };
        (answer.status, body)
    }

    const IMAGE: [(&str, &str); 3] = [("out/a.vmlinuz", "k"), ("out/a.initrd", "i"), ("out/a.cmdline", "roothash=1")];

    #[test]
    fn one_image_is_started_and_of_several_one_is_chosen() {
        let place = tempfile::tempdir().unwrap();
        let mut site = site(place.path(), &IMAGE);
        let boot = "#!ipxe\nkernel a.vmlinuz initrd=a.initrd roothash=1\ninitrd a.initrd\nboot\n";
        assert_eq!(get(&site, "/boot.ipxe"), (200, boot.to_owned()));
        assert_eq!(get(&site, "/"), (200, "a.cmdline\na.initrd\na.vmlinuz\nboot.ipxe\n".to_owned()));
        assert_eq!(get(&site, "/a.vmlinuz"), (200, "1".to_owned()));
        assert_eq!(get(&site, "/b.vmlinuz").0, 404);
        for ending in ["vmlinuz", "initrd", "cmdline"] {
            fs::write(place.path().join(format!("out/b.{ending}")), "").unwrap();
        }
        assert!(get(&site, "/boot.ipxe").1.contains("item a a\nitem b b\n"));
        assert!(get(&site, "/boot.ipxe?image=b").1.contains("kernel b.vmlinuz"));
        assert_eq!(get(&site, "/boot.ipxe?image=../b").0, 404);
        site.image = Some("b".to_owned());
        assert!(get(&site, "/boot.ipxe").1.contains("kernel b.vmlinuz"));
        fs::write(place.path().join("out/boot.ipxe"), "mine").unwrap();
        assert_eq!(get(&site, "/boot.ipxe"), (200, "4".to_owned()));
    }

    #[test]
    fn a_node_is_told_where_its_metadata_is_and_gets_nothing_of_others() {
        let place = tempfile::tempdir().unwrap();
        let files = [
            ("nodes/52:54:00:00:00:07/meta-data", "instance-id: 7"),
            ("nodes/52:54:00:00:00:07/cmdline", "nodesmith.install=smallest"),
            ("nodes/SN 9/meta-data", "instance-id: 9"),
            ("out/metadata/x", "a file like others without nodes"),
        ];
        let site = site(place.path(), &[&IMAGE[..], &files].concat());
        assert!(get(&site, "/boot.ipxe").1.starts_with("#!ipxe\nchain --replace boot.ipxe?mac=${netX/mac:hexhyp}&"));
        let line = |query: &str| {
            let (status, script) = get(&site, &format!("/boot.ipxe?{query}"));
            (status, script.lines().nth(1).unwrap_or_default().to_owned())
        };
        let told = "kernel a.vmlinuz initrd=a.initrd roothash=1";
        let words = "ds=nocloud;s=http://10.0.2.2:80/metadata/52-54-00-00-00-07/ nodesmith.install=smallest";
        assert_eq!(line("mac=52-54-00-00-00-07&serial=SN%209"), (200, format!("{told} {words}")));
        let serial = "ds=nocloud;s=http://10.0.2.2:80/metadata/SN%209/";
        assert_eq!(line("mac=52-54-00-00-00-08&serial=SN%209"), (200, format!("{told} {serial}")));
        assert_eq!(line("mac=52-54-00-00-00-08"), (200, told.to_owned()));
        assert_eq!(get(&site, "/metadata/SN%209/meta-data"), (200, "14".to_owned()));
        for target in [
            "/metadata",
            "/metadata/x",
            "/metadata/SN%209",
            "/metadata/SN%209/user-data",
            "/metadata/SN%209/cmdline",
            "/metadata/525400000008/meta-data",
            "/metadata/SN%209/meta-data/x",
            "/metadata/.%2e/meta-data",
        ] {
            assert!([400, 404].contains(&get(&site, target).0), "{target}");
        }
    }
}
