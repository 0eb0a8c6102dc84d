//! The protocol as scripts see it.

use super::protocol;
use super::state::Debconf;

fn debconf(templates: &str) -> Debconf {
    let mut debconf = Debconf::default();
    debconf.load_templates("p", templates.as_bytes()).unwrap();
    debconf.enter("p", "config");
    debconf
}

fn say(debconf: &mut Debconf, line: &str) -> String {
    let Debconf { database, session, .. } = debconf;
    let reply = protocol::answer(database, session, line.as_bytes()).unwrap();
    reply.map(|reply| String::from_utf8(reply.line()).unwrap()).unwrap_or_default()
}

const TEMPLATES: &str = "Template: p/s\nType: string\nDefault: d\nDescription: What\n\n\
    Template: p/l\nType: select\nChoices: one, two\nDescription: Which\n";

#[test]
fn a_question_has_its_default_until_somebody_answers() {
    let mut debconf = debconf(TEMPLATES);
    for (line, reply) in [
        ("INPUT high p/s", "30 question skipped"),
        ("INPUT high p/x", "10 \"p/x\" doesn't exist"),
        ("GO", "0 ok"),
        ("GET p/s", "0 d"),
        ("SET p/s a  b", "0 value set"),
        ("GET p/s", "0 a b"),
        ("RESET p/s", "0"),
        ("GET p/s", "0 d"),
        ("GET p/x", "10 p/x doesn't exist"),
        ("NONSENSE", "20 Unsupported command \"nonsense\" (full line was \"NONSENSE\") received from confmodule."),
        ("STOP", ""),
    ] {
        assert_eq!(say(&mut debconf, line), reply, "{line}");
    }
}

#[test]
fn a_list_without_a_default_takes_its_first_choice_when_it_is_asked() {
    let mut debconf = debconf(TEMPLATES);
    assert_eq!(say(&mut debconf, "GET p/l"), "0 ");
    say(&mut debconf, "INPUT low p/l");
    say(&mut debconf, "GO");
    assert_eq!(say(&mut debconf, "GET p/l"), "0 one");
}

#[test]
fn answers_of_the_recipe_count_before_and_after_the_templates_come() {
    let mut debconf = Debconf::default();
    debconf.preseed("p/s", "mine");
    debconf.preseed("p/never", "x");
    debconf.load_templates("p", TEMPLATES.as_bytes()).unwrap();
    debconf.preseed("p/l", "two");
    assert_eq!(say(&mut debconf, "FGET p/s seen"), "0 true");
    for (question, value) in [("p/s", "0 mine"), ("p/l", "0 two")] {
        say(&mut debconf, &format!("INPUT high {question}"));
        say(&mut debconf, "GO");
        assert_eq!(say(&mut debconf, &format!("GET {question}")), value);
    }
    assert_eq!(debconf.unasked().collect::<Vec<_>>(), ["p/never"]);
}

#[test]
fn a_question_ends_with_its_last_owner() {
    let mut debconf = debconf(TEMPLATES);
    say(&mut debconf, "REGISTER p/s p/extra");
    assert_eq!(say(&mut debconf, "GET p/extra"), "0 d");
    say(&mut debconf, "UNREGISTER p/extra");
    assert_eq!(say(&mut debconf, "GET p/extra"), "10 p/extra doesn't exist");
    debconf.load_templates("q", TEMPLATES.as_bytes()).unwrap();
    say(&mut debconf, "PURGE");
    assert_eq!(say(&mut debconf, "EXIST p/s"), "0 true");
    debconf.enter("q", "postinst");
    say(&mut debconf, "PURGE");
    assert_eq!(say(&mut debconf, "EXIST p/s"), "0 false");
}

/// Against the real debconf: the same reply to every command of any conversation.
mod differential {
    use std::path::Path;
    use std::process::Command;

    use crate::assemble::scripts::machine::Running;
    use crate::assemble::scripts::programs::dpkg::testing::{Chance, cases, machine, real, run_with};
    use crate::package::Family;

