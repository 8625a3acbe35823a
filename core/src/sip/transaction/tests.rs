//! Transactions against the clock: the time is ours, and each message sent is looked at.

use super::*;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;

use crate::sip::Transport;

const MS: u64 = 1_000_000;

/// Transactions with a clock of their own.
struct Bench {
    transactions: Transactions,
    now: u64,
    flow: Flow,
}

impl Bench {
    fn new(transport: Transport) -> Self {
        let connection = transport.is_reliable().then_some(ConnectionId(1));
        let (local, remote) = ("192.0.2.100:5060".parse().unwrap(), "192.0.2.1:4444".parse().unwrap());
        let flow = Flow { transport, local, remote, connection };
        Self { transactions: Transactions::new(TimerValues::default()), now: 0, flow }
    }

    fn at(&self) -> Monotonic {
        Monotonic(self.now * MS)
    }

    fn receive(&mut self, text: &str) -> Option<Incoming> {
        let message = Message::parse_datagram(text.as_bytes()).unwrap();
        self.transactions.handle_message(self.at(), &self.flow.clone(), message)
    }

    /// A request that has to be new.
    fn request(&mut self, text: &str) -> (ServerKey, Message) {
        match self.receive(text) {
            Some(Incoming::Request { key, message }) => (key, message),
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, (key, request): &(ServerKey, Message), status: u16) {
        let mut response = Message::response(status, "Words", request);
        response.set_to_tag("mine");
        self.transactions.respond(self.at(), key, response);
    }

    /// First lines of what is sent until `until` (ms), each with its time.
    fn run(&mut self, until: u64) -> Vec<(u64, String)> {
        let mut sent = Vec::new();
        loop {
            while let Some((_, bytes)) = self.transactions.poll_send() {
                let text = String::from_utf8(bytes).unwrap();
                let words: Vec<&str> = text.lines().next().unwrap().split(' ').collect();
                sent.push((self.now, words[if words[0] == "SIP/2.0" { 1 } else { 0 }].to_string()));
            }
            match self.transactions.next_timeout() {
                Some(at) if at.0 <= until * MS => {
                    self.now = at.0 / MS;
                    self.transactions.handle_timeout(at);
                }
                _ => break,
            }
        }
        self.now = until;
        sent
    }

    fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.transactions.poll_event()).collect()
    }

    fn start(&mut self, method: Method, branch: &str) -> ClientKey {
        let request = Message::request(method.clone(), "sip:b")
            .with("From", "<sip:a>;tag=a")
            .with("To", "<sip:b>")
            .with("Call-ID", "ours")
            .with("CSeq", format!("3 {method}"))
            .with("Route", "<sip:p;lr>");
        self.transactions.request(self.at(), &self.flow.clone(), request, branch.into(), "192.0.2.100:5060")
    }

    fn responds(&mut self, method: &str, branch: &str, status: u16) -> Option<u16> {
        let text = format!(
            "SIP/2.0 {status} Words\r\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch={branch}\r\nFrom: <sip:a>;tag=a\r\n\
             To: <sip:b>;tag=b\r\nCall-ID: ours\r\nCSeq: 3 {method}\r\n\r\n"
        );
        match self.receive(&text) {
            Some(Incoming::Response { message, .. }) => message.status(),
            None => None,
            other => panic!("{other:?}"),
        }
    }
}

fn request(method: &str, branch: &str, cseq: u32, to_tag: &str) -> String {
    format!(
        "{method} sip:srs@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5070{branch}\r\nFrom: <sip:a@b>;tag=at\r\n\
         To: <sip:srs@b>{to_tag}\r\nCall-ID: id\r\nCSeq: {cseq} {method}\r\n\r\n"
    )
}

const MINE: &str = ";tag=mine";

fn times(sent: &[(u64, String)]) -> Vec<u64> {
    sent.iter().map(|(at, _)| *at).collect()
}

#[test]
fn an_unanswered_invite_gets_a_100_after_200_ms() {
    let mut bench = Bench::new(Transport::Udp);
    let invite = bench.request(&request("INVITE", ";branch=z9hG4bK1", 1, ""));
    assert_eq!(bench.run(199), []);
    assert_eq!(bench.run(300), [(200, "100".to_string())]);
    assert_eq!(bench.receive(&request("INVITE", ";branch=z9hG4bK1", 1, "")), None);
    assert_eq!(bench.run(301), [(300, "100".to_string())]);
    assert!(bench.transactions.is_pending(&invite.0));
    bench.answer(&invite, 200);
    assert!(!bench.transactions.is_pending(&invite.0));
    assert_eq!(bench.run(302), [(301, "200".to_string())]);
}

