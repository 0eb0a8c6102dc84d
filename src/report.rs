//! Shows mistakes, failures and progress: the only code that prints for people, and it prints on stderr.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::diag::{Diagnostic, Diagnostics, Lines, Location, Source};
use crate::progress::Progress;

/// Width of a report, on every terminal: the same mistakes are the same text.
const WIDTH: usize = 120;

/// Most mistakes that are shown, and most bytes that are underlined of one line.
const SHOWN: usize = 100;
const UNDERLINED: usize = 240;

/// The first hundred mistakes as text, by source and place, an empty line between them; then the number of the others.
pub fn render(diagnostics: &Diagnostics, color: Color) -> String {
    let renderer = match color {
        Color::Never => Renderer::plain(),
        Color::Always => Renderer::styled(),
    };
    let renderer = renderer.term_width(WIDTH);
    let ordered = diagnostics.in_order();
    let mut texts: Vec<String> = ordered.iter().take(SHOWN).map(|mistake| render_one(mistake, &renderer)).collect();
    match ordered.len().saturating_sub(SHOWN) {
        0 => {}
        1 => texts.push("and 1 other mistake".to_owned()),
        others => texts.push(format!("and {others} other mistakes")),
    }
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
        if source.is_secret {
            for (location, label, _) in here {
                let (line, column) = source.line_column(location.span.start);
                group = group.element(Origin::path(source.name.clone()).line(line).char_column(column));
                group = group.element(Level::NOTE.message(legible(label)));
            }
            places = elsewhere;
            continue;
        }
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
    let end = floor(span.end.min(start + UNDERLINED)).max(start);
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

/// All mistakes for programs: a list by source and place, places as file, line and column, all from 1.
pub fn json(diagnostics: &Diagnostics) -> Value {
    let mistakes = diagnostics.in_order();
    let mut lines: BTreeMap<*const Source, Lines<'_>> = BTreeMap::new();
    for (location, _) in mistakes.iter().copied().flat_map(|mistake| mistake.location.iter().chain(&mistake.related)) {
        lines.entry(Arc::as_ptr(&location.source)).or_insert_with(|| Lines::new(&location.source.text));
    }
    let place = |(location, label): &(Location, String)| {
        let (line, column) = lines[&Arc::as_ptr(&location.source)].line_column(location.span.start);
        json!({"file": location.source.name, "line": line, "column": column, "label": label})
    };
    let mistakes = mistakes.iter().map(|mistake| {
        json!({
            "slug": mistake.slug,
            "title": mistake.title,
            "place": mistake.location.as_ref().map(place),
            "related": mistake.related.iter().map(place).collect::<Vec<_>>(),
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

    #[test]
    fn the_first_hundred_are_shown_by_place_and_the_others_counted() {
        let text = "x\n".repeat(250);
        let source = Source::new("a.yaml", text.as_str());
        let mistake = |line: usize| {
            Diagnostic::new("slug", format!("line {line}"))
                .at(&Location::new(&source, 2 * line - 2..2 * line - 1), "here")
        };
        let shown = |count: usize| render(&Diagnostics((1..=count).rev().map(mistake).collect()), Color::Never);
        let places = |text: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.split_once("--> "));
            lines.map(|(_, place)| place.to_owned()).collect()
        };
        let expected: Vec<String> = (1..=100).map(|line| format!("a.yaml:{line}:1")).collect();
        for (count, end) in [(101, "\n\nand 1 other mistake"), (250, "\n\nand 150 other mistakes")] {
            let text = shown(count);
            assert!(text.ends_with(end), "{text}");
            assert_eq!(places(&text), expected);
        }
        assert!(places(&shown(100)) == expected && !shown(100).contains("other mistake"));
        let json = json(&Diagnostics((1..=250).rev().map(mistake).collect()));
        let lines: Vec<u64> = json.as_array().unwrap().iter().filter_map(|it| it["place"]["line"].as_u64()).collect();
        assert!(lines.is_sorted() && lines.len() == 250, "{lines:?}");
    }

    #[test]
    fn no_line_of_a_text_with_secrets_is_quoted() {
        let text = "#cloud-config\nkubernetes:\n  token: [abcdef.0123456789abcdef]\n";
        let at = text.find('[').unwrap();
        let mistake = |source: &Arc<Source>| {
            Diagnostic::new("wrong-kind", "`token` takes a text")
                .at(&Location::new(source, at..at + 25), "this is a list")
                .related(&Location::new(source, 14..24), "in here")
                .help("write a single value")
        };
        let quoted = render(&mistake(&Source::new("user-data", text)).into(), Color::Never);
        assert!(quoted.contains("abcdef.0123456789abcdef"), "{quoted}");
        let hidden = render(&mistake(&Source::secret("user-data", text)).into(), Color::Never);
        for word in ["`token` takes a text", "user-data:3:10", "this is a list", "user-data:2:1", "in here", "write a"]
        {
            assert!(hidden.contains(word), "{word}: {hidden}");
        }
        assert!(!hidden.contains("abcdef") && !hidden.contains("kubernetes"), "{hidden}");
    }

    #[test]
    fn a_long_line_is_neither_quoted_nor_underlined_whole() {
        let source = Source::new("a.yaml", format!("x: {}\n", "y".repeat(6000)));
        let mistake = Diagnostic::new("slug", "t").at(&Location::new(&source, 3..6003), "z");
        let text = render(&mistake.into(), Color::Never);
        assert!(text.len() < 1500, "{} bytes: {text}", text.len());
    }
}
