//! What holds for any bytes at all.

use proptest::collection::vec;
use proptest::prelude::*;
use siprec_core::sip::check::check;
use siprec_core::sip::framing::{Frame, Framer};
use siprec_core::sip::transaction::{Incoming, TimerValues, Transactions};
use siprec_core::sip::{ConnectionId, Flow, Message, Method, NameAddr, Transport, Uri, Via, multipart};
use siprec_core::time::Monotonic;

/// Pieces that messages are made of, so that random walks get somewhere.
const PIECES: &[&str] = &[
    "INVITE sip:a@b SIP/2.0\r\n",
    "BYE sip:a@b;x SIP/2.0\n",
    "SIP/2.0 200 OK\r\n",
    "ACK x SIP/7.0\r\n",
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "<",
    ">",
    "\"",
    "\\",
    "=",
    "@",
    "?",
    "[",
    "]",
    "--b",
    "--b--",
    "--b \r\n",
    "/",
    "SIP/2.0/UDP ",
    "host",
    "Via: ",
    "v:",
    "From: ",
    "To : ",
    "Call-ID: c\r\n",
    "CSeq: 1 INVITE\r\n",
    "CSeq: 99999999999 BYE\r\n",
    "m: ",
    "sip:a@b:5060",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "l: 70000\r\n",
    "l:-1\r\n",
    "Content-Type: multipart/mixed;boundary=b\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "=3",
    "QUJD",
    ";branch=z9hG4bKx",
    ";tag=1",
    ";rport",
    "Require: siprec, x\r\n",
    "Record-Route: <sip:p;lr>,<sip:q>\r\n",
    "Subject:\r\n folded\r\n",
    "\u{e9}",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..6),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Soup behind a start line, and often behind all that a request needs: mostly messages that can be read.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let start = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\r\n";
    let needed = "From: \"F\" <sip:f@b>;tag=1\r\nt: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n";
    (any::<bool>(), soup()).prop_map(move |(complete, soup)| {
        [start.as_bytes(), if complete { needed.as_bytes() } else { b"" }, &soup].concat()
    })
}

/// Messages of honest length, with soup between them now and then.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let honest = (message(), soup(), any::<bool>()).prop_map(|(head, body, framed)| {
        let Ok(mut message) = Message::parse_datagram(&head) else { return b"\r\n\r\n".to_vec() };
        message.body = body;
        if framed { message.encode() } else { head }
    });
    vec(honest, 0..5).prop_map(|messages| messages.concat())
}

fn frames(bytes: &[u8], cuts: &[usize]) -> Vec<Frame> {
    let mut framer = Framer::new();
    let mut found = Vec::new();
    let mut rest = bytes;
    for cut in cuts {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        framer.push(piece);
        found.extend(std::iter::from_fn(|| framer.next()));
        rest = after;
    }
    framer.push(rest);
    found.extend(std::iter::from_fn(|| framer.next()));
    found
}

/// A step of a walk through transactions.
#[derive(Debug, Clone)]
enum Step {
    Receive { method: usize, branch: u8, cseq: u8, tagged: bool },
    Answer { which: usize, status: u16 },
    Start { method: usize, branch: u8 },
    Response { method: usize, branch: u8, status: u16 },
    Lose,
    Wait(u32),
}

const METHODS: &[&str] = &["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"];

fn step() -> impl Strategy<Value = Step> {
    let status = || prop_oneof![Just(100_u16), Just(180), Just(200), Just(486)];
    prop_oneof![
        (0..METHODS.len(), 0_u8..4, 1_u8..4, any::<bool>()).prop_map(|(method, branch, cseq, tagged)| Step::Receive {
            method,
            branch,
            cseq,
            tagged
        }),
        (0_usize..8, status()).prop_map(|(which, status)| Step::Answer { which, status }),
        (0..METHODS.len(), any::<u8>()).prop_map(|(method, branch)| Step::Start { method, branch }),
        (0..METHODS.len(), any::<u8>(), status()).prop_map(|(method, branch, status)| Step::Response {
            method,
            branch,
            status
        }),
        Just(Step::Lose),
        (0_u32..20_000).prop_map(Step::Wait),
    ]
}

