//! Keys in, cells out, held against kept screens.

use std::net::SocketAddr;

use ratatui::style::Color;
use siprec_core::sip::Transport;
use siprec_core::time::Wall;
use siprec_core::trace::{Filter, Subject, Trace};

use super::Capture;
use super::calls::Sort;
use super::opened::Part;
use super::state::{Overlay, State};
use crate::tui::event::{Effect, Event};
use crate::tui::running::Shown as _;
use crate::tui::screens;
use crate::tui::theme::Look;

/// 2026-11-30T09:30:00Z.
const NOW: i64 = 1_796_031_000_000;
const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);
const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const SESSION: &str = "f81d4fae7dec11d0a76500a0c91e6bf6";

/// What went by, milliseconds after 09:29.
#[derive(Default)]
struct Made(Trace);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn at(ms: i64) -> Wall {
    Wall((NOW - 60_000 + ms) * 1_000_000)
}

/// A message's texts.
#[derive(Clone, Copy)]
struct Sip<'a> {
    first: &'a str,
    call: &'a str,
    cseq: &'a str,
    tags: (&'a str, &'a str),
    parties: (&'a str, &'a str),
    extra: &'a str,
    body: &'a str,
}

impl Made {
    fn sip(&mut self, ms: i64, from: &str, to: &str, sip: Sip<'_>) -> &mut Self {
        let Sip { first, call, cseq, tags, parties, extra, body } = sip;
        let tag = |tag: &str| if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let kind = match body {
            "" => String::new(),
            sdp if sdp.starts_with("v=0") => "Content-Type: application/sdp\r\n".to_owned(),
            _ => "Content-Type: multipart/mixed;boundary=b\r\n".to_owned(),
        };
        let text = format!(
            "{first}\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{}\r\nFrom: {}{}\r\nTo: {}{}\r\nCall-ID: {call}\r\nCSeq: {cseq}\r\n\
             {extra}{kind}Content-Length: {}\r\n\r\n{body}",
            cseq.replace(' ', ""),
            parties.0,
            tag(tags.0),
            parties.1,
            tag(tags.1),
            body.len()
        );
        self.0.message(at(ms), Transport::Udp, address(from), address(to), text.as_bytes());
        self
    }

    /// 200 packets of G.711 from `ms` on, of which every 50th is lost.
    fn talk(&mut self, ms: i64, from: &str, to: &str, ssrc: u32) -> &mut Self {
        for k in (0..200_u16).filter(|k| k % 50 != 7) {
            let mut packet = vec![0x80, 8];
            packet.extend(k.to_be_bytes());
            packet.extend((u32::from(k) * 160).to_be_bytes());
            packet.extend(ssrc.to_be_bytes());
            packet.extend([0x2a; 160]);
            self.0.datagram(at(ms + i64::from(k) * 20), address(from), address(to), &packet, false);
        }
        self
    }
}

fn sdp(host: &str, lines: &[(u16, &str)], more: &str) -> String {
    let lines: String = lines.iter().map(|(port, line)| format!("m=audio {port} RTP/AVP 8\r\n{line}{more}")).collect();
    format!("v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n{lines}")
}

fn metadata(sdp: &str, people: &[(&str, &str, &str)]) -> String {
    let person = |(id, name, label): &(&str, &str, &str)| {
        format!(
            "<participant participant_id='{id}'><nameID aor='sip:{id}@example.com'><name>{name}</name></nameID></participant>\
             <stream stream_id='s{label}' session_id='cs-1'><label>{label}</label></stream>\
             <participantstreamassoc participant_id='{id}'><send>s{label}</send></participantstreamassoc>"
        )
    };
    let people: String = people.iter().map(person).collect();
    format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n\
         <recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>\
         <session session_id='cs-1'><sipSessionID>{SESSION};remote=0</sipSessionID></session>{people}</recording>\r\n--b--\r\n"
    )
}

