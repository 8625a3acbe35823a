//! Calls recorded by the real binary: each leg on its channel, every click at its true time, whatever the network does.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::recordings::{self, Recording};
use support::server::{Server, Setup, binary};
use support::src::{Call, Direction, Src, Transport};
use support::studio::{LegLog, Plan, Sent, Transcript};
use support::wav::{self, Allow, Tones};
use support::{assert_no_faults, sipp, wall_now};

/// How long the recorder may take to finish a recording on a busy machine.
const RENDERED_WITHIN: Duration = Duration::from_secs(60);
const CALL_SECONDS: f64 = 5.0;

/// Ends a call and judges its recording.
fn judge(server: &Server, call: &Call, allow: &Allow) -> Vec<String> {
    let transcript = call.finish();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    let mut faults = recording.judge(&transcript, allow);
    faults.extend(people_faults(&recording, call));
    faults
}

/// The sheet names the people the metadata named, and who is on which channel.
fn people_faults(recording: &Recording, call: &Call) -> Vec<String> {
    let mut faults = Vec::new();
    for person in &call.metadata.people {
        let found = recording.list("/participants").iter().find(|p| p["aor"] == person.aor.as_str());
        if !found.is_some_and(|p| p["name"] == person.name.as_str()) {
            faults.push(format!("call {}: {} ({}) is not in the sheet", call.index, person.name, person.aor));
        }
    }
    for (pointer, leg) in [("/caller/aor", 0), ("/callee/aor", 1)] {
        if recording.text(pointer) != call.metadata.people[leg].aor {
            faults.push(format!("call {}: {pointer} is {:?}", call.index, recording.text(pointer)));
        }
    }
    if recording.text("/communication_session/id") != call.metadata.session {
        faults.push(format!("call {}: the communication session is not {}", call.index, call.metadata.session));
    }
    // A label's stream may have had several ports, one after another.
    for (label, due) in [("1", "left"), ("2", "right")] {
        let mut streams = recording.list("/streams").iter().filter(|s| s["label"] == label).peekable();
        if streams.peek().is_none() || streams.any(|s| s["channel"] != due) {
            faults.push(format!("call {}: label {label} is not on the {due}", call.index));
        }
    }
    faults
}

/// Runs calls side by side, one thread each for their signalling, and gathers what is wrong.
fn side_by_side(server: &Server, calls: &[(Call, Plan, Allow)]) -> Vec<String> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = calls
            .iter()
            .map(|(call, plan, allow)| {
                scope.spawn(move || {
                    call.must_invite();
                    call.talk(plan);
                    judge(server, call, allow)
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap_or_else(|_| vec!["a call broke off: see above".into()]))
            .collect()
    })
}

/// OpenSSL is the judge of the signature, and `export --verify` of all the data directory.
fn assert_signed(data: &Path, recording: &Recording) {
    let sheet = recording.path.with_extension("json");
    let signature = sheet.with_extension("json.sig");
    let judged = Command::new("openssl")
        .args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"])
        .args([&data.join("siprec-proof.pub"), Path::new("-in"), &sheet, Path::new("-sigfile"), &signature])
        .output()
        .expect("openssl, which `make peers` installs");
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    let verified = Command::new(binary()).args(["export", "--verify"]).arg(data).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn one_call() {
    let server = Server::start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 0);
    let answer = call.must_invite();
    assert_eq!(answer.header("Content-Type"), Some("application/sdp"));
    assert!(answer.header("Contact").is_some_and(|c| c.contains("+sip.srs")), "{:?}", answer.header("Contact"));
    let media = answer.media();
    let told: Vec<_> = media.iter().map(|m| (m.label.as_deref().unwrap_or(""), m.direction.as_str())).collect();
    assert_eq!(told, [("1", "recvonly"), ("2", "recvonly")]);
    assert_eq!(answer.connection(), Some(server.sip.ip()), "c= is the address the SRC reached");
    call.talk(&Plan::seconds(6.0));
    let faults = judge(&server, &call, &Allow::default());
    assert_no_faults(&faults);
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    assert_eq!(recording.gaps(), []);
    assert_eq!(recording.text("/ended_by"), "bye");
    for channel in ["0", "1"] {
        let level = recording.number(&format!("/files/0/levels/channels/{channel}/talk_dbfs"));
        // A tone of -21 dB with a loud click now and then.
        assert!(level.is_some_and(|level| (-22..=-12).contains(&level)), "{level:?}");
    }
    assert_eq!(recording.number("/streams/0/sources/0/quality/mos_hundredths"), Some(441));
    assert!(recording.list("/proof/findings").is_empty(), "{:?}", recording.list("/proof/findings"));
    assert_eq!(recordings::all(&server.data).len(), 1);
    assert_signed(&server.data, &recording);
    let reports: usize = call.legs().iter().map(|l| l.rtcp_received().len()).sum();
    assert!(reports > 0, "no receiver report in 6 s (RFC 3550 6.2)");
    server.assert_never_panicked();
}

