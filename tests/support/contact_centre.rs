//! Recordings of a contact centre that nobody made: two years of it, 500 agents whose names are of 40 first and 60 last ones,
//! customers who call about five times each, ids as vendors give them.

use super::Rng;
use siprec::archive::catalog::{Person, Quality, Record, Row, StreamRow};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;

const SECOND: i64 = 1_000_000_000;
const BEGAN: i64 = 1_730_000_000 * SECOND;
const TWO_YEARS: i64 = 730 * 86_400 * SECOND;

const FIRST: [&str; 40] = [
    "Anna", "Ben", "Carla", "David", "Elif", "Felix", "Greta", "Hanna", "Ivan", "Julia", "Karl", "Lena", "Marta",
    "Nina", "Oskar", "Paula", "Quentin", "Rosa", "Stefan", "Tanja", "Ulrich", "Vera", "Willi", "Xenia", "Yusuf", "Zoë",
    "Jörg", "Ágnes", "Björn", "Chloé", "Dmitri", "Eva", "Fatma", "Georg", "Heidi", "Ingrid", "Jonas", "Katrin", "Luca",
    "Maria",
];

const LAST: [&str; 60] = [
    "Müller",
    "Schmidt",
    "Schneider",
    "Fischer",
    "Weber",
    "Meyer",
    "Wagner",
    "Becker",
    "Schulz",
    "Hoffmann",
    "Schäfer",
    "Koch",
    "Bauer",
    "Richter",
    "Klein",
    "Wolf",
    "Schröder",
    "Neumann",
    "Schwarz",
    "Zimmermann",
    "Braun",
    "Krüger",
    "Hofmann",
    "Hartmann",
    "Lange",
    "Schmitt",
    "Werner",
    "Krause",
    "Meier",
    "Lehmann",
    "Schmid",
    "Schulze",
    "Maier",
    "Köhler",
    "Herrmann",
    "König",
    "Walter",
    "Mayer",
    "Huber",
    "Kaiser",
    "Fuchs",
    "Peters",
    "Lang",
    "Scholz",
    "Möller",
    "Weiß",
    "Jung",
    "Hahn",
    "Schubert",
    "Vogel",
    "Friedrich",
    "Keller",
    "Günther",
    "Frank",
    "Berger",
    "Winkler",
    "Roth",
    "Beck",
    "Lorenz",
    "Baumann",
];

/// The n-th recording: always the same.
pub fn record(n: u64) -> Record {
    let mut rng = Rng(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut digits = |below: u64| rng.number() % below;
    let started = BEGAN
        + i64::try_from(n).unwrap_or(0) * (TWO_YEARS / 1_000_000)
        + i64::try_from(digits(1000)).unwrap_or(0) * 1_000_000;
    let agent = usize::try_from(digits(500)).unwrap_or(0);
    let customer = digits(200_000);
    // Numbers are spread as they are in life: area codes in the front, anything behind.
    let scattered = customer.wrapping_mul(2_654_435_761) % 10_000_000;
    let caller = Person {
        aor: Some(format!("sip:+49{}{scattered:07}@carrier{}.example.net", 30 + customer % 60, customer % 3)),
        name: customer.is_multiple_of(3).then(|| full_name(usize::try_from(customer).unwrap_or(0))),
    };
    let callee =
        Person { aor: Some(format!("sip:agent{agent:04}@pbx.example.com")), name: Some(full_name(agent * 7 + 3)) };
    let faults = u64::from(digits(1000) < 5);
    let (complaint, vip, held) = (digits(20) == 0, digits(100) == 0, digits(2000) == 0);
    let tags = [("complaint", complaint), ("vip", vip)].into_iter().filter(|(_, is)| *is);
    let packets = 1_000 + digits(20_000);
    let id = (u128::from(digits(u64::MAX)) << 64) | u128::from(digits(u64::MAX));
    let duration_ms = 5_000 + digits(600_000) * (1 + digits(10) / 9 * 6);
    Record {
        row: Row {
            id: RecordingId(id),
            session_id: Some(SessionId(id ^ 1)),
            call_id: format!("{:016x}@sbc{}.example.com", digits(u64::MAX), n % 4),
            communication_session: Some(format!("{:024x}", u128::from(digits(u64::MAX)))),
            group: Some(format!("{:024x}", u128::from(digits(u64::MAX)))),
            started_at: Wall(started),
            ended_at: Wall(started + i64::try_from(duration_ms).unwrap_or(0) * 1_000_000),
            duration_ms,
            state: if digits(500) == 0 { "interrupted" } else { "complete" }.to_owned(),
            ended_by: "bye".to_owned(),
            caller: Some(caller.clone()),
            callee: Some(callee.clone()),
            vendor: Some(if n.is_multiple_of(4) { "cisco" } else { "oracle" }.to_owned()),
            product: Some(if n.is_multiple_of(4) { "Cisco CUBE" } else { "Oracle SBC" }.to_owned()),
            path: format!("recordings/2026/01/01/{n:032x}.wav"),
            bytes: duration_ms * 32,
            sha256: format!("{:064x}", u128::from(digits(u64::MAX))),
            quality: Quality {
                packets_received: packets,
                packets_expected: packets,
                packets_lost: if digits(300) == 0 { packets / 50 } else { 0 },
                faults,
                ..Quality::default()
            },
            tags: tags.filter_map(|(tag, _)| tag.parse().ok()).collect(),
            held,
            node: None,
        },
        participants: vec![("a".to_owned(), caller), ("b".to_owned(), callee)],
        sip_session_ids: vec![format!("{:032x}", u128::from(digits(u64::MAX)))],
        call: vec![("ucid".to_owned(), format!("0000100{:013}", digits(10_000_000_000_000)))],
        streams: ["1", "2"]
            .map(|label| StreamRow {
                port: 0,
                label: Some(label.to_owned()),
                codecs: "PCMA/8000".to_owned(),
                rendered: true,
            })
            .to_vec(),
    }
}

fn full_name(n: usize) -> String {
    format!("{} {}", FIRST[n % FIRST.len()], LAST[n / FIRST.len() % LAST.len()])
}
