//! Packets that were kept sealed: those that no later key has opened are missing in the audio, and the sheet says so.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

use crate::entry::{PortIndex, Protected};
use crate::rtp::packet::{u16_at, u32_at};

/// Sealed packets that are told apart; more of them are only counted.
const MAX_TOLD_APART: usize = 4_096;

/// What is still sealed.
#[derive(Debug, Default)]
pub(super) struct SealedPackets {
    waiting: BTreeSet<(PortIndex, u32, u16)>,
    more: u64,
}

impl SealedPackets {
    /// Takes a packet with what SRTP said of it.
    pub(super) fn take(&mut self, port: PortIndex, packet: &[u8], protected: Protected) {
        let (Some(ssrc), Some(sequence)) = (u32_at(packet, 8), u16_at(packet, 2)) else { return };
        match protected {
            Protected::Authentic { .. } if self.waiting.is_empty() => {}
            Protected::Authentic { .. } => {
                self.waiting.remove(&(port, ssrc, sequence));
            }
            Protected::Sealed if self.waiting.len() < MAX_TOLD_APART => {
                self.waiting.insert((port, ssrc, sequence));
            }
            Protected::Sealed => self.more += 1,
        }
    }

    /// For the sheet.
    pub(super) fn words(&self) -> Option<String> {
        let count = self.more + self.waiting.len() as u64;
        let words = "SRTP packets were under no key that was agreed on: they are kept sealed and cannot be heard";
        (count > 0).then(|| format!("{count} {words}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_opened_is_told() {
        let mut sealed = SealedPackets::default();
        assert_eq!(sealed.words(), None);
        let packet = |sequence: u8| [0x80, 8, 0, sequence, 0, 0, 0, 0, 0, 0, 0, 9];
        for sequence in 0..5 {
            sealed.take(PortIndex(0), &packet(sequence), Protected::Sealed);
        }
        for sequence in 2..5 {
            sealed.take(PortIndex(0), &packet(sequence), Protected::Authentic { index: 0 });
        }
        assert!(sealed.words().unwrap().starts_with("2 SRTP packets"));
    }
}