#[test]
fn a_2xx_is_sent_until_its_ack_on_any_transport() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut bench = Bench::new(transport);
        let invite = bench.request(&request("INVITE", ";branch=z9hG4bK1", 1, ""));
        bench.answer(&invite, 200);
        assert_eq!(times(&bench.run(12_000)), [0, 500, 1500, 3500, 7500, 11_500], "{transport}");
        // RFC 6026: not a new call.
        assert_eq!(bench.receive(&request("INVITE", ";branch=z9hG4bK1", 1, "")), None);
        let ack = bench.receive(&request("ACK", ";branch=z9hG4bKack", 1, MINE));
        assert!(matches!(ack, Some(Incoming::Ack { .. })));
        assert_eq!(bench.receive(&request("INVITE", ";branch=z9hG4bK1", 1, "")), None);
        assert_eq!(bench.run(31_999), []);
        assert_eq!(bench.transactions.len(), (1, 0));
        assert_eq!(bench.run(32_000), []);
        assert!(bench.transactions.is_empty() && bench.events().is_empty());
        assert!(bench.transactions.by_match.is_empty() && bench.transactions.by_merge.is_empty());
    }
}

#[test]
fn a_missing_ack_is_told_once() {
    let mut bench = Bench::new(Transport::Udp);
    let invite = bench.request(&request("INVITE", ";branch=z9hG4bK1", 7, ""));
    bench.answer(&invite, 200);
    assert_eq!(bench.run(100_000).len(), 11);
    assert_eq!(bench.events(), [Event::NoAck { key: invite.0, call_id: "id".into(), cseq: 7 }]);
    assert!(bench.transactions.unacknowledged.is_empty() && bench.transactions.is_empty());
}

#[test]
fn an_ack_covers_older_2xx_of_its_dialog_only() {
    let mut bench = Bench::new(Transport::Udp);
    for (branch, cseq) in [("1", 5), ("2", 6), ("3", 8)] {
        let invite = bench.request(&request("INVITE", &format!(";branch=z9hG4bK{branch}"), cseq, MINE));
        bench.answer(&invite, 200);
    }
    bench.run(0);
    bench.receive(&request("ACK", ";branch=z9hG4bKo", 9, ";tag=other"));
    bench.receive(&request("ACK", ";branch=z9hG4bKe", 4, MINE));
    assert_eq!(bench.run(500).len(), 3);
    bench.receive(&request("ACK", ";branch=z9hG4bKa", 6, MINE));
    assert_eq!(bench.run(1500).len(), 1, "the newer one still waits");
    bench.receive(&request("ACK", ";branch=z9hG4bKb", 8, ""));
    assert_eq!(bench.run(60_000), []);
    assert_eq!(bench.events(), []);
}

#[test]
fn an_ack_under_the_invites_branch_is_borne() {
    let mut bench = Bench::new(Transport::Udp);
    let invite = bench.request(&request("INVITE", ";branch=z9hG4bK1", 1, ""));
    bench.answer(&invite, 200);
    assert!(matches!(bench.receive(&request("ACK", ";branch=z9hG4bK1", 1, MINE)), Some(Incoming::Ack { .. })));
    assert_eq!(bench.run(60_000).len(), 1);
    assert_eq!(bench.events(), []);
}

#[test]
fn a_refusal_is_sent_until_its_ack_and_absorbs_it() {
    let mut bench = Bench::new(Transport::Udp);
    let invite = bench.request(&request("INVITE", ";branch=z9hG4bK1", 1, ""));
    bench.answer(&invite, 488);
    bench.answer(&invite, 200);
    assert_eq!(times(&bench.run(2000)), [0, 500, 1500]);
    bench.receive(&request("INVITE", ";branch=z9hG4bK1", 1, ""));
    assert_eq!(bench.run(2001), [(2000, "488".to_string())]);
    assert_eq!(bench.receive(&request("ACK", ";branch=z9hG4bK1", 1, MINE)), None);
    assert_eq!(bench.receive(&request("ACK", ";branch=z9hG4bK1", 1, MINE)), None);
    assert_eq!(bench.receive(&request("INVITE", ";branch=z9hG4bK1", 1, "")), None);
    assert_eq!(bench.run(7000), []);
    assert_eq!(bench.run(7001).len() + bench.transactions.len().0, 0, "timer I");

    let mut bench = Bench::new(Transport::Tcp);
    let invite = bench.request(&request("INVITE", ";branch=z9hG4bK1", 1, ""));
    bench.answer(&invite, 488);
    assert_eq!(bench.run(40_000).len(), 1);
    assert!(bench.transactions.is_empty() && bench.events().is_empty(), "timer H");
}

