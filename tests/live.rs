//! A running server, watched and listened to by the program that it is a part of.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use siprec::{LiveEvent, MAX_LISTENERS, SipTold, SipWatched, Sound, StreamSecond, Tap, Told, Watch, Watched};
use siprec_core::entry::EndCause;
use siprec_core::seed::SessionId;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::embedded::Embedded;
use support::pause;
use support::src::{Call, Src};
use support::studio::Plan;
use support::voice::{PACKET, RATE, Voice, linear};

const WITHIN: Duration = Duration::from_secs(10);

/// Runs what waits, but not for ever.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(WITHIN, future).await.expect("nothing came") })
}

/// The events until one is as wanted, that one included.
fn until(watch: &mut Watch, wanted: impl Fn(&LiveEvent) -> bool) -> Vec<Told> {
    let mut events = Vec::new();
    loop {
        match wait(watch.next()) {
            Watched::Told(told) => events.push(told),
            other @ (Watched::Missed(_) | Watched::Over) => panic!("{other:?} after {events:?}"),
        }
        if wanted(&events.last().unwrap().event) {
            return events;
        }
    }
}

/// The next so many sounds.
fn sounds(tap: &mut Tap, count: usize) -> Vec<Sound> {
    (0..count).map(|n| wait(tap.next()).unwrap_or_else(|| panic!("it is over after {n}"))).collect()
}

fn seconds(events: &[Told]) -> Vec<StreamSecond> {
    let quality =
        |told: &Told| if let LiveEvent::Quality(seconds) = &told.event { seconds.to_vec() } else { Vec::new() };
    events.iter().flat_map(quality).collect()
}

#[test]
fn whoever_watches_sip_is_told_of_each_message_and_of_its_session() {
    let server = Embedded::start();
    let mut watch = server.watched.watch_sip();
    let src = Src::udp(server.sip);
    src.options().unwrap();
    let call = Call::new(&src, 20);
    call.must_invite();
    let session = server.session();
    call.bye().unwrap();
    let mut next = || match wait(watch.next()) {
        SipWatched::Told(told) => SipTold::clone(&told),
        other @ (SipWatched::Missed(_) | SipWatched::Over) => panic!("{other:?}"),
    };
    let told: Vec<SipTold> = (0..7).map(|_| next()).collect();
    let line = |told: &SipTold| {
        let text = String::from_utf8_lossy(&told.message.octets).into_owned();
        let first = text.split(' ').take(2).collect::<Vec<_>>().join(" ");
        (
            if first.starts_with("SIP") { first } else { text.split(' ').next().unwrap().to_owned() },
            told.message.outbound,
        )
    };
    let lines: Vec<(String, bool)> = told.iter().map(line).collect();
    let lines: Vec<(&str, bool)> = lines.iter().map(|(line, outbound)| (line.as_str(), *outbound)).collect();
    let (ok, call) = (("SIP/2.0 200", true), Some(session));
    assert_eq!(lines, [("OPTIONS", false), ok, ("INVITE", false), ok, ("ACK", false), ("BYE", false), ok]);
    let sessions: Vec<Option<SessionId>> = told.iter().map(|told| told.session).collect();
    assert_eq!(sessions, [None, None, call, call, call, call, call]);
}

#[test]
fn whoever_watches_is_told_of_sessions_and_of_each_second_of_their_streams() {
    let server = Embedded::start();
    let mut watch = server.watched.watch();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 21);
    call.must_invite();
    call.talk(&Plan::seconds(5.0));
    let begun = until(&mut watch, |event| matches!(event, LiveEvent::SessionStarted { .. }));
    let session = server.session();
    let LiveEvent::SessionStarted { session: told, streams, .. } = begun.last().unwrap().event else { unreachable!() };
    assert_eq!((told, streams), (session, 2));
    call.wait();
    call.bye().unwrap();
    let events = until(&mut watch, |event| matches!(event, LiveEvent::SessionEnded { .. }));
    assert_eq!(events.last().unwrap().event, LiveEvent::SessionEnded { session, cause: EndCause::Bye });
    let numbers: Vec<u64> = begun.iter().chain(&events).map(|told| told.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    for label in ["1", "2"] {
        let of_leg: Vec<_> = seconds(&events).into_iter().filter(|s| s.label.as_deref() == Some(label)).collect();
        assert!(of_leg.len() >= 3, "{of_leg:?}");
        // The first and the last may be parts of seconds.
        let whole = &of_leg[of_leg.len() / 2];
        assert_eq!((whole.session, whole.second.lost), (session, 0));
        assert!((30..=75).contains(&whole.second.packets), "{whole:?}");
        assert_eq!((whole.second.encoding.as_deref(), whole.second.mos_hundredths), (Some("PCMA"), Some(441)));
        // A tone of -20.8 dB of full scale's sine, and clicks.
        assert!(whole.second.level_dbfs.is_some_and(|level| (-26..=-10).contains(&level)), "{whole:?}");
        assert_eq!(whole.second.talks, Some(true));
    }
}

