//! Keys and answers in, cells out, held against kept screens.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::style::Color;
use serde_json::{Value, json};

use super::answers::{Happened, Second};
use super::event::{Ask, Effect, Event, Order, Told};
use super::state::{Link, Manner, Overlay, State, Tab};
use super::theme::Look;
use super::{answers, screens};
use crate::api_answers::Session;

/// 2026-11-30T09:30:00Z.
const NOW: i64 = 1_796_031_000_000;
const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);

/// A terminal that somebody sits at.
struct Desk {
    state: State,
    now: i64,
}

impl Desk {
    fn new(size: (u16, u16)) -> Self {
        let manner = Manner { server: "https://srs.example.com".into(), read_only: false, player: None };
        Self { state: State::new(manner, size, NOW), now: NOW }
    }

    /// Connected, with sessions, their figures and what happened.
    fn busy(size: (u16, u16)) -> Self {
        let mut desk = Self::new(size);
        desk.told(Told::Connected);
        desk.told(Told::Sessions(sessions()));
        for second in 0..60 {
            desk.now = NOW - 60_000 + second * 1_000;
            desk.told(Told::Seconds(seconds(second)));
        }
        desk.now = NOW;
        for event in events() {
            desk.told(Told::Happened(Box::new(of(event))));
        }
        desk.told(Told::Alarms(answers::Alarms::clone_of(alarms())));
        desk.event(Event::Tick);
        desk
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        self.state.update(self.now, event)
    }

    fn told(&mut self, told: Told) -> Vec<Effect> {
        self.event(Event::Told(told))
    }

    /// Keys, parted by blanks; what they want done.
    fn keys(&mut self, keys: &str) -> Vec<Effect> {
        keys.split(' ').flat_map(|key| self.event(Event::Key(key.into()))).collect()
    }

    fn typed(&mut self, text: &str) {
        text.chars().for_each(|char| drop(self.event(Event::Key(char.to_string()))));
    }

    fn cells(&self, look: Look) -> Buffer {
        screens::cells(&self.state, look)
    }

    fn seen(&self) -> String {
        screens::seen(&self.state)
    }

    #[track_caller]
    fn must_show(&self, words: &[&str]) {
        screens::must_show(&self.state, words);
    }

    #[track_caller]
    fn must_be(&self, name: &str) {
        screens::must_be(&self.state, name);
    }
}

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

impl answers::Alarms {
    fn clone_of(value: Value) -> Vec<answers::Alarm> {
        of::<Self>(value).alarms
    }
}

fn session(number: usize) -> Value {
    let people = [("Alice Müller", "+4930111"), ("Bob", "+4930222"), ("Carol", "+4940333"), ("Hotline", "+49800444")];
    let person = |place: usize| {
        let (name, digits) = people[place % people.len()];
        json!({ "aor": format!("sip:{digits}@example.com"), "name": name })
    };
    let (caller, callee) = (person(number), person(number + 1));
    let stream = |place: usize, who: &Value| {
        json!({ "number": place, "label": (place + 1).to_string(), "media": "audio", "codecs": ["PCMA/8000", "opus/48000"],
            "local": format!("192.0.2.1:{}", 10_000 + 4 * number + 2 * place), "remote": "198.51.100.7:4000",
            "srtp": number == 1, "suite": (number == 1).then_some("AES_CM_128_HMAC_SHA1_80"),
            "paused": (number == 2).then_some("operator"), "speakers": [who] })
    };
    json!({ "id": format!("01a2287a-4bab-7e19-982e-8c887adffa{number:02x}"), "call_id": format!("call-{number}@sbc"),
        "started_at": format!("2026-11-30T09:{:02}:00.000Z", 29 - number), "src": "198.51.100.7:5060", "transport": "tcp",
        "peer": (number.is_multiple_of(2)).then_some("sbc-berlin"), "vendor": (number < 2).then_some("oracle"), "initiated": false,
        "paused": number == 2, "pause_ends_at": (number == 2).then_some("2026-11-30T09:40:00.000Z"),
        "caller": caller, "callee": callee, "streams": [stream(0, &caller), stream(1, &callee)],
        "recordings": [{ "id": format!("01a2287a-4bab-7e19-982e-9c887adffa{number:02x}"), "communication_session": format!("cs-{number}") }],
        "alarms": if number == 3 { json!([{ "alarm": "one_way", "stream": 1, "since": "2026-11-30T09:29:00.000Z" }]) } else { json!([]) } })
}