/// Ann calls Bob.
fn call(made: &mut Made) {
    let (pbx, phone) = ("203.0.113.5:5060", "203.0.113.9:5060");
    let extra = format!("Session-ID: {SESSION};remote=00000000000000000000000000000000\r\n");
    let base = Sip {
        first: "INVITE sip:4712@203.0.113.9 SIP/2.0",
        call: "cs-call-1@pbx",
        cseq: "1 INVITE",
        tags: ("x", ""),
        parties: ("\"Ann\" <sip:4711@example.com>", "<sip:4712@example.com>"),
        extra: &extra,
        body: "",
    };
    let there = Sip { tags: ("x", "y"), ..base };
    let (offer, answer) = (sdp("203.0.113.5", &[(30_000, "")], ""), sdp("203.0.113.9", &[(31_000, "")], ""));
    made.sip(0, pbx, phone, Sip { body: &offer, ..base });
    made.sip(20, phone, pbx, Sip { first: "SIP/2.0 180 Ringing", ..there });
    made.sip(900, phone, pbx, Sip { first: "SIP/2.0 200 OK", body: &answer, ..there });
    made.sip(910, pbx, phone, Sip { first: "ACK sip:4712@203.0.113.9 SIP/2.0", cseq: "1 ACK", ..there });
    made.talk(1_000, "203.0.113.5:30000", "203.0.113.9:31000", 0xc1);
    made.talk(1_000, "203.0.113.9:31000", "203.0.113.5:30000", 0xc2);
    made.sip(8_000, pbx, phone, Sip { first: "BYE sip:4712@203.0.113.9 SIP/2.0", cseq: "2 BYE", ..there });
    made.sip(8_010, phone, pbx, Sip { first: "SIP/2.0 200 OK", cseq: "2 BYE", ..there });
}

/// It is recorded: Cho comes in Bob's place, and nothing of label 2 arrives.
fn recording(made: &mut Made) {
    let (src, srs) = ("192.0.2.1:5060", "192.0.2.2:5060");
    let base = Sip {
        first: "INVITE sip:srs@192.0.2.2 SIP/2.0",
        call: "rs-1@sbc",
        cseq: "1 INVITE",
        tags: ("a", ""),
        parties: ("<sip:src@192.0.2.1>", "<sip:srs@192.0.2.2>"),
        extra: "Require: siprec\r\nContact: <sip:src@192.0.2.1>;+sip.src\r\n",
        body: "",
    };
    let there = Sip { tags: ("a", "b"), extra: "", ..base };
    let key = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    let lines = |direction: &str, ports: [u16; 2]| {
        let line = |label| format!("a=label:{label}\r\na={direction}\r\n");
        [(ports[0], line(1)), (ports[1], line(2))]
    };
    let made_of = |host: &str, lines: &[(u16, String); 2], more: &str| {
        sdp(host, &[(lines[0].0, lines[0].1.as_str()), (lines[1].0, lines[1].1.as_str())], more)
    };
    let offer = made_of("192.0.2.1", &lines("sendonly", [40_000, 40_002]), &key);
    let answer = made_of("192.0.2.2", &lines("recvonly", [10_000, 10_002]), "");
    let first = metadata(&offer, &[("ann", "Ann", "1"), ("bob", "Bob", "2")]);
    let second = metadata(&offer, &[("ann", "Ann", "1"), ("cho", "Cho Müller", "2")]);
    made.sip(1_000, src, srs, Sip { body: &first, ..base }).sip(1_500, src, srs, Sip { body: &first, ..base });
    made.sip(1_512, srs, src, Sip { first: "SIP/2.0 200 OK", body: &answer, ..there });
    made.sip(1_520, src, srs, Sip { first: "ACK sip:srs@192.0.2.2 SIP/2.0", cseq: "1 ACK", ..there });
    made.talk(1_600, "192.0.2.1:40000", "192.0.2.2:10000", 0xa1);
    made.sip(4_000, src, srs, Sip { cseq: "2 INVITE", tags: ("a", "b"), body: &second, ..base });
    made.sip(4_010, srs, src, Sip { first: "SIP/2.0 200 OK", cseq: "2 INVITE", body: &answer, ..there });
    made.sip(4_020, src, srs, Sip { first: "ACK sip:srs@192.0.2.2 SIP/2.0", cseq: "2 ACK", ..there });
    made.sip(8_100, src, srs, Sip { first: "BYE sip:srs@192.0.2.2 SIP/2.0", cseq: "3 BYE", ..there });
    made.sip(8_105, srs, src, Sip { first: "SIP/2.0 200 OK", cseq: "3 BYE", ..there });
}