#[test]
fn fifty_at_once_and_none_hears_another() {
    let server = Setup::default().sessions(100).start();
    let sources: Vec<Src> =
        (0..4).map(|n| Src::new(server.sip, if n % 2 == 0 { Transport::Udp } else { Transport::Tcp })).collect();
    let calls: Vec<_> =
        (0..50).map(|n| (Call::new(&sources[n % 4], n), Plan::seconds(CALL_SECONDS), Allow::default())).collect();
    let faults = side_by_side(&server, &calls);
    assert_no_faults(&faults);
    assert_eq!(recordings::all(&server.data).len(), 50);
    server.assert_never_panicked();
}

/// What the network and the endpoints do, and what the judge may then let pass.
fn accidents() -> Vec<(&'static str, Plan, Allow)> {
    let clean = Plan::seconds(CALL_SECONDS);
    let jittered = Allow { click_ms: 5.0, align_ms: 5.0, ..Allow::default() };
    vec![
        ("2 % loss", Plan { loss: 0.02, ..clean.clone() }, Allow::default()),
        ("reordering", Plan { reorder: 0.02, ..clean.clone() }, Allow::default()),
        ("duplicates", Plan { duplicate: 0.05, ..clean.clone() }, Allow::default()),
        ("15 ms of jitter", Plan { jitter: Duration::from_millis(15), ..clean.clone() }, jittered.clone()),
        ("30 ms of jitter", Plan { jitter: Duration::from_millis(30), ..clean.clone() }, jittered),
        ("another SSRC", Plan { new_ssrc_at: Some(110), ..clean.clone() }, Allow::default()),
        ("DTX", Plan { silences: vec![70..120, 160..175], ..clean.clone() }, Allow::default()),
        ("a late leg", Plan { first: 90, ..clean.clone() }, Allow::default()),
        ("200 ppm fast", skewed(200), Allow { tones: Tones::Some, ..Allow::default() }),
        ("200 ppm slow", skewed(-200), Allow { tones: Tones::Some, ..Allow::default() }),
        ("all of it", everything(), Allow { click_ms: 5.0, align_ms: 5.0, tones: Tones::Some, ..Allow::default() }),
    ]
}

/// Long enough for the drift to show: 2.4 ms.
fn skewed(ppm: i32) -> Plan {
    Plan { skew_ppm: ppm, ..Plan::seconds(12.0) }
}

fn everything() -> Plan {
    let jitter = Duration::from_millis(10);
    Plan {
        loss: 0.02,
        reorder: 0.01,
        duplicate: 0.02,
        jitter,
        silences: std::iter::once(100..130).collect(),
        ..skewed(100)
    }
}

#[test]
fn what_the_network_does_to_a_call() {
    let server = Server::start();
    let sources = [Src::udp(server.sip), Src::tcp(server.sip)];
    let accidents = accidents();
    let names: Vec<&str> = accidents.iter().map(|a| a.0).collect();
    let calls: Vec<_> = accidents
        .iter()
        .enumerate()
        .map(|(n, (_, plan, allow))| (Call::new(&sources[n % 2], n), plan.clone(), allow.clone()))
        .collect();
    let faults = std::thread::scope(|scope| {
        let threads: Vec<_> = calls
            .iter()
            .map(|(call, plan, allow)| {
                let server = &server;
                scope.spawn(move || {
                    call.must_invite();
                    // A leg that comes late is the second; everything else happens to both.
                    call.talk_each(|leg| Plan { first: if leg == 0 { 0 } else { plan.first }, ..plan.clone() });
                    judge(server, call, allow)
                })
            })
            .collect();
        let told = threads.into_iter().zip(&names).flat_map(|(thread, name)| {
            let faults = thread.join().unwrap_or_else(|_| vec!["broke off: see above".into()]);
            faults.into_iter().map(move |f| format!("{name}: {f}"))
        });
        told.collect::<Vec<_>>()
    });
    assert_no_faults(&faults);
    server.assert_never_panicked();
}

