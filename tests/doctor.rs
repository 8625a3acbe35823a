//! `siprec doctor` by the real binary: a machine that is as it should be, and each check under the fault that it is for: rules of a
//! firewall in a network of the test's own, and a kernel that grants less room than is asked for.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::fs::File;
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use siprec::archive::disk::RealDisk;
use siprec::archive::node::{Node, boot};
use siprec_core::time::{Monotonic, Wall};
use support::namespace::{Own, inside};
use support::objects::S3;
use support::ports::{self, Ports};
use support::postgres::Cluster;
use support::server::{MASTER_KEY, Setup, binary};
use support::tls::{Ca, Identity, Wanted};
use support::{TempDir, lacking, wall_now};

/// A configuration that is fine on ports and a folder of its own.
struct Patient {
    temp: TempDir,
    ports: Ports,
    set: Vec<String>,
}

impl Patient {
    fn new() -> Self {
        let (temp, ports) = (TempDir::new("doctor"), Ports::for_sessions(10));
        let (first, last) = ports.media();
        let set = vec![
            format!("server.address=127.0.0.1:{}", ports.sip()),
            format!("api.address=127.0.0.1:{}", ports.api()),
            format!("media.port_range={first}-{last}"),
            "server.max_connections=10".to_owned(),
            format!("archive.data_dir={}", temp.path().join("data").display()),
            "archive.min_free=1MiB".to_owned(),
        ];
        Self { temp, ports, set }
    }

    /// One more `--set`; a later one wins.
    fn with(mut self, key_value: impl Into<String>) -> Self {
        self.set.push(key_value.into());
        self
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.temp.path().join(name)
    }

    fn arguments(&self, form: &str) -> Vec<String> {
        let sets = self.set.iter().flat_map(|set| ["--set".to_owned(), set.clone()]);
        ["doctor".to_owned(), form.to_owned()].into_iter().chain(sets).collect()
    }

    fn command(&self, form: &str) -> Command {
        let mut command = Command::new(binary());
        command.args(self.arguments(form)).current_dir(self.temp.path());
        command
    }

    fn examined(&self) -> Findings {
        Findings::of(&self.command("--json").output().unwrap())
    }
}

/// What was said, one object a line.
struct Findings {
    code: Option<i32>,
    checks: Vec<Value>,
}

impl Findings {
    fn of(output: &Output) -> Self {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let checks = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { code: output.status.code(), checks }
    }

    /// The check of that area whose subject and words hold these.
    #[track_caller]
    fn must_have(&self, area: &str, verdict: &str, words: &str) -> &Value {
        let fits = |check: &&Value| {
            let text = format!("{}: {}", check["subject"].as_str().unwrap_or(""), check["seen"].as_str().unwrap_or(""));
            check["check"] == area && check["verdict"] == verdict && text.contains(words)
        };
        self.checks
            .iter()
            .find(fits)
            .unwrap_or_else(|| panic!("no {verdict} of {area} says {words}: {:#?}", self.checks))
    }

    /// It failed for that alone.
    #[track_caller]
    fn must_fail(&self, area: &str, words: &str) {
        let check = self.must_have(area, "failed", words);
        assert!(check["remedy"].as_str().is_some_and(|remedy| remedy.len() > 10), "{check}");
        let others: Vec<&Value> =
            self.checks.iter().filter(|check| check["verdict"] == "failed" && check["check"] != area).collect();
        assert!(others.is_empty(), "{others:#?}");
        assert_eq!(self.code, Some(1));
    }
}

#[test]
fn a_machine_that_is_as_it_should_be_passes_and_is_left_as_it_was() {
    let patient = Patient::new();
    let found = patient.examined();
    assert_eq!(found.code, Some(0), "{:#?}", found.checks);
    for area in [
        "configuration",
        "server",
        "ports",
        "firewall",
        "kernel",
        "clock",
        "disk",
        "storage",
        "database",
        "certificates",
        "sealing",
        "api",
    ] {
        assert!(found.checks.iter().any(|check| check["check"] == area), "{area}: {:#?}", found.checks);
    }
    let summary = &found.checks.last().unwrap()["summary"];
    assert_eq!(summary["failed"], 0);
    assert!(summary["ok"].as_u64().unwrap() > 10, "{summary}");
    assert!(!patient.path("data").exists());
    assert_eq!(std::fs::read_dir(patient.temp.path()).unwrap().count(), 0);
}