/// Something small: a request and its answer.
fn answered(made: &mut Made, ms: i64, call: &str, method: &str, answer: &str) {
    let (first, cseq) = (format!("{method} sip:x@198.51.100.2 SIP/2.0"), format!("1 {method}"));
    let parties = ("<sip:+4930111@example.com>", "<sip:+4930222@example.com>");
    let base = Sip { first: &first, call, cseq: &cseq, tags: ("p", ""), parties, extra: "", body: "" };
    let (a, b) = ("198.51.100.1:5060", "198.51.100.2:5060");
    made.sip(ms, a, b, base).sip(ms + 7, b, a, Sip { first: answer, tags: ("p", "q"), ..base });
}

/// A day in few lines.
fn capture() -> Capture {
    let mut made = Made::default();
    call(&mut made);
    recording(&mut made);
    answered(&mut made, 500, "busy-1", "INVITE", "SIP/2.0 486 Busy Here");
    answered(&mut made, 700, "alive-1", "OPTIONS", "SIP/2.0 200 OK");
    made.talk(2_000, "198.51.100.77:4000", "198.51.100.78:4000", 0xd1);
    Capture { name: "day.pcap".into(), story: made.0.finish(), filter: Filter::default() }
}

/// Somebody who looks through it.
struct Desk(State);

impl Desk {
    fn new(size: (u16, u16)) -> Self {
        Self(State::new(capture(), size, NOW))
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        self.0.update(NOW, event)
    }

    /// Keys, parted by blanks; what they want done.
    fn keys(&mut self, keys: &str) -> Vec<Effect> {
        keys.split(' ').flat_map(|key| self.event(Event::Key(key.into()))).collect()
    }

    fn typed(&mut self, text: &str) {
        text.chars().for_each(|char| drop(self.event(Event::Key(char.to_string()))));
    }

    #[track_caller]
    fn must_show(&self, words: &[&str]) {
        screens::must_show(&self.0, words);
    }

    #[track_caller]
    fn must_be(&self, name: &str) {
        screens::must_be(&self.0, name);
    }

    /// Call-IDs as they are listed; none of streams of no call.
    fn listed(&self) -> Vec<Option<&str>> {
        let shown = self.0.table.shown(0, usize::MAX);
        shown.map(|(line, _)| line.call.map(|call| self.0.story.calls[call].id.as_str())).collect()
    }

    fn read(&self) -> Option<Subject> {
        self.0.opened.as_ref()?.reading.as_ref().map(|reading| reading.subject)
    }

    fn is_over(&self, part: Part) -> bool {
        self.0.opened.as_ref().is_some_and(|opened| opened.part == part)
    }
}

#[test]
fn calls_are_listed_and_those_that_belong_together_stand_together() {
    for size in [SMALL, LARGE] {
        let desk = Desk::new(size);
        assert_eq!(desk.listed(), [Some("cs-call-1@pbx"), Some("rs-1@sbc"), Some("busy-1"), Some("alive-1"), None]);
        desk.must_be("trace-calls");
    }
}

