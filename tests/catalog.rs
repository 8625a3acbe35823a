//! What the catalog keeps and finds, the same in each engine.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::time::Duration;

use siprec::archive::catalog::{
    Catalog, Filter, LastDigits, PerTenThousand, Person, Quality, Record, Row, StreamRow, Words,
};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;
use support::Rng;

const SECOND: i64 = 1_000_000_000;

/// Each as a test of its own for each engine.
macro_rules! in_each_engine {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            use siprec::archive::catalog::Catalog;
            $(#[test] fn $name() { super::$name(&Catalog::temporary().unwrap()); })*
        }
        mod postgresql {
            use siprec::archive::catalog::Catalog;
            use support::postgres::Cluster;
            $(#[test] fn $name() {
                let cluster = Cluster::shared();
                super::$name(&Catalog::shared(cluster.database().parse().unwrap(), "here"));
            })*
        }
    };
}

in_each_engine!(
    rows_come_back_as_they_were_put_latest_first,
    a_recording_put_again_stands_once,
    more_than_a_page_is_read_once_each_even_with_equal_starts,
    since_is_included_and_until_is_not,
    a_caller_is_found_by_any_part_in_any_case_and_by_number,
    rebuilding_forgets_what_no_sidecar_tells,
    every_field_that_is_searched_finds_and_leaves_out,
    words_are_found_whole_in_any_order_and_by_their_beginning,
    ids_of_a_call_are_found_in_every_form,
    what_the_wire_can_bring_is_kept,
    the_index_of_texts_finds_what_the_rows_say,
    one_of_several_tags_is_enough_and_of_none_nothing_is_found,
);

fn rows_come_back_as_they_were_put_latest_first(catalog: &Catalog) {
    for n in [2, 1, 3] {
        catalog.put(&record(n)).unwrap();
    }
    let rows = all(catalog, Filter::default());
    assert_eq!(rows, [record(3).row, record(2).row, record(1).row]);
    assert_eq!(all(catalog, Filter { ids: vec![RecordingId(2)], ..Filter::default() }), [record(2).row]);
    assert_eq!(catalog.find(RecordingId(9)).unwrap(), None);
}

fn one_of_several_tags_is_enough_and_of_none_nothing_is_found(catalog: &Catalog) {
    for (n, tags) in [(1, &["sales"][..]), (2, &["claims", "vip"]), (3, &[]), (4, &["presales"])] {
        let mut record = record(n);
        record.row.tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        catalog.put(&record).unwrap();
    }
    let of = |tags: &[&str]| Some(tags.iter().map(|tag| tag.parse().unwrap()).collect());
    assert_eq!(found(catalog, Filter { any_tag: of(&["sales", "vip"]), ..Filter::default() }), [2, 1]);
    assert_eq!(found(catalog, Filter { any_tag: of(&["sal"]), ..Filter::default() }), [0; 0]);
    assert_eq!(found(catalog, Filter { any_tag: of(&[]), ..Filter::default() }), [0; 0]);
    let both = Filter { any_tag: of(&["sales", "claims"]), tag: "vip".parse().ok(), ..Filter::default() };
    assert_eq!(found(catalog, both), [2]);
}

fn a_recording_put_again_stands_once(catalog: &Catalog) {
    catalog.put(&record(1)).unwrap();
    let mut again = record(1);
    again.row.quality.faults = 4;
    catalog.put(&again).unwrap();
    assert_eq!(catalog.count().unwrap(), 1);
    assert_eq!(catalog.faults_of(SessionId(7)).unwrap(), (1, 4));
    again.row.callee = None;
    again.participants.clear();
    again.row.started_at = Wall(9 * SECOND);
    catalog.put(&again).unwrap();
    assert_eq!(catalog.count().unwrap(), 1);
    assert_eq!(found(catalog, Filter { participant: Some("5551234".to_owned()), ..Filter::default() }), [0; 0]);
    assert_eq!(found(catalog, Filter { since: Some(Wall(9 * SECOND)), ..Filter::default() }), [1]);
}

