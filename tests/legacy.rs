//! Cisco's recorders' dialects of before SIPREC at the real binary: of a phone's built-in bridge, near end and far end come
//! as two dialogs and are one recording; a gateway forks both voices in one dialog.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::raw::{Draft, Raw};
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::src::body::{Body, sdp};
use support::src::{Direction, Message};
use support::studio::{Plan, Speech};
use support::voice::{PACKET, Voice, tone_hz, tone_of};
use support::{TempDir, pause, wav};

const RENDERED_WITHIN: Duration = Duration::from_secs(30);
/// The call's number among the voices: its tones.
const CALL: usize = 7;
/// A tone that is there, and one that is not, of full scale.
const LOUD: f64 = -30.0;
const QUIET: f64 = -50.0;

/// One dialog of the bridge of phone 2000, which talks with 1000, as CUCM sends it.
struct End<'r> {
    raw: &'r Raw,
    from: String,
    invite: Draft,
    answer: Message,
    /// Kept until the end: nobody else gets the port.
    socket: Arc<UdpSocket>,
    leg: usize,
}

impl<'r> End<'r> {
    /// INVITE without an offer, ACK with the answer.
    #[track_caller]
    fn call(raw: &'r Raw, leg: usize, refci: &str) -> Self {
        let end = ["x-nearend", "x-farend"][leg];
        let from = format!(
            "<sip:2000@ucm1.example.com;{end};x-refci={refci};x-nearendclusterid=cluster;x-nearenddevice=SEP00;\
             x-nearendaddr=2000;x-farendrefci=9{refci};x-farendaddr=1000>"
        );
        let draft = Draft::new(raw, "INVITE");
        let invite = Draft { contact: draft.contact.replace(";+sip.src", ";isFocus"), ..draft };
        raw.send(&as_sent(&invite, &from));
        let answer = raw.must_answer();
        assert_eq!(answer.status(), 200, "{end}: {}", answer.start);
        assert_eq!(answer.text().matches("m=audio").count(), 1, "{}", answer.text());
        let socket = Arc::new(UdpSocket::bind((raw.local.ip(), 0)).unwrap());
        let port = socket.local_addr().unwrap().port();
        let sdp = sdp(raw.local.ip(), &[port], &[Direction::SendOnly], 1).replace("a=label:1\r\n", "");
        assert!(!sdp.contains("label"), "a phone knows no labels");
        let ack = Body::sdp(sdp);
        raw.send(&as_sent(&Draft { body: Some(ack), ..invite.within(raw, &answer, "ACK") }, &from));
        Self { raw, from, invite, answer, socket, leg }
    }

    /// Speaks in the tone of its end.
    fn speak(&self, seconds: f64) -> Speech {
        let plan = Plan::seconds(seconds);
        let voice = Voice::new(CALL, self.leg, plan.packets * PACKET);
        let to = std::net::SocketAddr::new(self.raw.server.ip(), self.answer.media()[0].port);
        Speech::begin(voice, plan, Arc::clone(&self.socket), to, Instant::now())
    }

    #[track_caller]
    fn hang_up(&self) {
        self.raw.send(&as_sent(&self.invite.within(self.raw, &self.answer, "BYE"), &self.from));
        let answer = self.raw.find(support::raw::SOON, |m| m.header("CSeq").is_some_and(|c| c.ends_with("BYE")));
        assert_eq!(answer.expect("an answer to BYE").status(), 200);
    }

    fn recording(&self, server: &Server) -> Recording {
        recordings::wait(&server.data, &self.invite.call_id, RENDERED_WITHIN)
    }
}

fn as_sent(draft: &Draft, from: &str) -> Vec<u8> {
    String::from_utf8(draft.bytes()).unwrap().replace("<sip:raw@example.com>", from).into_bytes()
}

fn cucm(server: &Server) -> Raw {
    let socket = UdpSocket::bind(("127.0.0.2", 0)).unwrap();
    Raw::on(socket, server.sip)
}

fn server() -> Server {
    Setup::default().set("peers=[{name: cucm, address: 127.0.0.2, legacy: true}]").start()
}

