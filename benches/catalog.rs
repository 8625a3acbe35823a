//! How long searches take among many recordings, in SQLite and in PostgreSQL.
//!
//! ```text
//! cargo bench --bench catalog -- RECORDINGS [ENGINE [KIND]]
//! ```
//! Recordings are made up: two years of a contact centre. Each search asks for a page of 50, warm, with values drawn from what is there;
//! ENGINE is sqlite, postgresql or both, or the connection string of a catalog that has the recordings already; KIND leaves only searches
//! whose name holds it. PostgreSQL is the machine's package with its defaults, over loopback.
//!
//! Fails where a kind of search takes longer than 20 ms at p95.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use siprec::archive::catalog::{Catalog, Filter, Record};
use siprec_core::time::Wall;
use support::contact_centre::record;
use support::postgres::Cluster;
use support::{Rng, TempDir};

const RECORDINGS: u64 = 50_000;
const PAGE: u64 = 50;
/// Searches of a kind; the first tenth only warms.
const SEARCHES: usize = 220;
const BUDGET: Duration = Duration::from_millis(20);
const SECOND: i64 = 1_000_000_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let recordings = arguments.next().map_or(RECORDINGS, |count| count.parse().expect("how many recordings"));
    let engine = arguments.next().unwrap_or_else(|| "both".to_owned());
    let kind = arguments.next().unwrap_or_default();
    // What is started from here on inherits it.
    support::process::prefer_this_thread();
    if engine.contains("://") {
        println!("{recordings} recordings that are there");
        let catalog = Catalog::shared(engine.parse().expect("an address"), "here");
        return verdict(search(&catalog, recordings, &kind));
    }
    let folder = TempDir::new("catalog-bench");
    let sqlite = Catalog::open(folder.path()).expect("a catalog");
    let cluster = Cluster::start();
    let postgres = Catalog::shared(cluster.database().parse().expect("an address"), "here");
    let mut is_slow = false;
    let engines = [("SQLite", &sqlite), ("PostgreSQL", &postgres)];
    for (engine, catalog) in
        engines.into_iter().filter(|(name, _)| engine == "both" || name.eq_ignore_ascii_case(&engine))
    {
        let begin = Instant::now();
        catalog.rebuild((0..recordings).map(record)).expect("rows");
        println!("{engine}: {recordings} recordings put in, {:.0} s", begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        let last = record(recordings - 1);
        (0..50).for_each(|_| catalog.put(&last).expect("a row"));
        println!("{:42} {:9.2} ms", "  one put, again and again", begin.elapsed().as_secs_f64() * 1000.0 / 50.0);
        is_slow |= search(catalog, recordings, &kind);
    }
    verdict(is_slow)
}

/// Times all searches whose names hold `kind`; whether one was too slow.
fn search(catalog: &Catalog, recordings: u64, kind: &str) -> bool {
    println!("{:42} {:>9} {:>9} {:>9} {:>6}", "  search", "p50 ms", "p95 ms", "max ms", "rows");
    let kinds = searches().into_iter().filter(|(name, _)| name.contains(kind));
    kinds.fold(false, |is_slow, (name, filter)| is_slow | (time(catalog, recordings, name, filter) > BUDGET))
}