fn more_than_a_page_is_read_once_each_even_with_equal_starts(catalog: &Catalog) {
    let records = (1..=700).map(|n| {
        let mut record = record(n);
        record.row.started_at = Wall(i64::try_from(n / 300).unwrap() * SECOND);
        record
    });
    assert_eq!(catalog.rebuild(records).unwrap(), 700);
    let rows = all(catalog, Filter::default());
    let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    assert!(rows.windows(2).all(|pair| (pair[0].started_at, pair[0].id) > (pair[1].started_at, pair[1].id)));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 700);
    for limit in [0, 1, 255, 256, 257, 700, 5000] {
        let rows = all(catalog, Filter { limit: Some(limit), ..Filter::default() });
        assert_eq!(rows.len() as u64, limit.min(700));
    }
}

fn since_is_included_and_until_is_not(catalog: &Catalog) {
    for n in 1..=4 {
        catalog.put(&record(n)).unwrap();
    }
    let between = |since: i64, until: i64| {
        let filter = Filter { since: Some(Wall(since)), until: Some(Wall(until)), ..Filter::default() };
        all(catalog, filter).iter().map(|row| row.id.0).collect::<Vec<_>>()
    };
    assert_eq!(between(2 * SECOND, 4 * SECOND), [3, 2]);
    assert_eq!(between(2 * SECOND + 1, 4 * SECOND + 1), [4, 3]);
}

fn a_caller_is_found_by_any_part_in_any_case_and_by_number(catalog: &Catalog) {
    let with = |n, aor: &str, name: &str| {
        let mut record = record(n);
        record.row.caller = Some(Person { aor: Some(aor.to_owned()), name: Some(name.to_owned()) });
        catalog.put(&record).unwrap();
    };
    with(1, "sip:+49 171-2345@sbc.example", "Ärztin Müller");
    with(2, "sip:bob%_@Example.com", "Bob");
    let found = |caller: &str| {
        let filter = Filter { caller: Some(caller.to_owned()), ..Filter::default() };
        all(catalog, filter).iter().map(|row| row.id.0).collect::<Vec<_>>()
    };
    assert_eq!(found("ärztin"), [1]);
    assert_eq!(found("MÜLLER"), [1]);
    for number in ["0171 2345", "+491712345", "00491712345", "2345", "tel:+49-171-2345"] {
        assert_eq!(found(number), [1], "{number}");
    }
    assert_eq!(found("EXAMPLE"), [2, 1]);
    assert_eq!(found("%_@"), [2]);
    assert_eq!(found("b%b"), [0; 0]);
    assert_eq!(found("'; --"), [0; 0]);
}

fn rebuilding_forgets_what_no_sidecar_tells(catalog: &Catalog) {
    catalog.put(&record(1)).unwrap();
    assert_eq!(catalog.rebuild([record(2), record(3)]).unwrap(), 2);
    assert_eq!(catalog.find(RecordingId(1)).unwrap(), None);
    assert_eq!(found(catalog, Filter::default()), [3, 2]);
}

