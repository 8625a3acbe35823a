//! Each request that we make of our own accord, brought about by orders, silence and impatience.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::embedded::Embedded;
use support::src::{Call, Message, Src};
use support::studio::Plan;
use support::{becomes_true, pause, process, until};

/// What [`make`] has made the server send.
pub(crate) const METHODS: [&str; 5] = ["ACK", "BYE", "INVITE", "OPTIONS", "UPDATE"];
const WITHIN: Duration = Duration::from_secs(20);

/// Begins a session, asks for a snapshot, pauses, resumes, asks a silent SRC after itself, and ends the session.
#[track_caller]
pub(crate) fn make(server: &Embedded, src: &Src) {
    let call = Call::expected(src, 0);
    let transport = src.transport().name().to_ascii_lowercase();
    server.orders.record(&format!("sip:src@{};transport={transport}", src.contact()));
    assert!(becomes_true(WITHIN, || call.is_acknowledged()), "no ACK with an answer");
    call.talk(&Plan::seconds(0.5));
    let session = server.session();
    let asks = |method: &str, times: usize| {
        let asked = || src.asked().iter().filter(|m| m.method() == method).count() >= times;
        assert!(becomes_true(WITHIN, asked), "{method} did not come {times} times: {:?}", src.asked());
    };
    server.orders.request_snapshot(session);
    asks("UPDATE", 1);
    server.orders.pause(session, true);
    asks("ACK", 2);
    server.orders.resume(session);
    asks("ACK", 3);
    asks("OPTIONS", 1);
    server.orders.stop(session);
    asks("BYE", 1);
    assert!(becomes_true(WITHIN, || server.sessions() == 0), "it is not over");
}

/// RFC 3261 9.1: `siprec replay` is interrupted while its call rings. The port that it called from.
#[track_caller]
pub(crate) fn give_up(ringing: &UdpSocket) -> u16 {
    let to = format!("sip:{}", ringing.local_addr().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
    command.args(["replay", "--to", &to, "--set", "logging.level=warn"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    let next = |method: &str| -> (Message, SocketAddr) {
        let found = until(WITHIN, || {
            let mut buffer = [0; 8192];
            let (length, from) = ringing.recv_from(&mut buffer).ok()?;
            Message::parse(&buffer[..length]).filter(|m| m.method() == method).map(|m| (m, from))
        });
        found.unwrap_or_else(|| panic!("no {method}"))
    };
    let say = |request: &Message, status: u16, reason: &str, to: SocketAddr| {
        ringing.send_to(&request.respond(status, reason, "Content-Length: 0\r\n\r\n"), to).unwrap();
    };
    let (invite, from) = next("INVITE");
    say(&invite, 180, "Ringing", from);
    // A provisional response that is read first: before one, nothing may be cancelled.
    pause(Duration::from_millis(300));
    process::signal(client.id(), libc::SIGINT);
    let (cancel, _) = next("CANCEL");
    say(&cancel, 200, "OK", from);
    say(&invite, 487, "Request Terminated", from);
    next("ACK");
    assert!(becomes_true(WITHIN, || client.try_wait().unwrap().is_some()), "it is not over");
    from.port()
}
