//! Our shell against real ones: small random scripts must write the same, end the same and leave the same variables.

mod writer;

use std::path::Path;
use std::process::{Command, Stdio};

use nodesmith::shell::{Dialect, Shell, StopKind, testing};
use writer::script;

const ARGUMENTS: [&str; 3] = ["one", "two words", "-x"];
/// Scripts for each shell; `NODESMITH_SHELL_SCRIPTS` asks for another number.
const SCRIPTS: u64 = 5_000;

#[test]
fn random_scripts_do_what_dash_does() {
    agree(Dialect::Dash, "dash", true);
}

#[test]
fn random_scripts_do_what_bash_does() {
    agree(Dialect::Bash, "bash", true);
}

#[test]
fn random_scripts_do_what_bash_does_outside_of_its_sh_mode() {
    agree(Dialect::Bash, "bash", false);
}

#[derive(Clone, Copy)]
struct Real<'a> {
    dialect: Dialect,
    shell: &'a str,
    options: &'a [&'a str],
    posix: bool,
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn agree(dialect: Dialect, shell: &str, posix: bool) {
    if crate::support::oracle(shell).is_none() {
        return;
    }
    let options: &[&str] = if posix && dialect == Dialect::Bash { &["--posix"] } else { &[] };
    let real = Real { dialect, shell, options, posix };
    let scripts = number("NODESMITH_SHELL_SCRIPTS", SCRIPTS);
    let first = number("NODESMITH_SHELL_SEED", 0);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let directory = tempfile::tempdir().unwrap();
                    let seeds = (first..first + scripts).filter(|seed| seed % threads == worker);
                    let differences = seeds.filter_map(|seed| {
                        let script = script(seed, dialect);
                        difference(&real, directory.path(), &script, false)?;
                        let script = reduced(&real, directory.path(), script);
                        let what = difference(&real, directory.path(), &script, true)?;
                        Some(format!("seed {seed} of {shell}:\n{script}--- {what}\n"))
                    });
                    differences.take(5).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is not the same, if anything.
fn difference(real: &Real, directory: &Path, script: &str, cut: bool) -> Option<String> {
    let Real { dialect, shell, options, posix } = *real;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    let file = directory.with_extension("sh");
    std::fs::write(&file, script).unwrap();
    let mut command = match cut {
        true => Command::new("timeout"),
        false => Command::new(shell),
    };
    if cut {
        command.args(["5", shell]);
    }
    command.args(options).arg(file).args(ARGUMENTS);
    let command = command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir(directory);
    let real = command.stdin(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    // Only a script that somebody cut does not end.
    if real.status.code() == Some(124) {
        return None;
    }
    let arguments: Vec<Vec<u8>> = ARGUMENTS.iter().map(|argument| argument.as_bytes().to_vec()).collect();
    let mut ours = Shell::new(dialect, b"script", &arguments);
    ours.posix = posix;
    let ours = testing::run_shell(&mut testing::Memory::new(1_000_000), ours, script.as_bytes());
    let status = real.status.code();
    let said = String::from_utf8_lossy(&real.stderr);
    let refused = ours.result.as_ref().is_err_and(|stop| match stop.kind {
        StopKind::UnknownProgram(_) => said.contains("not found") || said.contains("denied"),
        StopKind::Syntax(_) => said.contains("yntax error") || said.contains("unexpected EOF"),
        _ => false,
    });
    // That too comes only of cutting.
    if refused {
        return None;
    }
    let same = matches!(&ours.result, Ok(ours) if Some(i32::from(*ours)) == status) && ours.out == real.stdout;
    (!same).then(|| {
        format!(
            "real: {status:?} {:?}\n      {:?}\n ours: {:?} {:?}\n      {:?}",
            String::from_utf8_lossy(&real.stdout),
            said.chars().take(300).collect::<String>(),
            ours.result.map_err(|stop| (stop.line, stop.kind.to_string())),
            String::from_utf8_lossy(&ours.out),
            String::from_utf8_lossy(&ours.error),
        )
    })
}

/// The script without the lines that the difference does not need.
fn reduced(real: &Real, directory: &Path, script: String) -> String {
    let Real { shell, options, .. } = *real;
    let mut lines: Vec<&str> = script.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    for size in [8, 4, 3, 2, 1, 1] {
        let mut at = 0;
        while at + size <= lines.len() {
            let mut fewer = lines.clone();
            fewer.drain(at..at + size);
            let text = joined(&fewer);
            let sound = Command::new(shell).args(options).arg("-n").arg("-c").arg(&text).stderr(Stdio::null()).status();
            let sound = sound.is_ok_and(|status| status.success());
            let what = sound.then(|| difference(real, directory, &text, true)).flatten();
            if what.is_some_and(|what| !what.contains("is not known")) {
                lines = fewer;
            } else {
                at += 1;
            }
        }
    }
    joined(&lines)
}