#[test]
fn it_is_told_for_people_too_and_briefly_where_that_is_wanted() {
    let patient = Patient::new().with("archive.time_zone=Europe/Berlin");
    let text = |form: &str| {
        let output = patient.command(form).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let all = text("--color=never");
    assert!(
        all.contains("\nwarning  configuration  archive.time_zone: ") || all.starts_with("warning  configuration"),
        "{all}"
    );
    assert!(
        all.contains("-> ") && all.contains("ok       ports          udp 127.0.0.1:") && all.contains(" 0 failed\n"),
        "{all}"
    );
    assert!(!all.contains('\x1b') && text("--color=always").contains("\x1b[32mok"), "{all}");
    let brief = text("--quiet");
    assert!(brief.contains("archive.time_zone") && !brief.contains("ok       "), "{brief}");
}

#[test]
fn a_configuration_that_cannot_be_read_or_contradicts_itself_fails() {
    let found = Patient::new().with("media.port_range=2-1").examined();
    found.must_fail("configuration", "media.port_range");
    let found = Patient::new().with("cluster.enabled=true").examined();
    found.must_fail("configuration", "clustering is not available");
}

#[test]
fn ports_that_somebody_holds_fail_and_those_of_the_running_server_do_not() {
    let patient = Patient::new();
    let udp = UdpSocket::bind(("127.0.0.1", patient.ports.sip())).unwrap();
    patient.examined().must_fail("ports", &format!("(pid {})", std::process::id()));
    drop(udp);
    let tcp = TcpListener::bind(("127.0.0.1", patient.ports.api())).unwrap();
    patient.examined().must_fail("ports", &format!("tcp {}: taken by", tcp.local_addr().unwrap()));
    drop(tcp);
    let media = UdpSocket::bind(("127.0.0.1", patient.ports.media().0)).unwrap();
    patient.examined().must_have("ports", "warning", "1 of its ports are taken");
    drop(media);
    patient.with("server.address=192.0.2.77:5060").examined().must_fail("ports", "no such address");

    let server = Setup::default().start();
    let on = |data: &Path| {
        let patient = Patient::new();
        let (sip, api) = (server.sip, server.api);
        patient
            .with(format!("server.address={sip}"))
            .with(format!("api.address={api}"))
            .with(format!("archive.data_dir={}", data.display()))
            .examined()
    };
    let own = on(&server.data);
    own.must_have("server", "ok", "a server runs on it");
    own.must_have("ports", "ok", "held by the server that runs");
    assert_eq!(own.code, Some(0), "{:#?}", own.checks);
    let elsewhere = TempDir::new("elsewhere");
    on(&elsewhere.path().join("data")).must_fail("ports", "another siprec");
}

#[test]
fn a_disk_that_cannot_be_written_or_is_full_fails() {
    Patient::new().with("archive.data_dir=/proc/siprec").examined().must_fail("disk", "by this user");
    let patient = Patient::new();
    std::fs::write(patient.path("data"), "a file").unwrap();
    patient.examined().must_fail("disk", "by this user");
    Patient::new().with("archive.min_free=900000TiB").examined().must_fail("disk", "new calls are refused");
}

#[test]
fn too_few_open_files_are_told() {
    let patient = Patient::new();
    let siprec: Vec<String> =
        std::iter::once(binary().display().to_string()).chain(patient.arguments("--json")).collect();
    // Root may raise its limits, unless that right is taken away.
    let script = "ulimit -n 256; if [ $(id -u) = 0 ]; then exec setpriv --bounding-set -sys_resource \"$@\"; else exec \"$@\"; fi";
    let output =
        Command::new("sh").args(["-c", script, "sh"]).args(siprec).current_dir(patient.temp.path()).output().unwrap();
    Findings::of(&output).must_fail("kernel", "256 for a server that is started from here");
}

/// Runs `program` with these lines as its input; it must go well.
#[track_caller]
fn fed(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}: make peers"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} {arguments:?}: {input}");
}

/// A network that leads nowhere, but has an address and a way out; without rules.
fn network() {
    fed("ip", &["-batch", "-"], "addr add 198.51.100.1/32 dev lo\nroute add default dev lo src 198.51.100.1\n");
}

/// Replaces all rules by those of a chain for what comes in.
fn only_rules(policy: &str, rules: &str) {
    let chain = format!("type filter hook input priority 0; policy {policy};");
    fed(
        "nft",
        &["-f", "-"],
        &format!("flush ruleset\ntable inet filter {{\n chain input {{\n{chain}\n{rules}\n}}\n}}\n"),
    );
}

