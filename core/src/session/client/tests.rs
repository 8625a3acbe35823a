//! The client against a server that is written down: each answer that an SRS may give.

use super::*;
use crate::metadata::{Document, write_snapshot_request};
use crate::sdp::{Direction, static_format};
use crate::time::Wall;
use core::time::Duration;

const CALL: CallNumber = CallNumber(1);

struct Pair {
    client: Client,
    now: Now,
    flow: Flow,
    /// Of the last run: requests and responses sent, and what was told.
    sent: Vec<Message>,
    told: Vec<Output>,
}

fn line(label: &str, rtp: u16) -> Line {
    Line {
        kind: "audio".into(),
        proto: "RTP/AVP".into(),
        formats: static_format(8).into_iter().collect(),
        label: label.into(),
        ptime: Some(20),
        rtp,
        rtcp: rtp + 1,
        direction: Direction::SendOnly,
        key: None,
        more: Vec::new(),
    }
}

impl Pair {
    fn calling() -> Self {
        let flow = Flow {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.9:5060".parse().unwrap(),
            connection: None,
        };
        let login = Some(("sbc".to_string(), Password::new("secret")));
        let client = Client::new(Settings { login, ..Settings::default() }, Seed([7; 32]));
        let now = Now { monotonic: Monotonic(1_000_000_000), wall: Wall(1_795_403_601_042_000_000) };
        let mut pair = Self { client, now, flow: flow.clone(), sent: Vec::new(), told: Vec::new() };
        let document = Document::default();
        let plan = Plan {
            uri: "sip:srs@192.0.2.9".into(),
            from: "<sip:src@192.0.2.1>".into(),
            address: flow.local.ip(),
            lines: [line("1", 4000), line("2", 4002)].into(),
            metadata: Some(Body::of(&document)),
            document,
        };
        pair.client.start(now, CALL, flow, plan);
        pair.collect();
        pair
    }

    fn established() -> Self {
        let mut pair = Self::calling();
        let ok = pair.ok(&pair.sent[0].clone(), "recvonly");
        pair.hear(ok);
        pair
    }

    fn collect(&mut self) {
        self.sent.clear();
        self.told.clear();
        while let Some(output) = self.client.poll_output() {
            if let Output::Send { bytes, .. } = &output {
                self.sent.push(Message::parse_datagram(bytes).unwrap());
            } else {
                self.told.push(output);
            }
        }
    }

    fn hear(&mut self, message: Message) {
        let flow = self.flow.clone();
        self.client.handle_message(self.now, &flow, &message.encode());
        self.collect();
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now.monotonic.after(time);
        while let Some(due) = self.client.next_timeout().filter(|due| *due <= end) {
            self.now.monotonic = due;
            self.client.handle_timeout(self.now);
        }
        self.now.monotonic = end;
        self.collect();
    }

    fn sdp(direction: &str, ports: [u16; 2]) -> Vec<u8> {
        let mut sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n".to_string();
        for (n, port) in ports.iter().enumerate() {
            sdp += &format!("m=audio {port} RTP/AVP 8\r\na=label:{}\r\na={direction}\r\n", n + 1);
        }
        sdp.into_bytes()
    }

    fn answer(&self, request: &Message, status: u16) -> Message {
        let mut response = Message::response(status, "Said", request).with("Contact", "<sip:srs@192.0.2.9>;+sip.srs");
        response.set_to_tag("srs");
        response
    }

    fn ok(&self, request: &Message, direction: &str) -> Message {
        self.answer(request, 200)
            .with("Allow", "INVITE, UPDATE")
            .with("Session-Expires", "1800;refresher=uac")
            .with_body("application/sdp", Self::sdp(direction, [5000, 5002]))
    }

    /// A request of the server's in the dialog.
    fn theirs(&self, method: Method, ack: &Message) -> Message {
        let uri = "sip:src@192.0.2.1:5060";
        let number = 1 + self.now.monotonic.0 / 1_000_000_000;
        Message::request(method.clone(), uri)
            .with("Via", format!("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{number}{method}"))
            .with("From", ack.header("To").unwrap())
            .with("To", ack.header("From").unwrap())
            .with("Call-ID", ack.call_id().unwrap())
            .with("CSeq", format!("{number} {method}"))
            .with("Contact", "<sip:srs@192.0.2.9>;+sip.srs")
    }

    fn methods(&self) -> Vec<&str> {
        self.sent.iter().map(|m| m.method().map_or("", |method| method.as_str())).collect()
    }

    fn end(&self) -> Option<&End> {
        self.told.iter().find_map(|output| if let Output::Over { end, .. } = output { Some(end) } else { None })
    }

