//! What is said while an INVITE waits for its ports. The shell opens them at once; here nobody does.

use siprec_core::seed::Seed;
use siprec_core::session::{Input, Output, Policy, Srs};
use siprec_core::sip::{ConnectionId, Transport as Carrier};
use siprec_core::time::{Monotonic, Now, Wall};
use std::time::Duration;
use support::raw::{Draft, Raw};
use support::src::Transport;

/// What [`say`] says.
pub(crate) const SAID: [&str; 3] = ["100", "200", "487"];
/// Longer than an INVITE may hear nothing (RFC 3261 17.2.1).
const WHILE: Duration = Duration::from_millis(250);

/// Gives an INVITE of `raw`'s to a server without ports, and its CANCEL when it has waited; what the server says goes to
/// `send`.
pub(crate) fn say(raw: &Raw, send: &mut dyn FnMut(&[u8])) {
    let policy = Policy { product: "siprec/test".into(), max_sessions: 10, ..Policy::default() };
    let mut srs = Srs::new(policy, Seed([7; 32]));
    let mut now = Now { monotonic: Monotonic(1_000_000_000), wall: Wall(1_790_000_000_000_000_000) };
    let (local, remote, id) = (raw.server, raw.local, ConnectionId(1));
    if raw.transport != Transport::Udp {
        let transport = Carrier::Tcp;
        srs.handle_input(
            now,
            Input::ConnectionOpened { id, transport, local, remote, certificate: None, accepted: false },
        );
    }
    let invite = Draft::invite(raw);
    for request in [&invite, &invite.cancel()] {
        let bytes = &request.bytes();
        srs.handle_input(
            now,
            match raw.transport {
                Transport::Udp => Input::Datagram { local, remote, bytes },
                Transport::Tcp | Transport::Tls => Input::Bytes { connection: id, bytes },
            },
        );
        now = Now { monotonic: now.monotonic.after(WHILE), wall: now.wall };
        srs.handle_input(now, Input::Timeout);
        while let Some(output) = srs.poll_output() {
            if let Output::Send { bytes, .. } = output {
                send(&bytes);
            }
        }
    }
}