#[test]
fn whoever_listens_hears_what_is_said_as_it_is_said() {
    let server = Embedded::start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 22);
    call.must_invite();
    call.talk(&Plan::seconds(4.0));
    pause(Duration::from_secs(1));
    let mut tap = server.watched.listen(server.session()).unwrap();
    let heard = sounds(&mut tap, 150);
    let legs = call.transcript();
    for (leg, label) in ["1", "2"].into_iter().enumerate() {
        let of_leg: Vec<&Sound> = heard.iter().filter(|sound| sound.label.as_deref() == Some(label)).collect();
        assert!(of_leg.len() > 60, "{}", of_leg.len());
        let voice = Voice::new(legs.call, leg, 5 * RATE);
        let said = |k: u32| voice.samples(k * PACKET, PACKET).into_iter().map(linear).collect::<Vec<i16>>();
        // The tone repeats itself; the clicks tell where it is.
        let is_all = |first: &u32| (*first..).zip(&of_leg).all(|(k, sound)| sound.samples == said(k));
        let first = (0..200).find(is_all).expect("what was said, packet by packet");
        assert!(first > 20, "what came before is not heard: {first}");
        let positions = (0_u32..).zip(&of_leg).map(|(n, sound)| (u64::from(n * PACKET), sound.position));
        positions.for_each(|(expected, position)| assert_eq!(position, expected));
        assert!(of_leg.iter().all(|sound| sound.sample_rate == RATE));
    }
    call.wait();
    call.bye().unwrap();
    wait(async { while tap.next().await.is_some() {} });
}

/// From the kernel's timestamp of a packet to the listener's hands. What a machine that does other things as well
/// delays is not ours: half of the packets are judged by what is promised, nine tenths by whether they come at all.
#[test]
fn what_is_said_is_heard_within_50_ms_of_its_arrival() {
    const MOST: Duration = Duration::from_millis(50);
    const STARVED: Duration = Duration::from_millis(500);
    let server = Embedded::start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 25);
    call.must_invite();
    call.talk(&Plan::seconds(6.0));
    pause(Duration::from_secs(1));
    let mut tap = server.watched.listen(server.session()).unwrap();
    let mut behind = Vec::new();
    while behind.len() < 300 {
        let sound = sounds(&mut tap, 1).pop().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        behind.push(now.saturating_sub(Duration::from_nanos(sound.at.0.unsigned_abs())));
    }
    behind.sort_unstable();
    let (median, ninth) = (behind[150], behind[270]);
    assert!(median < MOST && ninth < STARVED, "half within {median:?}, nine tenths within {ninth:?}");
    call.wait();
    call.bye().unwrap();
}

#[test]
fn a_second_in_which_nothing_comes_is_told_and_who_talks_together() {
    let server = Embedded::start();
    let mut watch = server.watched.watch();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 26);
    call.must_invite();
    call.talk(&Plan::seconds(3.0));
    call.wait();
    let is_empty = |told: &StreamSecond| told.second.packets == 0 && told.second.encoding.is_some();
    let events =
        until(
            &mut watch,
            |event| {
                if let LiveEvent::Quality(seconds) = event { seconds.iter().any(is_empty) } else { false }
            },
        );
    let seconds = seconds(&events);
    assert!(seconds.iter().any(|told| told.both_talk == Some(true)), "{seconds:?}");
    let silent = seconds.iter().find(|told| is_empty(told)).unwrap();
    assert_eq!((silent.second.lost, silent.second.talks, silent.both_talk), (0, None, None), "{silent:?}");
    call.bye().unwrap();
}

#[test]
fn what_must_not_be_recorded_is_not_heard() {
    let server = Embedded::start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 23);
    call.must_invite();
    call.talk(&Plan::seconds(4.0));
    let session = server.session();
    let mut tap = server.watched.listen(session).unwrap();
    let mut heard = sounds(&mut tap, 20);
    server.orders.pause(session, false);
    pause(Duration::from_millis(1_500));
    server.orders.resume(session);
    heard.extend(sounds(&mut tap, 100));
    for label in ["1", "2"] {
        let of_leg: Vec<&Sound> = heard.iter().filter(|sound| sound.label.as_deref() == Some(label)).collect();
        let steps = of_leg.windows(2).map(|pair| pair[1].position - pair[0].position);
        let longest = steps.max().unwrap();
        assert!(longest > u64::from(RATE), "a second and more of silence: {longest}");
    }
    call.wait();
    call.bye().unwrap();
}

#[test]
fn listeners_are_bounded_and_to_a_session_that_is_not_there_nothing_comes() {
    let server = Embedded::start();
    let mut nobody = server.watched.listen(SessionId(7)).unwrap();
    assert_eq!(wait(nobody.next()), None);
    drop(nobody);
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 24);
    call.must_invite();
    call.talk(&Plan::seconds(3.0));
    let session = server.session();
    // The place of the one before is free once its thread has ended.
    let mut taps = Vec::new();
    assert!(support::becomes_true(WITHIN, || {
        taps.extend(server.watched.listen(session));
        taps.len() == MAX_LISTENERS
    }));
    assert!(server.watched.listen(session).is_none(), "{MAX_LISTENERS} listen");
    taps.iter_mut().for_each(|tap| assert!(!sounds(tap, 5).is_empty()));
    taps.clear();
    assert!(support::becomes_true(WITHIN, || server.watched.listen(session).is_some()), "whoever leaves makes room");
    call.wait();
    call.bye().unwrap();
}
