//! Every message of the corpus over UDP and over TCP: the status its index expects and the linter foretells, labels echoed,
//! participants kept, and nothing left over afterwards.
//!
//! The corpus lies beside the repository (`../shared/corpus`), or where `SIPREC_CORPUS` says.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]
#![allow(unreachable_pub, reason = "a test crate has no outside")]

#[path = "corpus/message.rs"]
mod message;
#[path = "corpus/player.rs"]
mod player;
#[path = "corpus/results.rs"]
mod results;

use message::Case;
use player::Player;
use siprec::Config;
use siprec_core::session::Policy;
use std::path::PathBuf;
use std::time::Duration;
use support::namespace::{Own, inside};
use support::recordings;
use support::server::Setup;
use support::src::{Call, Src, Transport};

/// Messages that may come out otherwise than the index says, each with its reason below.
const EXCEPTIONS_MOST: usize = 5;
/// A dialog's recordings are rendered by then.
const RECORDED_WITHIN: Duration = Duration::from_secs(30);
/// How long to look at one that has other people anyway.
const OTHERS_WITHIN: Duration = Duration::from_secs(3);
/// RFC 3261 17: transactions may linger for 64*T1; and some more on a busy machine.
const SETTLED_WITHIN: Duration = Duration::from_secs(75);

/// The corpus has ordinary INVITEs too, of recorders before SIPREC and of RFC 4475: they come from an address of their own.
fn legacy() -> String {
    format!("peers=[{{address: {}, legacy: true}}]", player::LEGACY_SRC)
}

/// Where we answer otherwise: file, transport, our status (0: no answer), the section that says why.
const EXCEPTIONS: &[(&str, Transport, u16, &str)] = &[
    ("701-rfc4475-wsinv.sip", Transport::Udp, 481, "RFC 3261 12.2.2: its To has a tag, and the dialog is unknown"),
    ("701-rfc4475-wsinv.sip", Transport::Tcp, 481, "RFC 3261 12.2.2: its To has a tag, and the dialog is unknown"),
    ("744-rfc4475-inv2543.sip", Transport::Tcp, 400, "RFC 3261 18.3: over TCP there must be a Content-Length"),
];

/// Dialogs whose people are others than the index says: first file, the section that says why.
const OTHER_PEOPLE: &[(&str, &str)] =
    &[("808-hybrid-base64-metadata.sip", "RFC 2045 6.8: the base64 holds other addresses than the index lists")];

/// What the server of [`play`] goes by, for the linter, which must say of each message how it is answered.
fn linters_policy() -> Policy {
    let peers = serde_json::json!([{ "address": player::LEGACY_SRC, "legacy": true }]);
    let config = Config { peers: serde_json::from_value(peers).unwrap(), ..Config::default() };
    siprec::policy::policy(&config, "linted")
}

fn folder() -> PathBuf {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus"));
    std::env::var_os("SIPREC_CORPUS").map_or(beside, PathBuf::from)
}

#[test]
fn every_message_of_the_corpus() {
    inside(Own::Network, "every_message_of_the_corpus", || {
        let folder = folder();
        if !folder.join("index.tsv").is_file() {
            return support::lacking(&format!("no corpus at {} (SIPREC_CORPUS=DIR)", folder.display()));
        }
        let cases = Case::load(&folder);
        assert!(cases.len() > 100, "{} messages", cases.len());
        let faults = std::thread::scope(|scope| {
            let over = |transport| {
                let cases = &cases;
                scope.spawn(move || play(cases, transport))
            };
            [over(Transport::Udp), over(Transport::Tcp)].map(|t| t.join().unwrap())
        });
        let table = results::table(&cases, &faults);
        std::fs::write(results::file(), &table).unwrap();
        eprintln!("{table}");
        support::assert_no_faults(&faults.into_iter().flat_map(|played| played.faults).collect::<Vec<_>>());
        let mut excepted: Vec<&str> = EXCEPTIONS.iter().map(|e| e.0).chain(OTHER_PEOPLE.iter().map(|e| e.0)).collect();
        excepted.dedup();
        assert!(excepted.len() <= EXCEPTIONS_MOST, "too many exceptions: {excepted:?}");
        assert!(
            EXCEPTIONS.iter().map(|e| e.3).chain(OTHER_PEOPLE.iter().map(|e| e.1)).all(|why| why.starts_with("RFC "))
        );
    });
}

/// Plays all of it to a server of its own.
fn play(cases: &[Case], transport: Transport) -> Played {
    let mut server = Setup::default().sessions(200).set("media.rtp_timeout=1h").set(&legacy()).start();
    let src = Src::new(server.sip, transport);
    let warm = Call::new(&src, 0);
    warm.must_invite();
    assert_eq!(warm.bye().unwrap().status(), 200);
    recordings::wait(&server.data, warm.call_id(), Duration::from_secs(30));
    let before = server.usage();
    let mut faults = Vec::new();
    let mut used = Vec::new();
    let mut excepted = Vec::new();
    let policy = linters_policy();
    for group in message::dialogs(cases) {
        let mut player = Player::new(server.sip, transport, &group, &policy);
        player.play();
        let otherwise = player.linted.iter();
        faults.extend(otherwise.map(|(file, status, linted)| {
            format!("{transport:?} {file}: answered {status}, and the linter says {linted}")
        }));
        for (file, status, fault) in player.surprises {
            if EXCEPTIONS.iter().any(|e| (e.0, e.1, e.2) == (file.as_str(), transport, status)) {
                excepted.push(file.clone());
                used.push((file, status));
            } else {
                faults.push(format!("{transport:?} {file}: {fault}"));
            }
        }
        faults.extend(player.faults.iter().map(|f| format!("{transport:?} {f}")));
        if let Some(expected) = &player.expected {
            let is_other = OTHER_PEOPLE.iter().any(|(file, _)| *file == expected.file());
            let found = expected.faults(&server.data, if is_other { OTHERS_WITHIN } else { RECORDED_WITHIN });
            if is_other {
                assert!(!found.is_empty(), "{}: an exception nobody needs", expected.file());
                excepted.push(expected.file().to_owned());
            } else {
                faults.extend(found.into_iter().map(|fault| format!("{transport:?} {fault}")));
            }
        }
        if !server.lives() {
            faults.push(format!("{transport:?} {}: the server is gone:\n{}", group[0].file, server.tail()));
            return Played { transport, faults, excepted };
        }
    }
    let unused = EXCEPTIONS.iter().filter(|e| e.1 == transport && !used.contains(&(e.0.to_owned(), e.2)));
    faults.extend(unused.map(|e| format!("{transport:?} {}: an exception nobody needs", e.0)));
    faults.extend(server.left_over(before, SETTLED_WITHIN).map(|f| format!("{transport:?}: {f}")));
    server.assert_never_panicked();
    Played { transport, faults, excepted }
}

/// What came of the corpus over one transport.
struct Played {
    transport: Transport,
    /// `Udp 001-file.sip: what is wrong`.
    faults: Vec<String>,
    /// Files that came out otherwise, as they may.
    excepted: Vec<String>,
}
