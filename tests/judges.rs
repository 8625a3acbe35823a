//! What others make of what we say: tshark dissects every message that the server sent, sipsak asks after its health.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

#[path = "judges/own.rs"]
mod own;
#[path = "judges/slow.rs"]
mod slow;
#[path = "judges/sources.rs"]
mod sources;
#[path = "judges/statuses.rs"]
mod statuses;

use siprec::config::Span;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, Ipv6Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use support::embedded::Embedded;
use support::raw::Raw;
use support::server::{Server, Setup};
use support::src::body::Body;
use support::src::{Call, Direction, Src, Transport};
use support::tls::{Ca, Ends, Wanted, tunnel};
use support::tshark::Capture;
use support::{TempDir, becomes_true, tshark};

/// `_ws.expert.severity` from which a note is a complaint: warnings and errors.
const WARNING: u32 = 0x60_0000;

/// The file of TLS secrets.
const SECRETS: &str = "secrets";

/// A message of ours as tshark read it.
#[derive(Debug)]
struct Read {
    frame: String,
    method: String,
    status: String,
    content_type: String,
    media: String,
    malformed: bool,
    severities: Vec<u32>,
    notes: String,
}

const FIELDS: [&str; 8] = [
    "frame.number",
    "sip.Method",
    "sip.Status-Code",
    "sip.Content-Type",
    "sdp.media.media",
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
];

/// Every message in a trace that left the server's SIP port.
fn sent(file: &Path, port: u16) -> Vec<Read> {
    judged(file, port, None, &format!("udp.srcport=={port}"))
}

/// Everything on the wire that left this port; of TCP, what is whole in its segment or completes what came in several.
fn sent_on_wire(file: &Path, port: u16) -> Vec<Read> {
    let tcp = format!("(tcp.srcport=={port} and tcp.len>0 and not tcp.reassembled_in)");
    judged(file, port, None, &format!("udp.srcport=={port} or {tcp}"))
}

/// What the filter takes; a stream is one of TLS where there are secrets of it.
fn judged(file: &Path, port: u16, secrets: Option<&Path>, of: &str) -> Vec<Read> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-n", "-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
    let over_tcp = if secrets.is_some() { "tls" } else { "sip" };
    command.args(["-d", &format!("udp.port=={port},sip"), "-d", &format!("tcp.port=={port},{over_tcp}"), "-Y", of]);
    if let Some(secrets) = secrets {
        command.args(["-d", &format!("tls.port=={port},sip"), "-o", &format!("tls.keylog_file:{}", secrets.display())]);
    }
    command.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(read).collect()
}

fn read(line: &str) -> Read {
    let cells: Vec<&str> = line.split('|').collect();
    assert!(cells.len() >= FIELDS.len(), "{line}");
    let severity = |word: &str| {
        let hex = word.strip_prefix("0x");
        hex.map_or_else(|| word.parse(), |hex| u32::from_str_radix(hex, 16)).unwrap_or(0)
    };
    Read {
        frame: cells[0].into(),
        method: cells[1].into(),
        status: cells[2].into(),
        content_type: cells[3].into(),
        media: cells[4].into(),
        malformed: !cells[5].is_empty(),
        severities: cells[6].split(',').map(severity).collect(),
        notes: cells[7..].join("|"),
    }
}

fn faults(read: &[Read]) -> Vec<String> {
    let mut found = Vec::new();
    for message in read {
        let Read { frame, method, status, .. } = message;
        let who = format!("frame {frame} ({method}{status})");
        if message.malformed || message.severities.iter().any(|severity| *severity >= WARNING) {
            found.push(format!("{who}: {}", message.notes));
        }
        if method.is_empty() == status.is_empty() {
            found.push(format!("{who}: is no SIP to tshark"));
        }
        let describes = ["application/sdp", "multipart/mixed"].iter().any(|kind| message.content_type.contains(kind));
        if describes == message.media.is_empty() {
            found.push(format!("{who}: {} with media {:?}", message.content_type, message.media));
        }
    }
    found
}