    const TEMPLATES: &str = "Template: p/string\nType: string\nDefault: a  b\nDescription: The ${WHAT}: \\${KEPT} ${MORE}\n Long ${WHAT}\n text.\n\n\
        Template: p/select\nType: select\nChoices: one, two\\, too, ${WHAT}\nChoices-de.UTF-8: eins, zwei, drei\nDescription: Which\nDescription-de.UTF-8: Welches\n\n\
        Template: p/boolean\nType: boolean\nDefault: true\nDescription: Whether\n\n\
        Template: p/note\nType: note\nDescription: Take note\n Of this.\n .\n And that.\n   kept\n\n\
        Template: p/error\nType: error\nDescription: Oh\n\n\
        Template: p/text\nType: text\nDefault: x\nDescription: Text\n\n\
        Template: p/multi\nType: multiselect\nChoices: a, b, c\nDefault: a, c\nDescription: Several\n\n\
        Template: p/password\nType: password\nDescription: Secret\nDescription-en: Very secret\n\n\
        Template: p/empty\nType: select\nChoices: ${WHAT}\nDefault:\nDescription: Nothing\n";
    const QUESTIONS: &[&str] = &[
        "p/string",
        "p/select",
        "p/boolean",
        "p/note",
        "p/error",
        "p/text",
        "p/multi",
        "p/password",
        "p/empty",
        "p/new",
        "p/other",
        "p/none",
    ];
    const VALUES: &[&str] = &["one", "two, too", "x y", " a   b ", "", "true", "${WHAT}", "a\\nb", "\\\\", "ü", "1, 2"];
    const FIELDS: &[&str] = &[
        "Description",
        "extended_description",
        "Choices",
        "Choices-C",
        "choices-de.utf-8",
        "Type",
        "Default",
        "value",
        "owners",
        "template",
        "name",
        "nothing",
        "description-de.UTF-8",
    ];

    fn command(chance: &mut Chance) -> String {
        let question = chance.one(QUESTIONS);
        let value = chance.one(VALUES);
        match chance.below(24) {
            0 | 1 => format!("INPUT {} {question}", chance.one(&["low", "medium", "high", "critical", "low", "odd"])),
            2 => "GO".to_owned(),
            3..=5 => format!("GET {question}"),
            6 | 7 => format!("SET {question} {value}"),
            8 => format!("RESET {question}"),
            9 => format!("SUBST {question} {} {value}", chance.one(&["WHAT", "MORE", "KEPT"])),
            10 => format!("FGET {question} {}", chance.one(&["seen", "isdefault", "mine"])),
            11 => format!(
                "FSET {question} {} {}",
                chance.one(&["seen", "isdefault", "mine"]),
                chance.one(&["true", "false", "a b", ""])
            ),
            12..=14 => format!("METAGET {question} {}", chance.one(FIELDS)),
            15 => format!("REGISTER {question} {}", chance.one(&["p/new", "p/other", "p/string"])),
            16 => format!("UNREGISTER {}", chance.one(&["p/new", "p/other", question])),
            17 => format!("CAPB {}", chance.one(&["", "backup", "escape", "backup escape"])),
            18 => format!("VERSION {}", chance.one(&["2.0", "1.0", "3", "", "2.9", "x"])),
            19 => (*chance.one(&[
                "TITLE some title",
                "SETTITLE p/note",
                "SETTITLE p/none",
                "BEGINBLOCK",
                "ENDBLOCK",
                "INFO p/note",
                "INFO",
                "CLEAR",
                "INFO a b",
            ]))
            .to_owned(),
            20 => format!("EXIST {question}"),
            21 => (*chance.one(&[
                "PROGRESS START 0 10 p/string",
                "PROGRESS START 5 1 p/string",
                "PROGRESS START 0 10 p/none",
                "PROGRESS ODD",
                "PROGRESS",
                "PROGRESS START",
            ]))
            .to_owned(),
            22 => format!(
                "DATA {} {} {value}",
                chance.one(&["d/a", "d/b"]),
                chance.one(&["type string", "description", "default"])
            ),
            _ => (*chance.one(&[
                "",
                "   ",
                "NONSENSE",
                "get p/string",
                "GET",
                "SET",
                "GO 1",
                "INPUT high",
                "SUBST p/string",
                "METAGET p/string",
                "CLEAR",
                "VISIBLE high p/string",
                "  GET p/boolean",
                "REGISTER p/none p/new",
            ]))
            .to_owned(),
        }
    }

