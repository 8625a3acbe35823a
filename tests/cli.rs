//! The command line as a user or a script meets it: what it prints, where, and its exit codes (0 done, 1 failed, 2 usage).

#[path = "cli/cookbook.rs"]
mod cookbook;
#[path = "cli/generated.rs"]
mod generated;
#[path = "cli/shell.rs"]
mod shell;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary, in an empty environment and a folder of its own.
struct Siprec {
    folder: tempfile::TempDir,
}

impl Siprec {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
        command.args(line.split_whitespace()).env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Said {
        Said::from(self.command(line).output().expect("the binary runs"))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

/// What a run came to.
#[derive(Debug, PartialEq)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn said(line: &str) -> Said {
    Siprec::new().run(line)
}

#[test]
fn help_and_version_are_for_standard_output() {
    for line in ["--help", "help", "help serve", "replay --help", "config --help"] {
        let said = said(line);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{line}");
        assert!(said.out.contains("Usage: siprec"), "{line}: {}", said.out);
    }
    assert_eq!(said("--version").out, format!("siprec {}\n", env!("CARGO_PKG_VERSION")));
    assert!(said("--help").out.contains("Without a subcommand: serve"));
}

#[test]
fn a_slip_gets_exit_2_and_a_suggestion() {
    for (line, hint) in [
        ("srve", "'serve'"),
        ("--confg x", "'--config'"),
        ("serve --log-level inof", "'info'"),
        ("--set server.address", "write it as server.address=:5070"),
        ("replay", "<FILE>"),
        ("docter", "'doctor'"),
        ("archive verfy", "'verify'"),
        ("export --dry-run --sinse 7d", "'--since'"),
        ("doctor --colour never", "'--color'"),
        ("doctor --color nver", "'never'"),
        (
            "export --dry-run --since foo",
            "say 2026-11-23T09:30:00Z, 2026-11-23, today, yesterday, or how long ago: 90s, 15m",
        ),
        ("trace --since foo x.pcap", "say 2026-11-23T09:30:00Z"),
        ("export --dry-run --since 1h --until 2h", ") is later than until ("),
        ("archive audit --since now --until yesterday", "nothing lies between them"),
        ("trace --since 1h --until 2h x.pcap", "nothing lies between them"),
    ] {
        let said = said(line);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{line}");
        assert!(said.err.contains(hint), "{line}: {}", said.err);
    }
}

#[test]
fn a_wrong_configuration_is_exit_1_with_file_line_and_the_nearest_key() {
    let siprec = Siprec::new();
    siprec.file("bad.yaml", "server:\n  adress: \":5060\"\nmedia:\n  rtp_timeout: soon\n");
    let wanted = "siprec: bad.yaml:2: unknown key `server.adress`: did you mean `server.address`?\n\
                  siprec: bad.yaml:4: media.rtp_timeout: `soon` is no length of time: write it as 500ms, 30s, 5m, 12h or 7d\n";
    for line in
        ["config check bad.yaml", "config show --config bad.yaml", "serve --config bad.yaml", "--config bad.yaml"]
    {
        assert_eq!(siprec.run(line), Said { code: Some(1), out: String::new(), err: wanted.into() }, "{line}");
    }
    let said = siprec.run("--config none.yaml");
    assert_eq!(
        (said.code, said.err.as_str()),
        (Some(1), "siprec: cannot read none.yaml: No such file or directory (os error 2)\n")
    );
}

#[test]
fn the_environment_and_set_name_themselves() {
    let siprec = Siprec::new();
    let output = siprec.command("config check").env("SIPREC_SERVER__ADRESS", ":1").output().expect("it runs");
    let wanted =
        "siprec: environment SIPREC_SERVER__ADRESS: unknown key `server.adress`: did you mean `server.address`?\n";
    assert_eq!(Said::from(output).err, wanted);
    let said = siprec.run("config check --set media.port_range=20000-10000");
    assert!(
        said.err.starts_with("siprec: --set media.port_range: media.port_range: `20000-10000` is no range"),
        "{}",
        said.err
    );
}

#[test]
fn what_this_version_cannot_honour_does_not_start() {
    for (line, key) in
        [("--set cluster.enabled=true", "cluster.enabled"), ("serve --set cluster.enabled=true", "cluster.enabled")]
    {
        let said = said(line);
        assert_eq!(said.code, Some(1), "{line}");
        assert!(
            said.err.contains(&format!("siprec: {key}: "))
                && said.err.contains("not available in this version: set it to false"),
            "{}",
            said.err
        );
    }
    let said = said("--pprof --pprof-addr=0.0.0.0:6060");
    assert_eq!(said.code, Some(1));
    let loopback = "--pprof-addr: profiles are served without authentication, so on loopback alone";
    assert!(said.err.contains(loopback), "{}", said.err);
}

#[test]
fn config_check_tells_warnings_and_passes() {
    let said = said(
        "config check --set archive.time_zone=Europe/Berlin --set server.max_connections=100 --set server.address=127.0.0.1:5060",
    );
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(
        said.out,
        "warning: archive.time_zone: dates are in UTC in this version; leave it out\n\
         configuration is valid, with the warnings above\n"
    );
}

#[test]
fn config_show_tells_where_values_come_from() {
    let siprec = Siprec::new();
    siprec.file("siprec.yaml", "metadata:\n  connection: postgres://u:hunter2@db/x\n");
    let output = siprec
        .command("config show --json --config siprec.yaml --data-dir /data --set media.workers=2")
        .env("SIPREC_SERVER__ADDRESS", ":5070")
        .output();
    let said = Said::from(output.expect("it runs"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let shown: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    for (key, value, source) in [
        ("server.address", serde_json::json!(":5070"), "environment SIPREC_SERVER__ADDRESS"),
        ("archive.data_dir", serde_json::json!("/data"), "--data-dir"),
        ("media.workers", serde_json::json!(2), "--set media.workers"),
        ("metadata.connection", serde_json::json!("********"), "siprec.yaml:2"),
        ("media.port_range", serde_json::json!("10000-20000"), "default"),
    ] {
        assert_eq!(shown[key], serde_json::json!({ "value": value, "source": source }), "{key}");
    }
}

#[test]
fn config_example_prints_the_shipped_sample() {
    let shipped = std::fs::read_to_string(root().join("siprec.example.yaml")).expect("the sample");
    assert_eq!(said("config example"), Said { code: Some(0), out: shipped, err: String::new() });
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let siprec = Siprec::new();
    for line in ["config example", "config show", "help"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = siprec.command(line).stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
        assert_eq!(Said::from(output), Said { code: Some(0), out: String::new(), err: String::new() }, "{line}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
