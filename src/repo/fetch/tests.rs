use std::sync::atomic::AtomicUsize;

use reqwest::Url;

use super::*;
use crate::repo::testserver::{Server, ok, ranged, status};

const FILE: &[u8] = b"the quick brown fox jumps over the lazy dog";

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn network() -> Network {
    Network { tries: 3, pause: Duration::ZERO, ..Network::default() }
}

fn wanted(urls: &[String]) -> Wanted {
    let digest = Digest::of(FILE);
    let what = "fox 1.0 from repository test".to_owned();
    Wanted { what, urls: urls.to_vec(), size: FILE.len() as u64, digest, if_gone: "ask for a newer lock" }
}

/// The one error that a person sees, with the server's changing port taken out.
fn refusal(store: &Store, server: &Server) -> String {
    let url = server.url("/fox").replace("http://", "http://user:secret@") + "?token=secret";
    let error = Fetcher::new(store, network()).blob(&wanted(&[url]), &()).unwrap_err();
    assert!(!store.has(&Digest::of(FILE), FILE.len() as u64));
    format!("{error:#}").replace(&server.url(""), "http://SERVER")
}

#[test]
fn a_file_is_fetched_once() {
    let (_dir, store) = store();
    let server = Server::start(|_| ok(FILE));
    let fetcher = Fetcher::new(&store, network());
    for _ in 0..2 {
        fetcher.blobs(&[wanted(&[server.url("/fox")])], &()).unwrap();
    }
    assert_eq!(server.requests().len(), 1);
    assert!(store.verified(&Digest::of(FILE)).unwrap().is_some());
    assert_eq!(fs::read_dir(store.dir().join("partial")).unwrap().count(), 0);
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let (_dir, store) = store();
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        let mut answer = ranged(request, FILE);
        if count.fetch_add(1, Ordering::SeqCst) < 4 {
            answer.truncate(answer.len() - (FILE.len() - 10 * (count.load(Ordering::SeqCst))));
        }
        answer
    });
    Fetcher::new(&store, network()).blob(&wanted(&[server.url("/fox")]), &()).unwrap();
    let asked: Vec<_> = server.requests().iter().map(|request| request.header("range").map(str::to_owned)).collect();
    assert_eq!(asked[..2], [None, Some("bytes=10-".to_owned())]);
    assert_eq!(server.requests()[1].header("if-range"), Some("\"v1\""));
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let (_dir, store) = store();
    fs::write(store.partial_path(&Digest::of(FILE), "part"), &FILE[..9]).unwrap();
    let server = Server::start(|_| ok(FILE));
    Fetcher::new(&store, network()).blob(&wanted(&[server.url("/fox")]), &()).unwrap();
    assert_eq!(server.requests()[0].header("range"), Some("bytes=9-"));
}