fn every_field_that_is_searched_finds_and_leaves_out(catalog: &Catalog) {
    for n in 1..=3 {
        let mut record = record(n);
        let person =
            |aor: &str, name: Option<&str>| Person { aor: Some(aor.to_owned()), name: name.map(str::to_owned) };
        let called =
            person(&format!("tel:+49171000{n}"), Some(["Eve", "Çelik", "Bob"][usize::try_from(n).unwrap() - 1]));
        record.row.callee = Some(called.clone());
        record.participants = vec![("b".to_owned(), called)];
        record.row.duration_ms = u64::try_from(n).unwrap() * 1_000;
        record.row.quality =
            Quality { packets_expected: 1_000, packets_lost: u64::try_from(n).unwrap(), ..Quality::default() };
        if n == 2 {
            record.participants.push(("c".to_owned(), person("sip:+4930555001@x", Some("Supervisor"))));
            record.streams[0].label = Some("9".to_owned());
            record.row.state = "interrupted".to_owned();
            record.row.vendor = Some("cisco".to_owned());
            record.row.product = Some("Unified Border Element".to_owned());
            record.row.quality.faults = 1;
        }
        catalog.put(&record).unwrap();
    }
    let digits = |text: &str| Some(text.parse::<LastDigits>().unwrap());
    let second = |count| Some(Duration::from_secs(count));
    let text = |text: &str| Some(text.to_owned());
    let all_of = Filter::default;
    let cases: &[(&[u128], Filter)] = &[
        (&[2], Filter { callee: text("çELIK"), ..all_of() }),
        (&[3], Filter { callee: text("0171 0003"), ..all_of() }),
        (&[], Filter { callee: text("alice"), ..all_of() }),
        (&[2], Filter { participant: text("supervisor"), ..all_of() }),
        (&[2], Filter { participant: text("030/555001"), ..all_of() }),
        (&[3, 2, 1], Filter { participant: text("alice"), ..all_of() }),
        (&[2], Filter { number_ends: digits("555-001"), ..all_of() }),
        (&[2, 1], Filter { number_ends: digits("01"), limit: Some(2), ..all_of() }),
        (&[3], Filter { number_ends: digits("0003"), ..all_of() }),
        (&[], Filter { number_ends: digits("171"), ..all_of() }),
        (&[2], Filter { label: text("9"), ..all_of() }),
        (&[2], Filter { state: Some("interrupted"), ..all_of() }),
        (&[2], Filter { vendor: text("Cisco"), ..all_of() }),
        (&[2], Filter { vendor: text("border"), ..all_of() }),
        (&[3, 2], Filter { min_duration: second(2), ..all_of() }),
        (&[2, 1], Filter { max_duration: second(2), ..all_of() }),
        (&[3, 2], Filter { min_loss: Some("0.2%".parse().unwrap()), ..all_of() }),
        (&[3, 2, 1], Filter { wav: true, ..all_of() }),
        (&[2], Filter { faulty: true, ..all_of() }),
        (&[], Filter { faulty: true, callee: text("bob"), ..all_of() }),
        (&[2], Filter { faulty: true, participant: text("supervisor"), min_duration: second(1), ..all_of() }),
    ];
    for (wanted, filter) in cases {
        let found: Vec<u128> = all(catalog, filter.clone()).iter().map(|row| row.id.0).collect();
        assert_eq!(found, *wanted, "{filter:?}");
    }
    for bad in ["", "7", "12a"] {
        assert!(bad.parse::<LastDigits>().is_err(), "{bad}");
    }
    for bad in ["", "x", "-1", "100.1", "NaN"] {
        assert!(bad.parse::<PerTenThousand>().is_err(), "{bad}");
    }
}

fn words_are_found_whole_in_any_order_and_by_their_beginning(catalog: &Catalog) {
    let people = ["Anna Schmidt", "ANNA-MARIA SCHMIDTBAUER", "Ärztin Dr. Müller"];
    for (n, name) in (1..).zip(people) {
        let mut record = record(n);
        record.row.caller =
            Some(Person { aor: Some(format!("sip:agent{n}@pbx.example")), name: Some(name.to_owned()) });
        record.streams[0].label = Some(format!("line{n}"));
        catalog.put(&record).unwrap();
    }
    for (text, expected) in [
        ("anna", vec![2, 1]),
        ("schmidt", vec![1]),
        ("schmidt ANNA", vec![1]),
        ("schmidt*", vec![2, 1]),
        ("schm* maria", vec![2]),
        ("a*", vec![3, 2, 1]),
        ("müller, ärztin!", vec![3]),
        ("muller", vec![]),
        ("ülle", vec![]),
        ("agent2@pbx", vec![2]),
        ("line3", vec![3]),
        ("00001000071487015674 sbc", vec![3, 2, 1]),
        ("oracle 15551234", vec![3, 2, 1]),
        ("anna nobody", vec![]),
        ("' OR 1", vec![]),
    ] {
        let text_only = Filter { text: Some(text.parse().unwrap()), ..Filter::default() };
        assert_eq!(found(catalog, text_only.clone()), expected, "{text}");
        // With an id another index leads, and the words are looked for in the row.
        let ids = (1..=3).map(RecordingId).collect();
        assert_eq!(found(catalog, Filter { ids, ..text_only.clone() }), expected, "{text}");
        let later = Filter { since: Some(Wall(2 * SECOND)), ..text_only };
        assert_eq!(found(catalog, later), expected.into_iter().filter(|&n| n >= 2).collect::<Vec<_>>(), "{text}");
    }
    for bad in ["", "*", "?!"] {
        assert!(bad.parse::<Words>().is_err(), "{bad}");
    }
}

