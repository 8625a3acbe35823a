//! The two dialogs of a phone's bridge: one session, one journal, one recording.

use super::*;
use crate::entry::PauseCause;

/// A dialog of the bridge of phone 2000, which talks with 1000.
struct Leg {
    call: Call,
    from: String,
}

impl Leg {
    fn new(id: &str, end: &str, refci: &str) -> Self {
        let params = format!("{end};x-refci={refci};x-nearendclusterid=c;x-nearendaddr=2000;x-farendaddr=1000");
        Self { call: Call::new(id), from: format!("sip:2000@ucm1;{params}") }
    }

    fn request(&mut self, method: &str, sdp: &str) -> String {
        let headers = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = self.call.request(method, headers, sdp);
        text.replace(&format!("sip:src@{SRC}>;tag"), &format!("{}>;tag", self.from)).replace(";+sip.src", ";isFocus")
    }

    /// INVITE without an offer, 200 with ours, ACK with the answer.
    fn set_up(bench: &mut Bench, id: &str, end: &str, refci: &str) -> (Self, Message) {
        let mut leg = Self::new(id, end, refci);
        let invite = leg.request("INVITE", "");
        let ok = bench.send(&invite).remove(0);
        assert_eq!(ok.status(), Some(200), "{end}");
        leg.call.to_tag = ok.to_tag().unwrap().to_string();
        let answer = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\na=sendonly\r\n";
        let ack = leg.request("ACK", answer);
        bench.send(&ack);
        (leg, ok)
    }

    fn hang_up(&mut self, bench: &mut Bench) {
        let bye = self.request("BYE", "");
        assert_eq!(statuses(&bench.send(&bye)), [200]);
    }
}

fn legacy() -> Policy {
    let rules = Rules { legacy: true, ..Rules::default() };
    Policy { peers: [super::peers::local("cucm", rules)].to_vec(), ..policy() }
}

fn both() -> (Bench, Leg, Leg) {
    both_under(legacy())
}

fn both_under(policy: Policy) -> (Bench, Leg, Leg) {
    let mut bench = Bench::with(policy);
    let (near, offer) = Leg::set_up(&mut bench, "near", "x-nearend", "77");
    assert_eq!(labels_of(&offer), ["1"]);
    bench.pass(Duration::from_secs(3));
    let (far, offer) = Leg::set_up(&mut bench, "far", "x-farend", "77");
    assert_eq!(labels_of(&offer), ["2"]);
    (bench, near, far)
}

fn labels_of(offer: &Message) -> Vec<String> {
    let text = String::from_utf8_lossy(&offer.body).into_owned();
    text.lines().filter_map(|line| line.strip_prefix("a=label:")).map(ToString::to_string).collect()
}

fn count(bench: &Bench, what: impl Fn(&Event) -> bool) -> usize {
    bench.events().iter().filter(|event| what(event)).count()
}

fn recordings(bench: &Bench) -> usize {
    count(bench, |event| matches!(event, Event::RecordingStarted { .. }))
}

#[test]
fn near_and_far_end_are_one_recording_in_one_journal() {
    // Nobody is asked whether it is there: nothing speaks in this test.
    let (mut bench, mut near, mut far) = both_under(Policy { probes: false, ..legacy() });
    let session = bench.session();
    let tagged = Order::Tag { session, add: ["claim".to_string()].to_vec(), remove: Vec::new() };
    bench.input(Input::Order(tagged));
    assert_eq!(count(&bench, |event| matches!(event, Event::Tagged { .. })), 1, "a session's tags, not a dialog's");
    assert_eq!((bench.begun.len(), recordings(&bench)), (1, 1));
    assert!(bench.kept.iter().all(|(of, _, _)| *of == session));
    assert_eq!(bench.opened, [(session, PortIndex(0), None), (session, PortIndex(1), None)]);
    let snapshot = bench.last_checkpoint().snapshot;
    assert_eq!(snapshot.sessions[0].id, "77@c");
    for (label, aor) in [("1", "sip:2000@ucm1"), ("2", "sip:1000@ucm1")] {
        assert_eq!(snapshot.senders(label)[0].names[0].aor, aor);
    }
    near.hang_up(&mut bench);
    assert!(bench.ended.is_empty() && bench.ended_recordings.is_empty(), "the far end goes on");
    assert_eq!(bench.srs.portrait(session).unwrap().tags, ["claim"], "and is tagged as both were");
    assert_eq!(bench.closed, [(session, PortIndex(0))]);
    let over = |event: &Event| matches!(event, Event::Stream(s) if s.paused == Some(PauseCause::DialogEnded));
    assert_eq!(count(&bench, over), 1);
    bench.heard(session, 1);
    let segments = bench.begun.len();
    bench.pass(SEGMENT_LENGTH);
    assert_eq!(bench.begun.len(), segments + 1, "the journal goes on in segments");
    far.hang_up(&mut bench);
    assert_eq!(bench.ended, [(session, EndCause::Bye)]);
    assert_eq!((bench.ended_recordings.len(), bench.srs.sessions()), (1, 0));
    assert_eq!(recordings(&bench), 1);
}