fn verdict(is_slow: bool) -> ExitCode {
    if is_slow {
        println!("a search took longer than {BUDGET:?} at p95");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Times a kind of search and prints it; p95.
fn time(catalog: &Catalog, recordings: u64, name: &str, filter: Make) -> Duration {
    let mut rng = Rng(7);
    let (mut times, mut rows) = (Vec::new(), 0);
    for _ in 0..SEARCHES {
        let some = record(rng.number() % recordings);
        let filter = Filter { limit: Some(PAGE), ..filter(&some, &mut rng) };
        let begin = Instant::now();
        let found = catalog.select(filter).filter(|row| row.is_ok()).count();
        times.push(begin.elapsed());
        rows += found;
    }
    let mut times = times.split_off(SEARCHES / 11);
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let mean = rows as f64 / SEARCHES as f64;
    println!("  {name:40} {:9.2} {:9.2} {:9.2} {mean:6.1}", ms(at(50)), ms(at(95)), ms(at(100)));
    at(95)
}

/// A filter that finds the given recording, as a rule.
type Make = fn(&Record, &mut Rng) -> Filter;

fn searches() -> Vec<(&'static str, Make)> {
    [by_people(), by_the_rest(), combined()].concat()
}

fn name(record: &Record) -> String {
    record.row.callee.as_ref().and_then(|agent| agent.name.clone()).unwrap_or_default()
}

fn last(record: &Record) -> String {
    name(record).rsplit(' ').next().unwrap_or_default().to_owned()
}

fn number(record: &Record) -> String {
    let aor = record.row.caller.as_ref().and_then(|caller| caller.aor.clone()).unwrap_or_default();
    aor.trim_start_matches("sip:+").split('@').next().unwrap_or_default().to_owned()
}

fn ends(record: &Record, digits: usize) -> Option<siprec::archive::catalog::LastDigits> {
    let number = number(record);
    number[number.len() - digits..].parse().ok()
}

fn ucid(record: &Record) -> Option<String> {
    record.call.first().map(|(_, value)| value.clone())
}

fn day(record: &Record) -> Filter {
    let day = 86_400 * SECOND;
    let since = record.row.started_at.0 / day * day;
    Filter { since: Some(Wall(since)), until: Some(Wall(since + day)), ..Filter::default() }
}

fn by_people() -> Vec<(&'static str, Make)> {
    vec![
        ("latest", |_, _| Filter::default()),
        ("time: a day", |r, _| day(r)),
        ("caller: whole number", |r, _| Filter { caller: Some(format!("0{}", &number(r)[2..])), ..Filter::default() }),
        ("caller: six digits in the middle", |r, _| Filter {
            caller: Some(number(r)[3..9].to_owned()),
            ..Filter::default()
        }),
        ("caller: four digits in the middle", |r, _| Filter {
            caller: Some(number(r)[4..8].to_owned()),
            ..Filter::default()
        }),
        ("callee: whole name", |r, _| Filter { callee: Some(name(r)), ..Filter::default() }),
        ("callee: address", |r, _| Filter { callee: r.row.callee.clone().and_then(|c| c.aor), ..Filter::default() }),
        ("participant: last name", |r, _| Filter { participant: Some(last(r)), ..Filter::default() }),
        ("participant: three letters", |r, rng| Filter {
            participant: Some(rng.pick(&["sch", "mül", "ann", "zoë", "xen"]).to_string().or_of(r)),
            ..Filter::default()
        }),
        ("participant: two letters", |_, rng| Filter {
            participant: Some(rng.pick(&["sc", "ül", "an", "ë", "x"]).to_string()),
            ..Filter::default()
        }),
        ("participant: nobody", |_, rng| Filter {
            participant: Some(format!("qx{}", rng.below(1000))),
            ..Filter::default()
        }),
    ]
}

fn by_the_rest() -> Vec<(&'static str, Make)> {
    vec![
        ("last two digits", |r, _| Filter { number_ends: ends(r, 2), ..Filter::default() }),
        ("last four digits", |r, _| Filter { number_ends: ends(r, 4), ..Filter::default() }),
        ("last seven digits", |r, _| Filter { number_ends: ends(r, 7), ..Filter::default() }),
        ("call id", |r, _| Filter { call: ucid(r), ..Filter::default() }),
        ("id", |r, _| Filter { ids: vec![r.row.id], ..Filter::default() }),
        ("text: a name", |r, _| Filter { text: name(r).parse().ok(), ..Filter::default() }),
        ("text: a word", |r, _| Filter { text: last(r).parse().ok(), ..Filter::default() }),
        ("text: beginning of a word", |r, _| Filter {
            text: format!("{}*", last(r).chars().take(4).collect::<String>()).parse().ok(),
            ..Filter::default()
        }),
        ("text: a call id", |r, _| Filter { text: ucid(r).and_then(|id| id.parse().ok()), ..Filter::default() }),
        ("label", |_, _| Filter { label: Some("2".to_owned()), ..Filter::default() }),
        ("vendor", |_, rng| Filter { vendor: Some(rng.pick(&["cisco", "oracle"]).to_string()), ..Filter::default() }),
        ("interrupted", |_, _| Filter { state: Some("interrupted"), ..Filter::default() }),
        ("with faults", |_, _| Filter { faulty: true, ..Filter::default() }),
        ("1 % lost", |_, _| Filter { min_loss: "1".parse().ok(), ..Filter::default() }),
        ("tag", |_, rng| Filter { tag: rng.pick(&["complaint", "vip"]).parse().ok(), ..Filter::default() }),
        ("under a hold", |_, _| Filter { held: true, ..Filter::default() }),
        ("an hour long", |_, _| Filter { min_duration: Some(Duration::from_secs(3600)), ..Filter::default() }),
    ]
}

fn combined() -> Vec<(&'static str, Make)> {
    vec![
        ("a day and last name", |r, _| Filter { participant: Some(last(r)), ..day(r) }),
        ("a day and last digits and label", |r, _| Filter {
            number_ends: ends(r, 4),
            label: Some("1".to_owned()),
            ..day(r)
        }),
        ("caller and callee", |r, _| Filter { caller: Some(number(r)), callee: Some(last(r)), ..Filter::default() }),
        ("last name and faults", |r, _| Filter { participant: Some(last(r)), faulty: true, ..Filter::default() }),
        ("words and at least 5 min", |r, _| Filter {
            text: name(r).parse().ok(),
            min_duration: Some(Duration::from_secs(300)),
            ..Filter::default()
        }),
        ("tag and last name", |r, _| Filter {
            tag: "complaint".parse().ok(),
            participant: Some(last(r)),
            ..Filter::default()
        }),
        ("call id and caller", |r, _| Filter { call: ucid(r), caller: Some(number(r)), ..Filter::default() }),
    ]
}

trait OrOf {
    fn or_of(self, record: &Record) -> Self;
}

impl OrOf for String {
    /// For half of the searches something else: the beginning of a name that is there.
    fn or_of(self, record: &Record) -> Self {
        let name = record.row.callee.as_ref().and_then(|agent| agent.name.clone()).unwrap_or_default();
        if record.row.bytes.is_multiple_of(2) { self } else { name.chars().take(3).collect() }
    }
}