    fn sends(&self) -> Option<Vec<bool>> {
        let lines = self
            .told
            .iter()
            .find_map(|output| if let Output::Media { lines, .. } = output { Some(lines) } else { None });
        lines.map(|lines| lines.iter().map(|line| line.sends).collect())
    }
}

#[test]
fn an_invite_has_all_that_rfc_7866_asks_of_a_client() {
    let pair = Pair::calling();
    let invite = &pair.sent[0];
    assert!(invite.header("Contact").unwrap().ends_with(";+sip.src") && invite.require() == ["siprec"]);
    let parts = crate::sip::multipart::parts(invite.content_type().unwrap(), &invite.body).unwrap();
    assert!(parts.len() == 2 && parts[0].is("application/sdp") && parts[1].is("application/rs-metadata+xml"));
    let sdp = String::from_utf8_lossy(&parts[0].body).into_owned();
    assert_eq!((sdp.matches("a=sendonly").count(), sdp.matches("a=label:").count()), (2, 2), "{sdp}");
    assert_eq!(invite.header("Session-Expires"), Some("1800;refresher=uac"));
}

#[test]
fn a_2xx_is_acknowledged_and_tells_where_media_goes() {
    let pair = Pair::established();
    assert_eq!((pair.methods(), pair.sends()), (["ACK"].to_vec(), Some([true, true].to_vec())));
}

#[test]
fn challenges_redirections_short_intervals_and_crossings_are_borne() {
    let mut pair = Pair::calling();
    let challenge = "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"";
    pair.hear(pair.answer(&pair.sent[0], 401).with("WWW-Authenticate", challenge));
    assert_eq!(pair.methods(), ["ACK", "INVITE"]);
    assert!(pair.sent[1].header("Authorization").is_some() && pair.sent[1].header("CSeq") == Some("2 INVITE"));
    pair.hear(pair.answer(&pair.sent[1], 422).with("Min-SE", "3600"));
    assert_eq!(pair.sent[1].header("Session-Expires"), Some("3600;refresher=uac"));
    assert_eq!(pair.sent[1].header("Min-SE"), Some("3600"));
    let mut moved = pair.answer(&pair.sent[1], 302);
    moved.headers.set("Contact", "<sip:srs@192.0.2.10:5070>");
    pair.hear(moved);
    assert!(matches!(&pair.told[..], [Output::Redirected { uri, .. }] if uri == "sip:srs@192.0.2.10:5070"));
    let flow = Flow { remote: "192.0.2.10:5070".parse().unwrap(), ..pair.flow.clone() };
    pair.client.redirect(pair.now, CALL, Some(flow));
    pair.collect();
    assert_eq!(pair.sent[0].uri(), Some("sip:srs@192.0.2.10:5070"));
    pair.hear(pair.answer(&pair.sent[0], 491));
    assert_eq!(pair.methods(), ["ACK"]);
    pair.wait(Duration::from_secs(4));
    assert_eq!(pair.sent.last().unwrap().header("CSeq"), Some("5 INVITE"));
    pair.hear(pair.ok(&pair.sent.last().unwrap().clone(), "recvonly"));
    assert_eq!(pair.methods(), ["ACK"]);
}

#[test]
fn refusals_end_the_call_and_say_why() {
    for (status, retry) in [(488, None), (503, Some(30)), (420, None), (486, None)] {
        let mut pair = Pair::calling();
        let refusal = pair.answer(&pair.sent[0], status).with("Retry-After", "30 (busy)");
        let refusal = if retry.is_some() { refusal } else { pair.answer(&pair.sent[0], status) };
        pair.hear(refusal);
        let expected = End::Refused { status, reason: "Said".into(), retry_after: retry, warning: None };
        assert_eq!((pair.end(), pair.client.calls()), (Some(&expected), 0));
    }
    let mut pair = Pair::calling();
    let refusal = pair.answer(&pair.sent[0], 488).with("Warning", "399 srs \"keys in clear, see sdes_over_clear\"");
    pair.hear(refusal);
    assert_eq!(pair.end().unwrap().to_string(), "488 Said: keys in clear, see sdes_over_clear");
    let mut pair = Pair::calling();
    pair.wait(Duration::from_secs(33));
    assert_eq!(pair.end(), Some(&End::Unanswered));
}