#[test]
fn over_ipv6() {
    let server = Setup::on(IpAddr::V6(Ipv6Addr::LOCALHOST)).start();
    let (udp, tcp) = (Src::udp(server.sip), Src::tcp(server.sip));
    let calls = [Call::new(&udp, 0), Call::new(&tcp, 1)].map(|c| (c, Plan::seconds(4.0), Allow::default()));
    let faults = side_by_side(&server, &calls);
    assert_no_faults(&faults);
}

/// A pause, by the SRC's clock: from when it was asked for to when its end was confirmed, and when it surely held.
struct Held {
    asked: Range<i64>,
    sure: Range<i64>,
}

/// Pauses a talking call for 1.5 s.
fn pause_for_a_while(call: &Call, hold: Direction, answered: &[&str]) -> Held {
    support::pause(Duration::from_millis(1500));
    let legs = call.legs().len();
    let asked = wall_now();
    let answer = call.reinvite(&vec![hold; legs]).unwrap();
    let from = wall_now();
    assert_eq!(answer.status(), 200, "{}", answer.start);
    for media in answer.media() {
        match hold {
            Direction::ZeroPort => assert_eq!(media.port, 0, "{hold:?}"),
            Direction::Inactive | Direction::ZeroAddress => {
                assert!(answered.contains(&media.direction.as_str()), "{hold:?}: {}", media.direction);
            }
            Direction::SendOnly => panic!("that is no pause"),
        }
    }
    support::pause(Duration::from_millis(1500));
    let to = wall_now();
    let answer = call.reinvite(&vec![Direction::SendOnly; legs]).unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.start);
    assert!(answer.media().iter().all(|m| m.direction == "recvonly" && m.port != 0), "{}", answer.text());
    Held { asked: asked..wall_now(), sure: from..to }
}