#[test]
fn what_is_typed_filters_at_once() {
    let mut desk = Desk::new(SMALL);
    desk.keys("/");
    desk.typed("müller REC");
    assert_eq!(desk.listed(), [Some("rs-1@sbc")], "by the metadata");
    desk.must_show(&["/ müller REC▏", "1 of 4 calls", "· R"]);
    desk.keys("enter enter");
    desk.must_show(&["a recording session and its call"]);
    desk.keys("esc esc");
    assert_eq!(desk.listed().len(), 5);
    for (filter, found) in [("486", vec![Some("busy-1")]), ("203.0.113.9:5060 4711", vec![Some("cs-call-1@pbx")])] {
        desk.keys("/");
        desk.typed(filter);
        assert_eq!(desk.listed(), found, "{filter}");
        desk.keys("esc");
    }
    desk.keys("/");
    desk.typed("nobody");
    desk.must_show(&["no call has all of these words"]);
    assert!(desk.keys("enter enter").is_empty() && desk.0.opened.is_none());
}

#[test]
fn each_column_sorts_and_groups_are_not_torn() {
    let mut desk = Desk::new(SMALL);
    let first = |desk: &Desk| desk.listed()[0].unwrap_or_default().to_owned();
    desk.keys("o o o o");
    assert_eq!((desk.0.table.sort, first(&desk).as_str()), (Sort::State, "busy-1"), "the worst first");
    desk.keys("o");
    assert_eq!(desk.listed()[..2], [Some("cs-call-1@pbx"), Some("rs-1@sbc")], "by its most messages, in their order");
    desk.keys("O");
    assert_eq!(desk.listed().last(), Some(&Some("rs-1@sbc")));
    desk.event(Event::Click(5, 2));
    assert_eq!((desk.0.table.sort, desk.0.table.reversed), (Sort::Time, false));
    desk.event(Event::Click(5, 2));
    assert_eq!((first(&desk).as_str(), desk.0.table.reversed), ("", true), "what is of no call");
}

#[test]
fn a_call_shows_its_ladder_with_all_that_belongs_to_it() {
    for size in [SMALL, LARGE] {
        let mut desk = Desk::new(size);
        desk.keys("j enter");
        desk.must_be("trace-call");
        desk.keys("G");
        desk.must_be("trace-call-below");
        desk.must_show(&["no RTP of the caller came to 192.0.2.2:10002"]);
    }
    let mut desk = Desk::new(SMALL);
    desk.keys("j enter pagedown");
    desk.must_show(&["203.0.113.5", "SRC", "< > left, right"]);
    desk.keys("> >");
    desk.must_show(&["192.0.2.2", "SRS"]);
    desk.keys("esc G enter");
    desk.must_show(&["Streams that no description of the capture names", "000000d1  PCMA/8000"]);
    desk.keys("enter");
    desk.must_show(&["198.51.100.77:4000 > 198.51.100.78:4000", "payload types 8 PCMA"]);
}

#[test]
fn messages_are_read_one_after_the_other_and_keys_in_them_are_blanked() {
    for size in [SMALL, LARGE] {
        let mut desk = Desk::new(size);
        desk.keys("j enter m");
        assert!(desk.is_over(Part::Messages));
        desk.must_be("trace-messages");
        desk.keys("g enter");
        let first = desk.read();
        desk.keys("n n n n");
        assert_ne!(desk.read(), first);
        desk.must_show(&["INVITE sip:srs@192.0.2.2 SIP/2.0"]);
        desk.must_be("trace-message");
        let whole = desk.0.opened.as_ref().and_then(|opened| opened.reading.as_ref()).unwrap();
        let text: String = whole.rows.iter().map(|row| row.text() + "\n").collect();
        assert!(text.contains("inline:") && !text.contains(KEY), "{text}");
        desk.keys("p p p p p p");
        assert_eq!(desk.read(), first);
        desk.keys("q");
        assert_eq!((desk.read(), desk.is_over(Part::Messages)), (None, true));
        assert!(!screens::seen(&desk.0).contains(KEY), "nor in what is seen beside the list");
    }
}