/// Which of the ends' tones are heard: left, right.
fn heard(recording: &Recording) -> [[bool; 2]; 2] {
    let audio = recording.audio().unwrap();
    assert_eq!((audio.len(), audio[0].channels.len()), (1, 2));
    let tones = [0, 1].map(|leg| tone_hz(tone_of(CALL, leg)));
    [0, 1].map(|channel| {
        tones.map(|hz| {
            let level = wav::level(&audio[0].channels[channel], hz);
            assert!(!(QUIET..=LOUD).contains(&level), "channel {channel}, {hz} Hz: {level} dB");
            level > LOUD
        })
    })
}

#[track_caller]
fn assert_is_whole(recording: &Recording, server: &Server, call: &str) {
    assert_eq!(heard(recording), [[true, false], [false, true]], "near end left, far end right");
    assert_eq!(recording.text("/communication_session/id"), format!("{call}@cluster"));
    assert_eq!(recording.text("/caller/aor"), "sip:2000@ucm1.example.com");
    assert_eq!(recording.text("/callee/aor"), "sip:1000@ucm1.example.com");
    assert_eq!(recording.list("/streams").len(), 2);
    let found = Command::new(env!("CARGO_BIN_EXE_siprec"))
        .args(["export", "--data-dir"])
        .arg(&server.data)
        .args(["--call", call, "--dry-run", "--json"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    assert_eq!(said.lines().filter(|line| line.contains("2000@ucm1.example.com")).count(), 1, "one row: {said}");
    assert_replays(recording);
}

/// The journal gives the same recording, without the configuration that it was made under.
#[track_caller]
fn assert_replays(live: &Recording) {
    let place = TempDir::new("replayed");
    let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
    let output = command.arg("replay").args(live.segments()).arg("--data-dir").arg(place.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = recordings::all(place.path());
    assert_eq!(again.len(), 1, "recordings of the replayed journal");
    assert_eq!(again[0].id(), live.id());
    assert_eq!(wav_of(&again[0]), wav_of(live), "the same bytes");
    for pointer in ["/started_at", "/ended_by", "/participants", "/streams", "/proof/pauses", "/proof/findings"] {
        assert_eq!(again[0].sheet.pointer(pointer), live.sheet.pointer(pointer), "{pointer}");
    }
}

fn wav_of(recording: &Recording) -> Vec<u8> {
    let folder: &Path = recording.path.parent().unwrap();
    std::fs::read(folder.join(recording.text("/files/0/name"))).unwrap()
}

fn words(recording: &Recording) -> String {
    recording.sheet.pointer("/proof").unwrap().to_string()
}

#[test]
fn near_and_far_end_are_the_two_channels_of_one_recording() {
    let server = server();
    let cucm = cucm(&server);
    // The far end first, too: who is left and who is right does not hang on the order.
    for (call, first) in [("38960750", 0), ("38960760", 1)] {
        let one = End::call(&cucm, first, call);
        let other = End::call(&cucm, 1 - first, call);
        let (a, b) = (one.speak(3.0), other.speak(2.0));
        b.wait();
        other.hang_up();
        a.wait();
        one.hang_up();
        let recording = one.recording(&server);
        assert_is_whole(&recording, &server, call);
        let pauses = recording.list("/proof/pauses");
        assert_eq!(pauses.len(), 1, "{pauses:?}");
        assert_eq!(pauses[0]["cause"], "dialog_ended");
    }
}

#[test]
fn a_kill_between_the_dialogs_and_one_amid_both_lose_nothing() {
    let mut server = server();
    let cucm = cucm(&server);
    let near = End::call(&cucm, 0, "5000");
    let voice = near.speak(7.0);
    pause(Duration::from_secs(1));
    server.kill();
    server.restart();
    let far = End::call(&cucm, 1, "5000");
    let other = far.speak(4.0);
    pause(Duration::from_millis(1500));
    server.kill();
    server.restart();
    other.wait();
    voice.wait();
    near.hang_up();
    far.hang_up();
    let recording = near.recording(&server);
    assert_is_whole(&recording, &server, "5000");
    assert_eq!(recording.gaps().len(), 2, "{:?}", recording.gaps());
    assert!(words(&recording).contains("the far end's dialog came"), "{}", words(&recording));
}

#[test]
fn an_end_that_never_comes_or_comes_too_late_leaves_one_of_one_leg_that_says_so() {
    let server = server();
    let cucm = cucm(&server);
    let near = End::call(&cucm, 0, "6000");
    near.speak(1.5).wait();
    near.hang_up();
    let recording = near.recording(&server);
    assert_eq!(heard(&recording), [[true, false], [false, false]]);
    assert!(words(&recording).contains("the far end's dialog never came"), "{}", words(&recording));
    assert_replays(&recording);
    let far = End::call(&cucm, 1, "6000");
    far.speak(1.5).wait();
    far.hang_up();
    let late = far.recording(&server);
    assert_ne!(late.id(), recording.id());
    assert_eq!(heard(&late), [[false, true], [false, false]], "who is alone is left");
    assert!(words(&late).contains("the near end's dialog never came"), "{}", words(&late));
    assert_eq!(late.text("/communication_session/id"), "6000@cluster", "one call all the same");
}

/// Network-based recording: a gateway's ordinary INVITE, whose header fields say who is on which m-line.
#[test]
fn a_gateways_fork_is_a_recording_of_both_parties() {
    let server = server();
    let gateway = cucm(&server);
    let sockets = [0, 1].map(|_| Arc::new(UdpSocket::bind((gateway.local.ip(), 0)).unwrap()));
    let ports = [0, 1].map(|leg: usize| sockets[leg].local_addr().unwrap().port());
    let unlabelled = |version| {
        let sdp = sdp(gateway.local.ip(), &ports, &[Direction::SendOnly; 2], version);
        sdp.replace("a=label:1\r\n", "").replace("a=label:2\r\n", "")
    };
    // The second voice is named first.
    let parties = "Cisco-Guid: 1090652288-0000065536-0000000017-0404367370\r\n\
                   X-Cisco-Recording-Participant: sip:5678@10.0.0.2;media-index=\"1\"\r\n\
                   X-Cisco-Recording-Participant: sip:1234@10.0.0.1;media-index=\"0\"\r\n";
    let draft = Draft::new(&gateway, "INVITE");
    let contact = draft.contact.replace(";+sip.src", "");
    let body = Some(Body::sdp(unlabelled(1)));
    let invite = Draft { contact, more: parties.into(), body, ..draft };
    let answer = gateway.ask(&invite);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.media().iter().filter(|m| m.direction == "recvonly" && m.port != 0).count(), 2);
    assert!(!answer.text().contains("a=label"), "what was not offered is not answered");
    gateway.send(&invite.within(&gateway, &answer, "ACK").bytes());
    let speech = [0, 1].map(|leg: usize| {
        let plan = Plan::seconds(2.0);
        let voice = Voice::new(CALL, leg, plan.packets * PACKET);
        let to = std::net::SocketAddr::new(server.sip.ip(), answer.media()[leg].port);
        Speech::begin(voice, plan, Arc::clone(&sockets[leg]), to, Instant::now())
    });
    let again = Draft {
        more: parties.into(),
        body: Some(Body::sdp(unlabelled(2))),
        ..invite.within(&gateway, &answer, "INVITE")
    };
    let ok = gateway.ask(&again);
    assert_eq!(ok.status(), 200, "a re-INVITE in the dialect");
    gateway.send(&again.within(&gateway, &ok, "ACK").bytes());
    speech.iter().for_each(Speech::wait);
    let bye = Draft { cseq: 3, ..invite.within(&gateway, &answer, "BYE") };
    assert_eq!(gateway.ask(&bye).status(), 200);
    let recording = recordings::wait(&server.data, &invite.call_id, RENDERED_WITHIN);
    assert_eq!(heard(&recording), [[true, false], [false, true]]);
    assert_eq!(recording.aors(), ["sip:1234@10.0.0.1", "sip:5678@10.0.0.2"]);
    assert_eq!(recording.text("/caller/aor"), "sip:1234@10.0.0.1");
    let labels: Vec<_> = recording.list("/participants").iter().map(|p| p["labels"][0].as_str().unwrap()).collect();
    assert_eq!(labels, ["1", "2"]);
    assert_replays(&recording);
}
