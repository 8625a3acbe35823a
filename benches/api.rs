//! How long the API takes among many recordings, beside live calls: searches of several kinds, sessions, over HTTP.
//!
//! ```text
//! cargo bench --bench api -- [RECORDINGS [CALLS [SECONDS]]]
//! ```
//! The binary has a catalog of a made-up contact centre and records calls of two legs meanwhile. Requests come evenly, each on a
//! connection of its own, and are timed from the connection to the last octet.
//!
//! Fails where a kind of request takes longer than 100 ms at p95, or where a packet of the calls is lost.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]
#![allow(clippy::unwrap_used, reason = "what a benchmark cannot go on without ends it, with its place")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use siprec::archive::catalog::{Catalog, Record};
use support::contact_centre::record;
use support::http::Client;
use support::process::{prefer_this_thread, raise_file_limit};
use support::server::{Server, Setup};
use support::src::{Call, Src, set_up};
use support::studio::Plan;
use support::{Rng, TempDir, becomes_true};

const RECORDINGS: u64 = 50_000;
const CALLS: usize = 500;
const SECONDS: u64 = 60;
/// Requests a second, from so many threads.
const RATE: u32 = 40;
const LANES: u32 = 8;
/// Of each lane; they only warm.
const WARMING: usize = 10;
const BUDGET: Duration = Duration::from_millis(100);
/// Calls go on for so long beyond what is measured.
const MARGIN: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut number = |default: u64| arguments.next().map_or(default, |given| given.parse().expect("a number"));
    let (recordings, calls, seconds) = (number(RECORDINGS), number(CALLS as u64), number(SECONDS));
    raise_file_limit();
    let folder = TempDir::new("api-bench");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let began = Instant::now();
    Catalog::open(&data).unwrap().rebuild((0..recordings).map(record)).unwrap();
    println!("{recordings} recordings put in, {:.0} s", began.elapsed().as_secs_f64());
    let calls = usize::try_from(calls).unwrap();
    let server = Setup::default()
        .sessions(u16::try_from(calls).unwrap() + 10)
        .data(&data)
        .set("api.rate_limit=0")
        .set("storage.retention_days=0")
        .start();
    let src = Src::udp(server.sip);
    let live = set_up(&src, calls);
    let time = Duration::from_secs(seconds);
    live.iter().for_each(|call| call.talk(&Plan::seconds((time + MARGIN).as_secs_f64())));
    let times = ask(&server, recordings, time);
    live.iter().for_each(Call::hush);
    let slow = tell(times);
    let lost = lost(&server, &live);
    if slow || lost {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A path that finds the given recording, as a rule.
type Make = fn(&Record) -> String;

fn kinds() -> Vec<(&'static str, Make)> {
    vec![
        ("sessions", |_| "/sessions".to_owned()),
        ("recordings: latest", |_| "/recordings?limit=50".to_owned()),
        ("recordings: a day", |r| {
            let day = r.row.started_at.to_string()[..10].to_owned();
            format!("/recordings?limit=50&since={day}&until={day}")
        }),
        ("recordings: caller's number", |r| format!("/recordings?limit=50&caller={}", &number(r)[3..])),
        ("recordings: last four digits", |r| {
            format!("/recordings?limit=50&number_ends={}", &number(r)[number(r).len() - 4..])
        }),
        ("recordings: anybody's last name", |r| format!("/recordings?limit=50&participant={}", last_name(r))),
        ("recordings: words", |r| format!("/recordings?limit=50&text={}", last_name(r))),
        ("recordings: a call id", |r| format!("/recordings?limit=50&call={}", r.call[0].1)),
        ("recordings: a tag and faults", |_| "/recordings?limit=50&tag=vip&faulty=true".to_owned()),
        ("recordings: five minutes, lost 1 %", |_| "/recordings?limit=50&min_duration=5m&min_loss=1".to_owned()),
        ("recordings: 1,000 of a vendor", |_| "/recordings?limit=1000&vendor=cisco".to_owned()),
    ]
}

fn number(record: &Record) -> String {
    let aor = record.row.caller.as_ref().and_then(|caller| caller.aor.clone()).unwrap_or_default();
    aor.trim_start_matches("sip:+").split('@').next().unwrap_or_default().to_owned()
}

/// Percent-encoded.
fn last_name(record: &Record) -> String {
    let name = record.row.callee.as_ref().and_then(|agent| agent.name.clone()).unwrap_or_default();
    name.rsplit(' ').next().unwrap_or_default().bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Asks evenly for so long: how long each kind took.
fn ask(server: &Server, recordings: u64, time: Duration) -> BTreeMap<&'static str, Vec<Duration>> {
    let times = Mutex::new(BTreeMap::<_, Vec<Duration>>::new());
    let begin = Instant::now() + Duration::from_millis(100);
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let times = &times;
            scope.spawn(move || {
                // What is measured is the server, not how long this thread waits for a core.
                prefer_this_thread();
                let (client, kinds, mut rng) = (Client::new(server.api), kinds(), Rng(u64::from(lane)));
                for n in 0..u32::MAX {
                    let due = begin + Duration::from_secs(1) * (n * LANES + lane) / RATE;
                    if due > begin + time {
                        return;
                    }
                    support::pause(due.saturating_duration_since(Instant::now()));
                    let (kind, make) = kinds[(n as usize + lane as usize) % kinds.len()];
                    let path = format!("/api/v1{}", make(&record(rng.number() % recordings)));
                    let sent = Instant::now();
                    let answer = client.get(&path);
                    let took = sent.elapsed();
                    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                    if n as usize >= WARMING {
                        times.lock().unwrap().entry(kind).or_default().push(took);
                    }
                }
            });
        }
    });
    times.into_inner().unwrap()
}

/// Prints the figures; whether one is over the budget.
fn tell(times: BTreeMap<&'static str, Vec<Duration>>) -> bool {
    let mut is_slow = false;
    println!("{:36} {:>6} {:>9} {:>9} {:>9}", "request", "", "p50 ms", "p95 ms", "p99 ms");
    for (kind, mut times) in times {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        let ms = |share: usize| at(share).as_secs_f64() * 1000.0;
        println!("{kind:36} {:>6} {:9.2} {:9.2} {:9.2}", times.len(), ms(50), ms(95), ms(99));
        is_slow |= at(95) > BUDGET;
    }
    if is_slow {
        println!("a kind of request took longer than {BUDGET:?} at p95");
    }
    is_slow
}

/// Whether a packet that was sent did not arrive, or was lost in the machine.
fn lost(server: &Server, calls: &[Call]) -> bool {
    let client = Client::new(server.api);
    let counted = |name: &str| -> u64 {
        let text = client.get("/metrics").text();
        let of_name = text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit(' ').next()?.parse::<u64>().ok());
        of_name.sum()
    };
    let of_call = |call: &Call| -> u64 {
        call.transcript().legs.iter().flat_map(|leg| &leg.packets).map(|sent| u64::from(sent.copies)).sum()
    };
    let sent = || calls.iter().map(of_call).sum::<u64>();
    // The last ones are on their way, and counted once a second.
    let is_all_there = becomes_true(Duration::from_secs(10), || counted("siprec_rtp_packets_total") == sent());
    let arrived = counted("siprec_rtp_packets_total");
    let (lost, dropped) = (counted("siprec_rtp_lost_packets_total"), counted("siprec_dropped_packets_total"));
    println!(
        "{} calls: {} packets sent, {arrived} arrived, {lost} missing, {dropped} dropped here",
        calls.len(),
        sent()
    );
    !is_all_there || lost + dropped > 0
}
