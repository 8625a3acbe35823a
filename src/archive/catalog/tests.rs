//! What the catalog keeps, finds and refuses.

use super::*;
use siprec_core::time::Wall;

const SECOND: i64 = 1_000_000_000;

#[test]
fn rows_come_back_as_they_were_put_latest_first() {
    let catalog = Catalog::temporary().unwrap();
    for n in [2, 1, 3] {
        catalog.put(&record(n)).unwrap();
    }
    let rows = all(&catalog, Filter::default());
    assert_eq!(rows, [record(3).row, record(2).row, record(1).row]);
    assert_eq!(catalog.find(RecordingId(2)).unwrap(), Some(record(2).row));
    assert_eq!(catalog.find(RecordingId(9)).unwrap(), None);
}

#[test]
fn a_recording_put_again_stands_once() {
    let catalog = Catalog::temporary().unwrap();
    catalog.put(&record(1)).unwrap();
    let mut again = record(1);
    again.row.quality.faults = 4;
    catalog.put(&again).unwrap();
    assert_eq!(catalog.count().unwrap(), 1);
    assert_eq!(catalog.faults_of(SessionId(7)).unwrap(), (1, 4));
    let participants: i64 =
        catalog.connection().query_row("SELECT count(*) FROM participant", [], |row| row.get(0)).unwrap();
    assert_eq!(participants, 2);
}

#[test]
fn more_than_a_page_is_read_once_each_even_with_equal_starts() {
    let catalog = Catalog::temporary().unwrap();
    let records = (1..=700).map(|n| {
        let mut record = record(n);
        record.row.started_at = Wall(i64::try_from(n / 300).unwrap() * SECOND);
        record
    });
    assert_eq!(catalog.rebuild(records).unwrap(), 700);
    let rows = all(&catalog, Filter::default());
    let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    assert!(rows.windows(2).all(|pair| (pair[0].started_at, pair[0].id) > (pair[1].started_at, pair[1].id)));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 700);
    for limit in [0, 1, 255, 256, 257, 700, 5000] {
        let rows = all(&catalog, Filter { limit: Some(limit), ..Filter::default() });
        assert_eq!(rows.len() as u64, limit.min(700));
    }
}

#[test]
fn since_is_included_and_until_is_not() {
    let catalog = Catalog::temporary().unwrap();
    for n in 1..=4 {
        catalog.put(&record(n)).unwrap();
    }
    let between = |since: i64, until: i64| {
        let filter = Filter { since: Some(Wall(since)), until: Some(Wall(until)), ..Filter::default() };
        all(&catalog, filter).iter().map(|row| row.id.0).collect::<Vec<_>>()
    };
    assert_eq!(between(2 * SECOND, 4 * SECOND), [3, 2]);
    assert_eq!(between(2 * SECOND + 1, 4 * SECOND + 1), [4, 3]);
}

#[test]
fn a_caller_is_found_by_any_part_in_any_case_and_by_number() {
    let catalog = Catalog::temporary().unwrap();
    let with = |n, aor: &str, name: &str| {
        let mut record = record(n);
        record.row.caller = Some(Person { aor: Some(aor.to_owned()), name: Some(name.to_owned()) });
        catalog.put(&record).unwrap();
    };
    with(1, "sip:+49 171-2345@sbc.example", "Ärztin Müller");
    with(2, "sip:bob%_@Example.com", "Bob");
    let found = |caller: &str| {
        let filter = Filter { caller: Some(caller.to_owned()), ..Filter::default() };
        all(&catalog, filter).iter().map(|row| row.id.0).collect::<Vec<_>>()
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

#[test]
fn rebuilding_forgets_what_no_sidecar_tells() {
    let catalog = Catalog::temporary().unwrap();
    catalog.put(&record(1)).unwrap();
    assert_eq!(catalog.rebuild([record(2), record(3)]).unwrap(), 2);
    assert_eq!(catalog.find(RecordingId(1)).unwrap(), None);
    assert_eq!(catalog.find(RecordingId(3)).unwrap(), Some(record(3).row));
}

#[test]
fn a_reader_sees_what_the_writer_put_while_both_are_open() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Catalog::read_only(folder.path()), Err(CatalogError::Missing)));
    let writer = Catalog::open(folder.path()).unwrap();
    let reader = Catalog::read_only(folder.path()).unwrap();
    writer.put(&record(1)).unwrap();
    assert_eq!(reader.count().unwrap(), 1);
    assert!(matches!(reader.put(&record(2)), Err(CatalogError::Sqlite(_))));
    drop(writer);
    drop(reader);
    assert_eq!(Catalog::read_only(folder.path()).unwrap().count().unwrap(), 1);
    assert_eq!(Catalog::open(folder.path()).unwrap().count().unwrap(), 1);
}

#[test]
fn a_directory_is_found_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a?b", "a#b", "100%41", "ä b", "-"] {
        let data = folder.path().join(name);
        std::fs::create_dir(&data).unwrap();
        Catalog::open(&data).unwrap().put(&record(1)).unwrap();
        for suffix in ["", "?immutable=1"] {
            let catalog = Catalog::read_only_as(&uri(&data.join(FILE), suffix)).unwrap();
            assert_eq!(catalog.count().unwrap(), 1, "{name}");
        }
    }
    assert_eq!(uri(Path::new("a/b"), "?x"), b"file:a/b?x");
    assert_eq!(uri(Path::new("/a%"), ""), b"file:///a%25");
}