/// The firewall's verdicts alone, where one of them is a failure.
#[track_caller]
fn kept_out(patient: &Patient, words: &str) {
    let found = patient.examined();
    found.must_have("firewall", "warning", words);
    found.must_fail("firewall", "one to a media port of 198.51.100.1 did not arrive");
}

#[track_caller]
fn let_in(patient: &Patient, words: &str) {
    let found = patient.examined();
    found.must_have("firewall", "ok", words);
    found.must_have("firewall", "ok", "one to a media port of 198.51.100.1 arrived");
    assert_eq!(found.code, Some(0), "{:#?}", found.checks);
}

#[test]
fn rules_of_nftables_that_keep_media_out_fail_until_they_let_it_in() {
    inside(Own::Network, "rules_of_nftables_that_keep_media_out_fail_until_they_let_it_in", || {
        let patient = Patient::new();
        let (sip, (first, last)) = (patient.ports.sip(), patient.ports.media());
        patient.examined().must_have("firewall", "warning", "no route to anywhere");
        network();
        let_in(&patient, "nothing that comes in is dropped by default");

        let none = format!(
            "inet filter input drops what no rule accepts, and no rule that names a port accepts udp {sip}, {first}, {last}"
        );
        only_rules("drop", "ct state established,related accept");
        kept_out(&patient, &none);
        only_rules("accept", "counter reject");
        kept_out(&patient, &none);
        only_rules("drop", &format!("udp dport {sip} accept"));
        kept_out(&patient, &format!("accepts udp {first}, {last}"));
        only_rules("accept", &format!("udp dport {first}-{last} drop"));
        kept_out(&patient, &format!("inet filter input: a rule drops udp {first}, {last}"));

        // What this machine sends itself tells nothing of what others send.
        only_rules("drop", "iif lo accept");
        let found = patient.examined();
        found.must_have("firewall", "warning", &none);
        found.must_have("firewall", "ok", "what others send may still be kept out");
        assert_eq!(found.code, Some(0), "{:#?}", found.checks);
        only_rules("accept", &format!("iifname eth7 udp dport {last} drop"));
        patient.examined().must_have("firewall", "warning", &format!("a rule drops udp {last}"));

        let well = "inet filter input drops by default, and rules accept SIP and RTP";
        only_rules("drop", &format!("udp dport {{ {sip}, {first}-{last} }} accept"));
        let_in(&patient, well);
        only_rules(
            "drop",
            &format!("meta l4proto {{ tcp, udp }} th dport {first}-{last} accept\nudp dport {sip} accept"),
        );
        let_in(&patient, well);
        only_rules("drop", &format!("udp dport vmap {{ {sip} : accept, {first}-{last} : accept }}"));
        let_in(&patient, well);
    });
}

#[test]
fn so_do_rules_of_iptables() {
    inside(Own::Network, "so_do_rules_of_iptables", || {
        network();
        let patient = Patient::new();
        let (sip, (first, last)) = (patient.ports.sip(), patient.ports.media());
        let only = |policy: &str, rules: &[&str]| {
            let text = format!("*filter\n:INPUT {policy}\n{}\nCOMMIT\n", rules.join("\n"));
            fed("iptables-nft-restore", &[], &text);
        };
        let refuse = "-A INPUT -j REJECT --reject-with icmp-host-prohibited";
        only("ACCEPT", &[refuse]);
        let none = format!(
            "iptables INPUT drops what no rule accepts, and no rule that names a port accepts udp {sip}, {first}, {last}"
        );
        kept_out(&patient, &none);
        only("DROP", &[]);
        kept_out(&patient, &none);
        let media = format!("-A INPUT -p udp -m udp --dport {first}:{last} -j DROP");
        only("ACCEPT", &[&media]);
        kept_out(&patient, &format!("iptables INPUT: a rule drops udp {first}, {last}"));
        let accept = format!("-A INPUT -p udp -m multiport --dports {sip},{first}:{last} -j ACCEPT");
        only("ACCEPT", &["-A INPUT -m state --state ESTABLISHED -j ACCEPT", &accept, refuse]);
        let_in(&patient, "iptables INPUT drops by default, and rules accept SIP and RTP");
    });
}