fn ids_of_a_call_are_found_in_every_form(catalog: &Catalog) {
    let mut other = record(2);
    other.row.group = Some("Group".to_owned());
    other.row.communication_session = None;
    other.row.call_id = "other@sbc".to_owned();
    other.call = vec![("cisco_guid".to_owned(), "91036128574411e789f9d0ff56c3c658".to_owned())];
    other.sip_session_ids = vec![];
    catalog.put(&record(1)).unwrap();
    catalog.put(&other).unwrap();
    for (call, expected) in [
        ("00FA080001000758A20EFA", vec![1]),
        ("2432917800-1464078823-2314850559-1455670872", vec![2]),
        ("ab30", vec![1]),
        ("Group", vec![2]),
        (" cs ", vec![1]),
        ("other@sbc", vec![2]),
        ("other", vec![]),
    ] {
        let filter = Filter { call: Some(call.to_owned()), ..Filter::default() };
        assert_eq!(found(catalog, filter), expected, "{call}");
    }
}

fn what_the_wire_can_bring_is_kept(catalog: &Catalog) {
    let mut odd = record(1);
    let name = "\u{0}nul\u{0} \u{1f600} \" ' \\ %_ \u{202e}\r\n".to_owned();
    odd.row.caller = Some(Person { aor: Some("sip:x@y".to_owned()), name: Some(name.clone()) });
    odd.participants =
        (0..300).map(|n| (format!("p{n}"), Person { aor: Some(format!("sip:{n:09}@x")), name: None })).collect();
    odd.call = vec![("ucid".to_owned(), "y".repeat(5_000))];
    odd.row.call_id = "x".repeat(5_000);
    odd.streams[0].label = Some("l".repeat(3_000));
    catalog.put(&odd).unwrap();
    let participant = |text: &str| Filter { participant: Some(text.to_owned()), ..Filter::default() };
    for text in ["nul", "\u{1f600} \" '", "000000299", "299@x", "%_"] {
        assert_eq!(found(catalog, participant(text)), [1], "{text}");
    }
    let label = Filter { label: Some("l".repeat(3_000)), ..Filter::default() };
    assert_eq!(found(catalog, label), [1]);
    assert_eq!(found(catalog, Filter { call: Some("x".repeat(5_000)), ..Filter::default() }), [1]);
    let kept = catalog.find(RecordingId(1)).unwrap().unwrap().caller.unwrap().name.unwrap();
    assert_eq!(kept.replace('\u{fffd}', "\u{0}"), name);
    let mut far = record(2);
    (far.row.started_at, far.row.ended_at) = (Wall(i64::MAX), Wall(i64::MIN));
    catalog.put(&far).unwrap();
    assert_eq!(found(catalog, Filter::default()), [2, 1]);
}

