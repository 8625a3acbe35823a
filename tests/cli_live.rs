//! The command line beside a server that runs, over what it has recorded: fields of `--json` as docs/json.md has them, readers that go
//! away, and ids that shells complete.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::recordings::{self, Recording};
use support::server::{Server, Setup, binary};
use support::src::{Call, Src};
use support::studio::Plan;
use support::{TempDir, becomes_true, lacking};

const RENDERED_WITHIN: Duration = Duration::from_secs(60);

/// A server with a call of a second behind it.
struct World {
    server: Server,
    recording: Recording,
    temp: TempDir,
}

/// A call of a second; its Call-ID.
fn call(server: &Server) -> String {
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 0);
    call.must_invite();
    call.talk(&Plan::seconds(1.0));
    call.finish();
    call.call_id().to_owned()
}

impl World {
    fn new() -> Self {
        Self::of(Setup::default().sealed())
    }

    fn of(setup: Setup) -> Self {
        let server = setup.start();
        let recording = recordings::wait(&server.data, &call(&server), RENDERED_WITHIN);
        Self { server, recording, temp: TempDir::new("cli") }
    }

    /// One whose storage target is not there.
    fn stuck() -> Self {
        let world = Self::of(Setup::default().set("storage.local.path=/no/such/share"));
        let waits = || !world.run("archive outbox --json --data-dir DATA").stdout.is_empty();
        assert!(becomes_true(RENDERED_WITHIN, waits), "{}", world.server.tail());
        world
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    fn id(&self) -> String {
        self.recording.sheet["id"].as_str().unwrap().to_owned()
    }

    /// `siprec`, with the words of a line, `ID` among them being the recording's, `OUT` a folder, and `DATA` the data directory.
    fn command(&self, line: &str) -> Command {
        let (data, out) = (self.server.data.display().to_string(), self.temp.path().join("out").display().to_string());
        let (id, api) = (self.id(), format!("http://{}", self.server.api));
        let journal = self.server.data.join("journals");
        let journal = first_file(&journal, ".pcapng.sealed").unwrap_or(journal);
        let place = |word: &str| {
            let journal = journal.display().to_string();
            let sip = format!("sip:{}", self.server.sip);
            let pairs =
                [("ID", &id), ("OUT", &out), ("DATA", &data), ("JOURNAL", &journal), ("API", &api), ("SIP", &sip)];
            pairs.iter().fold(word.to_owned(), |word, (name, value)| word.replace(name, value))
        };
        let mut command = Command::new(binary());
        command.args(line.split(' ').map(place)).current_dir(self.temp.path()).stdin(Stdio::null());
        command.env("SIPREC_ARCHIVE__SEAL__MASTER_KEY", support::server::MASTER_KEY);
        command
    }
}

fn first_file(folder: &Path, end: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = first_file(&path, end) {
                return Some(found);
            }
        } else if path.to_string_lossy().ends_with(end) {
            return Some(path);
        }
    }
    None
}

/// The names of all fields in a value, dotted; of arrays `name[]`.
fn fields(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                found.insert(name.clone());
                fields(&name, value, found);
            }
        }
        Value::Array(array) => array.iter().for_each(|value| fields(&format!("{prefix}[]"), value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What docs/json.md says of a command: each field, and whether it is there always.
fn documented() -> BTreeMap<String, BTreeMap<String, bool>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")).unwrap();
    let mut found: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
    let mut command = None;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## `") {
            command = Some(heading.trim_end_matches('`').to_owned());
        } else if let (Some(command), Some(row)) = (&command, line.strip_prefix("| `")) {
            let (names, meaning) = row.split_once("` |").unwrap();
            let is_always = !meaning.contains("may be missing");
            let fields = found.entry(command.clone()).or_default();
            fields.extend(names.split("`, `").map(|name| (name.to_owned(), is_always)));
        }
    }
    found
}