#[test]
fn a_stream_is_told_whole_and_the_next_one_is_a_stream() {
    let mut desk = Desk::new(SMALL);
    desk.keys("j enter");
    let stream = |desk: &Desk| match desk.0.opened.as_ref().unwrap().scroll().subject() {
        Subject::Stream(place) => Some(place),
        Subject::None | Subject::Message(_) => None,
    };
    for _ in 0..20 {
        if stream(&desk).is_none() {
            desk.keys("n");
        }
    }
    desk.keys("enter");
    desk.must_be("trace-stream");
    let first = desk.read();
    desk.keys("n");
    assert!(matches!(desk.read(), Some(Subject::Stream(_))) && desk.read() != first);
    desk.keys("esc");
    assert!(stream(&desk).is_some(), "one is where one has read");
}

#[test]
fn what_metadata_changed_is_a_part_of_its_own() {
    for size in [SMALL, LARGE] {
        let mut desk = Desk::new(size);
        desk.keys("j enter d");
        desk.must_be("trace-metadata");
        desk.keys("G enter");
        desk.must_show(&["INVITE sip:srs@192.0.2.2 SIP/2.0"]);
    }
    let mut desk = Desk::new(SMALL);
    desk.keys("j j enter tab tab");
    desk.must_show(&["no message of it brought recording metadata"]);
}

#[test]
fn where_one_is_stays_when_the_part_or_the_size_is_another() {
    let mut desk = Desk::new(SMALL);
    desk.keys("j enter n n n");
    let chosen = |desk: &Desk| desk.0.opened.as_ref().unwrap().scroll().subject();
    let subject = chosen(&desk);
    for key in ["m", "l", "right", "left", "]", "["] {
        desk.keys(key);
        assert_eq!(chosen(&desk), subject, "{key}");
    }
    for size in [LARGE, (100, 30), SMALL] {
        desk.event(Event::Size(size.0, size.1));
        assert_eq!(chosen(&desk), subject, "{size:?}");
    }
}

#[test]
fn rows_about_nothing_say_so() {
    let mut desk = Desk::new(SMALL);
    desk.keys("j enter g enter");
    desk.must_show(&["this row is of no message and no stream"]);
    desk.0.update(NOW + 9_000, Event::Tick);
    assert!(desk.0.notice.is_none());
}

#[test]
fn clicks_and_the_wheel_do_what_keys_do() {
    let mut desk = Desk::new(LARGE);
    desk.event(Event::Click(10, 4));
    assert_eq!(desk.0.table.cursor.at, 1);
    assert!(desk.0.opened.is_none());
    desk.event(Event::Click(10, 4));
    assert!(desk.is_over(Part::Ladder));
    desk.event(Event::Click(super::view::part(Part::Messages).x + 1, 1));
    assert!(desk.is_over(Part::Messages));
    desk.event(Event::Wheel(3));
    let (rows, preview) = {
        let areas = super::view::areas(LARGE);
        (areas.rows, areas.preview.unwrap())
    };
    assert_eq!(desk.0.opened.as_ref().map(|opened| opened.scroll().at()), Some(3));
    desk.event(Event::Click(rows.x + 4, rows.y + 1));
    assert_eq!(desk.read(), None, "a click chooses");
    desk.event(Event::Click(preview.x + 4, preview.y + 4));
    assert!(matches!(desk.read(), Some(Subject::Message(_))));
    desk.event(Event::Click(rows.x + 4, rows.y + 1));
    assert!(desk.read().is_some(), "nothing is chosen in a message");
}

