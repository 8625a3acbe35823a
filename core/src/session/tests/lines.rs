//! The m-lines of a session: how many, which ones, under what names, and what becomes of them (RFC 3264, RFC 7866 7).

use super::*;
use crate::entry::{PauseCause, SourceChange};
use crate::media::PortEvent;
use crate::sip::Method;

const SDP: &str = "Content-Type: application/sdp\r\n";

fn offer(lines: &[&str]) -> String {
    let head = "v=0\r\no=SRC 77 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n";
    format!("{head}{}", lines.concat())
}

fn answer(message: &Message) -> String {
    String::from_utf8(message.body.clone()).unwrap()
}

fn m_lines(message: &Message) -> Vec<String> {
    answer(message).lines().filter(|line| line.starts_with("m=")).map(String::from).collect()
}

fn invite(bench: &mut Bench, id: &str, sdp: &str) -> (Call, Vec<Message>) {
    let mut call = Call::new(id);
    let request = call.request("INVITE", &format!("Require: siprec\r\n{SDP}"), sdp);
    let answers = bench.send(&request);
    if let Some(tag) = answers.first().and_then(Message::to_tag) {
        call.to_tag = tag.to_string();
    }
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    (call, answers)
}

#[test]
fn any_number_of_lines_is_answered_line_for_line() {
    for count in [1, 2, 4, 8, 16] {
        let lines: Vec<String> = (0..count)
            .map(|n| format!("m=audio {} RTP/AVP 0\r\na=label:{n}\r\na=sendonly\r\n", 30_000 + 2 * n))
            .collect();
        let mut bench = Bench::new();
        let (_, answers) = invite(&mut bench, "a", &offer(&lines.iter().map(String::as_str).collect::<Vec<_>>()));
        assert_eq!(statuses(&answers), [200], "{count} lines");
        let ours = m_lines(&answers[0]);
        assert_eq!(ours.len(), count);
        assert!(ours.iter().all(|line| line.starts_with("m=audio 10")), "{ours:?}");
        assert_eq!((answer(&answers[0]).matches("a=recvonly").count(), bench.opened.len()), (count, count));
        for n in 0..count {
            assert!(answer(&answers[0]).contains(&format!("a=label:{n}\r\n")));
        }
    }
}

#[test]
fn what_is_not_recorded_keeps_its_place_with_port_0() {
    let lines = [
        "m=image 30000 udptl t38\r\n",
        "m=audio 30002 RTP/AVP 0\r\na=label:1\r\n",
        "m=application 30004 UDP/BFCP *\r\n",
        "m=video 30006 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=content:slides\r\na=label:2\r\n",
        "m=audio 30008 RTP/AVPF 8\r\na=label:3\r\n",
        "m=text 30010 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n",
    ];
    let mut bench = Bench::new();
    let (_, answers) = invite(&mut bench, "a", &offer(&lines));
    assert_eq!(
        m_lines(&answers[0]),
        [
            "m=image 0 udptl t38",
            "m=audio 10000 RTP/AVP 0",
            "m=application 0 UDP/BFCP *",
            "m=video 0 RTP/AVP 96",
            "m=audio 10002 RTP/AVPF 8",
            "m=text 10004 RTP/AVP 98"
        ]
    );
    assert_eq!(bench.opened.len(), 3, "no port for what is refused");
}

/// A server that records video as well.
fn with_video() -> Policy {
    let mut policy = policy();
    policy.answer.accept_media.push("video".into());
    policy
}

#[test]
fn video_is_taken_as_it_is_offered_where_it_is_recorded() {
    let line = "m=video 30006 RTP/AVPF 96 97\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01f\r\n\
                a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtcp-fb:* ccm fir\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\na=label:2\r\na=sendonly\r\n";
    let mut bench = Bench::with(with_video());
    let (_, answers) = invite(&mut bench, "a", &offer(&[line]));
    let text = answer(&answers[0]);
    assert_eq!(m_lines(&answers[0]), ["m=video 10000 RTP/AVPF 96 97"]);
    assert!(text.contains("a=fmtp:96 profile-level-id=42e01f\r\n"), "{text}");
    assert!(text.contains("a=rtcp-fb:* ccm fir\r\na=rtcp-fb:* nack pli\r\n") && !text.contains("remb"), "{text}");
    assert_eq!(
        bench.settings.last().unwrap().feedback,
        crate::sdp::Feedback { fir: true, pli: true, round_trip: false }
    );
}

