//! What holds for any bytes at all.

use proptest::collection::vec;
use proptest::prelude::*;
use siprec_core::sip::check::check;
use siprec_core::sip::framing::{Frame, Framer};
use siprec_core::sip::{Message, NameAddr, Uri, Via, multipart};

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
}