fn sessions() -> Vec<Session> {
    (0..5).map(|number| of(session(number))).collect()
}

fn seconds(second: i64) -> Vec<Second> {
    let of_stream = |number: usize, stream: usize| {
        let lost = if number == 3 && second > 40 { 4 } else { 0 };
        let quiet = (second / 7 + stream as i64) % 2 == 0;
        of(
            json!({ "session": session(number)["id"], "stream": stream, "codec": "PCMA", "packets": 50 - lost, "expected": 50,
            "lost": lost, "jitter_us": 1_500 + 900 * number, "mos": if lost > 0 { 3.12 } else { 4.41 },
            "level_dbfs": if quiet { -58 } else { -21 + second % 5 }, "talks": !quiet }),
        )
    };
    (0..4).flat_map(|number| [of_stream(number, 0), of_stream(number, 1)]).collect()
}

fn events() -> Vec<Value> {
    let about = |number: usize, at: &str, kind: &str, more: Value| {
        let mut event = json!({ "id": format!("r-{at}"), "at": format!("2026-11-30T{at}.000Z"), "type": kind, "session": session(number)["id"] });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    vec![
        about(
            0,
            "09:29:00",
            "session.started",
            json!({ "src": "198.51.100.7:5060", "streams": 2, "vendor": "oracle" }),
        ),
        about(0, "09:29:00", "recording.started", json!({ "recording": "01a2287a-4bab-7e19-982e-9c887adffa00" })),
        about(3, "09:29:10", "session.alarm", json!({ "alarm": "one_way", "stream": 1, "raised": true })),
        about(0, "09:29:20", "stream.paused", json!({ "stream": 0, "cause": "inactive" })),
        about(0, "09:29:30", "stream.resumed", json!({ "stream": 0 })),
        about(
            4,
            "09:29:40",
            "recording.completed",
            json!({ "recording": "01a2287a-4bab-7e19-982e-9c887adffa09", "duration_ms": 65_000 }),
        ),
    ]
}

fn alarms() -> Value {
    json!({ "alarms": [
        { "id": "disk_low", "alarm": "disk_low", "detail": "3.1 GB are left of the data directory's disk", "since": "2026-11-30T09:00:00.000Z",
          "acknowledged_by": "key ops", "acknowledged_at": "2026-11-30T09:01:00.000Z" },
        { "id": "x-one_way-1", "alarm": "one_way", "session": session(3)["id"], "stream": 1, "detail": "", "since": "2026-11-30T09:29:10.000Z" },
    ] })
}

/// An INVITE, its answers, and a second INVITE that brings Carol in Bob's place.
fn signalling() -> crate::api_answers::Signalling {
    let message = |at: &str, outbound: bool, first: &str, cseq: &str, body: &str| {
        let (src, own) = ("198.51.100.7:5060", "192.0.2.1:5060");
        let (from, to) = if outbound { (own, src) } else { (src, own) };
        let kind = if body.starts_with("v=0") { "application/sdp" } else { "multipart/mixed;boundary=b" };
        let kind = if body.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let text = format!(
            "{first}\r\nVia: SIP/2.0/TCP 198.51.100.7;branch=z9hG4bK{}\r\nFrom: <sip:src@198.51.100.7>;tag=1\r\n\
             To: <sip:rec@srs>{}\r\nCall-ID: call-0@sbc\r\nCSeq: {cseq}\r\nContact: <sip:src@198.51.100.7>;+sip.src\r\n\
             Require: siprec\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            cseq.replace(' ', ""),
            if outbound { ";tag=2" } else { "" },
            body.len()
        );
        json!({ "at": format!("2026-11-30T{at}Z"), "outbound": outbound, "transport": "tcp", "from": from, "to": to,
            "start_line": first, "message": text })
    };
    let sdp = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 8\r\na=sendonly\r\na=label:1\r\n";
    let metadata = |people: &[(&str, &str)]| {
        let person = |(id, name): &(&str, &str)| {
            format!(
                "<participant participant_id='{id}'><nameID aor='sip:{id}@example.com'><name>{name}</name></nameID></participant>"
            )
        };
        let people: String = people.iter().map(person).collect();
        format!(
            "--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n\
             <recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode><session session_id='cs-0'/>{people}\
             </recording>\r\n--b--\r\n"
        )
    };
    let invite = "INVITE sip:rec@srs SIP/2.0";
    of(json!({ "left_out": 0, "messages": [
        message("09:29:00.000", false, invite, "1 INVITE", &metadata(&[("alice", "Alice Müller"), ("bob", "Bob")])),
        message("09:29:00.001", true, "SIP/2.0 100 Trying", "1 INVITE", ""),
        message("09:29:00.004", true, "SIP/2.0 200 OK", "1 INVITE", sdp),
        message("09:29:00.021", false, "ACK sip:rec@srs SIP/2.0", "1 ACK", ""),
        message("09:29:20.100", false, invite, "2 INVITE", &metadata(&[("alice", "Alice Müller"), ("carol", "Carol")])),
        message("09:29:20.102", true, "SIP/2.0 488 Not Acceptable Here", "2 INVITE", ""),
    ] }))
}

const METRICS: &str = include_str!("../../testdata/tui/metrics.txt");

#[test]
fn the_sessions_are_a_table_that_fits() {
    for size in [SMALL, LARGE] {
        let mut desk = Desk::busy(size);
        desk.must_be("sessions");
        desk.keys("o o o o o o j");
        desk.must_be("sessions-by-loss");
    }
}

#[test]
fn monochrome_has_no_colours_and_colour_has() {
    let mut desk = Desk::busy(SMALL);
    for keys in ["1", "2", "3", "4", "?"] {
        desk.keys(keys);
        let mono = desk.cells(Look::Mono);
        assert!(mono.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "{keys}");
        assert!(desk.cells(Look::Colour).content.iter().any(|cell| cell.fg != Color::Reset), "{keys}");
        assert!(desk.cells(Look::Contrast).content.iter().all(|cell| cell.bg != Color::Reset), "{keys}");
    }
}

#[test]
fn a_session_shows_legs_people_events_and_its_ladder() {
    for size in [SMALL, LARGE] {
        let mut desk = Desk::busy(size);
        let effects = desk.keys("enter");
        let id = session(0)["id"].as_str().unwrap().to_owned();
        assert_eq!(effects, [Effect::Ask(Ask::Signalling(id.clone()))]);
        desk.told(Told::Signalling(id, signalling()));
        desk.must_be("session");
        if size == SMALL {
            for (key, name) in [("right", "people"), ("right", "events"), ("right", "sip")] {
                desk.keys(key);
                desk.must_be(&format!("session-{name}"));
            }
        }
        desk.keys("j j j j j enter");
        desk.must_be("session-message");
        desk.keys("esc esc");
        assert_eq!((desk.state.tab, &desk.state.overlay), (Tab::Sessions, &None));
    }
}

#[test]
fn help_fits_and_scrolls() {
    for size in [SMALL, LARGE] {
        let mut desk = Desk::busy(size);
        desk.keys("?");
        desk.must_be("help");
    }
    let mut desk = Desk::busy(SMALL);
    desk.keys("? j j j j j j j j j j j j j j j j j j j j j j j j");
    desk.must_show(&["acknowledge it", "MOS is an estimate"]);
    desk.keys("x");
    assert_eq!(desk.state.overlay, None);
}

#[test]
fn what_is_typed_filters_at_once() {
    let mut desk = Desk::busy(SMALL);
    desk.keys("/");
    desk.typed("carol oracle");
    desk.must_show(&["/ carol oracle", "1 of 5 sessions"]);
    desk.keys("enter");
    assert_eq!(desk.state.table.chosen().map(|line| line.session.call_id.as_str()), Some("call-1@sbc"));
    desk.keys("esc");
    desk.must_show(&["5 sessions"]);
}

#[test]
fn a_stop_is_asked_about_and_a_pause_is_not() {
    let mut desk = Desk::busy(SMALL);
    let id = session(0)["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.keys("p"), [Effect::Ask(Ask::Order(Order::Pause, id.clone()))]);
    assert_eq!(desk.keys("r"), [Effect::Ask(Ask::Order(Order::Resume, id.clone()))]);
    assert!(desk.keys("s").is_empty());
    desk.must_be("stop");
    assert!(desk.keys("j n").is_empty());
    desk.must_show(&["nothing was done"]);
    assert_eq!(desk.keys("s y"), [Effect::Ask(Ask::Order(Order::Stop, id))]);
}

#[test]
fn a_session_that_goes_on_is_tagged_and_found_by_its_tag() {
    let mut desk = Desk::busy(SMALL);
    let id = session(0)["id"].as_str().unwrap().to_owned();
    desk.keys("t");
    desk.must_show(&["Tag it"]);
    desk.typed("Claim-7");
    let asked = desk.keys("enter");
    assert_eq!(asked, [Effect::Ask(Ask::TagSession(id.clone(), "Claim-7".into(), true))]);
    let mut tagged = sessions();
    tagged[0].tags = vec!["claim-7".into(), "seen".into()];
    desk.now += 5_000;
    assert_eq!(desk.told(Told::Done("tagged".into())), [Ask::Sessions, Ask::Alarms].map(Effect::Ask));
    desk.told(Told::Sessions(tagged));
    let event = json!({ "id": "r-9", "at": "2026-11-30T09:30:00.000Z", "type": "session.tagged", "session": id,
        "added": ["claim-7", "seen"], "removed": [] });
    desk.told(Told::Happened(Box::new(of::<Happened>(event))));
    desk.keys("/");
    desk.typed("claim");
    desk.must_show(&["1 of 5 sessions"]);
    desk.keys("enter enter");
    desk.must_be("session-tagged");
    desk.keys("right");
    desk.must_show(&["├ tags claim-7 seen"]);
    desk.keys("right");
    desk.must_show(&["tagged claim-7 seen"]);
    desk.keys("t");
    desk.typed("-seen");
    let untag = Ask::TagSession(id.clone(), "seen".into(), false);
    assert_eq!(desk.keys("enter"), [Effect::Ask(untag.clone())]);
    desk.told(Told::Failed(untag, "https://srs.example.com says 403 Forbidden: this needs the permission".into()));
    desk.must_show(&[" 403 Forbidden: this needs the permission"]);
    let ended = json!({ "id": "r-10", "at": "", "type": "session.ended", "session": id, "cause": "bye" });
    desk.told(Told::Happened(Box::new(of::<Happened>(ended))));
    desk.keys("t");
    desk.must_show(&["no session that goes on is chosen"]);
}

#[test]
fn read_only_changes_nothing_and_says_so() {
    let mut desk = Desk::busy(SMALL);
    desk.state.manner.read_only = true;
    desk.must_show(&["read-only"]);
    for keys in ["p", "r", "s", "t", "4 a"] {
        let effects = desk.keys(keys);
        let is_order = |effect: &Effect| matches!(effect, Effect::Ask(Ask::Order(..) | Ask::Acknowledge(_)));
        assert_eq!(desk.state.overlay, None, "{keys}");
        assert!(!effects.iter().any(is_order), "{keys}: {effects:?}");
        desk.must_show(&["--read-only: nothing is changed from here"]);
    }
}

#[test]
fn the_system_shows_figures_alarms_and_what_happened() {
    for size in [SMALL, LARGE] {
        let mut desk = Desk::busy(size);
        let asked = desk.keys("4");
        assert_eq!(asked, [Ask::Peers, Ask::Metrics, Ask::Ports].map(Effect::Ask));
        desk.told(Told::Metrics(METRICS.into()));
        desk.now += 2_000;
        let later = METRICS.replace("siprec_rtp_packets_total 51200", "siprec_rtp_packets_total 52200");
        desk.told(Told::Metrics(later));
        desk.told(Told::Ports("10000-20000".into()));
        let peers = json!({ "peers": [
            { "name": "sbc-berlin", "sessions": 3, "addresses": ["198.51.100.7"], "vendors": ["oracle"] },
            { "name": null, "sessions": 2, "addresses": ["198.51.100.8"], "vendors": [] },
        ] });
        desk.told(Told::Peers(of::<answers::Peers>(peers).peers));
        desk.must_be("system");
        assert_eq!(desk.keys("j a"), [Effect::Ask(Ask::Acknowledge("x-one_way-1".into()))]);
        desk.keys("enter");
        assert_eq!(desk.state.opened.as_ref().map(|opened| opened.session.call_id.as_str()), Some("call-3@sbc"));
    }
}

fn page(count: usize, next: Option<&str>) -> answers::Page {
    let row = |number: usize| {
        json!({ "id": format!("01a2287a-4bab-7e19-982e-9c887adff{number:03x}"), "session_id": null, "call_id": format!("call-{number}"),
            "communication_session": null, "group": null, "started_at": "2026-11-29T10:00:00.000Z", "ended_at": "2026-11-29T10:01:05.000Z",
            "duration_ms": 65_000 + number * 1_000, "state": if number == 2 { "interrupted" } else { "complete" }, "ended_by": "bye",
            "caller": { "aor": "sip:+4930111@example.com", "name": "Alice Müller" }, "callee": { "aor": "sip:+4930222@example.com", "name": null },
            "vendor": "oracle", "product": null, "path": format!("recordings/2026/11/29/{number}.wav"), "bytes": 1, "sha256": "",
            "quality": { "packets_received": 99, "packets_expected": 100, "packets_lost": number % 3, "packets_dropped": 0, "gaps": 0, "gap_ms": 0,
                "pauses": 0, "faults": usize::from(number == 2) }, "tags": if number == 1 { json!(["claim"]) } else { json!([]) }, "held": number == 1 })
    };
    of(json!({ "recordings": (0..count).map(row).collect::<Vec<_>>(), "next": next }))
}

#[test]
fn recordings_are_searched_paged_opened_and_tagged() {
    let sheet = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tui/sheet.json")).unwrap();
    for size in [SMALL, LARGE] {
        let mut desk = Desk::busy(size);
        assert_eq!(desk.keys("3"), [Effect::Ask(Ask::Page(1, Vec::new(), None))]);
        desk.told(Told::Page(1, page(12, None)));
        desk.must_be("recordings");
        desk.keys("j");
        let id = page(2, None).recordings[1].id.to_string();
        assert_eq!(desk.keys("enter"), [Effect::Ask(Ask::Sheet(id.clone())), Effect::Ask(Ask::Peaks(id.clone(), 200))]);
        desk.told(Told::Sheet(id.clone(), Box::new(serde_json::from_str(&sheet).unwrap())));
        let wave = |shift: usize| {
            (0..200)
                .map(|x| {
                    let y = ((x * 7 + shift) % 50) as i16 * 500;
                    [-y, y]
                })
                .collect()
        };
        desk.told(Told::Peaks(id.clone(), answers::Peaks { duration_ms: 66_000, channels: vec![wave(0), wave(25)] }));
        desk.must_be("recording");
        desk.keys("t");
        desk.typed("audit");
        assert_eq!(desk.keys("enter"), [Effect::Ask(Ask::Tag(id.clone(), "audit".into(), true))]);
        desk.told(Told::Tagged(id, "audit".into(), true, "tagged".into()));
        desk.must_show(&["tags: audit claim"]);
        desk.keys("esc /");
        desk.typed("since:");
        desk.keys("enter");
        desk.must_show(&["since: what?"]);
        desk.keys("/ ctrl-u");
        desk.typed("alice 4711");
        let query = vec![("number_ends", "4711".to_owned()), ("text", "alice".to_owned())];
        assert_eq!(desk.keys("enter"), [Effect::Ask(Ask::Page(3, query.clone(), None))]);
        desk.told(Told::Page(1, page(5, None)));
        assert!(desk.state.recordings.rows.is_empty(), "an answer to an earlier search");
        desk.told(Told::Page(3, page(100, Some("00000000000000aa"))));
        assert_eq!(desk.keys("G"), [Effect::Ask(Ask::Page(3, query, Some("00000000000000aa".into())))]);
        desk.told(Told::Page(3, page(3, None)));
        assert_eq!(desk.state.recordings.rows.len(), 103);
    }
}

#[test]
fn a_lost_link_is_told_and_everything_is_asked_anew_when_it_is_back() {
    let mut desk = Desk::busy(SMALL);
    desk.told(Told::Lost("https://srs.example.com: it cannot be reached".into(), 4_000));
    desk.now += 3_000;
    assert!(desk.event(Event::Tick).is_empty());
    desk.must_be("lost");
    let effects = desk.told(Told::Connected);
    assert_eq!(effects, [Ask::Sessions, Ask::Alarms].map(Effect::Ask));
    assert_eq!(desk.state.link, Link::Live);
    desk.must_show(&["connected again"]);
}

#[test]
fn what_happens_is_asked_about_seldom_and_what_ends_is_gone() {
    let mut desk = Desk::busy(SMALL);
    let ended = json!({ "id": "r-9", "at": "2026-11-30T09:30:00.000Z", "type": "session.ended", "session": session(0)["id"], "cause": "bye" });
    desk.keys("enter");
    desk.told(Told::Happened(Box::new(of::<Happened>(ended))));
    desk.must_show(&["ENDED (bye)"]);
    assert_eq!(desk.state.table.shown_count(), 4);
    assert!(desk.keys("p").is_empty());
    desk.must_show(&["no session that goes on is chosen"]);
    let started = |n: usize| json!({ "id": format!("r-{n}"), "at": "", "type": "session.started", "session": "x" });
    desk.now += 5_000;
    let asked: Vec<Effect> = (0..100).flat_map(|n| desk.told(Told::Happened(Box::new(of(started(n)))))).collect();
    assert_eq!(asked.iter().filter(|effect| **effect == Effect::Ask(Ask::Sessions)).count(), 1);
}

#[test]
fn clicks_choose_open_and_change_the_view() {
    let mut desk = Desk::busy(SMALL);
    desk.event(Event::Click(10, 5));
    assert_eq!(desk.state.table.cursor.at, 2);
    desk.event(Event::Click(10, 5));
    assert_eq!(desk.state.opened.as_ref().map(|opened| opened.session.call_id.as_str()), Some("call-2@sbc"));
    desk.keys("1");
    desk.event(Event::Click(15, 2));
    assert_eq!(desk.state.table.sort, super::table::Sort::Caller);
    let recordings = super::frame::tab(Tab::Recordings);
    desk.event(Event::Click(recordings.x + 1, 0));
    assert_eq!(desk.state.tab, Tab::Recordings);
    desk.keys("1 g");
    desk.event(Event::Wheel(3));
    assert_eq!(desk.state.table.cursor.at, 3);
}

#[test]
fn too_small_a_terminal_is_told_and_every_size_is_drawn() {
    let mut desk = Desk::busy(SMALL);
    desk.event(Event::Size(79, 24));
    desk.must_show(&["79x24 is too small:", "80x24 at least"]);
    for keys in ["1", "2", "3", "4", "?", "x", "S"] {
        desk.event(Event::Size(80, 24));
        desk.keys(keys);
        for size in [(1, 1), (80, 24), (81, 40), (149, 39), (150, 40), (400, 24), (80, 200)] {
            desk.event(Event::Size(size.0, size.1));
            desk.seen();
        }
    }
}

#[test]
fn a_picture_is_named_and_a_path_is_typed() {
    let mut desk = Desk::busy(SMALL);
    desk.keys("S");
    let Some(Overlay::Prompt { typed, .. }) = &desk.state.overlay else { panic!("no question") };
    assert_eq!(typed.0, "siprec-sessions-20261130T093000Z.svg");
    desk.keys("ctrl-u");
    desk.event(Event::Pasted("seen.txt\n".into()));
    assert_eq!(desk.keys("enter"), [Effect::Save("seen.txt".into())]);
}

#[test]
fn ten_thousand_sessions_are_drawn_as_fast_as_ten() {
    let mut desk = Desk::busy(LARGE);
    let many = |count: usize| -> Vec<Session> {
        let mut session: Session = of(session(0));
        (0..count)
            .map(|n| {
                session.id = n.to_string();
                session.clone()
            })
            .collect()
    };
    // Only rows that are seen are laid out: what is drawn is the same, and what is looked at is not more.
    desk.told(Told::Sessions(many(10_000)));
    desk.event(Event::Tick);
    let began = std::time::Instant::now();
    (0..50).for_each(|_| drop(desk.seen()));
    let of_many = began.elapsed();
    desk.told(Told::Sessions(many(100)));
    desk.event(Event::Tick);
    let began = std::time::Instant::now();
    (0..50).for_each(|_| drop(desk.seen()));
    assert!(of_many < began.elapsed() * 4, "{of_many:?} against {:?}", began.elapsed());
}