/// What the kernel grants a socket of who has no right to more.
const RMEM_MAX: &str = "/proc/sys/net/core/rmem_max";
/// Less than a media socket asks for.
const LITTLE_ROOM: usize = 131_072;

fn rmem_max() -> usize {
    std::fs::read_to_string(RMEM_MAX).unwrap().trim().parse().unwrap()
}

/// A machine on which sockets get little room. The kernel has one such limit for all namespaces, so it is lowered only where it is
/// not low already (it mostly is: 208 KiB), for as long as this lives. A shell puts it back, also where the test is killed.
struct LittleRoom {
    shell: Option<Child>,
    before: usize,
    /// One at a time on this machine: two would put back what the other has set.
    _lock: File,
}

impl LittleRoom {
    fn new() -> Option<Self> {
        let lock = File::create(std::env::temp_dir().join("siprec-tests-rmem_max.lock")).unwrap();
        lock.lock().unwrap();
        let before = rmem_max();
        let mut made = Self { shell: None, before, _lock: lock };
        if before <= 212_992 {
            return Some(made);
        }
        if File::options().write(true).open(RMEM_MAX).is_err() {
            lacking("net.core.rmem_max is high here, and may not be lowered: run as root");
            return None;
        }
        let script = format!("read _; echo {before} >{RMEM_MAX}");
        made.shell = Some(Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap());
        std::fs::write(RMEM_MAX, LITTLE_ROOM.to_string()).unwrap();
        Some(made)
    }
}

impl Drop for LittleRoom {
    fn drop(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            drop(shell.stdin.take());
            shell.wait().unwrap();
            assert_eq!(rmem_max(), self.before, "net.core.rmem_max is not put back");
        }
    }
}

/// Root gets what it asks for, unless that right is taken away.
fn examined_without_right_to_room(patient: &Patient) -> Findings {
    let script = "if [ $(id -u) = 0 ]; then exec setpriv --bounding-set -net_admin \"$@\"; else exec \"$@\"; fi";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(binary()).args(patient.arguments("--json"));
    Findings::of(&command.current_dir(patient.temp.path()).output().unwrap())
}

#[test]
fn a_kernel_that_grants_sockets_less_room_is_warned_of() {
    let patient = Patient::new();
    let Some(room) = LittleRoom::new() else { return };
    let granted = rmem_max();
    let found = examined_without_right_to_room(&patient);
    let seen =
        |wanted: &str| format!("{}.0 KiB instead of {wanted}: packets are lost in shorter stalls", granted / 1024);
    for wanted in ["256.0 KiB", "4.0 MiB"] {
        let check = found.must_have("kernel", "warning", &seen(wanted));
        assert!(check["remedy"].as_str().unwrap().contains("sysctl -w net.core.rmem_max=4194304"), "{check}");
    }
    assert_eq!(found.code, Some(0), "{:#?}", found.checks);
    drop(room);
    // Whoever has the right, or a kernel with room, gets what is asked for.
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if is_root || rmem_max() >= 4 << 20 {
        patient.examined().must_have("kernel", "ok", "4.0 MiB as asked for");
    }
}

#[test]
fn a_clock_that_was_stepped_fails() {
    let patient = Patient::new();
    let data = patient.path("data");
    std::fs::create_dir(&data).unwrap();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let seconds: f64 = uptime.split_whitespace().next().unwrap().parse().unwrap();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a second more or less is nothing here")]
    let monotonic = Monotonic(seconds as u64 * 1_000_000_000);
    let hour = 3_600_000_000_000;
    let node = Node { boot: boot(), anchor: (monotonic, Wall(wall_now() - hour)) };
    node.write(&RealDisk, &data).unwrap();
    patient.examined().must_fail("clock", "ms ahead of it");
}

#[test]
fn a_target_that_refuses_fails_and_one_that_takes_is_left_empty() {
    let gone = Patient::new();
    let path = gone.path("not-mounted").display().to_string();
    gone.with(format!("storage.local.path={path}")).examined().must_fail("storage", "there is no folder");
    let with = |sets: Vec<String>| sets.into_iter().fold(Patient::new(), Patient::with);
    with(S3::settings_at(ports::single())).examined().must_fail("storage", "putting an object failed");
    let Some(s3) = S3::start() else { return };
    let found = with(s3.settings()).examined();
    found.must_have("storage", "ok", "an object was put, read and removed");
    assert_eq!((found.code, s3.keys()), (Some(0), Vec::new()), "{:#?}", found.checks);
    with(s3.settings()).with("storage.s3.bucket=nowhere").examined().must_fail("storage", "putting an object failed");
}

