//! What is made of the command line and shipped: completions, man pages, and the help of every subcommand. The copies must be what
//! would be made now; with UPDATE_COMPLETIONS=1 they are written anew (`make completions`).

use clap::Command;
use clap_complete::Shell;
use std::collections::BTreeMap;
use std::path::Path;

use crate::{Siprec, root};

/// The command and all below it that are shown, by the words that lead there.
fn all() -> Vec<(Vec<String>, Command)> {
    let mut command = siprec::cmd::command();
    command.build();
    let mut found = Vec::new();
    descend(&command, &[], &mut found);
    found
}

fn descend(command: &Command, above: &[String], found: &mut Vec<(Vec<String>, Command)>) {
    found.push((above.to_vec(), command.clone()));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let words: Vec<String> = above.iter().cloned().chain([sub.get_name().to_owned()]).collect();
        descend(sub, &words, found);
    }
}

/// What a command's page is called: `siprec-archive-hold`.
fn page(words: &[String]) -> String {
    std::iter::once("siprec").chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join("-")
}

/// Holds a folder to what it should hold, whole.
#[track_caller]
fn hold(folder: &str, made: &BTreeMap<String, Vec<u8>>) {
    let at = root().join(folder);
    let lies = || -> Vec<String> {
        let entries = std::fs::read_dir(&at).into_iter().flatten().map(|entry| entry.expect("an entry").file_name());
        entries.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    if std::env::var_os("UPDATE_COMPLETIONS").is_some() {
        std::fs::create_dir_all(&at).expect("a folder");
        for name in lies().iter().filter(|name| !made.contains_key(*name)) {
            std::fs::remove_file(at.join(name)).expect("one that is no more");
        }
        for (name, content) in made {
            std::fs::write(at.join(name), content).expect("a file that can be written");
        }
    }
    let stale: Vec<String> = lies().into_iter().filter(|name| !made.contains_key(name)).collect();
    assert!(stale.is_empty(), "{folder}: {stale:?} are of no command: `make completions`");
    for (name, content) in made {
        let shipped = std::fs::read(at.join(name)).unwrap_or_default();
        assert!(shipped == *content, "{folder}/{name} is out of date: `make completions`");
    }
}

#[test]
fn completions_are_those_of_the_command_line() {
    let made = |shell| {
        let mut made = Vec::new();
        clap_complete::generate(shell, &mut siprec::cmd::command(), "siprec", &mut made);
        String::from_utf8(made).expect("UTF-8")
    };
    let files = [
        ("siprec.bash", bash(&made(Shell::Bash))),
        ("_siprec", zsh(&made(Shell::Zsh))),
        ("siprec.fish", fish(&made(Shell::Fish))),
        ("_siprec.ps1", powershell(&made(Shell::PowerShell))),
    ];
    hold("completions", &files.map(|(name, text)| (name.to_owned(), text.into_bytes())).into());
}

/// Flags whose values are ids that a running server knows, and of what.
static IDS: [(&str, &str); 3] = [("id", "recordings"), ("recording", "recordings"), ("session", "sessions")];

/// Completes ids as `siprec complete` tells them.
fn bash(made: &str) -> String {
    let mut text = String::from(
        "_siprec_ids() {\n    local words\n    read -ra words <<< \"${COMP_LINE}\"\n    \
         siprec complete \"$1\" -- \"${words[@]}\" 2>/dev/null | cut -f1\n}\n\n",
    );
    let mut kind = None;
    for line in made.lines() {
        let before = kind.take();
        kind = IDS.iter().find(|(flag, _)| line.trim() == format!("--{flag})"));
        match before {
            Some((_, ids)) => {
                text.push_str(&line.replace("compgen -f \"", &format!("compgen -W \"$(_siprec_ids {ids})\" -- \"")))
            }
            // What is hidden is offered by nobody.
            None => text.push_str(&line.replace(" complete help\"", " help\"")),
        }
        text.push('\n');
    }
    text
}

/// Without what is hidden.
fn powershell(made: &str) -> String {
    made.lines().filter(|line| !line.contains("('complete', 'complete',")).map(|line| format!("{line}\n")).collect()
}

fn zsh(made: &str) -> String {
    let functions: Vec<String> = ["recordings", "sessions"]
        .iter()
        .map(|ids| {
            format!(
                "(( $+functions[_siprec_{ids}] )) ||\n_siprec_{ids}() {{\n    local -a known\n    \
                 known=(${{(f)\"$(siprec complete {ids} -- ${{words}} 2>/dev/null)\"}})\n    \
                 known=(${{known//$'\\t'/:}})\n    _describe -t {ids} {ids} known\n}}\n\n"
            )
        })
        .collect();
    let mut text = String::new();
    for line in made.lines() {
        let kind =
            IDS.iter().find(|(flag, _)| line.contains(&format!("--{flag}=[")) && line.contains("]:ID:_default'"));
        let positional = line.contains("::ids -- ").then_some(&IDS[0]);
        if line.starts_with("if [ \"$funcstack[1]\"") {
            text.push_str(&functions.concat());
        }
        match kind.or(positional) {
            Some((_, ids)) => text.push_str(&line.replace(":_default'", &format!(":_siprec_{ids}'"))),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

fn fish(made: &str) -> String {
    let line = |line: &str| {
        let kind = IDS.iter().find(|(flag, _)| line.contains(&format!(" -l {flag} ")));
        let asked = kind.zip(line.strip_suffix(" -r")).map(|((_, ids), line)| {
            format!("{line} -x -a \"(siprec complete {ids} -- (commandline -opc) 2>/dev/null)\"")
        });
        asked.unwrap_or_else(|| line.to_owned()) + "\n"
    };
    made.lines().map(line).collect()
}

/// What stands in no flag, in every page.
const STATUS: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
Done; a check found nothing wrong. A reader of the output that went away is no failure.
.TP
\fB1\fR
It failed, or a check found something wrong: standard error says what, and the remedy.
.TP
\fB2\fR
The command line was wrong.
.SH ENVIRONMENT
.TP
\fBSIPREC_SECTION__KEY\fR
A key of the configuration, as \fBSIPREC_SERVER__ADDRESS\fR: above the file, below flags.
.TP
\fBSIPREC_TOKEN\fR
What shows a server of \fB\-\-server\fR who asks.
.TP
\fBNO_COLOR\fR
No colours, unless \fB\-\-color always\fR asks for them.
"#;

/// What stands below the flags is examples, line by line.
fn examples(page: &str) -> String {
    let Some((before, rest)) = page.split_once("\n.SH EXTRA\n") else { return page.to_owned() };
    let (extra, after) = rest
        .split_once("\n.SH ")
        .map_or((rest.trim_end(), String::new()), |(extra, after)| (extra, format!(".SH {after}")));
    format!("{before}\n.SH EXAMPLES\n.nf\n{extra}\n.fi\n{after}")
}

#[test]
fn man_pages_are_those_of_the_command_line() {
    let commands = all();
    let mut made = BTreeMap::new();
    for (words, command) in &commands {
        // A page is called after its command, whatever leads there.
        let mut text = Vec::new();
        let name: &'static str = page(words).leak();
        let named = command.clone().name(name).display_name(name);
        clap_mangen::Man::new(named).render(&mut text).expect("a page");
        let mut text = examples(&String::from_utf8(text).expect("UTF-8")).into_bytes();
        text.extend_from_slice(STATUS.as_bytes());
        let kin = commands.iter().map(|(other, _)| other).filter(|other| {
            let (longer, shorter) = if other.len() > words.len() { (*other, words) } else { (words, *other) };
            longer.len() == shorter.len() + 1 && longer.starts_with(shorter)
        });
        let names: Vec<String> = kin.map(|words| format!("\\fB{}\\fR(1)", page(words).replace('-', "\\-"))).collect();
        text.extend_from_slice(format!(".SH \"SEE ALSO\"\n{}\n", names.join(", ")).as_bytes());
        made.insert(format!("{}.1", page(words)), text);
    }
    hold("packaging/man", &made);
}

#[test]
fn the_help_of_every_subcommand_is_as_it_was_read_last_and_has_examples() {
    let siprec = Siprec::new();
    let mut made = BTreeMap::new();
    for (words, _) in all() {
        let line = [words.join(" "), "--help".to_owned()].join(" ");
        let said = siprec.run(&line);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{line}");
        assert!(said.out.contains("Example"), "{line}: no example:\n{}", said.out);
        made.insert(format!("{}.txt", page(&words)), said.out.into_bytes());
    }
    assert!(made.len() > 20, "{:?}", made.keys());
    hold("tests/help", &made);
}

/// Help is wrapped to that: a longer line goes on below.
const WIDTH: usize = 98;

/// What the examples of a help say to type.
#[test]
fn the_examples_of_every_help_are_command_lines() {
    let folder = root().join("tests/help");
    let mut tried = 0;
    for entry in std::fs::read_dir(&folder).expect("snapshots of help") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a snapshot");
        let examples = text.split("Example").nth(1).unwrap_or_default();
        let whole = examples.lines().filter(|line| line.len() < WIDTH);
        for line in whole.filter_map(|line| Some(&line[line.rfind("siprec ")?..])) {
            crate::shell::must_parse(line, Path::new("tests/help"));
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}
