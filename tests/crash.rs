//! A crash is a gap, never a loss: the server is killed at random moments, started again at once, and every call must be
//! one recording with at most one gap, everything in it that was sent more than 50 ms before the kill.
//!
//! 30 kills; 1,000 with `SIPREC_SOAK=1`. `SIPREC_SEED` picks other moments.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::ops::Range;
use std::time::{Duration, Instant};
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::src::{Call, Direction, Src};
use support::studio::{Plan, Transcript};
use support::wav::{self, Allow};
use support::{Rng, assert_no_faults, becomes_true, wall_now};

const KILLS: u32 = 30;
const KILLS_IN_SOAK: u32 = 1000;
/// Servers killed side by side.
const WORLDS: u32 = 6;
const CALL_SECONDS: f64 = 4.5;
/// What may be lost before a kill.
const UNWRITTEN: i64 = 50_000_000;
/// A gap's ends are told to the millisecond, but the first packet after it may be this late.
const GAP_SLACK_MS: i64 = 150;
const RENDERED_WITHIN: Duration = Duration::from_secs(60);
/// RFC 3261 17.1.2.2 lets a probe go unanswered for 32 s before its SRC is gone.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// What the victim is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Talking,
    Inviting,
    BeforeAck,
    InReinvite,
    InPause,
    InBye,
    InRender,
}

const MOMENTS: [Moment; 7] = [
    Moment::Talking,
    Moment::BeforeAck,
    Moment::InReinvite,
    Moment::InPause,
    Moment::InRender,
    Moment::InBye,
    Moment::Inviting,
];

