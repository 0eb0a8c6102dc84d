//! Shows mistakes, failures and progress: the only code that prints for people, and it prints on stderr.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::progress::Progress;

/// Width of a report, on every terminal: the same mistakes are the same text.
const WIDTH: usize = 120;

/// All mistakes as text, one empty line between them.
pub fn render(diagnostics: &Diagnostics, color: Color) -> String {
    let renderer = match color {
        Color::Never => Renderer::plain(),
        Color::Always => Renderer::styled(),
    };
    let renderer = renderer.term_width(WIDTH);
    let texts: Vec<String> = diagnostics.0.iter().map(|diagnostic| render_one(diagnostic, &renderer)).collect();
    texts.join("\n\n")
}

/// Colour is for terminals, and not when `NO_COLOR` asks for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    Never,
    Always,
}

impl Color {
    pub fn of_stderr() -> Color {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if plain || !io::stderr().is_terminal() { Color::Never } else { Color::Always }
    }
}

fn render_one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let (title, help) = (legible(&diagnostic.title), diagnostic.help.iter().map(|help| legible(help)));
    let help: Vec<String> = help.collect();
    let mut group = Group::with_title(Level::ERROR.primary_title(title.as_str()).id(diagnostic.slug));
    let mut places: Vec<(&Location, &str, AnnotationKind)> = Vec::new();
    if let Some((location, label)) = &diagnostic.location {
        places.push((location, label, AnnotationKind::Primary));
    }
    places
        .extend(diagnostic.related.iter().map(|(location, label)| (location, label.as_str(), AnnotationKind::Context)));
    // One snippet a source, in the order the sources appear.
    while let Some((first, ..)) = places.first() {
        let source = first.source.clone();
        let text = source.text.as_str();
        let (here, elsewhere): (Vec<_>, Vec<_>) = places.into_iter().partition(|(it, ..)| it.source == source);
        let annotations = here.iter().map(|(it, label, kind)| kind.span(visible(text, &it.span)).label(legible(label)));
        let annotations: Vec<_> = annotations.collect();
        group = group.element(Snippet::source(text.to_owned()).path(source.name.clone()).annotations(annotations));
        places = elsewhere;
    }
    for help in &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// A span that stays in the text, on one line, and is a place to point at even when it is empty.
fn visible(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    let end = floor(span.end).max(start);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    start..end.min(line_end)
}

/// A failure as a chain: what was being done, then why it did not work.
pub fn failure(error: &anyhow::Error) -> String {
    legible(&format!("error: {error:#}"))
}

