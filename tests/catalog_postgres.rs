//! What is PostgreSQL's own: who shares it, who may not in, restarts, versions, TLS.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::Barrier;

use siprec::archive::catalog::{Catalog, CatalogError, Filter, PostgresError, Quality, Record, Row};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;
use support::TempDir;
use support::postgres::Cluster;
use support::tls::{Ca, Wanted};

#[test]
fn servers_that_share_a_database_see_all_and_touch_only_their_own() {
    let cluster = Cluster::shared();
    let address = cluster.database();
    let barrier = Barrier::new(4);
    // They start together: one makes the tables.
    let nodes: Vec<Catalog> = std::thread::scope(|scope| {
        let start = |n: usize| {
            let (address, barrier) = (&address, &barrier);
            scope.spawn(move || {
                let node = catalog(address, &format!("node{n}"));
                barrier.wait();
                assert!(node.is_new().unwrap());
                // In one millisecond, and with the same ends of ids: each finds a place of its own.
                node.rebuild((0..50).map(|i| record(u128::try_from(n << 20 | i).unwrap()))).unwrap();
                node
            })
        };
        let threads: Vec<_> = (0..4).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(nodes.iter().all(|node| node.count().unwrap() == 200 && !node.is_new().unwrap()));
    nodes[1].rebuild([record(1 << 20 | 7)]).unwrap();
    assert_eq!(nodes[0].count().unwrap(), 151);
    let own = |n: usize| nodes[0].select(Filter { node: Some(format!("node{n}")), ..Filter::default() }).count();
    assert_eq!([own(0), own(1), own(2), own(3)], [50, 1, 50, 50]);
    let all: Vec<Row> = nodes[3].select(Filter::default()).map(Result::unwrap).collect();
    assert_eq!(all.len(), 151);
    assert_eq!(nodes[2].faults_of(SessionId(7)).unwrap(), (151, 302));
}

#[test]
fn a_reader_reads_and_does_no_more() {
    let cluster = Cluster::shared();
    let address = cluster.database();
    let reader = Catalog::shared_read_only(address.parse().unwrap(), "here");
    let error = reader.check().unwrap_err();
    assert!(matches!(error, CatalogError::Postgres(PostgresError::Older { found: 0, known: 2, .. })), "{error}");
    assert!(error.to_string().contains("start siprec serve"), "{error}");
    catalog(&address, "here").put(&record(1)).unwrap();
    let reader = Catalog::shared_read_only(address.parse().unwrap(), "here");
    assert_eq!(reader.count().unwrap(), 1);
    assert!(reader.put(&record(2)).is_err());
    assert_eq!(reader.count().unwrap(), 1);
}

#[test]
fn a_server_that_was_started_again_is_gone_on_with() {
    let cluster = Cluster::start();
    let node = catalog(&cluster.database(), "here");
    node.put(&record(1)).unwrap();
    cluster.stop();
    let error = node.put(&record(2)).unwrap_err();
    assert!(matches!(&error, CatalogError::Postgres(PostgresError::Unreachable { .. })), "{error}");
    // Between two tries nobody waits: the answer is that of the last.
    let begin = std::time::Instant::now();
    for _ in 0..1000 {
        assert!(node.find(RecordingId(1)).is_err());
    }
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    cluster.run();
    let put = support::until(std::time::Duration::from_secs(60), || node.put(&record(2)).ok());
    assert!(put.is_some(), "{:?}", node.put(&record(2)));
    // Idle connections that broke are not told of.
    cluster.stop();
    cluster.run();
    assert_eq!(node.count().unwrap(), 2);
    cluster.stop();
    cluster.run();
    node.put(&record(3)).unwrap();
    assert_eq!(node.count().unwrap(), 3);
}

#[test]
fn whoever_is_not_let_in_is_told_what_to_mend_and_no_password() {
    let cluster = Cluster::shared();
    let address = cluster.database();
    let wrong = address.replace("p%40ss", "hunter2");
    let error = catalog(&wrong, "here").check().unwrap_err();
    assert!(matches!(error, CatalogError::Postgres(PostgresError::Refused { .. })), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("correct user and password in metadata.connection") && !text.contains("hunter2"), "{text}");

    let error = catalog(&cluster.address("nowhere"), "here").check().unwrap_err();
    assert!(matches!(error, CatalogError::Postgres(PostgresError::NoDatabase { .. })), "{error:?}");
    assert!(error.to_string().contains("CREATE DATABASE"), "{error}");

    cluster.sql("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    let error = catalog(&cluster.address("latin"), "here").check().unwrap_err();
    assert!(matches!(error, CatalogError::Postgres(PostgresError::Encoding { .. })), "{error:?}");

    cluster.sql("postgres", "CREATE ROLE guest LOGIN PASSWORD 'guest'");
    let guest = address.replace("postgres:p%40ss%2Fword@", "guest:guest@");
    let error = catalog(&guest, "here").check().unwrap_err();
    assert!(matches!(error, CatalogError::Postgres(PostgresError::Denied { .. })), "{error:?}");
    assert!(error.to_string().contains("must own the database"), "{error}");
}

#[test]
fn a_newer_schema_is_left_alone() {
    let cluster = Cluster::shared();
    let address = cluster.database();
    catalog(&address, "here").put(&record(1)).unwrap();
    cluster.sql(&address, "UPDATE siprec.version SET number = 99");
    for newer in [catalog(&address, "here"), Catalog::shared_read_only(address.parse().unwrap(), "here")] {
        let error = newer.check().unwrap_err();
        assert!(matches!(error, CatalogError::Postgres(PostgresError::Newer { found: 99, known: 2, .. })), "{error}");
        assert!(newer.put(&record(2)).is_err());
    }
    assert_eq!(cluster.sql(&address, "SELECT count(*) FROM siprec.recording"), "1");
}

#[test]
fn an_older_schema_is_brought_up_by_who_writes() {
    let cluster = Cluster::shared();
    let address = cluster.database();
    catalog(&address, "here").put(&record(1)).unwrap();
    cluster.sql(
        &address,
        "UPDATE siprec.version SET number = 1; ALTER TABLE siprec.search ALTER COLUMN terms SET STATISTICS -1",
    );
    let reader = Catalog::shared_read_only(address.parse().unwrap(), "here");
    let error = reader.check().unwrap_err();
    assert!(matches!(error, CatalogError::Postgres(PostgresError::Older { found: 1, .. })), "{error}");
    assert_eq!(catalog(&address, "here").count().unwrap(), 1);
    let kept =
        "SELECT attstattarget FROM pg_attribute WHERE attrelid = 'siprec.search'::regclass AND attname = 'terms'";
    assert_eq!(cluster.sql(&address, kept), "1000");
    assert_eq!(cluster.sql(&address, "SELECT number FROM siprec.version"), "2");
}

#[test]
fn tls_is_what_the_connection_string_asks_for() {
    let dir = TempDir::new("postgres-tls");
    let (ca, stranger) = (Ca::new(dir.path(), "ca"), Ca::new(dir.path(), "stranger"));
    let identity = ca.issue("db", &Wanted { dns: &["localhost"], ..Wanted::default() });
    let cluster = Cluster::start_with_tls(&identity);
    let by_name = cluster.database().replace("127.0.0.1", "localhost");
    let with = |options: &str| format!("{by_name}?{options}");
    let root = |ca: &Ca| ca.file().display().to_string();

    let node = catalog(&with(&format!("sslmode=verify-full&sslrootcert={}", root(&ca))), "here");
    node.put(&record(1)).unwrap();
    for options in ["sslmode=require", "sslmode=prefer", ""] {
        assert_eq!(catalog(&with(options), "here").count().unwrap(), 1, "{options}");
    }
    let refused = |address: &str| {
        let error = catalog(address, "here").check().unwrap_err();
        let CatalogError::Postgres(error) = error else { panic!("{error}") };
        error
    };
    assert!(matches!(refused(&with("sslmode=disable")), PostgresError::Refused { .. }));
    let by_stranger = with(&format!("sslmode=verify-full&sslrootcert={}", root(&stranger)));
    let by_address = by_stranger.replace("localhost", "127.0.0.1").replace("stranger", "ca");
    let no_file = with("sslmode=verify-full&sslrootcert=/nowhere.pem");
    let machine = with("sslmode=verify-full");
    for address in [by_stranger, by_address, no_file, machine] {
        let error = refused(&address);
        assert!(matches!(error, PostgresError::Tls { .. }), "{address}: {error:?}");
        assert!(error.to_string().contains("sslrootcert"), "{error}");
    }
}

fn catalog(address: &str, node: &str) -> Catalog {
    Catalog::shared(address.parse().unwrap(), node)
}

fn record(id: u128) -> Record {
    Record {
        row: Row {
            id: RecordingId(id),
            session_id: Some(SessionId(7)),
            call_id: "call@sbc".to_owned(),
            communication_session: None,
            group: None,
            started_at: Wall(1_000_000_000),
            ended_at: Wall(2_000_000_000),
            duration_ms: 1000,
            state: "complete".to_owned(),
            ended_by: "bye".to_owned(),
            caller: None,
            callee: None,
            vendor: None,
            product: None,
            path: format!("recordings/1970/01/01/{id}.wav"),
            bytes: 44,
            sha256: "00".repeat(32),
            quality: Quality { faults: 2, ..Quality::default() },
            tags: Default::default(),
            held: false,
            node: None,
        },
        participants: Vec::new(),
        sip_session_ids: Vec::new(),
        call: Vec::new(),
        streams: Vec::new(),
    }
}