/// A call with everything that may happen in it, and each kind of refusal.
fn talk(server: &Server, transport: Transport) {
    let src = Src::new(server.sip, transport);
    let call = Call::new(&src, 0);
    call.must_invite();
    for direction in [Direction::Inactive, Direction::SendOnly, Direction::ZeroAddress] {
        assert_eq!(call.reinvite(&[direction; 2]).unwrap().status(), 200);
    }
    let offer = Body::sdp(call.offer_sdp(&[Direction::SendOnly, Direction::ZeroPort]));
    let nothing = Body::sdp("this is no description".into());
    for (method, body, status) in [
        ("UPDATE", Some(&offer), 200),
        ("UPDATE", None, 200),
        ("UPDATE", Some(&nothing), 488),
        ("OPTIONS", None, 200),
        ("INFO", None, 200),
        ("MESSAGE", None, 405),
    ] {
        assert_eq!(call.send_request(method, body).unwrap().status(), status, "{method}");
    }
    assert_eq!(call.bye().unwrap().status(), 200);
    let delayed = Call::new(&src, 1);
    let answer = delayed.invite_with(&Body::metadata(delayed.metadata.complete())).unwrap();
    let description = Body::sdp(delayed.offer_sdp(&[Direction::SendOnly; 2]));
    let (_, ack) = delayed.compose("ACK", Some(&description), Some(answer.cseq().0));
    src.send(&ack);
    delayed.bye().unwrap();
    statuses::refused(&Raw::new(server.sip, transport));
    a_snapshot_is_asked_for(&src);
}

/// A partial document before any complete one: the server asks for the whole in an UPDATE of its own.
fn a_snapshot_is_asked_for(src: &Src) {
    let mut call = Call::new(src, 2);
    call.headers = "Allow: INVITE, ACK, BYE, UPDATE\r\n".into();
    let partial = call.metadata.complete().replace(">complete<", ">partial<");
    let body = Body::both(&call.offer_sdp(&[Direction::SendOnly; 2]), &partial);
    let answer = call.invite_with(&body).unwrap();
    call.acknowledge(&answer);
    let asked = || src.asked().iter().any(|request| request.method() == "UPDATE");
    assert!(becomes_true(Duration::from_secs(10), asked), "no UPDATE came");
    call.bye().unwrap();
}

#[test]
fn tshark_finds_nothing_wrong_with_what_we_say() {
    if !tshark::present() {
        return;
    }
    let folder = support::TempDir::new("judged");
    for (name, ip) in [("v4", IpAddr::from([127, 0, 0, 1])), ("v6", IpAddr::from(Ipv6Addr::LOCALHOST))] {
        let file = folder.path().join(format!("{name}.pcap"));
        let setup = Setup::on(ip).arg("--sip-trace-file").arg(file.to_str().unwrap());
        let mut server = setup.start();
        for transport in [Transport::Udp, Transport::Tcp] {
            talk(&server, transport);
        }
        server.terminate();
        let read = sent(&file, server.sip.port());
        support::assert_no_faults(&faults(&read));
        assert!(read.iter().any(|message| message.method == "UPDATE"), "no request of ours was judged");
        assert!(read.iter().filter(|message| !message.media.is_empty()).count() >= 12, "too few descriptions");
    }
}

/// What was heard of a kind: several in a segment stand side by side.
fn kinds<'a>(read: &'a [Read], of: impl Fn(&'a Read) -> &'a String) -> BTreeSet<&'a str> {
    read.iter().flat_map(|message| of(message).split(',')).filter(|kind| !kind.is_empty()).collect()
}

/// Judges what was captured, and that each status that there is and an UPDATE of ours were among it.
#[track_caller]
fn judge_all(capture: Capture, port: u16, transport: Transport) {
    let Some(file) = capture.stop() else { return };
    let read = sent_on_wire(&file, port);
    support::assert_no_faults(&faults(&read));
    let heard: BTreeSet<String> = kinds(&read, |m| &m.status).into_iter().map(str::to_owned).collect();
    let made = kinds(&read, |m| &m.method);
    let expected = statuses::heard(transport);
    let unheard: Vec<_> = expected.difference(&heard).collect();
    // A machine that is slow hears a 100 as well.
    let unexpected: Vec<_> = heard.difference(&expected).filter(|status| *status != "100").collect();
    assert!(
        unheard.is_empty() && unexpected.is_empty(),
        "{transport:?}: not judged {unheard:?}, in no source {unexpected:?}"
    );
    assert!(made.contains("UPDATE"), "no request of ours was judged: {made:?}");
}