#[test]
fn a_newer_a_foreign_and_a_damaged_file_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    drop(Catalog::open(folder.path()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for result in [Catalog::open(folder.path()), Catalog::read_only(folder.path())] {
        let error = result.unwrap_err();
        assert!(matches!(error, CatalogError::Newer { found: 99, known: 3 }), "{error}");
        assert!(error.to_string().contains("move the file away"));
    }

    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    for result in [Catalog::open(folder.path()), Catalog::read_only(folder.path())] {
        assert!(matches!(result.unwrap_err(), CatalogError::Foreign));
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);

    std::fs::write(&path, [b'x'; 8192]).unwrap();
    for result in [Catalog::open(folder.path()), Catalog::read_only(folder.path())] {
        assert!(matches!(result.unwrap_err(), CatalogError::Damaged(_)));
    }
    assert_eq!(std::fs::read(&path).unwrap(), [b'x'; 8192]);
}

#[test]
fn an_older_catalog_is_brought_up_by_the_writer_and_left_to_it_by_readers() {
    let folder = tempfile::tempdir().unwrap();
    {
        let old = Connection::open(folder.path().join(FILE)).unwrap();
        old.execute_batch(include_str!("0001.sql")).unwrap();
        old.pragma_update(None, "application_id", 0x7369_7072).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        let id = RecordingId(1).to_string();
        let row = "INSERT INTO recording VALUES (?1, NULL, 'c', NULL, 'Group', 0, 0, 0, 'complete', '', NULL, NULL, '', '', \
                   NULL, NULL, '', '', 'p', 0, '', 0, 0, 0, 0, 0, 0, 0, 0)";
        old.execute(row, [&id]).unwrap();
        old.execute("INSERT INTO sip_session_id VALUES (?1, 'ab30')", [&id]).unwrap();
    }
    assert!(matches!(Catalog::read_only(folder.path()), Err(CatalogError::Older { found: 1, known: 3 })));
    let catalog = Catalog::open(folder.path()).unwrap();
    assert_eq!(catalog.find(RecordingId(1)).unwrap().unwrap().vendor, None);
    catalog.put(&record(2)).unwrap();
    let found = |call: &str| {
        let filter = Filter { call: Some(call.to_owned()), ..Filter::default() };
        all(&catalog, filter).iter().map(|row| row.id.0).collect::<Vec<_>>()
    };
    assert_eq!(found("Group"), [1]);
    assert_eq!(found("ab30"), [2, 1]);
    assert_eq!(found("00FA080001000758A20EFA"), [2]);
    assert_eq!(Catalog::read_only(folder.path()).unwrap().count().unwrap(), 2);
}

#[test]
fn a_search_by_call_uses_the_index() {
    let catalog = Catalog::temporary().unwrap();
    let sql =
        "EXPLAIN QUERY PLAN SELECT recording FROM correlation WHERE search IN (SELECT value FROM json_each('[\"x\"]'))";
    let plan: Vec<String> = {
        let connection = catalog.connection();
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert!(plan.iter().any(|step| step.contains("correlation_by_search")), "{plan:?}");
}

#[test]
fn every_field_that_is_searched_finds_and_leaves_out() {
    let catalog = Catalog::temporary().unwrap();
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
        (&[2], Filter { faulty: true, ..all_of() }),
        (&[], Filter { faulty: true, callee: text("bob"), ..all_of() }),
        (&[2], Filter { faulty: true, participant: text("supervisor"), min_duration: second(1), ..all_of() }),
    ];
    for (wanted, filter) in cases {
        let found: Vec<u128> = all(&catalog, filter.clone()).iter().map(|row| row.id.0).collect();
        assert_eq!(found, *wanted, "{filter:?}");
    }
    for bad in ["", "7", "12a"] {
        assert!(bad.parse::<LastDigits>().is_err(), "{bad}");
    }
    for bad in ["", "x", "-1", "100.1", "NaN"] {
        assert!(bad.parse::<PerTenThousand>().is_err(), "{bad}");
    }
}

#[test]
fn the_last_digits_of_a_number_are_found_by_the_index() {
    let catalog = Catalog::temporary().unwrap();
    let filter = Filter { number_ends: Some("555001".parse().unwrap()), ..Filter::default() };
    let (condition, values) = filter.conditions(None);
    let connection = catalog.connection();
    let mut statement =
        connection.prepare(&format!("EXPLAIN QUERY PLAN SELECT id FROM recording WHERE {condition}")).unwrap();
    let plan: Vec<String> = statement
        .query_map(rusqlite::params_from_iter(values), |row| row.get(3))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(plan.iter().any(|step| step.contains("participant_by_last_digits")), "{plan:?}");
}

fn all(catalog: &Catalog, filter: Filter) -> Vec<Row> {
    catalog.select(filter).collect::<Result<_, _>>().unwrap()
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