#[test]
fn paused_and_resumed_the_timeline_keeps_its_length() {
    let server = Server::start();
    let src = Src::udp(server.sip);
    // The SRC goes on sending all the while, as some do: what is paused must not be kept.
    let holds =
        [(Direction::Inactive, "inactive"), (Direction::ZeroAddress, "recvonly inactive"), (Direction::ZeroPort, "")];
    let holds = holds.map(|(hold, answered)| (hold, answered.split(' ').collect::<Vec<_>>()));
    let faults = std::thread::scope(|scope| {
        let threads: Vec<_> = holds
            .iter()
            .enumerate()
            .map(|(n, (hold, answered))| {
                let (server, src) = (&server, &src);
                scope.spawn(move || {
                    let call = Call::new(src, n);
                    call.must_invite();
                    call.talk(&Plan::seconds(5.0));
                    let silent = pause_for_a_while(&call, *hold, answered);
                    paused_faults(server, &call, *hold, &silent)
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap_or_else(|_| vec!["broke off: see above".into()]))
            .collect::<Vec<_>>()
    });
    assert_no_faults(&faults);
}

fn paused_faults(server: &Server, call: &Call, hold: Direction, held: &Held) -> Vec<String> {
    let silent = &held.sure;
    let allow = Allow { silent: vec![silent.clone()], blind: vec![held.asked.clone()], ..Allow::default() };
    let mut faults = judge(server, call, &allow);
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    if recording.list("/proof/pauses").is_empty() {
        faults.push(format!("{hold:?}: the sheet tells of no pause"));
    }
    // What is paused never reaches the disk. 100 ms for what was under way.
    let kept =
        recording.segments().into_iter().flat_map(|s| support::pcap::read(&s).unwrap()).filter(|d| d.rtp().is_some());
    let inside = silent.start + 100_000_000..silent.end - 100_000_000;
    let leaked = kept.filter(|d| d.interface.starts_with("rtp") && inside.contains(&d.at)).count();
    if leaked > 0 {
        faults.push(format!("{hold:?}: {leaked} packets of the pause are in the journal"));
    }
    faults.into_iter().map(|f| format!("{hold:?}: {f}")).collect()
}

#[test]
fn a_third_leg_is_heard_as_well() {
    let server = Server::start();
    let src = Src::udp(server.sip);
    let call = Call::with_legs(&src, 3, 3);
    let answer = call.must_invite();
    assert_eq!(answer.media().len(), 3);
    call.talk(&Plan::seconds(CALL_SECONDS));
    assert_no_faults(&judge(&server, &call, &Allow::default()));
}

#[test]
fn a_leg_is_added_and_taken_away_in_mid_call() {
    let server = Server::start();
    let src = Src::udp(server.sip);
    let call = Call::with_legs(&src, 4, 2);
    call.must_invite();
    call.talk(&Plan::seconds(4.0));
    support::pause(Duration::from_millis(1200));
    let answer = call.reinvite(&[Direction::SendOnly, Direction::ZeroPort]).unwrap();
    assert_eq!(answer.media()[1].port, 0, "a rejected stream stays rejected (RFC 3264 8.2)");
    let from = wall_now();
    assert_ne!(answer.media()[0].port, 0);
    let transcript = call.finish();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    let whole = transcript.start..transcript.bye_at.unwrap() + 1_000_000_000;
    let (mut first, mut second) = (transcript.clone(), transcript);
    // Each leg by its own rule: the first was heard throughout, the second up to the re-INVITE.
    first.legs.truncate(1);
    let mut faults = wav::judge(&recording.audio().unwrap(), recording.started_at(), &first, &Allow::default()).faults;
    second.legs[0].packets.iter_mut().for_each(|p| p.copies = 1);
    let gone = from..whole.end;
    let allow = Allow { silent: vec![gone.clone()], blind: vec![gone], ..Allow::default() };
    let report = wav::judge(&recording.audio().unwrap(), recording.started_at(), &second, &allow);
    faults.extend(report.faults.into_iter().filter(|f| f.starts_with("leg 2")));
    assert_no_faults(&faults);
}

#[test]
fn sipp_is_recorded() {
    if !sipp::present() {
        return;
    }
    let server = Server::start();
    let runs = [false, true].map(|tcp| sipp::Run { calls: 5, rate: 5, packets: 200, voice: 7 + usize::from(tcp), tcp });
    let faults = std::thread::scope(|scope| {
        let threads: Vec<_> = runs
            .iter()
            .map(|run| {
                let scratch = server.scratch().join(format!("sipp-{}", run.voice));
                std::fs::create_dir_all(&scratch).unwrap();
                let sip = server.sip;
                scope.spawn(move || sipp::record(sip, run, &scratch).err())
            })
            .collect();
        threads.into_iter().filter_map(|t| t.join().unwrap()).collect::<Vec<_>>()
    });
    assert_no_faults(&faults);
    let all = support::until(RENDERED_WITHIN, || Some(recordings::all(&server.data)).filter(|r| r.len() >= 10));
    let all = all.unwrap_or_else(|| panic!("{} recordings of 10 calls", recordings::all(&server.data).len()));
    assert_no_faults(&all.iter().flat_map(sipp_faults).collect::<Vec<_>>());
}

/// SIPp keeps no log, but what it said is known: one voice, packet by packet.
fn sipp_faults(recording: &Recording) -> Vec<String> {
    let voice = if recording.text("/recording_session/transport").eq_ignore_ascii_case("tcp") { 8 } else { 7 };
    let start = recording.started_at();
    let packets = (0..200u32).map(|number| Sent {
        number,
        ssrc: 0,
        sequence: u16::try_from(number).unwrap(),
        at: start + i64::from(number) * 20_000_000,
        copies: 1,
    });
    let leg = LegLog { plan: Plan { packets: 200, ..Plan::default() }, packets: packets.collect() };
    let transcript = Transcript { call: voice, start, legs: vec![leg], bye_at: Some(start + 4_500_000_000) };
    // When it began to speak, and how soon it hung up, only SIPp knows.
    // A recorder may follow its clock by a sample now and then, which smears a tone; and its clock is the machine's
    // scheduler, so on a busy machine its clicks are where it sent them, not where it meant to.
    let allow = Allow {
        click_ms: 10.0,
        align_ms: 10.0,
        lead_ms: 500.0,
        length_ms: 300.0,
        tones: Tones::Some,
        ..Allow::default()
    };
    let mut faults = recording.file_faults();
    match recording.audio() {
        Ok(audio) => faults.extend(wav::judge(&audio, start, &transcript, &allow).faults),
        Err(e) => faults.push(e),
    }
    if !recording.aors().iter().any(|a| a.starts_with("sip:sipp-")) {
        faults.push(format!("participants: {:?}", recording.aors()));
    }
    faults.into_iter().map(|f| format!("SIPp, {}: {f}", recording.path.display())).collect()
}
