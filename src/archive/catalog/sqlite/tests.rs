//! What is SQLite's own: its file, its versions, its plans. What both engines do is in `tests/catalog.rs`.

use super::*;
use crate::archive::catalog::{Catalog, Person, Quality, Row, StreamRow};
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

const SECOND: i64 = 1_000_000_000;

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
            let catalog = Sqlite::read_only_as(&uri(&data.join(FILE), suffix)).unwrap();
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
        assert!(matches!(error, CatalogError::Newer { found: 99, known: 4 }), "{error}");
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
    assert!(matches!(Catalog::read_only(folder.path()), Err(CatalogError::Older { found: 1, known: 4 })));
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
fn searches_are_led_by_an_index_and_need_no_sorting() {
    let catalog = Sqlite::temporary().unwrap();
    let person = |text: &str| Filter { caller: Some(text.to_owned()), ..Filter::default() };
    let cases = [
        (Filter::default(), "recording USING INTEGER PRIMARY KEY"),
        (Filter { since: Some(Wall(SECOND)), ..Filter::default() }, "recording USING INTEGER PRIMARY KEY"),
        (person("alice"), "SCAN search VIRTUAL TABLE"),
        (Filter { number_ends: Some("01".parse().unwrap()), ..Filter::default() }, "SCAN search VIRTUAL TABLE"),
        (Filter { call: Some("x".to_owned()), ..person("alice") }, "correlation_by_search"),
        (Filter { ids: vec![RecordingId(1)], ..Filter::default() }, "sqlite_autoindex_recording_1"),
    ];
    for (filter, step) in cases {
        let (sql, values) = page_query(&filter, None, 50);
        let connection = catalog.connection();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(3);
        let plan = statement.query_map(rusqlite::params_from_iter(values), read).unwrap();
        let plan: Vec<String> = plan.collect::<Result<_, _>>().unwrap();
        assert!(plan.iter().any(|line| line.contains(step)), "{filter:?}: {plan:?}");
        // What comes last sorts the rows, if anything does; the ids of a few before that may be.
        assert!(!plan.last().unwrap().contains("ORDER BY"), "{filter:?}: {plan:?}");
    }
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