/// With ids another index leads and the rows alone decide: the same must be found without.
fn the_index_of_texts_finds_what_the_rows_say(catalog: &Catalog) {
    let mut rng = Rng(3);
    let names = ["Anna Müller", "Änne Mühl", "annabel", "Bob O'Neill", "Łukasz 4711", "x", "Зоя Анна"];
    let users = ["+4930123456", "030-123 456", "agent0123", "al", "anna.mueller", "00493012345699", "4711"];
    let make = |n: u128| {
        let mut person = || {
            let (user, host) = (rng.pick(&users).to_string(), rng.pick(&["pbx.example", "10.0.0.1"]).to_string());
            Person { aor: Some(format!("sip:{user}@{host}")), name: Some(rng.pick(&names).to_string()) }
        };
        let mut record = record(n);
        (record.row.caller, record.row.callee) = (Some(person()), Some(person()));
        record.participants = vec![("c".to_owned(), person())];
        record.row.duration_ms = rng.number() % 8_000_000;
        record.row.quality.packets_expected = 1_000;
        record.row.quality.packets_lost = rng.number() % 120;
        record.row.quality.faults = rng.number() % 2;
        record
    };
    assert_eq!(catalog.rebuild((1..=200).map(make)).unwrap(), 200);
    let text = |text: &str| Some(text.to_owned());
    let pieces = [
        "anna",
        "ann",
        "mü",
        "müh",
        "о",
        "анна",
        "o'n",
        "0123",
        "123456",
        "030-123 456",
        "4711",
        "al@pbx",
        "sip:al",
        "agent0123@10.0.0.1",
        "@pbx.example",
        "+49",
        "5699",
        "nobody",
    ];
    let mut filters: Vec<Filter> = Vec::new();
    for piece in pieces {
        filters.push(Filter { caller: text(piece), ..Filter::default() });
        filters.push(Filter { callee: text(piece), faulty: true, ..Filter::default() });
        filters.push(Filter { participant: text(piece), min_loss: "5.5".parse().ok(), ..Filter::default() });
    }
    for words in ["anna", "ann*", "mü*", "anna mül*", "зоя", "4711 łukasz", "agent0123", "o neill"] {
        filters.push(Filter {
            text: words.parse().ok(),
            min_duration: Some(Duration::from_secs(700)),
            ..Filter::default()
        });
    }
    for digits in ["56", "456", "3456", "23456", "30123456"] {
        filters.push(Filter { number_ends: digits.parse().ok(), caller: text("a"), ..Filter::default() });
    }
    let mut matched = 0;
    for filter in filters {
        let by_index = found(catalog, filter.clone());
        let ids = (1..=200).map(RecordingId).collect();
        assert_eq!(by_index, found(catalog, Filter { ids, ..filter.clone() }), "{filter:?}");
        matched += usize::from(!by_index.is_empty());
    }
    assert!(matched > 50, "{matched}");
}

fn found(catalog: &Catalog, filter: Filter) -> Vec<u128> {
    all(catalog, filter).iter().map(|row| row.id.0).collect()
}

fn all(catalog: &Catalog, filter: Filter) -> Vec<Row> {
    catalog.select(filter).map(|row| Row { node: None, ..row.unwrap() }).collect()
}

fn record(n: u128) -> Record {
    let start = i64::try_from(n).unwrap() * SECOND;
    let alice = Person { aor: Some("sip:alice@example.com".to_owned()), name: None };
    let bob = Person { aor: Some("tel:+15551234".to_owned()), name: Some("Bob".to_owned()) };
    Record {
        row: Row {
            id: RecordingId(n),
            session_id: Some(SessionId(7)),
            call_id: "call@sbc".to_owned(),
            communication_session: Some("cs".to_owned()),
            group: None,
            started_at: Wall(start),
            ended_at: Wall(start + SECOND),
            duration_ms: 1000,
            state: "complete".to_owned(),
            ended_by: "bye".to_owned(),
            caller: Some(alice.clone()),
            callee: Some(bob.clone()),
            vendor: Some("oracle".to_owned()),
            product: Some("Oracle SBC".to_owned()),
            path: format!("recordings/1970/01/01/{n}.wav"),
            bytes: 16_044,
            sha256: "00".repeat(32),
            quality: Quality { packets_received: 50, packets_expected: 50, ..Quality::default() },
            tags: Default::default(),
            held: false,
            node: None,
        },
        participants: vec![("a".to_owned(), alice), ("b".to_owned(), bob)],
        sip_session_ids: vec!["ab30".to_owned()],
        call: vec![("ucid".to_owned(), "00001000071487015674".to_owned())],
        streams: vec![StreamRow {
            port: 0,
            label: Some("1".to_owned()),
            codecs: "PCMA/8000".to_owned(),
            rendered: true,
        }],
    }
}