#[test]
fn a_wrong_beginning_is_thrown_away() {
    let (_dir, store) = store();
    fs::write(store.partial_path(&Digest::of(FILE), "part"), "wrong").unwrap();
    let server = Server::start(|request| ranged(request, FILE));
    Fetcher::new(&store, network()).blob(&wanted(&[server.url("/fox")]), &()).unwrap();
    assert_eq!(server.requests().len(), 2);
    // A part that is complete already needs no server.
    fs::remove_file(store.blob_path(&Digest::of(FILE))).unwrap();
    fs::write(store.partial_path(&Digest::of(FILE), "part"), FILE).unwrap();
    Fetcher::new(&store, network()).blob(&wanted(&[server.url("/fox")]), &()).unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn plain_http_is_refused_where_nothing_else_vouches_for_a_file() {
    let (_dir, store) = store();
    let server = Server::start(|_| ok(FILE));
    let url = server.url("/fox");
    let read = |https_only| {
        let fetcher = Fetcher::new(&store, Network { https_only, ..network() });
        fetcher.text("fox", &url, 100, &()).map_err(|error| format!("{error:#}"))
    };
    let error = read(true).unwrap_err();
    assert!(error.ends_with("it comes by plain http, and nothing else vouches for it [plain-http]"), "{error}");
    assert!(server.requests().is_empty());
    assert_eq!(read(false).unwrap(), FILE);
}

#[test]
fn failures_are_one_clear_line_without_credentials() {
    let (_dir, store) = store();
    let cut = Server::start(|_| ok(FILE)[..100].to_vec());
    let line = refusal(&store, &cut);
    assert!(line.starts_with("fetching fox 1.0 from repository test: http://SERVER/fox: the connection broke after "));
    assert!(!line.contains("secret"), "{line}");
    assert_eq!(cut.requests().len(), 3);

    let short = Server::start(|_| ok(&FILE[..10]));
    assert_eq!(
        refusal(&store, &short),
        "fetching fox 1.0 from repository test: http://SERVER/fox: the file ends after 10 of 43 bytes [cut-off]"
    );
    let long = Server::start(|_| ok(&[FILE, FILE].concat()));
    assert_eq!(
        refusal(&store, &long),
        "fetching fox 1.0 from repository test: http://SERVER/fox: the file has more than the 43 bytes expected [wrong-size]"
    );
    let wrong = Server::start(|_| ok(&FILE.to_ascii_uppercase()));
    let line = refusal(&store, &wrong);
    assert!(line.starts_with("fetching fox 1.0 from repository test: http://SERVER/fox: the file has sha256 "));
    assert!(line.ends_with(&format!(" instead of {} [wrong-digest]", Digest::of(FILE))));
    let gone = Server::start(|_| status("404 Not Found", "", b""));
    assert_eq!(
        refusal(&store, &gone),
        "fetching fox 1.0 from repository test: http://SERVER/fox: the server answers 404 Not Found; \
         ask for a newer lock"
    );
    assert_eq!(gone.requests().len(), 1, "what is gone is not asked for again");
    let busy = Server::start(|_| status("503 Service Unavailable", "", b""));
    assert!(refusal(&store, &busy).ends_with("the server answers 503 Service Unavailable"));
    assert_eq!(busy.requests().len(), 3);
}

#[test]
fn a_server_that_is_not_there_is_tried_again_and_named() {
    let (_dir, store) = store();
    let url = Server::start(|_| ok(FILE)).url("/fox");
    let error = Fetcher::new(&store, network()).blob(&wanted(std::slice::from_ref(&url)), &()).unwrap_err();
    let line = format!("{error:#}");
    assert!(
        line.starts_with(&format!(
            "fetching fox 1.0 from repository test: {url}: the server does not answer: error sending request"
        )),
        "{line}"
    );
}

#[test]
fn the_next_url_is_asked_when_one_has_it_not() {
    let (_dir, store) = store();
    let gone = Server::start(|_| status("404 Not Found", "", b""));
    let wrong = Server::start(|_| ok(b"not this one, although it is as long as it."));
    let right = Server::start(|_| ok(FILE));
    let urls = [gone.url("/fox"), wrong.url("/fox"), right.url("/fox")];
    let error = Fetcher::new(&store, network()).blob(&wanted(&urls[..2]), &()).unwrap_err();
    let line = format!("{error:#}");
    assert!(line.contains("404 Not Found") && line.contains("has sha256") && !line.contains("newer lock"), "{line}");
    Fetcher::new(&store, network()).blob(&wanted(&urls), &()).unwrap();
}

#[test]
fn a_server_that_failed_is_asked_last_from_then_on() {
    let (_dir, store) = store();
    let busy = Server::start(|_| status("503 Service Unavailable", "", b""));
    let right = Server::start(|request| ok(request.path.as_bytes()));
    let fetcher = Fetcher::new(&store, network());
    for path in ["/one", "/two", "/six"] {
        let urls = vec![busy.url(path), right.url(path)];
        let digest = Digest::of(path);
        let wanted = Wanted { what: path.to_owned(), urls, size: path.len() as u64, digest, if_gone: "" };
        fetcher.blob(&wanted, &()).unwrap();
    }
    assert_eq!((busy.requests().len(), right.requests().len()), (3, 3));
    // It may come back, and is the only one that has this.
    let error = fetcher.blob(&wanted(&[right.url("/wrong"), busy.url("/fox")]), &()).unwrap_err();
    assert!(format!("{error:#}").contains("503"), "{error:#}");
    assert_eq!(busy.requests().len(), 6);
}

#[test]
fn two_builds_that_want_one_file_ask_once() {
    let (dir, first) = store();
    let second = Store::open(dir.path()).unwrap();
    let server = Server::start(|_| ok(FILE));
    let wanted = wanted(&[server.url("/fox")]);
    let fetchers = [Fetcher::new(&first, network()), Fetcher::new(&second, network())];
    thread::scope(|scope| {
        for fetcher in &fetchers {
            scope.spawn(|| fetcher.blob(&wanted, &()).unwrap());
        }
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn offline_names_what_is_missing() {
    let (_dir, store) = store();
    let fetcher = Fetcher::new(&store, Network { offline: true, ..network() });
    let line = format!("{:#}", fetcher.blob(&wanted(&["http://127.0.0.1:1/fox".to_owned()]), &()).unwrap_err());
    let start = "fetching fox 1.0 from repository test: offline, and the store ";
    assert!(line.starts_with(start) && line.ends_with(&format!("(sha256 {})", Digest::of(FILE))), "{line}");
    let line = format!("{:#}", fetcher.text("InRelease of test", "http://127.0.0.1:1/x", 9, &()).unwrap_err());
    assert_eq!(line, "offline, and the store has no InRelease of test: http://127.0.0.1:1/x");
    assert_eq!(fs::read_dir(store.dir().join("partial")).unwrap().count(), 1);
}

#[test]
fn files_of_this_machine_have_urls_too() {
    let (dir, store) = store();
    let path = dir.path().join("a fox");
    fs::write(&path, FILE).unwrap();
    let url = Url::from_file_path(&path).unwrap().to_string();
    let fetcher = Fetcher::new(&store, Network { offline: true, ..network() });
    fetcher.blob(&wanted(&[format!("{url}.missing"), url.clone()]), &()).unwrap();
    assert_eq!(fetcher.text("fox", &url, 100, &()).unwrap(), FILE);
    let line = format!("{:#}", fetcher.text("fox", &url, 9, &()).unwrap_err());
    assert!(line.ends_with("the file has more than 9 bytes [too-large]"), "{line}");
}

#[test]
fn what_this_machine_cannot_read_is_not_tried_again() {
    let (dir, store) = store();
    let path = dir.path().join("fox");
    let url = Url::from_file_path(&path).unwrap().to_string();
    let heard = Heard::default();
    let fetcher = Fetcher::new(&store, network());
    let blob = |url: &str| format!("{:#}", fetcher.blob(&wanted(&[url.to_owned()]), &heard).unwrap_err());
    fs::write(&path, &FILE[..9]).unwrap();
    assert!(blob(&url).ends_with("the file ends after 9 of 43 bytes [cut-off]"));
    // A directory is opened and cannot be read.
    let directory = Url::from_directory_path(dir.path()).unwrap().to_string();
    assert!(blob(&directory).contains("Is a directory"), "{}", blob(&directory));
    let line = format!("{:#}", fetcher.text("fox", &directory, 100, &heard).unwrap_err());
    assert!(line.contains("Is a directory"), "{line}");
    assert_eq!(*heard.0.lock().unwrap(), [""; 0]);
    // What was wrong may be the part that was there before: that is looked at once more.
    fs::write(&path, FILE).unwrap();
    fs::write(store.partial_path(&Digest::of(FILE), "part"), "wrong").unwrap();
    fetcher.blob(&wanted(&[url]), &heard).unwrap();
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn bytes(&self, _: &str, _: u64, _: u64) {}
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn a_text_is_kept_for_offline_use() {
    let (_dir, store) = store();
    let server = Server::start(|_| ok(FILE));
    assert_eq!(Fetcher::new(&store, network()).text("fox", &server.url("/fox"), 100, &()).unwrap(), FILE);
    let offline = Fetcher::new(&store, Network { offline: true, ..network() });
    assert_eq!(offline.text("fox", &server.url("/fox"), 100, &()).unwrap(), FILE);
}

#[test]
fn a_full_disk_is_said_so() {
    let (_dir, store) = store();
    let server = Server::start(|_| ok(FILE));
    // A device that refuses every write as a full disk does.
    std::os::unix::fs::symlink("/dev/full", store.partial_path(&Digest::of(FILE), "part")).unwrap();
    let line = refusal(&store, &server);
    assert!(line.ends_with("No space left on device (os error 28)"), "{line}");
}