#[test]
fn another_request_is_answered_again_from_memory() {
    let mut bench = Bench::new(Transport::Udp);
    let bye = bench.request(&request("BYE", ";branch=z9hG4bK1", 2, MINE));
    assert_eq!(bench.receive(&request("BYE", ";branch=z9hG4bK1", 2, MINE)), None);
    bench.answer(&bye, 200);
    bench.answer(&bye, 481);
    assert_eq!(bench.receive(&request("BYE", ";branch=z9hG4bK1", 2, MINE)), None);
    assert_eq!(bench.run(31_999), [(0, "200".to_string()), (0, "200".to_string())]);
    bench.run(32_000);
    assert!(bench.transactions.is_empty() && bench.transactions.finished.is_empty(), "timer J");
}

#[test]
fn branch_sent_by_and_method_tell_requests_apart() {
    let mut bench = Bench::new(Transport::Udp);
    let options = request("OPTIONS", ";branch=z9hG4bK1", 1, MINE);
    bench.request(&options);
    bench.request(&options.replace("192.0.2.1:5070", "192.0.2.1:5071"));
    bench.request(&options.replace("192.0.2.1:5070", "192.0.2.2:5070"));
    bench.request(&options.replace("OPTIONS", "UPDATE"));
    bench.request(&options.replace("z9hG4bK1", "z9hG4bK2"));
    assert_eq!(bench.receive(&options.replace("SIP/2.0/UDP ", "SIP / 2.0 / UDP  ")), None);
    assert_eq!(bench.transactions.len(), (5, 0));
}

#[test]
fn without_a_branch_the_rest_is_compared() {
    for branch in ["", ";branch=1", ";branch=z9hG4bK"] {
        let mut bench = Bench::new(Transport::Udp);
        let invite = bench.request(&request("INVITE", branch, 1, ""));
        assert_eq!(bench.receive(&request("INVITE", branch, 1, "")), None);
        bench.answer(&invite, 486);
        assert_eq!(bench.run(0).len(), 1);
        assert_eq!(bench.receive(&request("ACK", branch, 1, MINE)), None);
        assert_eq!(bench.run(20_000), []);
        assert!(bench.transactions.is_empty());
        bench.request(&request("INVITE", branch, 1, MINE));
        bench.request(&request("INVITE", branch, 2, MINE));
        bench.request(&request("INVITE", branch, 3, MINE).replace("Call-ID: id", "Call-ID: x"));
    }
}

#[test]
fn a_request_that_comes_by_two_ways_is_merged_once() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&request("INVITE", ";branch=z9hG4bK1", 1, ""));
    let merged = bench.receive(&request("INVITE", ";branch=z9hG4bK2", 1, ""));
    let Some(Incoming::MergedRequest { key, message }) = merged else { panic!("{merged:?}") };
    bench.answer(&(key, message), 482);
    assert_eq!(bench.run(0), [(0, "482".to_string())]);
    bench.request(&request("INVITE", ";branch=z9hG4bK3", 2, ""));
    bench.request(&request("INVITE", ";branch=z9hG4bK4", 1, MINE));
    bench.request(&request("OPTIONS", ";branch=z9hG4bK5", 1, ""));
}

#[test]
fn a_cancel_finds_its_invite() {
    let mut bench = Bench::new(Transport::Udp);
    let invite = bench.request(&request("INVITE", ";branch=z9hG4bK1", 1, ""));
    let cancel = bench.receive(&request("CANCEL", ";branch=z9hG4bK1", 1, ""));
    let Some(Incoming::Cancel { key, invite: Some(found), message }) = cancel else { panic!("{cancel:?}") };
    assert_eq!(found, invite.0);
    bench.answer(&(key, message), 200);
    bench.answer(&invite, 487);
    assert_eq!(bench.run(0).into_iter().map(|(_, what)| what).collect::<Vec<_>>(), ["200", "487"]);
    assert_eq!(bench.receive(&request("CANCEL", ";branch=z9hG4bK1", 1, "")), None);
    let cancel = bench.receive(&request("CANCEL", ";branch=z9hG4bK9", 1, ""));
    assert!(matches!(cancel, Some(Incoming::Cancel { invite: None, .. })));
}

