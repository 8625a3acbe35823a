//! Mutated SIP, SDP, metadata, RTP and RTCP, from a fixed seed: the server goes on recording, and everything is back at
//! the start afterwards.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]
#![allow(unreachable_pub, reason = "a test crate has no outside")]

#[path = "robustness/mutate.rs"]
mod mutate;
#[path = "robustness/siege.rs"]
mod siege;

use siege::Siege;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use support::namespace::{Own, inside};
use support::recordings;
use support::server::{Server, Setup};
use support::src::{Call, Src, Transport};
use support::studio::Plan;
use support::wav::Allow;
use support::{Rng, assert_no_faults};

const MESSAGES_BEFORE: usize = 2_000;
const MESSAGES_UDP: usize = 8_000;
const MESSAGES_TCP: usize = 2_000;
const PACKETS: usize = 10_000;
/// So many must get as far as SDP or XML, or the exercise proves little.
const DEEP_SHARE: f64 = 0.30;
/// Timers of RFC 3261 are 32 s; a leftover session is probed after 2 s and given up 32 s later.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// What the siege left is rendered first.
const RENDERED_WITHIN: Duration = Duration::from_secs(180);

/// A call as any other, to be recorded as any other.
fn normal_call(server: &Server, src: &Src, index: usize) -> Vec<String> {
    let call = Call::new(src, index);
    call.must_invite();
    call.talk(&Plan::seconds(4.0));
    let transcript = call.finish();
    recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN).judge(&transcript, &Allow::default())
}

/// One sender makes more requests here than any real one.
fn unlimited() -> Setup {
    Setup::default().set("server.rate_limit.unknown=0").set("server.rate_limit.unknown_together=0")
}

#[test]
fn ten_thousand_mutated_messages() {
    inside(Own::Network, "ten_thousand_mutated_messages", || {
        let mut server = unlimited().sessions(4000).set("media.rtp_timeout=2s").start();
        let src = Src::udp(server.sip);
        assert_no_faults(&normal_call(&server, &src, 0));
        let mut before = server.usage();
        let mut rng = Rng(0x5EED);
        let mut deep = 0;
        // What the allocator keeps of a first rush, it uses again in the second.
        let mut first = Siege::new(server.sip, Transport::Udp);
        first.lay(MESSAGES_BEFORE, &mut rng).unwrap();
        first.lift();
        before.rss_kib = server.usage().rss_kib;
        for (transport, count) in [(Transport::Udp, MESSAGES_UDP), (Transport::Tcp, MESSAGES_TCP)] {
            let mut siege = Siege::new(server.sip, transport);
            if let Err(broken) = siege.lay(count, &mut rng) {
                panic!("{transport:?}: {broken}\nalive: {}\n{}", server.lives(), server.tail());
            }
            siege.lift();
            println!("{transport:?}: {siege}");
            deep += siege.deep;
        }
        let all = f64::from(u32::try_from(MESSAGES_UDP + MESSAGES_TCP).unwrap());
        let share = f64::from(u32::try_from(deep).unwrap()) / all;
        assert!(share >= DEEP_SHARE, "only {share:.3} of the messages got as far as SDP or XML");
        server.assert_never_panicked();
        assert_no_faults(&normal_call(&server, &src, 1));
        let left = server.left_over(before, SETTLED_WITHIN);
        assert_eq!(left, None);
    });
}

#[test]
fn ten_thousand_mutated_packets() {
    let mut server = unlimited().start();
    let src = Src::udp(server.sip);
    let warm = Call::new(&src, 2);
    warm.must_invite();
    assert_eq!(warm.bye().unwrap().status(), 200);
    recordings::wait(&server.data, warm.call_id(), RENDERED_WITHIN);
    let mut before = server.usage();
    for seed in [0xF00D, 0xCAFE] {
        flood(&server, &src, seed);
        assert!(server.lives());
        assert_no_faults(&normal_call(&server, &src, 3));
        // What the allocator keeps of a first rush, it uses again in the second.
        if seed == 0xF00D {
            before.rss_kib = server.usage().rss_kib;
        }
    }
    server.assert_never_panicked();
    assert_eq!(server.left_over(before, SETTLED_WITHIN), None);
}

/// Sends mutated packets to the ports of a call, beside another call that must not notice.
fn flood(server: &Server, src: &Src, seed: u64) {
    let victim = Call::new(src, 0);
    victim.must_invite();
    let ports = victim.ports();
    std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| normal_call(server, src, 1));
        let mut rng = Rng(seed);
        for n in 0..PACKETS {
            let leg = &victim.legs()[n % 2];
            let port = ports[n % 2];
            let to = |port| SocketAddr::new(server.sip.ip(), port);
            send(&leg.rtp, &mutate::rtp(&mut rng), to(port));
            send(&leg.rtcp, &mutate::rtcp(&mut rng), to(port + 1));
            if n % 16 == 0 {
                send(&leg.rtp, &mutate::rtcp(&mut rng), to(port));
                send(&leg.rtcp, &mutate::rtp(&mut rng), to(port + 1));
                support::pause(Duration::from_millis(1));
            }
        }
        assert_no_faults(&neighbour.join().unwrap());
    });
    assert_eq!(victim.bye().unwrap().status(), 200);
    recordings::wait(&server.data, victim.call_id(), RENDERED_WITHIN);
}

fn send(socket: &UdpSocket, packet: &[u8], to: SocketAddr) {
    // One that does not fit a datagram is no test of the server.
    let _ = socket.send_to(packet, to);
}
