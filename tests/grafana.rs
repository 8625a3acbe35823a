//! The dashboard and the alert rules of packaging/grafana name metrics and labels that the server serves.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use support::http::Client;
use support::recordings;
use support::server::Setup;
use support::src::{Call, Src};
use support::{TempDir, becomes_true};

const SOON: Duration = Duration::from_secs(20);

fn shipped(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana").join(name)).unwrap()
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_of_name(c));
    words.filter(|word| word.starts_with("siprec_")).map(str::to_owned).collect()
}

/// The names of labels by which expressions group, or choose.
fn labels(text: &str) -> BTreeSet<String> {
    let grouped = text.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    let grouped = grouped.flat_map(|list| list.split(',')).map(|label| label.trim().to_owned());
    let chosen = text.match_indices("=~").filter_map(|(at, _)| {
        let before = &text[..at];
        let from = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        Some(before[from + 1..].to_owned())
    });
    grouped.chain(chosen).collect()
}

#[test]
fn dashboard_and_alerts_are_about_what_is_served() {
    let (kept, gone) = (TempDir::new("kept"), TempDir::new("gone"));
    let target = |name: &str, folder: &TempDir| {
        format!("{{name: {name}, type: local, local: {{path: {}}}}}", folder.path().display())
    };
    let targets = format!("storage.targets=[{}, {}]", target("kept", &kept), target("gone", &gone));
    let server = Setup::default().set("media.rtp_timeout=1s").set(&targets).start();
    // What it was to have waits.
    std::fs::remove_dir_all(gone.path()).unwrap();
    let client = Client::new(server.api);
    recordings::of_a_second(&server, SOON);
    let unheard = Call::new(&Src::udp(server.sip), 4);
    unheard.must_invite();
    // A stranger's token is one that is refused.
    client.bearer("nobody's").get("/api/v1/recordings");
    // Families without a series are not served: something of each has to happen first.
    let all = ["siprec_alarms{", "siprec_recordings_stored_total{", "siprec_outbox_recordings{"];
    let served = || client.get("/metrics").text();
    assert!(becomes_true(SOON, || all.iter().all(|name| served().contains(name))), "{}\n{}", served(), server.tail());

    let served = served();
    let known = named(&served);
    let known_labels: BTreeSet<&str> =
        served.split(['{', ',', '\n']).filter_map(|part| part.split_once("=\"").map(|(label, _)| label)).collect();
    let dashboard = shipped("siprec.json");
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
    for (file, text) in [("siprec.json", dashboard), ("alerts.yaml", shipped("alerts.yaml"))] {
        let unknown: Vec<String> = named(&text).into_iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{file} names metrics that are not served: {unknown:?}\n{served}");
        // Prometheus itself says whose series it is.
        let own = ["instance", "job"];
        let unknown: Vec<String> = labels(&text)
            .into_iter()
            .filter(|label| !known_labels.contains(label.as_str()) && !own.contains(&label.as_str()))
            .collect();
        assert!(unknown.is_empty(), "{file} names labels that are not served: {unknown:?}");
    }
    unheard.bye().unwrap();
}