#[test]
fn a_catalog_that_is_damaged_fails() {
    let patient = Patient::new();
    std::fs::create_dir(patient.path("data")).unwrap();
    std::fs::write(patient.path("data/catalog.sqlite"), "x".repeat(8192)).unwrap();
    patient.examined().must_fail("database", "is damaged");
}

#[test]
fn a_postgresql_that_is_not_there_or_lets_nobody_in_fails() {
    let at = |address: &str| {
        Patient::new().with("metadata.type=postgresql").with(format!("metadata.connection={address}")).examined()
    };
    at("postgres://siprec:x@127.0.0.1:1/siprec?sslmode=disable").must_fail("database", "is not reached");
    let cluster = Cluster::shared();
    let address = cluster.database();
    let found = at(&address);
    found.must_have("database", "ok", "no tables yet");
    found.must_have("database", "warning", "spoken to in clear");
    assert_eq!(found.code, Some(0), "{:#?}", found.checks);
    let wrong = address.replace("p%40ss", "another");
    assert_ne!(wrong, address);
    at(&wrong).must_fail("database", "lets siprec not in");
}

#[test]
fn certificates_that_are_wrong_or_over_fail() {
    let dir = TempDir::new("certificates");
    let ca = Ca::new(dir.path(), "ca");
    let issue = |name: &str, years| ca.issue(name, &Wanted { dns: &["srs.example.com"], years, ..Wanted::default() });
    let (good, other, old) = (issue("good", None), issue("other", None), issue("old", Some((2001, 2002))));
    let with = |identity: &Identity, key: &Path| {
        let patient = Patient::new();
        let tls = patient.ports.tls();
        patient
            .with("server.tls.enabled=true")
            .with(format!("server.tls.address=127.0.0.1:{tls}"))
            .with(format!("server.tls.cert_file={}", identity.cert.display()))
            .with(format!("server.tls.key_file={}", key.display()))
            .examined()
    };
    let found = with(&good, &good.key);
    found.must_have("certificates", "ok", "the certificate of srs.example.com matches its key, and ends on 2099-01-01");
    found.must_have("certificates", "ok", "up to CN=ca");
    assert_eq!(found.code, Some(0), "{:#?}", found.checks);
    with(&good, &other.key).must_fail("certificates", "other.key is not the key of the first certificate");
    with(&old, &old.key).must_fail("certificates", "expired on 2002-01-01");
    with(&good, &dir.path().join("none.key")).must_fail("certificates", "cannot read");
}

#[test]
fn a_master_key_that_is_not_the_data_directorys_fails() {
    let server = Setup::default().sealed().start();
    let data = server.data.display().to_string();
    let with = |key: &str| {
        Patient::new()
            .with(format!("archive.data_dir={data}"))
            .with("archive.seal.enabled=true")
            .with(format!("archive.seal.master_key={key}"))
            .examined()
    };
    with(MASTER_KEY).must_have("sealing", "ok", "is the data directory's");
    with(&"6".repeat(64)).must_fail("sealing", "seal.key");
    with("abc").must_fail("sealing", "64 hexadecimal digits");
}

#[test]
fn an_api_for_everybody_and_an_issuer_that_is_silent_fail() {
    let patient = Patient::new();
    let config = patient.path("siprec.yaml");
    let issuer = ports::single();
    let yaml = format!(
        "auth:\n  provider: oauth2\n  oauth2: {{issuer: 'http://127.0.0.1:{issuer}', audience: siprec}}\n  roles: [{{name: r, permissions: [read]}}]\n  \
         api_keys: [{{name: old, sha256: '{}', roles: [r], expires: 2020-01-01}}]\n",
        "5e".repeat(32)
    );
    std::fs::write(&config, yaml).unwrap();
    let output = patient.command("--json").arg("--config").arg(&config).output().unwrap();
    let found = Findings::of(&output);
    found.must_fail("api", "its keys cannot be had");
    found.must_have("api", "warning", "API key old: it is refused since 2020-01-01");
    let open = Patient::new();
    let api = open.ports.api();
    let found = open.with(format!("api.address=0.0.0.0:{api}")).examined();
    found.must_have("api", "failed", "nobody is asked who they are");
    assert_eq!(found.code, Some(1));
}