#[test]
fn an_answer_in_another_order_or_of_another_length_is_told_and_ended() {
    for body in
        ["m=audio 5000 RTP/AVP 8\r\n", "m=audio 1 RTP/AVP 8\r\na=label:2\r\nm=audio 2 RTP/AVP 8\r\na=label:1\r\n"]
    {
        let mut pair = Pair::calling();
        let sdp = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{body}");
        pair.hear(pair.answer(&pair.sent[0], 200).with_body("application/sdp", sdp.into_bytes()));
        assert_eq!(pair.methods(), ["ACK", "BYE"]);
        assert!(matches!(pair.end(), Some(End::Broken(_))), "{:?}", pair.told);
    }
    let mut pair = Pair::calling();
    let closed = Pair::sdp("recvonly", [5000, 0]);
    pair.hear(pair.answer(&pair.sent[0], 200).with_body("application/sdp", closed));
    assert_eq!(pair.sends(), Some([true, false].to_vec()), "port 0 closes one line only");
}

#[test]
fn the_servers_pause_is_obeyed_and_its_request_for_a_snapshot_answered() {
    let mut pair = Pair::established();
    let ack = pair.sent[0].clone();
    pair.hear(pair.theirs(Method::Invite, &ack).with_body("application/sdp", Pair::sdp("inactive", [5000, 5002])));
    assert_eq!((pair.sent[0].status(), pair.sends()), (Some(200), Some([false, false].to_vec())));
    assert!(String::from_utf8_lossy(&pair.sent[0].body).contains("a=inactive"));
    pair.wait(Duration::from_secs(1));
    pair.hear(pair.theirs(Method::Update, &ack).with_body("application/rs-metadata", write_snapshot_request(None)));
    assert_eq!((pair.sent[0].status(), pair.methods()[1]), (Some(200), "UPDATE"));
    let update = pair.sent[1].clone();
    let body = String::from_utf8_lossy(&update.body).into_owned();
    assert!(body.contains("<datamode>complete</datamode>") && body.contains("a=label:1"), "{body}");
    pair.hear(pair.ok(&update, "recvonly"));
    pair.wait(Duration::from_secs(1));
    pair.hear(pair.theirs(Method::Bye, &ack));
    assert_eq!((pair.sent[0].status(), pair.end()), (Some(200), Some(&End::Theirs)));
}

#[test]
fn we_hold_refresh_and_end_and_a_lost_dialog_is_over() {
    let mut pair = Pair::established();
    pair.client.change(pair.now, CALL, Change::Hold);
    pair.client.change(pair.now, CALL, Change::Resume);
    pair.collect();
    assert_eq!(pair.methods(), ["INVITE"], "one after the other");
    assert!(String::from_utf8_lossy(&pair.sent[0].body).contains("a=inactive"));
    pair.hear(pair.ok(&pair.sent[0].clone(), "inactive"));
    assert_eq!((pair.methods(), pair.sends()), (["ACK", "INVITE"].to_vec(), Some([false, false].to_vec())));
    pair.hear(pair.ok(&pair.sent[1].clone(), "recvonly"));
    assert_eq!(pair.sends(), Some([true, true].to_vec()));
    pair.wait(Duration::from_secs(900));
    assert_eq!(pair.methods()[0], "UPDATE", "half of the interval");
    pair.hear(pair.answer(&pair.sent[0], 481));
    assert!(matches!(pair.end(), Some(End::Refused { status: 481, .. })));
    let mut pair = Pair::established();
    pair.client.end(pair.now, CALL);
    pair.collect();
    assert_eq!(pair.methods(), ["BYE"]);
    pair.hear(pair.answer(&pair.sent[0], 200));
    assert_eq!((pair.end(), pair.client.calls()), (Some(&End::Ours), 0));
}

#[test]
fn a_reliable_provisional_response_gets_its_prack() {
    let mut pair = Pair::calling();
    let ringing = pair.answer(&pair.sent[0], 183).with("Require", "100rel").with("RSeq", "17");
    pair.hear(ringing.clone());
    assert_eq!((pair.methods(), pair.sent[0].header("RAck")), (["PRACK"].to_vec(), Some("17 1 INVITE")));
    pair.hear(ringing);
    assert_eq!(pair.methods(), [""; 0], "acknowledged once");
}

#[test]
fn requests_outside_of_calls_are_answered() {
    let mut pair = Pair::established();
    let ack = pair.sent[0].clone();
    for (method, status) in [(Method::Options, 200), (Method::Invite, 403), (Method::Bye, 481)] {
        pair.wait(Duration::from_secs(1));
        let mut request = pair.theirs(method, &ack);
        request.headers.set("Call-ID", "other");
        request.headers.set("To", if status == 481 { "<sip:src@192.0.2.1>;tag=x" } else { "<sip:src@192.0.2.1>" });
        pair.hear(request);
        assert_eq!(pair.sent[0].status(), Some(status));
    }
}