#[test]
fn help_fits_and_scrolls_and_a_picture_is_asked_for() {
    for size in [SMALL, LARGE] {
        let mut desk = Desk::new(size);
        desk.keys("?");
        desk.must_be("trace-help");
    }
    let mut desk = Desk::new(SMALL);
    desk.keys("? j j j j j j j j j j j j j j j j j j");
    desk.must_show(&["Times are UTC."]);
    desk.keys("x S");
    let name = "siprec-trace-20261130T093000Z.svg";
    assert_eq!(desk.0.overlay, Some(Overlay::Picture(crate::tui::cursor::Typed(name.into()))));
    desk.keys("ctrl-u");
    desk.event(Event::Pasted("seen.txt\n".into()));
    assert_eq!(desk.keys("enter"), [Effect::Save("seen.txt".into())]);
    assert_eq!(desk.keys("S ctrl-u enter"), []);
    desk.must_show(&["nothing was saved"]);
}

#[test]
fn monochrome_has_no_colours_and_colour_has() {
    let mut desk = Desk::new(LARGE);
    for keys in ["g", "j", "enter", "m", "enter", "esc", "?"] {
        desk.keys(keys);
        let mono = screens::cells(&desk.0, Look::Mono);
        assert!(mono.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "{keys}");
        let colour = screens::cells(&desk.0, Look::Colour);
        assert!(colour.content.iter().any(|cell| cell.fg != Color::Reset), "{keys}");
    }
}

#[test]
fn too_small_a_terminal_is_told_and_every_size_is_drawn() {
    let mut desk = Desk::new((79, 24));
    desk.must_show(&["79x24 is too small:", "80x24 at least"]);
    assert!(desk.keys("j enter").is_empty() && desk.0.opened.is_none());
    for keys in ["j", "enter", "G", "m", "d", "l", "n", "enter", "?", "x", "S"] {
        desk.event(Event::Size(80, 24));
        desk.keys(keys);
        for size in [(1, 1), (80, 24), (81, 40), (149, 39), (150, 40), (400, 24), (80, 200)] {
            desk.event(Event::Size(size.0, size.1));
            screens::seen(&desk.0);
        }
    }
    assert_eq!(desk.keys("ctrl-c"), [Effect::Quit]);
    let mut desk = Desk::new((10, 3));
    assert_eq!(desk.keys("q"), [Effect::Quit]);
    assert_eq!(Desk::new(SMALL).keys("enter q"), [Effect::Quit]);
}

#[test]
fn a_filter_of_the_command_line_chooses_calls_and_messages() {
    let filter = Filter { methods: vec!["BYE".into()], ..Filter::default() };
    let mut desk = Desk(State::new(Capture { filter, ..capture() }, SMALL, NOW));
    assert_eq!(desk.listed(), [Some("cs-call-1@pbx"), Some("rs-1@sbc")]);
    desk.keys("enter");
    let seen = screens::seen(&desk.0);
    assert!(seen.contains("BYE") && !seen.contains("ACK"), "{seen}");
    desk.keys("m");
    assert_eq!(desk.0.opened.as_ref().map(|opened| opened.scroll().count()), Some(4));
}

#[test]
fn ten_thousand_calls_are_drawn_as_fast_as_a_hundred() {
    let many = |count: usize| {
        let mut made = Made::default();
        for n in 0..count {
            answered(&mut made, i64::try_from(n).unwrap() * 10, &format!("call-{n}"), "INVITE", "SIP/2.0 200 OK");
        }
        let capture = Capture { name: "many.pcap".into(), story: made.0.finish(), filter: Filter::default() };
        Desk(State::new(capture, LARGE, NOW))
    };
    let time = |desk: &mut Desk| {
        let began = std::time::Instant::now();
        (0..30).for_each(|_| {
            desk.keys("pagedown");
            screens::seen(&desk.0);
        });
        began.elapsed()
    };
    let (mut thousands, mut hundred) = (many(10_000), many(100));
    let (of_many, of_few) = (time(&mut thousands), time(&mut hundred));
    assert!(of_many < of_few * 4, "{of_many:?} against {of_few:?}");
    let began = std::time::Instant::now();
    thousands.keys("/");
    thousands.typed("call-777");
    assert_eq!(thousands.listed().len(), 11);
    // Eight keys; unoptimised, on a machine that builds beside it.
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}
