//! What the core tells, as lines of the log: what an operator would tell a colleague.

use siprec_core::entry::Alarm;
use siprec_core::session::{Reason, Tell};

/// Logs one thing.
pub(super) fn tell(tell: &Tell) {
    match tell {
        Tell::SessionStarted { session, remote, streams, shown } => {
            let vendor = shown.vendor();
            let vendor = vendor.as_ref().map(tracing::field::display);
            tracing::info!(%session, src = %remote, streams, vendor, "recording");
        }
        Tell::SessionEnded { session, cause } => tracing::info!(%session, ?cause, "session ended"),
        Tell::DialogJoined { session, remote, streams } => {
            tracing::info!(%session, src = %remote, streams, "the call's other end joined the recording");
        }
        Tell::DialogEnded { session, cause } => {
            tracing::info!(%session, ?cause, "one of two dialogs ended; the recording goes on");
        }
        Tell::KeysLost { session } => tracing::error!(
            %session,
            "the session's SRTP keys were wrapped by another node.key: what comes is kept sealed until the SRC answers our re-INVITE"
        ),
        Tell::SrtpRefused { session, port, refusals } => {
            for (packets, why) in refusals.words() {
                tracing::warn!(%session, stream = port.0, packets, "SRTP refused: {why}");
            }
        }
        Tell::Alarm { session, alarm: Alarm::Dropped, port: Some(port), raised: true } => tracing::error!(
            %session,
            stream = port.0,
            "alarm: the kernel drops packets that nobody fetches in time: give the machine more cores, or net.core.rmem_max more room"
        ),
        Tell::Alarm { session, alarm, port, raised: true } => {
            tracing::warn!(%session, ?alarm, stream = port.map(|p| p.0), "alarm");
        }
        Tell::Alarm { session, alarm, port, raised: false } => {
            tracing::info!(%session, ?alarm, stream = port.map(|p| p.0), "alarm cleared");
        }
        Tell::Secured { session, port, peer, suite, version } => {
            tracing::info!(%session, stream = port.0, %peer, %suite, version, "DTLS: media are protected");
        }
        Tell::NotSecured { session, port, peer, why } => {
            tracing::warn!(%session, stream = port.0, %peer, "DTLS: no handshake: {why}");
        }
        Tell::Refused { remote, status, reason } => tracing::info!(%remote, status, reason, "refused"),
        Tell::KeptOut { remote, reason, untold } => {
            let why = match reason {
                Reason::Stranger => "no peer of ours (server.allowed_peers, peers)",
                Reason::Scanner => "a scanner (server.scanners)",
                Reason::Streams => "more streams without a call than strangers may hold open",
                Reason::TooMany => "more requests than it may make (server.rate_limit)",
            };
            tracing::warn!(%remote, untold, "kept out: {why}");
        }
        Tell::NotEstablished { remote, status, reason } => {
            tracing::warn!(src = %remote, status, reason, "the SRC was asked for a recording session in vain");
        }
        Tell::Garbage { remote, reason } => tracing::debug!(%remote, reason, "not SIP"),
    }
}