/// Names in repositories and paths in packages are other people's, and must not steer the terminal.
fn legible(text: &str) -> String {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.chars().map(|c| if steers(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// Prints an error of any kind and gives the exit code that belongs to it: 1 for mistakes in what a person wrote,
/// 2 for a failure of the environment.
pub fn show(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Diagnostics>() {
        Some(diagnostics) => {
            let count = diagnostics.0.len();
            let plural = if count == 1 { "" } else { "s" };
            say(&format!("{}\n\n{count} mistake{plural}", render(diagnostics, Color::of_stderr())));
            1
        }
        None => {
            say(&failure(error));
            2
        }
    }
}

/// One line (or block) for people. A closed stderr is not a reason to stop.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether an error is a closed stdout, which ends a command quietly.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// How often downloads are reported where no line can move.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Shows how a long command gets on: a moving line on a terminal; elsewhere one line a finished stage, and one now and
/// then while something is fetched.
#[derive(Debug)]
pub struct Watch {
    bar: ProgressBar,
    /// Where no line can move: when downloads were reported last.
    reported: Option<Mutex<Instant>>,
    /// Bytes of each download that is under way.
    downloads: Mutex<std::collections::BTreeMap<String, (u64, u64)>>,
}

impl Watch {
    pub fn new() -> Watch {
        let terminal = io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let reported = (!terminal).then(|| Mutex::new(Instant::now()));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        Watch { bar, reported, downloads: Mutex::default() }
    }

    /// Runs a stage and says how long it took. The clock is for people only: nothing of it reaches an output.
    pub fn stage<T>(&self, name: &str, run: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let start = Instant::now();
        self.bar.reset_elapsed();
        self.bar.set_message(name.to_owned());
        self.bar.enable_steady_tick(Duration::from_millis(100));
        let result = run();
        self.bar.disable_steady_tick();
        if result.is_ok() {
            self.line(&format!("{name:<10} {:6.1} s", start.elapsed().as_secs_f64()));
        } else {
            self.bar.finish_and_clear();
        }
        result
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| say(text));
    }
}

impl Default for Watch {
    fn default() -> Watch {
        Watch::new()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Whether the time for another line has come; if so, it starts again.
fn is_due(reported: &Mutex<Instant>, now: Instant) -> bool {
    let mut reported = reported.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let due = now.duration_since(*reported) >= PROGRESS_EVERY;
    if due {
        *reported = now;
    }
    due
}

/// Mistakes for programs: a list in the order they were found, places as file, line and column, all from 1.
pub fn json(diagnostics: &Diagnostics) -> Value {
    let place = |location: &Location, label: &str| {
        let (line, column) = location.source.line_column(location.span.start);
        json!({"file": location.source.name, "line": line, "column": column, "label": label})
    };
    let mistakes = diagnostics.0.iter().map(|mistake| {
        json!({
            "slug": mistake.slug,
            "title": mistake.title,
            "place": mistake.location.as_ref().map(|(location, label)| place(location, label)),
            "related": mistake.related.iter().map(|(location, label)| place(location, label)).collect::<Vec<_>>(),
            "help": mistake.help,
        })
    });
    Value::from(mistakes.collect::<Vec<_>>())
}

impl Progress for Watch {
    fn bytes(&self, what: &str, done: u64, total: u64) {
        // A panic elsewhere does not make the figures wrong.
        let mut downloads = self.downloads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        downloads.insert(what.to_owned(), (done, total));
        // What a repository says that a file has may be any number.
        let add = |sum: (u64, u64), it: &(u64, u64)| (sum.0.saturating_add(it.0), sum.1.saturating_add(it.1));
        let (done, total) = downloads.values().fold((0, 0), add);
        let what = legible(what);
        let text = format!("fetch: {} of {} MiB, {what}", done >> 20, total.div_ceil(1 << 20));
        if self.reported.as_ref().is_some_and(|reported| is_due(reported, Instant::now())) {
            self.line(&text);
        }
        self.bar.set_message(text);
    }

    fn note(&self, text: &str) {
        self.line(&format!("note: {}", legible(text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;

    #[test]
    fn progress_without_a_terminal_is_a_line_now_and_then() {
        let start = Instant::now();
        let reported = Mutex::new(start);
        let after = |seconds| is_due(&reported, start + Duration::from_secs(seconds));
        assert_eq!([1, 9, 10, 11, 19, 25].map(after), [false, false, true, false, false, true]);
    }

    #[test]
    fn what_others_wrote_does_not_steer_the_terminal() {
        let mistakes = Diagnostic::new("slug", "title\u{1b}[31m").help("└─ name\r\u{9b}1m\n   more");
        let text = render(&mistakes.into(), Color::Never);
        assert!(text.contains("title\\u{1b}[31m") && text.contains("└─ name\\r\\u{9b}1m\n"), "{text}");
        assert_eq!(failure(&anyhow::anyhow!("a\u{1b}b").context("c")), "error: c: a\\u{1b}b");
    }

    #[test]
    fn sizes_that_a_repository_made_up_are_no_reason_to_panic() {
        let watch = Watch::new();
        watch.bytes("one", 1, u64::MAX);
        watch.bytes("two", u64::MAX, 2);
    }

    #[test]
    fn mistakes_are_places_and_words_for_programs() {
        let source = Source::new("a.yaml", "x: 1\ny: 2\n");
        let mistake = Diagnostic::new("slug", "title").at(&Location::new(&source, 5..6), "here").help("do this");
        let expected = json!([{
            "slug": "slug",
            "title": "title",
            "place": {"file": "a.yaml", "line": 2, "column": 1, "label": "here"},
            "related": [],
            "help": ["do this"],
        }]);
        assert_eq!(json(&mistake.into()), expected);
    }
}