#[test]
fn responses_go_to_the_right_place() {
    let to = |transport, via: &str, lose: bool| {
        let mut bench = Bench::new(transport);
        let text = request("INVITE", ";branch=z9hG4bK1", 1, "").replace("192.0.2.1:5070;branch=z9hG4bK1", via);
        let invite = bench.request(&text);
        if lose {
            bench.transactions.transport_failed(bench.at(), ConnectionId(1));
        }
        bench.answer(&invite, 486);
        let (flow, _) = bench.transactions.poll_send().unwrap();
        (flow.remote.to_string(), flow.connection.is_some())
    };
    let expected = |remote: &str, connected| (remote.to_string(), connected);
    assert_eq!(to(Transport::Udp, "x.example:5070;rport;branch=z9hG4bK1", false), expected("192.0.2.1:4444", false));
    assert_eq!(to(Transport::Udp, "x.example:5070;branch=z9hG4bK1", false), expected("192.0.2.1:5070", false));
    assert_eq!(to(Transport::Tcp, "x.example:5070;branch=z9hG4bK1", false), expected("192.0.2.1:4444", true));
    assert_eq!(to(Transport::Tcp, "x.example:5070;branch=z9hG4bK1", true), expected("192.0.2.1:5070", false));
    assert_eq!(to(Transport::Tls, "x.example", true), expected("192.0.2.1:5061", false));
}

#[test]
fn a_socket_for_both_families_answers_ipv4_as_it_sees_it() {
    let mut bench = Bench::new(Transport::Udp);
    bench.flow.local = "[::]:5060".parse().unwrap();
    bench.flow.remote = "[::ffff:192.0.2.1]:4444".parse().unwrap();
    let invite = bench.request(&request("INVITE", ";branch=z9hG4bK1;rport", 1, ""));
    assert!(invite.1.header("Via").unwrap().contains(";received=192.0.2.1;"));
    bench.answer(&invite, 486);
    assert_eq!(bench.transactions.poll_send().unwrap().0.remote, bench.flow.remote);
}

#[test]
fn what_cannot_be_read_is_answered_where_it_can_be() {
    let mut bench = Bench::new(Transport::Udp);
    let text = request("INVITE", ";branch=z9hG4bK1;rport", 1, "").replace("INVITE sip", "INVITE  sip");
    let error = Message::parse_datagram(text.as_bytes()).unwrap_err();
    bench.transactions.refuse_unread(&bench.flow.clone(), error, "t");
    let (flow, bytes) = bench.transactions.poll_send().unwrap();
    let response = Message::parse_datagram(&bytes).unwrap();
    assert_eq!((response.status(), response.to_tag()), (Some(400), Some("t")));
    assert_eq!(flow.remote, bench.flow.remote);
    // RFC 3261 18.2.2: without rport, to the port that Via names.
    let error = Message::parse_datagram(text.replace(";rport", "").as_bytes()).unwrap_err();
    bench.transactions.refuse_unread(&bench.flow.clone(), error, "t");
    let (flow, _) = bench.transactions.poll_send().unwrap();
    assert_eq!((flow.remote.ip(), flow.remote.port() == bench.flow.remote.port()), (bench.flow.remote.ip(), false));
    let error = Message::parse_datagram(b"junk").unwrap_err();
    bench.transactions.refuse_unread(&bench.flow.clone(), error, "t");
    assert_eq!(bench.run(1), []);
}

#[test]
fn server_transactions_are_bounded() {
    let mut bench = Bench::new(Transport::Udp);
    bench.transactions.limit = 3;
    let keys: Vec<_> =
        (0..3).map(|i| bench.request(&request("BYE", &format!(";branch=z9hG4bK{i}"), i, MINE))).collect();
    assert_eq!(bench.transactions.dropped(), 0);
    assert_eq!(bench.receive(&request("BYE", ";branch=z9hG4bK9", 9, MINE)), None, "none is finished");
    assert_eq!(bench.transactions.dropped(), 1);
    bench.answer(&keys[1], 200);
    bench.request(&request("BYE", ";branch=z9hG4bK9", 9, MINE));
    assert_eq!(bench.transactions.len(), (3, 0));
    assert!(!bench.transactions.servers.contains_key(&keys[1].0));
}