#[test]
fn the_fields_of_json_are_those_of_their_document() {
    let (world, stuck, broken) = (World::new(), World::stuck(), broken());
    let documented = documented();
    assert!(documented.len() > 10, "{:?}", documented.keys());
    let mut wrong = Vec::new();
    // What changes something comes last.
    let mut commands: Vec<&String> = documented.keys().collect();
    commands.sort_by_key(|command| command.contains("erase"));
    for command in commands {
        let known = &documented[command];
        let line = command.trim_start_matches("siprec ").replace("BROKEN", &broken.data.display().to_string());
        let of = if line.contains("STUCK") { &stuck } else { &world };
        let output = of.run(&line.replace("STUCK", "DATA"));
        if line.contains("archive hold") {
            world.run("archive release --all --id ID --data-dir DATA");
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let mut real = BTreeSet::new();
        for value in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            fields("", &value.unwrap_or_else(|error| panic!("{command}: {error}: {text}")), &mut real);
        }
        // What is below a map of the operator's own names stands as <name> in the document.
        let of = |name: &String| known.keys().any(|known| fits(known, name));
        wrong.extend(real.iter().filter(|name| !of(name)).map(|name| format!("{command}: {name} is not documented")));
        let is_there = |wanted: &str| real.iter().any(|name| fits(wanted, name));
        let lacking = known.iter().filter(|(name, always)| **always && !is_there(name));
        wrong.extend(lacking.map(|(name, _)| format!("{command}: {name} is documented and not there:\n{text}")));
        if real.is_empty() {
            let said = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{command}: printed nothing: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A server that cannot make its recordings: a file is where their folder should be.
fn broken() -> Server {
    let server = Setup::default().start();
    let recordings = server.data.join("recordings");
    if recordings.is_dir() {
        std::fs::remove_dir(&recordings).unwrap();
    }
    std::fs::write(&recordings, "in the way").unwrap();
    call(&server);
    let tells = || {
        let told = support::server::run(&server.data, &[], "archive unfinished --json");
        !told.stdout.is_empty()
    };
    assert!(becomes_true(RENDERED_WITHIN, tells), "{}", server.tail());
    server
}

/// Whether a documented name, in which `<...>` stands for anything, is that name.
fn fits(known: &str, name: &str) -> bool {
    match known.split_once('<') {
        None => known == name,
        Some((before, rest)) => {
            let after = rest.split_once('>').map_or("", |(_, after)| after);
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
    }
}

/// Runs it with a standard output that nobody reads.
fn with_a_closed_pipe(mut command: Command) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer).stderr(Stdio::piped()).output().unwrap()
}

#[test]
fn a_reader_that_goes_away_is_silent_for_every_subcommand() {
    let mut world = World::new();
    let commands = [
        "--help",
        "--version",
        "config example",
        "config show",
        "config show --json",
        "config check",
        "config key new --name a --role b",
        "doctor --data-dir OUT --set server.address=127.0.0.1:0 --set api.enabled=false",
        "doctor --json --data-dir OUT --set server.address=127.0.0.1:0 --set api.enabled=false",
        "complete recordings -- siprec export --server API",
        "export --dry-run --data-dir DATA",
        "export --dry-run --json --data-dir DATA",
        "export --to OUT/a --data-dir DATA",
        "export --to OUT/b --json --data-dir DATA",
        "export --to - --id ID --data-dir DATA",
        "export --to OUT/c --as vcon --sign --data-dir DATA",
        "export --verify OUT/a",
        "export --verify OUT/a --json",
        "export --dry-run --server API",
        "trace --server API --session ID",
        "trace --server API --session ID --json",
        "replay JOURNAL --data-dir OUT/again",
        "replay JOURNAL --data-dir OUT/again2 --json",
        "replay --to sip:127.0.0.1:1 --duration 1s",
        "archive outbox --data-dir DATA",
        "archive outbox --json --data-dir DATA",
        "archive unfinished --data-dir DATA",
        "archive unfinished --json --data-dir DATA",
        "archive audit --data-dir DATA",
        "archive audit --json --data-dir DATA",
        "archive audit --verify --data-dir DATA",
        "archive verify --data-dir DATA",
        "archive verify --json --data-dir DATA",
        "archive tag --add a --id ID --data-dir DATA",
        "archive hold --reason a --id ID --data-dir DATA",
        "archive hold --reason b --id ID --json --data-dir DATA",
        "archive release --all --id ID --data-dir DATA",
        "archive expire --dry-run --data-dir DATA",
        "archive recompress --dry-run --older-than 0s --data-dir DATA",
        "archive erase --id ID --reason a --dry-run --data-dir DATA",
        "archive new-key",
        "archive rewrap --data-dir DATA",
    ];
    let mut loud = Vec::new();
    for line in commands {
        let output = with_a_closed_pipe(world.command(line));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // That a recorder does not answer is not the reader's fault.
        let fails = line.contains("--to sip:");
        if (!output.status.success() && !fails) || said.contains("roken pipe") || said.contains("panicked") {
            loud.push(format!("{line}: {}: {said}", output.status));
        }
    }
    // With what the server must not see.
    world.server.terminate();
    for line in ["archive rebuild --data-dir DATA", "archive rebuild --json --data-dir DATA"] {
        let output = with_a_closed_pipe(world.command(line));
        if !output.status.success() {
            loud.push(format!("{line}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(loud.is_empty(), "{}", loud.join("\n"));
}

/// What a shell would offer for the last word of a line.
fn offered(world: &World, shell: &str, script: &str) -> Option<String> {
    if Command::new(shell).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        lacking(&format!("{shell} is not installed"));
        return None;
    }
    let path = format!("{}:{}", binary().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let completions = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    let mut command = Command::new(shell);
    command.args(["-c", script]).env("PATH", path).env("COMPLETIONS", completions);
    command.env("API", format!("http://{}", world.server.api));
    let output = command.stdin(Stdio::null()).output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn bash_completes_ids_of_recordings_from_the_running_server() {
    let world = World::new();
    let script = |line: &str| {
        format!(
            "source \"$COMPLETIONS/siprec.bash\"; COMP_LINE=\"{line}\"; read -ra COMP_WORDS <<< \"$COMP_LINE\"; COMP_WORDS+=(\"\"); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _siprec siprec '' \"${{COMP_WORDS[COMP_CWORD-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
    };
    let line = "siprec export --server $API --id";
    let Some(said) = offered(&world, "bash", &script(line)) else { return };
    assert_eq!(said.trim(), world.id());
    let hold = "siprec archive hold --set api.address=${API#http://} --id";
    assert_eq!(offered(&world, "bash", &script(hold)).unwrap().trim(), world.id());
    let nobody = "siprec export --server http://127.0.0.1:1 --id";
    assert_eq!(offered(&world, "bash", &script(nobody)).unwrap().trim(), "");
}

#[test]
fn fish_completes_them_with_what_they_are() {
    let world = World::new();
    let script = "source $COMPLETIONS/siprec.fish; complete -C \"siprec export --server $API --id \"";
    let Some(said) = offered(&world, "fish", script) else { return };
    assert!(said.starts_with(&format!("{}\t20", world.id())), "{said}");
}

#[test]
fn so_does_zsh() {
    let world = World::new();
    // Its completion system wants a terminal: what it would be told is printed instead.
    let script = "compdef() { : }; _describe() { print -l -- \"${(@P)4}\" }; source $COMPLETIONS/_siprec; \
                  words=(siprec export --server $API --id ''); _siprec_recordings";
    let Some(said) = offered(&world, "zsh", script) else { return };
    assert!(said.starts_with(&format!("{}:20", world.id())) && said.lines().count() == 1, "{said}");
}

#[test]
fn what_is_completed_is_quick_and_silent_where_nobody_answers() {
    let world = World::new();
    let complete = |line: &str| {
        let output = world.command(line).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{line}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(complete("complete recordings -- siprec export --server API").starts_with(&world.id()));
    assert_eq!(complete("complete sessions -- siprec --server API"), "");
    let src = Src::udp(world.server.sip);
    let call = Call::new(&src, 1);
    call.must_invite();
    assert_eq!(complete("complete sessions -- siprec --server API").lines().count(), 1);
    call.talk(&Plan::seconds(0.2));
    call.finish();
    // A port that takes connections and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let began = std::time::Instant::now();
    assert_eq!(complete(&format!("complete recordings -- --server http://{}", mute.local_addr().unwrap())), "");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(complete("complete recordings -- --server nonsense --config /no/such/file"), "");
}