/// Takes the steps, then lets time pass until nothing is left to do. How many messages were sent.
fn walk(steps: &[Step], transport: Transport) -> (Transactions, usize) {
    let mut transactions = Transactions::new(TimerValues::default());
    let connection = transport.is_reliable().then_some(ConnectionId(1));
    let [local, remote] = ["192.0.2.9:5060", "192.0.2.1:5060"].map(|text| text.parse().expect("an address"));
    let flow = Flow { transport, local, remote, connection };
    let (mut now, mut open, mut sent) = (0_u64, Vec::new(), 0);
    for step in steps {
        match step {
            Step::Receive { method, branch, cseq, tagged } => {
                let (method, tag) = (METHODS[*method], if *tagged { ";tag=t" } else { "" });
                let text = format!(
                    "{method} sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{branch}\r\nFrom: <sip:f>;tag=f\r\n\
                     To: <sip:a>{tag}\r\nCall-ID: c\r\nCSeq: {cseq} {method}\r\n\r\n"
                );
                let message = Message::parse_datagram(text.as_bytes()).expect("a message");
                match transactions.handle_message(Monotonic(now), &flow, message) {
                    Some(
                        Incoming::Request { key, message }
                        | Incoming::Cancel { key, message, .. }
                        | Incoming::MergedRequest { key, message },
                    ) => open.push((key, message)),
                    Some(Incoming::Ack { .. } | Incoming::Response { .. }) | None => {}
                }
            }
            Step::Answer { which, status } => {
                if let Some((key, request)) = open.get(*which) {
                    let mut response = Message::response(*status, "Words", request);
                    response.set_to_tag("t");
                    transactions.respond(Monotonic(now), key, response);
                }
            }
            Step::Start { method, branch } => {
                let method = Method::from(METHODS[*method]);
                let request = Message::request(method.clone(), "sip:a").with("CSeq", format!("1 {method}"));
                transactions.request(Monotonic(now), &flow, request, format!("z9hG4bKo{branch}"), "192.0.2.9:5060");
            }
            Step::Response { method, branch, status } => {
                let text = format!(
                    "SIP/2.0 {status} Words\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKo{branch}\r\nCSeq: 1 {}\r\n\r\n",
                    METHODS[*method]
                );
                let message = Message::parse_datagram(text.as_bytes()).expect("a message");
                transactions.handle_message(Monotonic(now), &flow, message);
            }
            Step::Lose => transactions.transport_failed(Monotonic(now), ConnectionId(1)),
            Step::Wait(millis) => {
                now += u64::from(*millis) * 1_000_000;
                transactions.handle_timeout(Monotonic(now));
            }
        }
    }
    // What was never answered waits for its session.
    for (key, request) in &open {
        transactions.respond(Monotonic(now), key, Message::response(500, "End", request));
    }
    while let Some(at) = transactions.next_timeout() {
        assert!(at.0 < now + 300_000_000_000, "everything ends within five minutes");
        transactions.handle_timeout(at);
    }
    while transactions.poll_send().is_some() {
        sent += 1;
    }
    (transactions, sent)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(bytes in soup()) {
        let _ = Message::parse_datagram(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = (Uri::parse(&text), NameAddr::parse(&text), Via::parse(&text));
        let _ = multipart::parts("multipart/mixed; boundary=b", &bytes);
        let _ = multipart::parts(&text, &bytes);
    }

    #[test]
    fn what_is_read_is_written_as_it_is_read(bytes in message()) {
        if let Ok(mut message) = Message::parse_datagram(&bytes) {
            prop_assert_eq!(Message::parse_datagram(&message.encode()), Ok(message.clone()));
            let _ = check(&message);
            let _ = (message.from(), message.to(), message.contacts(), message.cseq(), message.require());
            message.stamp_via("192.0.2.7:4321".parse().expect("an address"));
            prop_assert_eq!(Message::parse_datagram(&message.encode()), Ok(message.clone()));
            let mut response = Message::response(200, "OK", &message);
            response.set_to_tag("t");
            prop_assert_eq!(Message::parse_datagram(&response.encode()), Ok(response));
        }
    }

    #[test]
    fn a_uri_is_written_as_it_was(text in "sips?:([a-z;?=%0-9]{1,8}@)?[a-z]{1,5}(:[1-9][0-9]{0,3})?(;[a-z]=[a-z])?(\\?[a-z]=1)?") {
        let uri = Uri::parse(&text);
        prop_assert_eq!(uri.map(|uri| uri.to_string()), Ok(text));
    }

    #[test]
    fn an_address_survives_its_text(display in "[^\\x00-\\x1f\\x7f]{1,12}", tag in "[a-z0-9]{1,8}") {
        let text = format!("<sip:a@b;x>;tag={tag}");
        let mut address = NameAddr::parse(&text).expect("an address");
        address.display = Some(display);
        prop_assert_eq!(NameAddr::parse(&address.to_string()), Ok(address));
    }

    #[test]
    fn where_a_stream_is_split_makes_no_difference(stream in stream(), cuts in vec(1_usize..40, 0..50)) {
        prop_assert_eq!(frames(&stream, &cuts), frames(&stream, &[]));
    }

    #[test]
    fn every_transaction_ends(steps in vec(step(), 0..60), reliable in any::<bool>()) {
        let transport = if reliable { Transport::Tcp } else { Transport::Udp };
        let (transactions, sent) = walk(&steps, transport);
        prop_assert!(transactions.is_empty(), "{:?}", transactions.len());
        // The longest series is of 11 or 12.
        prop_assert!(sent <= 13 * (2 * steps.len() + 1), "{} messages of {} steps", sent, steps.len());
    }
}