#[test]
fn an_invite_of_ours_is_sent_again_until_something_comes() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.start(Method::Invite, "z9hG4bKc");
    assert_eq!(times(&bench.run(40_000)), [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(bench.events(), [Event::TimedOut { key }]);
    assert!(bench.transactions.is_empty() && bench.transactions.by_branch.is_empty());

    let mut bench = Bench::new(Transport::Udp);
    let key = bench.start(Method::Invite, "z9hG4bKc");
    assert_eq!(bench.responds("INVITE", "z9hG4bKc", 180), Some(180));
    assert_eq!(bench.run(180_000).len(), 1);
    assert_eq!(bench.events(), []);
    bench.run(200_000);
    assert_eq!(bench.events(), [Event::TimedOut { key }]);
}

#[test]
fn a_refusal_of_our_invite_is_acknowledged_each_time() {
    let mut bench = Bench::new(Transport::Udp);
    bench.start(Method::Invite, "z9hG4bKc");
    bench.transactions.poll_send();
    assert_eq!(bench.responds("INVITE", "z9hG4bKc", 491), Some(491));
    let (_, ack) = bench.transactions.poll_send().unwrap();
    let ack = Message::parse_datagram(&ack).unwrap();
    assert_eq!((ack.method(), ack.to_tag(), ack.header("CSeq")), (Some(&Method::Ack), Some("b"), Some("3 ACK")));
    assert_eq!(ack.via_top().unwrap().branch(), Some("z9hG4bKc"));
    assert_eq!(ack.header("Route"), Some("<sip:p;lr>"));
    assert_eq!(bench.responds("INVITE", "z9hG4bKc", 491), None);
    assert_eq!(bench.run(31_999), [(0, "ACK".to_string())]);
    bench.run(32_000);
    assert!(bench.transactions.is_empty() && bench.events().is_empty(), "timer D");
}

#[test]
fn a_2xx_to_our_invite_is_acknowledged_by_the_session_and_then_from_memory() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.start(Method::Invite, "z9hG4bKc");
    assert_eq!(bench.responds("INVITE", "z9hG4bKc", 200), Some(200));
    assert_eq!(bench.responds("INVITE", "z9hG4bKc", 200), Some(200), "no ACK yet");
    let ack = Message::request(Method::Ack, "sip:b").with("To", "<sip:b>;tag=b").with("CSeq", "3 ACK");
    bench.transactions.send_ack(&key, &bench.flow.clone(), ack, "z9hG4bKd", "192.0.2.100:5060");
    assert_eq!(bench.responds("INVITE", "z9hG4bKc", 200), None);
    assert_eq!(bench.run(1), vec![(0, "INVITE".into()), (0, "ACK".into()), (0, "ACK".into())]);
    bench.run(32_000);
    assert!(bench.transactions.is_empty() && bench.events().is_empty(), "timer M");
}

#[test]
fn another_request_of_ours_is_sent_again_at_most_every_t2() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.start(Method::Bye, "z9hG4bKc");
    assert_eq!(times(&bench.run(12_000)), [0, 500, 1500, 3500, 7500, 11_500]);
    assert_eq!(bench.responds("BYE", "z9hG4bKc", 100), Some(100));
    assert_eq!(times(&bench.run(24_000)), [15_500, 19_500, 23_500]);
    assert_eq!(bench.responds("BYE", "z9hG4bKc", 200), Some(200));
    assert_eq!(bench.responds("BYE", "z9hG4bKc", 200), None);
    assert_eq!(bench.run(60_000), []);
    assert!(bench.transactions.is_empty() && bench.events().is_empty());

    let mut bench = Bench::new(Transport::Tcp);
    let other = bench.start(Method::Bye, "z9hG4bKc");
    assert_eq!(bench.run(60_000).len(), 1);
    assert_eq!((bench.events(), key), (vec![Event::TimedOut { key: other }], other));
}

#[test]
fn a_cancel_of_ours_waits_for_a_provisional_response() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.start(Method::Invite, "z9hG4bKc");
    bench.transactions.cancel(bench.at(), &key);
    assert_eq!(bench.run(0), [(0, "INVITE".to_string())]);
    assert_eq!(bench.responds("INVITE", "z9hG4bKc", 100), Some(100));
    let (_, cancel) = bench.transactions.poll_send().unwrap();
    let cancel = Message::parse_datagram(&cancel).unwrap();
    assert_eq!((cancel.method(), cancel.header("CSeq")), (Some(&Method::Cancel), Some("3 CANCEL")));
    assert_eq!((cancel.to_tag(), cancel.via_top().unwrap().branch()), (None, Some("z9hG4bKc")));
    assert_eq!(bench.responds("CANCEL", "z9hG4bKc", 200), Some(200));
    assert_eq!(bench.responds("INVITE", "z9hG4bKc", 487), Some(487));
    assert_eq!(bench.run(40_000), [(0, "ACK".to_string())]);
    assert!(bench.transactions.is_empty() && bench.events().is_empty());
}