#[test]
fn every_status_is_well_said_over_udp_and_tcp() {
    if !tshark::present() {
        return;
    }
    let folder = TempDir::new("judged-statuses");
    for transport in [Transport::Udp, Transport::Tcp] {
        let server = statuses::setup().start();
        let port = server.sip.port();
        let capture = Capture::start(&folder.path().join(transport.name()), &format!("port {port}"));
        statuses::hear(&Raw::new(server.sip, transport));
        judge_all(capture, port, transport);
    }
}

/// The server's end is TLS; what comes out of it at the client's is captured in clear.
#[test]
fn every_status_is_well_said_over_tls() {
    if !tshark::present() {
        return;
    }
    let folder = TempDir::new("judged-tls");
    let ca = Ca::new(folder.path(), "ca");
    let own = ca.issue("server", &Wanted::default());
    let server = statuses::setup()
        .set("server.tls.enabled=true")
        .set(&format!("server.tls.cert_file={}", own.cert.display()))
        .set(&format!("server.tls.key_file={}", own.key.display()))
        .start();
    let clear = tunnel(server.tls, Ends::with(&ca.issue("sbc", &Wanted::default())));
    let capture = Capture::start(&folder.path().join("tls"), &format!("port {}", clear.port()));
    statuses::hear(&Raw::new(clear, Transport::Tcp));
    judge_all(capture, clear.port(), Transport::Tls);
}

#[test]
fn what_an_invite_hears_that_waits_for_its_ports_is_well_said() {
    if !tshark::present() {
        return;
    }
    let folder = TempDir::new("judged-slow");
    let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    for (transport, at) in [(Transport::Udp, udp.local_addr()), (Transport::Tcp, tcp.local_addr())] {
        let at = at.unwrap();
        let capture = Capture::start(&folder.path().join(transport.name()), &format!("port {}", at.port()));
        let raw = Raw::new(at, transport);
        match transport {
            Transport::Udp => slow::say(&raw, &mut |bytes| {
                udp.send_to(bytes, raw.local).unwrap();
            }),
            Transport::Tcp | Transport::Tls => {
                let (mut stream, _) = tcp.accept().unwrap();
                slow::say(&raw, &mut |bytes| stream.write_all(bytes).unwrap());
            }
        }
        let Some(file) = capture.stop() else { return };
        let read = sent_on_wire(&file, at.port());
        support::assert_no_faults(&faults(&read));
        assert_eq!(kinds(&read, |m| &m.status), slow::SAID.into());
    }
}

/// Judges each request of ours as `src` hears it: TLS is captured as such, and read by its secrets.
#[track_caller]
fn judge_requests(server: &Embedded, src: &Src, folder: &Path) {
    let transport = src.transport();
    // Over streams we connect to the SRC.
    let there = if transport == Transport::Udp { server.sip.port() } else { src.contact().port() };
    let capture = Capture::start(&folder.join(transport.name()), &format!("port {there}"));
    own::make(server, src);
    let Some(file) = capture.stop() else { return };
    let of = format!("udp.srcport=={there} or (tcp.dstport=={there} and sip)");
    let secrets = (transport == Transport::Tls).then(|| folder.join(SECRETS));
    let read = judged(&file, there, secrets.as_deref(), &of);
    support::assert_no_faults(&faults(&read));
    assert_eq!(kinds(&read, |m| &m.method), BTreeSet::from(own::METHODS), "{transport:?}");
    let re_invites = read.iter().filter(|m| m.method.contains("INVITE") && !m.media.is_empty()).count();
    assert!(re_invites >= 2, "the pause and its end: {read:?}");
}