fn seed() -> u64 {
    std::env::var("SIPREC_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_123)
}

#[test]
fn killed_at_any_moment_every_call_is_one_recording() {
    let kills = if std::env::var_os("SIPREC_SOAK").is_some() { KILLS_IN_SOAK } else { KILLS };
    let faults = std::thread::scope(|scope| {
        let worlds: Vec<_> = (0..WORLDS)
            .map(|world| {
                let rounds = kills / WORLDS + u32::from(world < kills % WORLDS);
                scope.spawn(move || {
                    let setup = Setup::default().sessions(150);
                    // Every other world seals what it writes, and may lose no more for it.
                    let setup = if world % 2 == 0 { setup } else { setup.sealed() };
                    let mut server = setup.start();
                    let mut rng = Rng(seed() + u64::from(world));
                    let faults: Vec<String> = (0..rounds)
                        .flat_map(|round| {
                            let moment = MOMENTS[((world * rounds + round) as usize) % MOMENTS.len()];
                            let begun = Instant::now();
                            let faults = one_kill(&mut server, moment, round, &mut rng);
                            println!("world {world}, round {round}: {moment:?}, {:?}", begun.elapsed());
                            faults
                        })
                        .collect();
                    server.assert_never_panicked();
                    faults
                })
            })
            .collect();
        let broke = |_| vec!["a world broke off: see above".to_owned()];
        worlds.into_iter().flat_map(|w| w.join().unwrap_or_else(broke)).collect::<Vec<_>>()
    });
    assert_no_faults(&faults);
}

/// A call, and when it could not be heard besides the kill.
struct Played {
    call: Call,
    silent: Vec<Range<i64>>,
    /// It was over before the kill, or nearly.
    ended: bool,
    /// A BYE was answered 200, so it ended by that.
    bye_taken: bool,
}

/// Three calls, one of them in the given situation, and a kill.
fn one_kill(server: &mut Server, moment: Moment, round: u32, rng: &mut Rng) -> Vec<String> {
    let (udp, tcp) = (Src::udp(server.sip), Src::tcp(server.sip));
    let first = (round as usize * 3) % 60;
    let bystanders = [Call::new(&udp, first), Call::new(&tcp, first + 1)];
    for call in &bystanders {
        call.must_invite();
        call.talk(&Plan::seconds(CALL_SECONDS));
    }
    let victim = Call::new(rng.pick(&[udp.clone(), tcp.clone()]), first + 2);
    let delay = Duration::from_secs_f64(rng.between(0.2, 1.8));
    let hesitation = Duration::from_secs_f64(rng.between(0.0, 0.012));
    let (played, blind) = act(server, victim, moment, delay, hesitation);
    let mut faults = Vec::new();
    let everyone = bystanders
        .into_iter()
        .map(|call| Played { call, silent: Vec::new(), ended: false, bye_taken: true })
        .chain([played]);
    for played in everyone {
        let told = judge(server, &played, &blind);
        faults.extend(told.into_iter().map(|f| format!("killed {moment:?}, round {round}: {f}")));
    }
    faults
}

/// Kills the server and starts it again; gives when it was deaf.
fn kill(server: &mut Server) -> Range<i64> {
    let from = wall_now() - UNWRITTEN;
    server.kill();
    server.restart();
    from..wall_now()
}

/// Brings the victim to its moment, and kills.
fn act(server: &mut Server, call: Call, moment: Moment, delay: Duration, hesitation: Duration) -> (Played, Range<i64>) {
    let plan = Plan::seconds(CALL_SECONDS);
    let (mut silent, mut ended, mut bye_taken) = (Vec::new(), false, true);
    let sendonly = [Direction::SendOnly; 2];
    if !matches!(moment, Moment::Inviting | Moment::BeforeAck) {
        call.must_invite();
        call.talk(&if moment == Moment::InRender { Plan::seconds(1.0) } else { plan.clone() });
    }
    let blind = match moment {
        Moment::Talking => {
            support::pause(delay);
            kill(server)
        }
        Moment::Inviting => meanwhile(server, delay, hesitation, || assert_eq!(call.must_invite().status(), 200)),
        Moment::BeforeAck => {
            support::pause(delay);
            let answer = call.invite_without_ack().unwrap();
            assert_eq!(answer.status(), 200);
            let blind = kill(server);
            call.acknowledge(&answer);
            blind
        }
        Moment::InReinvite => meanwhile(server, delay, hesitation, || {
            assert_eq!(call.reinvite(&sendonly).unwrap().status(), 200, "re-INVITE over a kill");
        }),
        Moment::InPause => {
            support::pause(delay / 2);
            let from = wall_now();
            assert_eq!(call.reinvite(&[Direction::Inactive; 2]).unwrap().status(), 200);
            support::pause(delay / 2 + Duration::from_millis(100));
            let blind = kill(server);
            support::pause(Duration::from_millis(300));
            assert_eq!(call.reinvite(&sendonly).unwrap().status(), 200, "resuming after a kill");
            silent.push(from..wall_now());
            blind
        }
        Moment::InBye => {
            ended = true;
            call.hush();
            call.wait();
            meanwhile(server, Duration::ZERO, hesitation, || {
                let answer = call.bye().unwrap();
                // Where the BYE was taken and only its answer lost, 481 is the truth (RFC 3261 15.1.2).
                assert!(matches!(answer.status(), 200 | 481), "BYE over a kill: {}", answer.start);
                bye_taken = answer.status() == 200;
            })
        }
        Moment::InRender => {
            ended = true;
            call.finish();
            support::pause(hesitation * 2);
            kill(server)
        }
    };
    if matches!(moment, Moment::Inviting | Moment::BeforeAck) {
        call.talk(&plan);
    }
    (Played { call, silent, ended, bye_taken }, blind)
}

/// Does something, and kills the server while it is being done.
fn meanwhile(server: &mut Server, delay: Duration, hesitation: Duration, what: impl FnOnce() + Send) -> Range<i64> {
    support::pause(delay);
    std::thread::scope(|scope| {
        let doing = scope.spawn(what);
        support::pause(hesitation);
        let blind = kill(server);
        doing.join().unwrap();
        blind
    })
}

fn judge(server: &Server, played: &Played, blind: &Range<i64>) -> Vec<String> {
    let call = &played.call;
    let transcript = if played.ended { call.transcript() } else { call.finish() };
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    let allow = Allow {
        blind: std::iter::once(blind.clone()).chain(played.silent.clone()).collect(),
        silent: played.silent.clone(),
        // Over a gap the clock map may follow the SRC by a sample, which smears a window.
        tones: support::wav::Tones::Some,
        ..Allow::default()
    };
    let mut faults = Vec::new();
    if transcript.legs.iter().any(|l| !l.packets.is_empty()) && !cut_short(&transcript) {
        faults.extend(recording.judge(&transcript, &allow));
    }
    faults.extend(recording.journal_faults(&transcript, &allow.blind));
    faults.extend(gap_faults(&recording, blind, &played.silent));
    if played.bye_taken && recording.text("/ended_by") != "bye" {
        faults.push(format!("its BYE was answered 200, and it was ended by {:?}", recording.text("/ended_by")));
    }
    let count = recordings::of_call(&server.data, call.call_id()).len();
    if count != 1 {
        faults.push(format!("{count} recordings of one call"));
    }
    faults.into_iter().map(|f| format!("call {}: {f}", call.index)).collect()
}

/// A leg that was hushed has said less than it had planned, so its length is not the plan's.
fn cut_short(transcript: &Transcript) -> bool {
    transcript.legs.iter().any(|l| l.packets.last().is_none_or(|p| p.number + 1 < l.plan.packets))
}

/// At most one gap, and where the kill was; it begins with the last that was kept, so in a pause it may begin with that.
fn gap_faults(recording: &Recording, blind: &Range<i64>, silent: &[Range<i64>]) -> Vec<String> {
    let start = recording.started_at();
    let begins = silent.iter().map(|s| s.start).fold(blind.start, i64::min);
    let (from, to) = ((begins - start) / 1_000_000, (blind.end - start) / 1_000_000);
    let gaps = recording.gaps();
    match gaps.as_slice() {
        [] => Vec::new(),
        [gap] if gap.0 >= from - GAP_SLACK_MS && gap.1 <= to + GAP_SLACK_MS && gap.0 <= gap.1 => Vec::new(),
        [gap] => vec![format!("a gap {gap:?} ms; it was dead {from} to {to} ms")],
        _ => vec![format!("{} gaps: {gaps:?}", gaps.len())],
    }
}

#[test]
fn sources_that_are_gone_after_the_kill_are_finished() {
    let mut server = Setup::default().set("media.rtp_timeout=2s").start();
    let sources = [Src::udp(server.sip), Src::tcp(server.sip)];
    let calls: Vec<Call> = (0..6).map(|n| Call::new(&sources[n % 2], n)).collect();
    for call in &calls {
        call.must_invite();
        call.talk(&Plan::seconds(30.0));
    }
    support::pause(Duration::from_millis(2500));
    let from = wall_now() - UNWRITTEN;
    server.kill();
    for call in &calls {
        call.hush();
        call.wait();
    }
    sources.iter().for_each(Src::vanish);
    server.restart();
    let blind = from..i64::MAX;
    let mut faults = Vec::new();
    for call in &calls {
        let recording = recordings::wait(&server.data, call.call_id(), GONE_WITHIN);
        let transcript = call.transcript();
        faults.extend(recording.file_faults());
        faults.extend(recording.journal_faults(&transcript, std::slice::from_ref(&blind)));
        let allow =
            Allow { blind: vec![blind.clone()], length_ms: 1e9, tones: support::wav::Tones::Some, ..Allow::default() };
        match recording.audio() {
            Ok(audio) => faults.extend(wav::judge(&audio, recording.started_at(), &transcript, &allow).faults),
            Err(e) => faults.push(e),
        }
        if recording.text("/ended_by") != "src_gone" {
            faults.push(format!("call {}: ended by {:?}", call.index, recording.text("/ended_by")));
        }
    }
    assert_no_faults(&faults);
    assert_eq!(recordings::all(&server.data).len(), calls.len());
    assert!(
        becomes_true(Duration::from_secs(5), || support::files_below(&server.data.join("journals/live")).is_empty())
    );
}

#[test]
fn a_stop_is_a_crash_with_good_manners() {
    let mut server = Server::start();
    let sources = [Src::udp(server.sip), Src::tcp(server.sip)];
    let calls: Vec<Call> = (0..2).map(|n| Call::new(&sources[n], n)).collect();
    for call in &calls {
        call.must_invite();
        call.talk(&Plan::seconds(CALL_SECONDS));
    }
    support::pause(Duration::from_millis(1500));
    let from = wall_now();
    let status = server.terminate();
    assert_eq!(status.code(), Some(0), "{status}");
    server.restart();
    let blind = from..wall_now();
    assert!(calls.iter().all(|c| !c.ended_by_server()), "SIGTERM sends no BYE: it resumes at the next start");
    let recovered = server.stdout().iter().any(|l| l.text.contains("2 sessions go on"));
    assert!(recovered, "a start says what it recovered:\n{}", server.tail());
    let played = calls.into_iter().map(|call| Played { call, silent: Vec::new(), ended: false, bye_taken: true });
    let faults: Vec<String> = played.flat_map(|p| judge(&server, &p, &blind)).collect();
    assert_no_faults(&faults);
}