#[test]
fn whose_video_has_no_feedback_is_asked_for_a_whole_picture_by_info() {
    let video = "m=video 30006 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=label:2\r\na=sendonly\r\n";
    for (allow, profile, asked) in [
        ("", "AVP", 1),
        ("Allow: INVITE, ACK, BYE, INFO\r\n", "AVP", 1),
        ("Allow: INVITE, ACK, BYE\r\n", "AVP", 0),
        ("", "AVPF", 0),
    ] {
        let mut bench = Bench::with(with_video());
        let line = format!("{}a=rtcp-fb:* ccm fir\r\n", video.replace("AVP ", &format!("{profile} ")));
        let mut call = Call::new("a");
        let request = call.request("INVITE", &format!("Require: siprec\r\n{allow}{SDP}"), &offer(&[&line]));
        let answers = bench.send(&request);
        call.to_tag = answers[0].to_tag().unwrap().to_string();
        let ack = call.request("ACK", "", "");
        bench.send(&ack);
        let session = bench.session();
        let from = "192.0.2.9:30006".parse().unwrap();
        let begins = |bench: &mut Bench, ssrc| {
            let event = PortEvent::Source { at: bench.now.wall, ssrc, from, change: SourceChange::NewSsrc };
            let statistics = bench.statistics(0);
            bench.input(Input::Media(&MediaReport { session, event: Some(event), statistics }))
        };
        let sent = [begins(&mut bench, 1), begins(&mut bench, 2)].concat();
        let infos: Vec<_> = sent.iter().filter(|message| message.method() == Some(&Method::Info)).collect();
        assert_eq!(infos.len(), asked, "{allow:?} {profile}: once within two seconds");
        for info in infos {
            assert_eq!(info.content_type(), Some("application/media_control+xml"));
            assert!(String::from_utf8_lossy(&info.body).contains("<picture_fast_update/>"));
        }
    }
}

#[test]
fn lines_without_labels_and_with_the_same_one_are_recorded_all_the_same() {
    for label in ["", "a=label:7\r\n"] {
        let line = |port| format!("m=audio {port} RTP/AVP 8\r\n{label}a=sendonly\r\n");
        let mut bench = Bench::new();
        let (_, answers) = invite(&mut bench, "a", &offer(&[&line(30_000), &line(30_002)]));
        assert_eq!((statuses(&answers), bench.opened.len()), ([200].to_vec(), 2), "{label:?}");
        assert_eq!(answer(&answers[0]).matches("a=label").count(), if label.is_empty() { 0 } else { 2 });
    }
}

#[test]
fn a_label_is_any_token() {
    let mut bench = Bench::new();
    let (_, answers) = invite(&mut bench, "a", &offer(&["m=audio 30000 RTP/AVP 8\r\na=label:cust-A.1\r\n"]));
    assert!(answer(&answers[0]).contains("a=label:cust-A.1\r\n"));
    assert_eq!(bench.settings.last().unwrap().stream.label.as_deref(), Some("cust-A.1"));
}

#[test]
fn fewer_lines_than_before_close_the_rest() {
    let mut bench = Bench::new();
    let one = "m=audio 30000 RTP/AVP 8\r\na=label:1\r\na=sendonly\r\n";
    let two = "m=audio 30002 RTP/AVP 8\r\na=label:2\r\na=sendonly\r\n";
    let (mut call, _) = invite(&mut bench, "a", &offer(&[one, two]));
    let fewer = call.request("INVITE", SDP, &offer(&[one]));
    let answers = bench.send(&fewer);
    assert_eq!((statuses(&answers), m_lines(&answers[0]).len()), ([200].to_vec(), 1));
    assert_eq!(bench.closed, [(bench.session(), PortIndex(1))]);
}