#[test]
fn each_request_of_ours_is_well_said() {
    if !tshark::present() {
        return;
    }
    let folder = TempDir::new("judged-own");
    let ca = Ca::new(folder.path(), "ca");
    let own = ca.issue("srs", &Wanted::default());
    let server = Embedded::start_with(|config| {
        config.media.rtp_timeout = Span(Duration::from_secs(1));
        let tls = &mut config.server.tls;
        tls.enabled = true;
        (tls.cert_file, tls.key_file, tls.client_ca_file) = (Some(own.cert), Some(own.key), Some(ca.file()));
    });
    let ends = Ends::with(&ca.issue("src", &Wanted { dns: &["localhost"], ..Wanted::default() }));
    let over_tls = Src::tls_by(server.tls, ends.logged(&folder.path().join(SECRETS)));
    for src in [Src::udp(server.sip), Src::tcp(server.sip), over_tls] {
        judge_requests(&server, &src, folder.path());
    }
}

#[test]
fn a_call_that_is_given_up_is_well_cancelled() {
    if !tshark::present() {
        return;
    }
    let folder = TempDir::new("judged-cancel");
    let ringing = UdpSocket::bind("127.0.0.1:0").unwrap();
    ringing.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let to = ringing.local_addr().unwrap().port();
    let capture = Capture::start(&folder.path().join("cancel"), &format!("udp port {to}"));
    let port = own::give_up(&ringing);
    let Some(file) = capture.stop() else { return };
    let read = sent_on_wire(&file, port);
    support::assert_no_faults(&faults(&read));
    assert_eq!(kinds(&read, |m| &m.method), BTreeSet::from(["ACK", "CANCEL", "INVITE"]));
}

/// A message that is wrong must be told, or the judge is blind.
#[test]
fn a_complaint_of_tshark_is_seen() {
    let good = "1||200|application/sdp|audio|||";
    assert_eq!(faults(&[read(good)]), [""; 0]);
    for bad in [
        "1||200|application/sdp|audio||6291456|odd",
        "1||200|application/sdp|audio||4194304,0x00800000|worse",
        "1||200|application/sdp|audio|malformed||",
        "1||200|application/sdp||||",
        "1||||||| ",
    ] {
        assert!(!faults(&[read(bad)]).is_empty(), "{bad}");
    }
}

fn sipsak(args: &[&str]) -> Option<Output> {
    match Command::new("sipsak").args(args).stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(_) => {
            support::lacking("sipsak is not installed");
            None
        }
    }
}

#[test]
fn sipsak_finds_the_server_well() {
    let server = Server::start();
    let uri = format!("sip:srs@{}", server.sip);
    // A health check; and one that no proxy may hand on any more, which a UAS answers all the same (RFC 4475 3.3.11).
    for more in [&[][..], &["-m", "0"], &["-E", "tcp"], &["-E", "tcp", "-m", "0"]] {
        let args = [&["-vv", "-s", uri.as_str()][..], more].concat();
        let Some(output) = sipsak(&args) else { return };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains("SIP/2.0 200 OK"),
            "sipsak {args:?}: {}\n{said}",
            output.status
        );
        assert!(said.contains("INVITE") && said.contains("application/rs-metadata+xml"), "{said}");
    }
    // A registration is none of a recorder's business, and it hears so.
    let folder = support::TempDir::new("sipsak");
    let file = folder.path().join("register.sip");
    let text = format!(
        "REGISTER {uri} SIP/2.0\r\nFrom: <{uri}>;tag=1\r\nTo: <{uri}>\r\nCall-ID: one\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:me@127.0.0.1>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    std::fs::write(&file, text).unwrap();
    let refused = sipsak(&["-f", file.to_str().unwrap(), "-s", uri.as_str(), "-vv"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stdout).into_owned() + &String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("SIP/2.0 405"), "{}: {said}", refused.status);
}

/// What an operator reads in the log names neither people nor keys (RFC 7866 12.3).
#[test]
fn the_log_names_nobody() {
    let mut server = Server::start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 0);
    call.must_invite();
    assert_eq!(call.bye().unwrap().status(), 200);
    server.terminate();
    let log = server.tail();
    assert!(log.contains("session ended"), "{log}");
    for person in &call.metadata.people {
        assert!(!log.contains(&person.aor) && !log.contains(&person.name), "{} is in the log:\n{log}", person.aor);
    }
}
