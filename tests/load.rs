//! Load: how fast an INVITE is answered beside 500, 1,000 and 2,000 live sessions and a render, and how soon 2,000 sessions
//! are back after a crash. Ignored by default; `make bench` runs them with an optimised binary.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::namespace::{Own, inside};
use support::process::{prefer_this_thread, raise_file_limit};
use support::raw::{Draft, Raw};
use support::server::{Server, Setup};
use support::src::{Call, Src, Transport, set_up};
use support::studio::Plan;
use support::{becomes_true, recordings};

/// Sessions whose legs talk, and the 99th percentile of answer times beside them that must be kept; what 2,000 leave of two
/// cores, the sender on them, is told and not judged.
const BESIDE: [(usize, Option<Duration>); 3] =
    [(500, Some(Duration::from_millis(10))), (1_000, Some(Duration::from_millis(10))), (2_000, None)];
const RATE: u32 = 100;
const MEASURED: usize = 1_000;
/// Live sessions that end as the clock begins to run, and are rendered meanwhile.
const RENDERED: usize = 50;
const RESTARTED: usize = 2_000;
const PORTS_BOUND: u64 = 300;
const DIALOGS_KNOWN: u64 = 1_000;

#[test]
#[ignore = "a benchmark: make bench"]
fn an_invite_is_answered_in_milliseconds() {
    inside(Own::Network, "an_invite_is_answered_in_milliseconds", || {
        raise_file_limit();
        let told = BESIDE.map(|(live, budget)| (live, budget, percentile_99(live)));
        for (live, budget, p99) in told {
            assert!(budget.is_none_or(|budget| p99 < budget), "p99 beside {live} sessions is {p99:?}");
        }
    });
}

/// Of the answer times beside so many sessions.
fn percentile_99(live: usize) -> Duration {
    let server = Setup::default().sessions(4_000).start();
    let src = Src::udp(server.sip);
    let calls = set_up(&src, live);
    // Half an hour's worth of talk, to be stopped when all is measured.
    calls.iter().for_each(|c| c.talk(&Plan::seconds(1800.0)));
    support::pause(Duration::from_secs(20));
    calls[..RENDERED].iter().for_each(|c| {
        c.hush();
        assert_eq!(c.bye().unwrap().status(), 200);
    });
    let mut times = answer_times(&server);
    calls.iter().for_each(Call::hush);
    times.sort_unstable();
    let share = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!(
        "INVITE to 200 at {RATE}/s beside {} sessions: p50 {:?}, p90 {:?}, p99 {:?}, worst {:?}",
        live - RENDERED,
        share(50),
        share(90),
        share(99),
        share(100)
    );
    share(99)
}

/// Sends INVITEs evenly, hangs up each, and measures.
fn answer_times(server: &Server) -> Vec<Duration> {
    let lanes = 20u32;
    let times = Mutex::new(Vec::new());
    let begin = Instant::now() + Duration::from_millis(50);
    std::thread::scope(|scope| {
        for lane in 0..lanes {
            let times = &times;
            scope.spawn(move || {
                // What is measured is the server, not how long this thread waits for a core.
                prefer_this_thread();
                let raw = Raw::new(server.sip, Transport::Udp);
                for n in 0..u32::try_from(MEASURED).unwrap() / lanes {
                    let due = begin + Duration::from_secs(1) * (n * lanes + lane) / RATE;
                    support::pause(due.saturating_duration_since(Instant::now()));
                    let invite = Draft::invite(&raw);
                    let bytes = invite.bytes();
                    let sent = Instant::now();
                    raw.send(&bytes);
                    let answer = raw.must_answer();
                    times.lock().unwrap().push(answer.at - sent);
                    assert_eq!(answer.status(), 200);
                    raw.send(&invite.within(&raw, &answer, "ACK").bytes());
                    assert_eq!(raw.ask(&invite.within(&raw, &answer, "BYE")).status(), 200);
                }
            });
        }
    });
    times.into_inner().unwrap()
}

#[test]
#[ignore = "a benchmark: make bench"]
fn two_thousand_sessions_are_back_within_a_second() {
    inside(Own::Network, "two_thousand_sessions_are_back_within_a_second", || {
        raise_file_limit();
        let mut server = Setup::default().sessions(4_000).start();
        let src = Src::udp(server.sip);
        let calls = set_up(&src, RESTARTED);
        calls.iter().for_each(|c| c.talk(&Plan::seconds(600.0)));
        support::pause(Duration::from_secs(10));
        // The sender's own load is not the server's.
        calls.iter().for_each(Call::hush);
        server.kill();
        let begun = Instant::now();
        server.restart();
        let took = server.ready_at() - begun;
        let told =
            server.stdout().into_iter().rev().find(|l| l.text.contains("go on")).map(|l| l.text).unwrap_or_default();
        println!("{RESTARTED} sessions: ready {took:?} after start; it says {told:?}");
        assert!(told.contains(&format!("{RESTARTED} sessions go on")), "{told:?}");
        // The line's times, in order: ports bound, dialogs known.
        let ms: Vec<u64> = told.split(" ms").filter_map(|p| p.rsplit([' ', '(']).next()?.parse().ok()).collect();
        let (ports, dialogs) = (ms.first().copied().unwrap_or(u64::MAX), ms.last().copied().unwrap_or(u64::MAX));
        assert!(ports <= PORTS_BOUND, "ports bound in {ports} ms: {told:?}");
        assert!(dialogs <= DIALOGS_KNOWN, "dialogs known in {dialogs} ms: {told:?}");
        assert!(took <= Duration::from_millis(DIALOGS_KNOWN + 500), "ready after {took:?}");
        let some = &calls[..20];
        for call in some {
            assert_eq!(call.bye().unwrap().status(), 200, "a dialog was forgotten");
        }
        let done = || some.iter().all(|c| !recordings::of_call(&server.data, c.call_id()).is_empty());
        assert!(becomes_true(Duration::from_secs(60), done), "not all of 20 ended sessions became recordings");
    });
}