#[test]
fn a_place_that_was_given_up_is_used_again() {
    let mut bench = Bench::new();
    let one = "m=audio 30000 RTP/AVP 8\r\na=label:1\r\na=sendonly\r\n";
    let gone = "m=audio 0 RTP/AVP 8\r\n";
    let third = "m=audio 30004 RTP/AVP 8\r\na=label:3\r\na=sendonly\r\n";
    let (mut call, _) = invite(&mut bench, "a", &offer(&[one]));
    let mut ports = Vec::new();
    for lines in [&[one, third][..], &[gone, third][..], &[third, third][..]] {
        let reinvite = call.request("INVITE", SDP, &offer(lines));
        let answers = bench.send(&reinvite);
        ports.push(m_lines(&answers[0]).iter().map(|l| l.split(' ').nth(1).unwrap().to_string()).collect::<Vec<_>>());
        let ack = call.repeat("ACK", "", "");
        bench.send(&ack);
    }
    assert_eq!(ports, [["10000", "10002"], ["0", "10002"], ["10004", "10002"]]);
    assert_eq!(bench.closed, [(bench.session(), PortIndex(0))]);
}

#[test]
fn a_number_that_comes_to_mean_another_codec_is_followed() {
    let mut bench = Bench::new();
    let line = |codec: &str| format!("m=audio 30000 RTP/AVP 96\r\na=rtpmap:96 {codec}\r\na=label:1\r\n");
    let (mut call, _) = invite(&mut bench, "a", &offer(&[&line("opus/48000/2")]));
    assert_eq!(bench.settings.last().unwrap().stream.formats[0].encoding, "opus");
    let reinvite = call.request("INVITE", SDP, &offer(&[&line("PCMA/8000")]));
    assert_eq!(statuses(&bench.send(&reinvite)), [200]);
    let now = &bench.settings.last().unwrap().stream;
    assert_eq!((now.formats[0].payload_type, now.formats[0].encoding.as_ref()), (96, "PCMA"));
    let told = bench.events().iter().filter(|e| matches!(e, Event::Stream(_))).count();
    assert!(told >= 2, "the journal knows when the number changed its meaning");
    assert!(bench.closed.is_empty());
}

#[test]
fn a_peer_that_moves_is_followed_on_the_same_port() {
    let mut bench = Bench::new();
    let line = |port| format!("m=audio {port} RTP/AVP 8\r\na=label:1\r\na=sendonly\r\n");
    let (mut call, _) = invite(&mut bench, "a", &offer(&[&line(30_000)]));
    let moved = offer(&[&line(31_000)]).replace("c=IN IP4 127.0.0.2", "c=IN IP4 127.0.0.9");
    let reinvite = call.request("INVITE", SDP, &moved);
    let answers = bench.send(&reinvite);
    assert_eq!(m_lines(&answers[0]), ["m=audio 10000 RTP/AVP 8"]);
    assert_eq!(bench.settings.last().unwrap().stream.remote, Some("127.0.0.9:31000".parse().unwrap()));
    assert_eq!(bench.opened.len(), 1);
}

#[test]
fn hold_by_a_zero_address_keeps_nothing_and_a_line_may_have_its_own_address() {
    let mut bench = Bench::new();
    let line = "m=audio 30000 RTP/AVP 8\r\na=label:1\r\na=sendonly\r\n";
    let (mut call, _) = invite(&mut bench, "a", &offer(&[line]));
    let held = offer(&[line]).replace("c=IN IP4 127.0.0.2", "c=IN IP4 0.0.0.0");
    let hold = call.request("INVITE", SDP, &held);
    assert_eq!(statuses(&bench.send(&hold)), [200]);
    assert_eq!(bench.settings.last().unwrap().stream.paused, Some(PauseCause::ZeroAddress));
    let ack = call.repeat("ACK", "", "");
    bench.send(&ack);
    let own = held.replace("a=label:1\r\n", "c=IN IP4 127.0.0.8\r\na=label:1\r\n");
    let back = call.request("INVITE", SDP, &own);
    bench.send(&back);
    let stream = &bench.settings.last().unwrap().stream;
    assert_eq!((stream.paused, stream.remote), (None, Some("127.0.0.8:30000".parse().unwrap())));
}