    fn configuration(directory: &Path) -> String {
        let at = directory.display();
        format!(
            "Config: configdb\nTemplates: templatedb\n\nName: configdb\nDriver: File\nMode: 644\nFilename: {at}/config.dat\n\n\
             Name: templatedb\nDriver: File\nMode: 644\nFilename: {at}/templates.dat\n"
        )
    }

    #[test]
    fn every_command_is_answered_as_debconf_answers_it() {
        let Some(program) = crate::oracle::oracle("debconf-communicate") else { return };
        for seed in 0..cases(60, 1000) {
            let mut chance = Chance::new(seed + 1);
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name).display().to_string();
            std::fs::write(at("debconf.conf"), configuration(directory.path())).unwrap();
            std::fs::write(at("templates"), TEMPLATES).unwrap();
            let mut lines =
                vec![format!("X_LOADTEMPLATEFILE {}", at("templates")), "X_LOADTEMPLATEFILE /none".to_owned()];
            lines.extend((0..40).map(|_| command(&mut chance)));
            // What debconf still remembers of a template that went is not what another script finds.
            lines.extend(["PURGE", "EXIST p/string", "GET p/new"].map(str::to_owned));
            let input = lines.join("\n") + "\n";
            let mut theirs = Command::new(&program);
            theirs.arg("owner").env("DEBCONF_SYSTEMRC", at("debconf.conf")).env("DEBIAN_FRONTEND", "noninteractive");
            let mut theirs = real(theirs.env("DEBCONF_NOWARNINGS", "yes"), input.as_bytes());
            // The front end shows errors itself, between the replies.
            let replies = theirs.out.lines().filter(|line| line.starts_with(|letter: char| letter.is_ascii_digit()));
            theirs.out = replies.map(|line| format!("{line}\n")).collect();
            let mut machine = machine(Family::Deb, &[(&at("templates"), TEMPLATES)]);
            machine.running = Running { package: "owner".to_owned(), ..Running::default() };
            let ours = run_with(&mut machine, &["debconf-communicate", "owner"], input.as_bytes(), &[]);
            // Where debconf dies, the run ends.
            let Ok(ours) = ours else {
                assert_eq!(theirs.status, 255, "{seed}: {ours:?}");
                continue;
            };
            for ((line, ours), theirs) in lines.iter().zip(ours.out.lines()).zip(theirs.out.lines()) {
                assert_eq!(ours, theirs, "{seed}: {line}\n{input}");
            }
            assert_eq!((ours.status, ours.out), (theirs.status, theirs.out), "{seed}\n{}", theirs.err);
        }
    }

    /// Lines of template files, sane and others.
    const LINES: &[&str] = &[
        "Template: p/a",
        "Template: p/b",
        "Template:",
        "template:p/a ",
        "Type: string",
        "Type: select",
        "TYPE:  note ",
        "Type:",
        "Default: x",
        "Default:  y z  ",
        "Default:",
        "Choices: a, b",
        "Description: short",
        "Description-en: English",
        "Description-en.UTF-8: Encoded",
        "Description-de.UTF-8: k\u{fc}rz",
        " long",
        "  verbatim",
        " .",
        " ..",
        "   ",
        " ",
        "\tx",
        " \t y ",
        "# comment",
        "nothing",
        ": empty",
        "Odd-Field: z",
        "Extended_description: odd",
        "X@y.z: 1",
        "a b: c",
        "",
        "",
        "\r",
    ];

    fn templates(chance: &mut Chance) -> String {
        let mut text = String::new();
        for _ in 0..1 + chance.below(3) {
            if chance.often(85) {
                text += "Template: p/";
                text += chance.one(&["a", "b", "c"]);
                text += "\nType: string\n";
            }
            for _ in 0..chance.below(7) {
                let line = if chance.often(80) { chance.one(&LINES[8..24]) } else { chance.one(LINES) };
                text += line;
                text += "\n";
            }
            text += chance.one(&["\n", "\n", "\n\n", ""]);
        }
        text
    }

    #[test]
    fn template_files_are_read_as_debconf_reads_them() {
        let Some(program) = crate::oracle::oracle("debconf-communicate") else { return };
        for seed in 0..cases(100, 3000) {
            let mut chance = Chance::new(seed + 77);
            let text = templates(&mut chance);
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name).display().to_string();
            std::fs::write(at("debconf.conf"), configuration(directory.path())).unwrap();
            std::fs::write(at("templates"), &text).unwrap();
            let mut lines = Vec::new();
            for question in ["p/a", "p/b", "p/c"] {
                lines.push(format!("GET {question}"));
                let fields = [
                    "type",
                    "description",
                    "extended_description",
                    "choices",
                    "default",
                    "description-de.utf-8",
                    "odd-field",
                    "x@y.z",
                ];
                lines.extend(fields.iter().map(|field| format!("METAGET {question} {field}")));
            }
            let asked = lines.join("\n") + "\n";
            let input = format!("CAPB escape\nX_LOADTEMPLATEFILE {}\n{asked}", at("templates"));
            let mut theirs = Command::new(&program);
            theirs.arg("owner").env("DEBCONF_SYSTEMRC", at("debconf.conf")).env("DEBIAN_FRONTEND", "noninteractive");
            let theirs = real(theirs.env("DEBCONF_NOWARNINGS", "yes"), input.as_bytes());
            let mut machine = machine(Family::Deb, &[]);
            machine.running = Running { package: "owner".to_owned(), ..Running::default() };
            let mistake = machine.debconf.load_templates("owner", text.as_bytes()).err();
            let input = format!("CAPB escape\n{asked}");
            let ours = run_with(&mut machine, &["debconf-communicate", "owner"], input.as_bytes(), &[]).unwrap();
            let mut replies = theirs.out.lines();
            let (capb, loaded) = (replies.next().unwrap(), replies.next().unwrap());
            assert_eq!(mistake.is_some(), loaded.starts_with("100 "), "{seed}: {mistake:?} {loaded}\n{text}");
            let replies: Vec<&str> = [capb].into_iter().chain(replies).collect();
            assert_eq!(ours.out.lines().collect::<Vec<_>>(), replies, "{seed}:\n{text}\n{mistake:?}");
        }
    }

    /// One line of a script: a function of the library, and what it says.
    fn script_line(chance: &mut Chance) -> String {
        let question = chance.one(QUESTIONS);
        let value = chance.one(&["one", "x y", "", "two  three", "a\\\\nb", "$RET", "'  lead'", "\"a \\\\ b\""]);
        let command = match chance.below(16) {
            0 => format!("db_input medium {question}"),
            1 => "db_go".to_owned(),
            2..=4 => format!("db_get {question}"),
            5 | 6 => format!("db_set {question} {value}"),
            7 => format!("db_set {question} \"{}\"", value.replace('"', "")),
            8 => format!("db_reset {question}"),
            9 => format!("db_subst {question} WHAT {value}"),
            10 => format!("db_fset {question} seen {}", chance.one(&["true", "false"])),
            11 => format!("db_fget {question} seen"),
            12 => format!(
                "db_metaget {question} {}",
                chance.one(&["description", "extended_description", "choices", "Type"])
            ),
            13 => format!("db_register p/string {}", chance.one(&["p/new", "p/other"])),
            14 => (*chance.one(&[
                "db_capb escape",
                "db_capb",
                "db_version 2.0",
                "db_version 1",
                "db_beginblock",
                "db_title x",
            ]))
            .to_owned(),
            _ => format!("db_unregister {}", chance.one(&["p/new", "p/other"])),
        };
        match chance.below(6) {
            0 => format!("if {command}; then say yes; else say no; fi\n"),
            1 => format!("( {command}; say sub )\nsay out\n"),
            2 => format!("x=$({command}; echo \"$RET\"); say \"$x\"\n"),
            _ => format!("{command} || say failed\nsay\n"),
        }
    }

    #[test]
    fn scripts_that_source_the_library_see_what_debconf_shows_them() {
        let frontend = std::path::Path::new("/usr/share/debconf/frontend");
        if !frontend.is_file() {
            return crate::oracle::skip("debconf is missing");
        }
        for seed in 0..cases(40, 800) {
            let mut chance = Chance::new(seed + 501);
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name).display().to_string();
            let log = at("log");
            let mut script = format!(
                ". /usr/share/debconf/confmodule\ndb_x_loadtemplatefile {}\nsay() {{ printf '%s [%s] %s\\n' \"$?\" \"$RET\" \"$*\" >> {log}; }}\n",
                at("templates")
            );
            (0..20).for_each(|_| script += &script_line(&mut chance));
            script +=
                "echo to stdout\necho \"${DEBIAN_HAS_FRONTEND-} ${DEBCONF_REDIR-}\" >> LOG\ndb_stop\nsay stopped\n";
            let script = script.replace("LOG", &log);
            std::fs::write(at("debconf.conf"), configuration(directory.path())).unwrap();
            std::fs::write(at("templates"), TEMPLATES).unwrap();
            std::fs::write(at("script"), format!("#!/bin/sh\n{script}")).unwrap();
            let mut theirs = Command::new("sh");
            theirs
                .arg(at("script"))
                .env("DEBCONF_SYSTEMRC", at("debconf.conf"))
                .env("DEBIAN_FRONTEND", "noninteractive");
            // The front end takes the script itself for a program.
            std::fs::set_permissions(at("script"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            let theirs = real(theirs.env("DEBCONF_NOWARNINGS", "yes").env("DEBCONF_PACKAGE", "p"), b"");
            let theirs = (theirs.status, std::fs::read_to_string(&log).unwrap_or(theirs.err));
            let mut machine = machine(Family::Deb, &[(&at("templates"), TEMPLATES)]);
            machine.running = Running { package: "p".to_owned(), ..Running::default() };
            let shell = crate::assemble::scripts::programs::dpkg::testing::shell(b"", &[]);
            let status =
                machine.run_text(&shell, crate::shell::Dialect::Dash, b"script", &[], script.as_bytes()).unwrap();
            let ours = machine.files.read(log.as_bytes()).unwrap().unwrap_or_default();
            let ours = (status, String::from_utf8_lossy(&ours).into_owned());
            assert_eq!(ours, theirs, "{seed}:\n{script}");
        }
    }

    /// Bytes that nobody vouches for: replies are single lines, and nothing panics.
    #[test]
    fn any_templates_and_any_commands_are_answered() {
        for seed in 0..cases(3000, 300_000) {
            let mut chance = Chance::new(seed + 9000);
            let mut text = if chance.often(50) { TEMPLATES.to_owned() } else { templates(&mut chance) }.into_bytes();
            let mut lines: Vec<Vec<u8>> = (0..8).map(|_| command(&mut chance).into_bytes()).collect();
            for bytes in lines.iter_mut().chain([&mut text]) {
                for _ in 0..chance.below(4) {
                    let at = chance.below(bytes.len() + 1);
                    match chance.below(3) {
                        0 => bytes.insert(at, u8::try_from(chance.below(256)).unwrap()),
                        1 => bytes.truncate(at),
                        _ => bytes.splice(at..at, b"${WHAT}\\\n ".iter().copied()).for_each(drop),
                    }
                }
            }
            let mut debconf = crate::assemble::scripts::programs::debconf::Debconf::default();
            let _ = debconf.load_templates("p", &text);
            for line in lines {
                if let Ok(Some((status, text))) = debconf.say(&line) {
                    assert!([0, 1, 10, 20, 30].contains(&status), "{seed} {status}");
                    drop(text);
                }
            }
        }
    }
}
