//! Watches a guest: its reports, QEMU's events and the clock, until there is a verdict.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::event::{Event, Verdict};
use super::options::{Options, Until};
use super::qemu::Guest;
use crate::interrupt::interrupted;

const TICK: Duration = Duration::from_millis(100);
/// SeaBIOS answers a reset with another one at once; resets this close count as one.
const ONE_RESET: Duration = Duration::from_secs(3);
/// How long a guest may take to power off when it is asked to.
const POWER_OFF_LIMIT: Duration = Duration::from_secs(90);

/// Follows the guest to its end.
pub(super) fn watch(guest: &mut Guest, options: &Options, show: &mut dyn FnMut(&Event)) -> anyhow::Result<Verdict> {
    let start = Instant::now();
    let verdict = follow(guest, options, start, show)?;
    show(&Event::Ended { code: verdict.code(), verdict: verdict.clone(), seconds: start.elapsed().as_secs() });
    Ok(verdict)
}

fn follow(
    guest: &mut Guest,
    options: &Options,
    start: Instant,
    show: &mut dyn FnMut(&Event),
) -> anyhow::Result<Verdict> {
    let interrupted = interrupted();
    let events = control_events(&guest.control)?;
    let mut reports = Reports::open(guest)?;
    let mut resets = 0;
    let mut last_reset: Option<Instant> = None;
    // Once the verdict stands the guest is only waited for.
    let mut decided: Option<(Verdict, Instant)> = None;
    let mut reason = String::new();
    loop {
        let ended = guest.child.try_wait().context("waiting for QEMU")?.is_some();
        for event in events.try_iter() {
            match event["event"].as_str() {
                Some("RESET") if event["data"]["guest"] == true && is_new_reset(&mut last_reset) => {
                    resets += 1;
                    show(&Event::Reset { count: resets });
                }
                // QEMU holds the guest still until somebody makes room: that is nobody here.
                Some("BLOCK_IO_ERROR") if event["data"]["action"] == "stop" => {
                    return Ok(Verdict::Silent { reason: disk_error(&event["data"]) });
                }
                Some("SHUTDOWN") => reason = event["data"]["reason"].as_str().unwrap_or_default().to_owned(),
                _ => {}
            }
        }
        for report in reports.lines()? {
            let verdict = judge(&report, options.until);
            show(&Event::Report { report });
            if let (Some(verdict), None) = (verdict, &decided) {
                show(&Event::Stopping { reason: "the verdict is in" });
                command(&guest.control, "system_powerdown")?;
                decided = Some((verdict, Instant::now()));
            }
        }
        if ended {
            let silent = |reason: String| Ok(Verdict::Silent { reason });
            return match decided {
                Some((verdict, _)) => Ok(verdict),
                None if interrupted.load(Ordering::Relaxed) => Ok(Verdict::Interrupted),
                None if reason == "guest-panic" => silent("the guest's kernel panicked".to_owned()),
                None if options.until == Until::Off && reason == "guest-shutdown" => Ok(Verdict::Passed),
                None if reason.is_empty() => silent("QEMU ended by itself".to_owned()),
                None => silent(format!("the guest stopped ({reason}) before it said what was awaited")),
            };
        }
        if interrupted.load(Ordering::Relaxed) {
            return Ok(Verdict::Interrupted);
        }
        if let Some((verdict, since)) = &decided {
            if since.elapsed() > POWER_OFF_LIMIT {
                return Ok(verdict.clone());
            }
        } else if resets > options.reboots {
            return Ok(Verdict::Silent { reason: format!("the guest reset {resets} times") });
        } else if options.time_limit.is_some_and(|limit| start.elapsed() > limit) {
            return Ok(Verdict::TimeLimit);
        }
        std::thread::sleep(TICK);
    }
}

/// What the data of an event BLOCK_IO_ERROR says (QEMU's QAPI schema).
fn disk_error(data: &Value) -> String {
    let why = data["reason"].as_str().unwrap_or("unknown error");
    format!("the guest's disk could not be written here ({why}): TMPDIR= and --disk say where it lies")
}

fn is_new_reset(last: &mut Option<Instant>) -> bool {
    last.replace(Instant::now()).is_none_or(|last| last.elapsed() > ONE_RESET)
}

/// What a line of the report port decides, if anything: a test's verdict (`{"verdict": 0, "message": …}`), or the
/// agent's status (`{"state": "ready", …}`).
fn judge(report: &Value, until: Until) -> Option<Verdict> {
    match until {
        Until::Off => None,
        Until::Verdict => {
            let code = u8::try_from(report.get("verdict")?.as_u64()?).unwrap_or(1);
            let message = report["message"].as_str().unwrap_or_default().to_owned();
            Some(if code == 0 { Verdict::Passed } else { Verdict::Failed { code, message } })
        }
        Until::Ready => match report.get("state")?.as_str()? {
            "ready" => Some(Verdict::Passed),
            // What failed is tried again: the time limit decides.
            state @ ("mistake" | "degraded") => {
                let messages: Vec<&str> =
                    report["messages"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                Some(Verdict::Failed { code: 1, message: format!("{state}: {}", messages.join("; ")) })
            }
            _ => None,
        },
    }
}

/// Greets QEMU and passes its events on as they come.
fn control_events(control: &UnixStream) -> anyhow::Result<Receiver<Value>> {
    let reader = BufReader::new(control.try_clone().context("sharing the control socket")?);
    command(control, "qmp_capabilities")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            // Anything that is not JSON, and a receiver that is gone, both mean that the run is over.
            let Ok(event) = serde_json::from_str::<Value>(&line) else { break };
            if event.get("event").is_some() && sender.send(event).is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}

fn command(mut control: &UnixStream, name: &str) -> anyhow::Result<()> {
    let line = format!("{}\n", json!({"execute": name}));
    match control.write_all(line.as_bytes()) {
        // The guest may have gone in the meantime: the loop will see that.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("writing to QEMU's control socket"),
    }
}

/// Complete lines of the report file, as they grow.
struct Reports {
    file: File,
    partial: Vec<u8>,
}

impl Reports {
    fn open(guest: &Guest) -> anyhow::Result<Reports> {
        let mut file = File::open(&guest.reports).context("opening the guest's reports")?;
        file.seek(SeekFrom::Start(0)).context("reading the guest's reports")?;
        Ok(Reports { file, partial: Vec::new() })
    }

    fn lines(&mut self) -> anyhow::Result<Vec<Value>> {
        self.file.read_to_end(&mut self.partial).context("reading the guest's reports")?;
        let mut reports = Vec::new();
        while let Some(newline) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=newline).collect();
            let text = String::from_utf8_lossy(&line);
            // A guest may write anything here; what is not JSON is shown as it is and decides nothing.
            reports.push(serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.trim_end().to_owned())));
        }
        Ok(reports)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_ready_only_with_all_its_units_and_what_is_tried_again_decides_nothing() {
        let judged = |state: &str| judge(&json!({"state": state, "messages": ["why"]}), Until::Ready);
        assert_eq!(judged("ready"), Some(Verdict::Passed));
        for state in ["degraded", "mistake"] {
            assert_eq!(judged(state), Some(Verdict::Failed { code: 1, message: format!("{state}: why") }));
        }
        for state in ["running", "failed"] {
            assert_eq!(judged(state), None, "{state}");
        }
    }
}
