//! Nothing that a peer sends costs more than its length: a message 16 times as long may take 16 times as long to be read,
//! decided, answered and linted, not 256 times.
//!
//! What is allocated is counted, in pieces and in octets, and must be within the bound at once. What looks at octets again
//! without allocating shows in time only: times are compared again and again until they are within the bound once, since a
//! busy machine stops in one comparison, not in all of them, and what is quadratic misses it in each.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

mod linter;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use linter::{METADATA, SDP, body, changed, invite};
use siprec_core::lint::lint;
use siprec_core::sip::Transport;

const SMALL: usize = 4_000;
/// All of a datagram that is left beside the rest of the message.
const LARGE: usize = 60_000;
const TRIES: usize = 20;

/// Of what is asked for, a factor of 15 is linear. Lists that grow by doubling may be half empty.
const ALLOCATED: usize = 30;
/// What a message of any length takes.
const PIECES: usize = 2_000;
const OCTETS: usize = 256 << 10;

thread_local! {
    /// Pieces and octets that this thread asked for.
    static ASKED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

struct Counting;

// SAFETY: all is left to the system's allocator; the counters are the thread's own, need no drop and allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (pieces, octets) = ASKED.get();
        ASKED.set((pieces + 1, octets + layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a message costs.
#[derive(Debug, Clone, Copy)]
struct Cost {
    pieces: usize,
    octets: usize,
    time: Duration,
}

/// What a message of so many octets costs.
fn cost(message: &dyn Fn(usize) -> Vec<u8>, octets: usize) -> Cost {
    let bytes = message(octets);
    let (from, policy) = ("192.0.2.9:5060".parse().unwrap(), linter::policy());
    let before = ASKED.get();
    let began = Instant::now();
    let report = lint(&bytes, Transport::Udp, from, &policy);
    let time = began.elapsed();
    let after = ASKED.get();
    drop(report);
    Cost { pieces: after.0 - before.0, octets: after.1 - before.1, time }
}

fn assert_linear(name: &str, message: &dyn Fn(usize) -> Vec<u8>) {
    assert!(message(LARGE).len() <= 65_535, "{name}: {} octets are no datagram", message(LARGE).len());
    // Linear is a factor of 15; quadratic one of 225.
    let slack = Duration::from_millis(1);
    let mut costs = Vec::new();
    let is_within = |_| {
        let (small, large) = (cost(message, SMALL), cost(message, LARGE));
        assert!(
            large.pieces <= small.pieces * ALLOCATED + PIECES && large.octets <= small.octets * ALLOCATED + OCTETS,
            "{name}: {SMALL} and {LARGE} octets allocate {small:?} and {large:?}"
        );
        costs.push((small, large));
        large.time < small.time * 100 + slack
    };
    assert!((0..TRIES).any(is_within), "{name}: {SMALL} and {LARGE} octets take {costs:?}");
}

/// An INVITE with a header field of its own before Max-Forwards.
fn with_header(name: &str, filler: &str, octets: usize) -> Vec<u8> {
    let field = format!("{name}: {}\r\nMax-Forwards", filler.repeat(octets / filler.len()));
    changed(linter::HEAD, SDP, &[("Max-Forwards", &field), ("multipart/mixed;boundary=b", "application/sdp")])
}

#[test]
fn header_fields_of_one_character() {
    for name in [
        "Via",
        "Contact",
        "From",
        "To",
        "Route",
        "Record-Route",
        "Require",
        "Supported",
        "Accept",
        "Content-Type",
        "Content-Disposition",
        "User-to-User",
        "P-Charging-Vector",
        "User-Agent",
        "Session-ID",
        "Cisco-Guid",
        "X-Other",
    ] {
        for filler in
            [",", ";", "<", ">", "\"", "\\", "=", ":", "[", "%", "-", "\r\n ", "\r\n\t,", "a;b=c,", "\"\\", "remote=;"]
        {
            assert_linear(&format!("{name} of {filler:?}"), &|octets| with_header(name, filler, octets));
        }
    }
}

#[test]
fn many_lines() {
    for line in [
        "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n",
        "Contact: <sip:a@b>;+sip.src\r\n",
        "Require: siprec\r\n",
        "A:\r\n",
        "no colon\r\n",
        "\r\r\r\n",
        ": \r\n",
        " fold\r\n",
        "l: 5\r\n",
    ] {
        assert_linear(&format!("lines of {line:?}"), &|octets| {
            let lines = format!("{}Max-Forwards", line.repeat(octets / line.len()));
            changed(linter::HEAD, SDP, &[("Max-Forwards", &lines), ("multipart/mixed;boundary=b", "application/sdp")])
        });
    }
}

#[test]
fn start_lines_and_blank_ones() {
    for filler in ["a", "%41", ";", "@", ":", "?", " ", "[", "sip:"] {
        assert_linear(&format!("Request-URI of {filler:?}"), &|octets| {
            let uri = format!("sip:{}@192.0.2.1 SIP", filler.repeat(octets / filler.len()));
            changed(
                linter::HEAD,
                SDP,
                &[("sip:srs@192.0.2.1 SIP", &uri), ("multipart/mixed;boundary=b", "application/sdp")],
            )
        });
    }
    assert_linear("line ends before it", &|octets| ["\r\n".repeat(octets / 2).into_bytes(), invite(&[])].concat());
}

#[test]
fn multiparts() {
    for piece in [
        "--b\r\n",
        "--b\r\n\r\n",
        "--b \r\n",
        "--",
        "--bb\r\n",
        "\r\n",
        "-",
        "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n",
        "--b\r\nA: b\r\n c\r\n d\r\n",
        "--b\r\nContent-Transfer-Encoding: base64\r\n\r\n=\r\n",
    ] {
        assert_linear(&format!("a body of {piece:?}"), &|octets| {
            changed(linter::HEAD, &piece.repeat(octets / piece.len()), &[])
        });
        assert_linear(&format!("a preamble of {piece:?}"), &|octets| {
            changed(linter::HEAD, &[piece.repeat(octets / piece.len()), body()].concat(), &[])
        });
    }
    for (named, piece) in [
        ("", "--b\r\nContent-Type: multipart/mixed\r\n\r\n"),
        (";boundary=B", "--b\r\nContent-Type: multipart/mixed;boundary='B'\r\n\r\n"),
        (";boundary='b'", "--b \r\n\r\n"),
        (";boundary=Bx", "--b\r\n"),
        ("", "--c"),
        ("", "--\r\n"),
        ("", "--b--\r\n\r\n"),
        ("", "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--c\r\n\r\n"),
        (";boundary=b", "--b\r\nContent-Type: text/xml\r\n\r\n<!-- x --><recordings/>\r\n"),
    ] {
        assert_linear(&format!("a boundary named {named:?} and {piece:?}"), &|octets| {
            changed(linter::HEAD, &piece.repeat(octets / piece.len()), &[(";boundary=b", named)])
        });
    }
    for filler in ["<!-- x -->", " x", "</r>", "<", "<?x?>"] {
        assert_linear(&format!("XML of no said kind and {filler:?}"), &|octets| {
            let xml = filler.repeat(octets / filler.len());
            changed(linter::HEAD, &xml, &[("multipart/mixed;boundary=b", "text/xml")])
        });
    }
    let boundary = "=_".repeat(100);
    assert_linear("a long boundary that nearly occurs", &|octets| {
        let nearly = format!("--{}x\r\n", &boundary[1..]);
        changed(
            linter::HEAD,
            &nearly.repeat(octets / nearly.len()),
            &[(";boundary=b", &format!(";boundary=\"{boundary}\""))],
        )
    });
}

#[test]
fn descriptions() {
    for line in [
        "a=label:1\r\n",
        "a=rtpmap:8 PCMA/8000\r\n",
        "a=sendonly\r\n",
        "m=audio 4000 RTP/AVP 8\r\n",
        "m=audio 4000 RTP/AVP 8\r\na=label:1\r\n",
        "c=IN IP4 192.0.2.9\r\n",
        "t=0 0\r\n",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n",
        "x\r\n",
        "a=fmtp:8 a=b;c=d\r\n",
        "a=candidate:1 1 UDP 1 192.0.2.9 4000 typ host\r\n",
        "m=\r\n",
        "m=audio x\r\na=label:1\r\n",
        "\r",
        "\r\n",
        "\0",
        "\u{e9}=\r\n",
    ] {
        assert_linear(&format!("SDP lines of {line:?}"), &|octets| {
            let sdp = format!("{SDP}{}", line.repeat(octets / line.len()));
            changed(linter::HEAD, &sdp, &[("multipart/mixed;boundary=b", "application/sdp")])
        });
    }
    for filler in ["8 ", "96 ", ";", "=", "/", "inline:"] {
        assert_linear(&format!("an SDP line of {filler:?}"), &|octets| {
            let sdp = SDP.replacen("RTP/AVP 8", &format!("RTP/AVP 8 {}", filler.repeat(octets / filler.len())), 1);
            changed(linter::HEAD, &sdp, &[("multipart/mixed;boundary=b", "application/sdp")])
        });
        assert_linear(&format!("an attribute of {filler:?}"), &|octets| {
            let sdp = format!("{SDP}a=crypto:{}\r\n", filler.repeat(octets / filler.len()));
            changed(linter::HEAD, &sdp, &[("multipart/mixed;boundary=b", "application/sdp")])
        });
    }
}

/// An INVITE whose metadata has `piece` many times inside its root.
fn with_metadata(piece: &str, octets: usize) -> Vec<u8> {
    let inside = format!("</datamode>{}", piece.repeat(octets / piece.len()));
    let metadata = METADATA.replace("</datamode>", &inside);
    changed(linter::HEAD, &metadata, &[("multipart/mixed;boundary=b", "application/rs-metadata")])
}

#[test]
fn metadata_of_one_piece() {
    for piece in [
        "<",
        "<<",
        "</",
        "<!--",
        "<![CDATA[",
        "<?",
        "&",
        "&#",
        "&amp",
        "<a ",
        "<a b=\"",
        "<a b='\"' ",
        "<x>",
        "</x>",
        "<a><b></a>",
        " a=''",
        "\"",
        "<a xmlns:p='q'/>",
        "<p:a xmlns:p='q'>",
        "<session/>",
        "<session session_id='",
        "]]>",
        "-->",
        "<name>",
        "\u{e9}",
        "<a\u{e9}",
        "\"x=",
        "<a b=",
        " b=c",
        "&eacute;",
        "</a",
        "</B>",
        "<b></B>",
        "<b><c></b>",
    ] {
        assert_linear(&format!("metadata of {piece:?}"), &|octets| with_metadata(piece, octets));
        for tail in ["\" !", ">", "'>"] {
            assert_linear(&format!("metadata of {piece:?} and {tail:?}"), &|octets| {
                let pieces = piece.repeat(octets / piece.len());
                with_metadata(&format!("{pieces}{tail}"), pieces.len() + tail.len())
            });
        }
    }
}

/// The element of a number.
type Element = fn(usize) -> String;

#[test]
fn metadata_of_many_elements() {
    let numbered = |element: Element, octets: usize| {
        let each = element(10_000).len();
        let inside: String = (0..octets / each).map(|n| element(10_000 + n)).collect();
        with_metadata(&inside, inside.len())
    };
    let elements: [(&str, Element); 6] = [
        ("sessions", |n| format!("<session session_id='{n}'/>")),
        ("participants", |n| format!("<participant participant_id='{n}'><nameID aor='sip:{n}@h'/></participant>")),
        ("streams", |n| format!("<stream stream_id='{n}'><label>{n}</label></stream>")),
        ("memberships", |n| format!("<participantsessionassoc participant_id='{n}' session_id='s'/>")),
        ("senders", |n| {
            format!("<participantstreamassoc participant_id='pa'><send>{n}</send></participantstreamassoc>")
        }),
        ("fields", |n| format!("<v xmlns='urn:v' a{n}='b'><ucid>{n}</ucid></v>")),
    ];
    for (name, element) in elements {
        assert_linear(name, &|octets| numbered(element, octets));
    }
}