#[test]
fn what_browsers_add_is_left_out_of_the_answer() {
    let browser = "m=audio 30000 RTP/AVPF 111 0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
        a=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\na=candidate:1 1 UDP 2130706431 127.0.0.2 30000 typ host\r\n\
        a=rtcp-mux\r\na=rtcp-fb:111 transport-cc\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=ssrc:1 cname:x\r\na=sendonly\r\n";
    let bundled = "m=audio 0 RTP/AVPF 0\r\na=mid:1\r\na=bundle-only\r\n";
    let sdp = offer(&[browser, bundled]).replace("t=0 0\r\n", "t=0 0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\n");
    let mut bench = Bench::new();
    let (_, answers) = invite(&mut bench, "a", &sdp);
    assert_eq!(statuses(&answers), [200]);
    let text = answer(&answers[0]);
    for foreign in ["a=group", "a=ice", "a=candidate", "a=bundle-only", "a=extmap", "a=rtcp-fb"] {
        assert!(!text.contains(foreign), "{foreign} in {text}");
    }
    assert!(text.contains("m=audio 10000 RTP/AVPF ") && text.contains("m=audio 0 RTP/AVPF 0"), "{text}");
    assert!(text.contains("a=rtcp-mux"), "RFC 5761 5.1.1: what is offered is taken: {text}");
}

#[test]
fn an_answer_may_say_less_than_its_offer_and_never_more() {
    let junk = "m=audio 30000 RTP/AVP 8 111\r\nb=X-YZ:1\r\nb=AS:64\r\nk=clear:secret\r\na=3gOoBTC\r\na=rtpmap:111 opus/48000/2\r\n\
        a=ptime:40\r\na=maxptime:60\r\na=sendonly\r\n";
    let lines = offer(&[junk]).replace("\r\n", "\n");
    let mut bench = Bench::new();
    let (_, answers) = invite(&mut bench, "a", &lines);
    assert_eq!(statuses(&answers), [200], "line feeds alone are borne (RFC 8866 5)");
    let text = answer(&answers[0]);
    assert!(text.lines().all(|line| text.contains(&format!("{line}\r\n"))), "ours end as they should");
    assert!(
        text.contains("s=-\r\n") && !text.contains("k=") && !text.contains("3gOo") && !text.contains("X-YZ"),
        "{text}"
    );
    assert!(text.contains("a=ptime:40\r\n"), "{text}");
}

#[test]
fn an_odd_line_is_answered_in_its_place_and_the_others_are_taken() {
    let good = "m=audio 30000 RTP/AVP 8\r\na=label:1\r\na=sendonly\r\n";
    for (odd, answered) in [
        ("m=audio x RTP/AVP 0\r\n", "m=audio 0 RTP/AVP 0"),
        ("m=audio 99999/2 RTP/AVP 0 8\r\n", "m=audio 0 RTP/AVP 0 8"),
        ("m=audio 30002\r\n", "m=audio 0 RTP/AVP 0"),
        ("m=\r\na=label:2\r\n", "m=audio 0 RTP/AVP 0"),
        ("m=audio 30002 TCP/WHATEVER 0\r\n", "m=audio 0 TCP/WHATEVER 0"),
    ] {
        let mut bench = Bench::new();
        let (_, answers) = invite(&mut bench, "a", &offer(&[odd, good]).replace("t=0 0", "t=soon\r\nb=x"));
        assert_eq!(statuses(&answers), [200], "{odd}");
        assert_eq!(m_lines(&answers[0]), [answered, "m=audio 10000 RTP/AVP 8"], "{odd}");
        assert!(answer(&answers[0]).contains("t=0 0\r\n"));
        let (_, answers) = invite(&mut bench, "b", &offer(&[odd]));
        assert_eq!(statuses(&answers), [488], "{odd}: nothing is left to record");
    }
    let mut bench = Bench::new();
    let (_, answers) = invite(&mut bench, "c", &offer(&[good]).replace("\r\n", "\r"));
    assert_eq!((statuses(&answers), !bench.settings.is_empty()), ([200].to_vec(), true), "CR alone");
}