#[test]
fn only_the_other_end_of_the_same_call_joins() {
    let (mut bench, mut near, mut far) = both();
    for (id, end, refci) in [("a", "x-nearend", "77"), ("b", "x-farend", "78")] {
        Leg::set_up(&mut bench, id, end, refci);
    }
    assert_eq!(bench.begun.len(), 3, "a second near end, and another call");
    near.hang_up(&mut bench);
    far.hang_up(&mut bench);
    Leg::set_up(&mut bench, "late", "x-farend", "79");
    let ended = bench.ended.len();
    let (mut first, _) = Leg::set_up(&mut bench, "first", "x-nearend", "80");
    first.hang_up(&mut bench);
    assert_eq!(bench.ended.len(), ended + 1, "it is alone");
    let begun = bench.begun.len();
    Leg::set_up(&mut bench, "after", "x-farend", "80");
    assert_eq!(bench.begun.len(), begun + 1, "what is over is not joined");
}

#[test]
fn the_other_end_is_taken_by_a_server_that_is_full_or_drains() {
    let mut bench = Bench::with(Policy { max_sessions: 1, ..legacy() });
    Leg::set_up(&mut bench, "near", "x-nearend", "77");
    bench.input(Input::Order(Order::Drain(true)));
    let stranger = Leg::new("b", "x-nearend", "78").request("INVITE", "");
    assert_eq!(statuses(&bench.send(&stranger)), [503]);
    Leg::set_up(&mut bench, "far", "x-farend", "77");
    assert_eq!((bench.srs.sessions(), bench.begun.len()), (2, 1));
}

#[test]
fn orders_are_for_both_ends() {
    let (mut bench, _, _) = both();
    let session = bench.session();
    bench.settings.clear();
    bench.input(Input::Order(Order::Pause { session, tell_src: false, at_most: None }));
    let paused: Vec<_> = bench.settings.iter().map(|s| (s.stream.port.0, s.stream.paused)).collect();
    assert_eq!(paused, [(0, Some(PauseCause::Operator)), (1, Some(PauseCause::Operator))]);
    bench.input(Input::ClockStep { by_ns: 5 });
    assert_eq!(count(&bench, |event| matches!(event, Event::ClockStep { .. })), 1, "one journal");
    let byes = bench.input(Input::Order(Order::Stop(session)));
    assert_eq!(methods(&byes), ["BYE", "BYE"]);
    assert_eq!(bench.ended, [(session, EndCause::Operator)]);
}

#[test]
fn both_ends_outlive_a_crash_in_one_recording() {
    for first_is_gone in [false, true] {
        let (mut bench, mut near, mut far) = both();
        if first_is_gone {
            near.hang_up(&mut bench);
        }
        let session = bench.session();
        let mut next = Bench::with(legacy());
        next.now = Now { monotonic: Monotonic(5), wall: bench.now.wall.after(Duration::from_millis(300)) };
        next.hold_ports = true;
        next.srs.restore(next.now, bench.last_checkpoint(), 2, bench.now.wall, false);
        next.drain();
        let wanted = next.opened.clone();
        assert!(wanted.iter().all(|(of, _, _)| *of == session));
        let mut ports: Vec<u16> = wanted.iter().map(|(_, port, _)| port.0).collect();
        ports.sort_unstable();
        assert_eq!(ports, if first_is_gone { &[1][..] } else { &[0, 1] });
        // In whatever order the ports come back.
        for (session, port, known) in wanted.into_iter().rev() {
            next.open(session, port, known);
            next.drain();
        }
        assert_eq!(next.begun.len(), 1);
        if first_is_gone {
            // Its BYE once more: the 200 was lost with the server.
            near.hang_up(&mut next);
        }
        let gaps = count(&next, |event| matches!(event, Event::Gap { .. }));
        assert_eq!((gaps, next.settings.len()), (1, if first_is_gone { 1 } else { 2 }));
        if !first_is_gone {
            assert_eq!(next.last_checkpoint().joined.len(), 1);
            near.hang_up(&mut next);
        }
        assert!(next.ended.is_empty());
        far.hang_up(&mut next);
        assert_eq!(next.ended, [(session, EndCause::Bye)]);
        assert_eq!((recordings(&next), next.ended_recordings.len()), (0, 1));
    }
}

#[test]
fn an_end_that_cannot_be_recorded_leaves_the_other_alone() {
    let mut bench = Bench::with(legacy());
    let (mut near, _) = Leg::set_up(&mut bench, "near", "x-nearend", "77");
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\na=sendonly\r\n";
    bench.refuse_ports = true;
    let invite = Leg::new("far", "x-farend", "77").request("INVITE", offer);
    assert_eq!(statuses(&bench.send(&invite)), [503]);
    assert!(bench.ended.is_empty());
    bench.refuse_ports = false;
    let again = Leg::new("far2", "x-farend", "77").request("INVITE", offer);
    assert_eq!(statuses(&bench.send(&again)), [200]);
    assert_eq!((bench.begun.len(), bench.srs.sessions()), (1, 2));
    assert_eq!(bench.settings.last().unwrap().stream.label.as_deref(), Some("2"));
    near.hang_up(&mut bench);
    assert!(bench.ended.is_empty());
}

#[test]
fn both_dialogs_are_shown_as_one_session() {
    let (bench, ..) = both();
    let shown = bench.srs.portraits(None, 10);
    assert_eq!(shown.len(), 1, "{shown:?}");
    let labels: Vec<_> = shown[0].streams.iter().map(|line| line.stream.label.as_deref()).collect();
    assert_eq!(labels, [Some("1"), Some("2")]);
}