#[test]
fn requests_of_ours_fail_with_their_connection() {
    let mut bench = Bench::new(Transport::Tcp);
    let key = bench.start(Method::Update, "z9hG4bKc");
    bench.transactions.transport_failed(bench.at(), ConnectionId(2));
    assert_eq!(bench.events(), []);
    bench.transactions.transport_failed(bench.at(), ConnectionId(1));
    assert_eq!(bench.events(), [Event::TimedOut { key }]);
    assert_eq!(bench.responds("UPDATE", "z9hG4bKc", 200), None);
    assert!(bench.transactions.is_empty() && bench.transactions.next_timeout().is_none());
}

#[test]
fn a_stray_response_is_dropped() {
    let mut bench = Bench::new(Transport::Udp);
    bench.start(Method::Bye, "z9hG4bKc");
    assert_eq!(bench.responds("BYE", "z9hG4bKx", 200), None);
    assert_eq!(bench.responds("INVITE", "z9hG4bKc", 200), None);
    assert_eq!(bench.responds("BYE", "z9hG4bKc", 200), Some(200));
}

#[test]
fn a_response_that_is_on_its_way_to_others_too_is_dropped() {
    let mut bench = Bench::new(Transport::Udp);
    bench.start(Method::Bye, "z9hG4bKc");
    let passing = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKc\r\n\
                   Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKd\r\nFrom: <sip:a>;tag=a\r\nTo: <sip:b>;tag=b\r\n\
                   Call-ID: ours\r\nCSeq: 3 BYE\r\n\r\n";
    assert_eq!(bench.receive(passing), None, "RFC 4475 3.3.10");
    assert_eq!(
        bench.receive(&passing.replace("Via: SIP/2.0/UDP 255", "X: 255").replace("CSeq: 3", "CSeq: 99999999999")),
        None
    );
    assert_eq!(bench.responds("BYE", "z9hG4bKc", 200), Some(200));
}

#[test]
fn what_is_too_large_for_a_datagram_goes_over_tcp_where_the_peer_takes_that() {
    let mut bench = Bench::new(Transport::Udp);
    let send = |bench: &mut Bench, branch: &str, octets: usize| {
        let request =
            Message::request(Method::Info, "sip:b").with("CSeq", "3 INFO").with_body("text/plain", vec![b'x'; octets]);
        bench.transactions.request(bench.at(), &bench.flow.clone(), request, branch.to_string(), "192.0.2.100")
    };
    let sent = |bench: &mut Bench| {
        let (flow, bytes) = bench.transactions.poll_send().unwrap();
        let via = Message::parse_datagram(&bytes).unwrap().header("Via").unwrap().to_string();
        assert!(bench.transactions.poll_send().is_none());
        (flow.transport, via.starts_with(&format!("SIP/2.0/{} ", flow.transport)))
    };
    let (udp, tcp) = ((Transport::Udp, true), (Transport::Tcp, true));
    send(&mut bench, "z9hG4bK0", 2000);
    assert_eq!(sent(&mut bench), udp, "only where it is wished");
    bench.transactions.try_tcp();
    send(&mut bench, "z9hG4bK1", 1000);
    assert_eq!(sent(&mut bench), udp);
    send(&mut bench, "z9hG4bK2", 2000);
    assert_eq!(sent(&mut bench), tcp);
    bench.transactions.no_stream_to(bench.at(), "192.0.2.9:5060".parse().unwrap());
    assert!(bench.transactions.poll_send().is_none(), "another's");
    let remote = bench.flow.remote;
    bench.transactions.no_stream_to(bench.at(), remote);
    assert_eq!(sent(&mut bench), udp);
    send(&mut bench, "z9hG4bK3", 2000);
    assert_eq!(sent(&mut bench), udp, "it is known not to take streams");
    let again = bench.run(31_900).len();
    assert_eq!(again, 4 * 10, "each is sent again as a datagram is");
}
