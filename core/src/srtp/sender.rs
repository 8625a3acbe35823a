//! The sending side of one master key: our reports, and packets of our own. No index is ever used twice.

use alloc::vec::Vec;
use core::fmt;

use super::cipher::{Cipher, Place, Tag};
use super::keys::Key;
use super::receiver::{ENCRYPTED_FLAG, REPORT_HEADER_LENGTH, estimate, rollover};
use super::sources::MAX_SOURCES;
use super::state::{KeyUse, SenderState};
use super::{Head, SrtpError};
use crate::rtp::packet::u32_at;
use crate::sdp::crypto::{Encryption, InlineKey, MAX_SRTCP_LIFETIME};

/// SRTCP indices that are reserved at once: some twenty minutes of reports, so that a journal hears of it seldom.
pub const REPORTS_RESERVED: u32 = 256;

/// What sends under one master key.
pub struct Sender {
    key: Key,
    encryption: Encryption,
    /// The highest index of each source.
    sources: Vec<(u32, u64)>,
    /// The next SRTCP index; one counter serves all sources.
    next_report: u32,
    reserved: u32,
    /// Indices of SRTP are not kept over a crash, so nothing is sent after one.
    reports_only: bool,
}

impl Sender {
    /// With a key of ours. `None` cannot be: a master key has the length of its suite.
    pub fn new(key: &InlineKey, encryption: Encryption) -> Option<Self> {
        let key = Key::new(key, KeyUse::default())?;
        Some(Self { key, encryption, sources: Vec::new(), next_report: 0, reserved: 0, reports_only: false })
    }

    /// Under session keys that no master key leads to.
    #[cfg(test)]
    pub(super) fn with_key(key: Key, encryption: Encryption) -> Self {
        Self { key, encryption, sources: Vec::new(), next_report: 0, reserved: 0, reports_only: false }
    }

    /// At an SRTCP index.
    #[cfg(test)]
    pub(super) fn at_report(self, index: u32) -> Self {
        Self { next_report: index, reserved: index + 1, ..self }
    }

    /// After a crash: reports go on above all that may have been used. SRTP is not sent under this key any more.
    pub fn resume(key: &InlineKey, encryption: Encryption, state: SenderState) -> Option<Self> {
        let key = Key::new(key, KeyUse { srtp: 0, srtcp: state.reserved.into() })?;
        let next_report = state.reserved;
        Some(Self { key, encryption, sources: Vec::new(), next_report, reserved: next_report, reports_only: true })
    }

    /// What must be kept before [`Sender::reserve`]: due as soon as half of what is reserved is used.
    pub fn reservation_due(&self) -> Option<SenderState> {
        let due = self.reserved - self.next_report <= REPORTS_RESERVED / 2;
        let limit = u32::try_from(MAX_SRTCP_LIFETIME).unwrap_or(u32::MAX);
        let reserved = self.next_report.saturating_add(REPORTS_RESERVED).min(limit);
        (due && reserved > self.reserved).then_some(SenderState { reserved })
    }

    /// The state is kept where a crash cannot reach it: its indices may be used.
    pub fn reserve(&mut self, kept: SenderState) {
        self.reserved = self.reserved.max(kept.reserved);
    }

    /// For a checkpoint.
    pub fn state(&self) -> SenderState {
        SenderState { reserved: self.reserved }
    }

    /// A source's rollover counter.
    pub fn rollover_counter(&self, ssrc: u32) -> Option<u32> {
        self.sources.iter().find(|(known, _)| *known == ssrc).map(|(_, index)| rollover(*index))
    }

    /// Protects an RTP packet; its tag and MKI are appended. The sequence numbers of a source must rise.
    ///
    /// # Errors
    /// The packet and the sender are as they were.
    pub fn protect(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let head = Head::read(packet).ok_or(SrtpError::Malformed)?;
        if self.reports_only {
            return Err(SrtpError::NotReserved);
        }
        self.key.check_lifetime()?;
        let index = self.advance(&head)?;
        self.seal(packet, &head, index)
    }

    /// The same under an index that is given: for a copy of what was protected before, under a key that nothing else was
    /// protected with. Whoever calls it sees to it that no index gets two packets that differ.
    ///
    /// # Errors
    /// The packet is as it was.
    pub fn protect_at(&mut self, packet: &mut Vec<u8>, index: u64) -> Result<(), SrtpError> {
        let head = Head::read(packet).ok_or(SrtpError::Malformed)?;
        self.seal(packet, &head, index)
    }

    fn seal(&mut self, packet: &mut Vec<u8>, head: &Head, index: u64) -> Result<(), SrtpError> {
        self.key.used.srtp += 1;
        let at = Place { ssrc: head.ssrc, index };
        let clear_end = if self.encryption.srtp { head.payload_at } else { packet.len() };
        let (clear, data) = packet.split_at_mut_checked(clear_end).ok_or(SrtpError::Malformed)?;
        let cipher = &self.key.srtp;
        if let Some(tag) = cipher.seal(at, clear, data) {
            packet.extend_from_slice(&tag);
            packet.extend_from_slice(&self.key.mki);
            return Ok(());
        }
        cipher.encrypt(at, data);
        let tag = cipher.authenticate(packet, &rollover(index).to_be_bytes()).ok_or(SrtpError::Malformed)?;
        packet.extend_from_slice(&self.key.mki);
        packet.extend_from_slice(tag.get(..cipher.tag_length()).unwrap_or_default());
        Ok(())
    }

    /// The next index of a source, noted as used.
    fn advance(&mut self, head: &Head) -> Result<u64, SrtpError> {
        if let Some((_, highest)) = self.sources.iter_mut().find(|(ssrc, _)| *ssrc == head.ssrc) {
            let index = estimate(*highest, head.sequence).ok_or(SrtpError::KeyExpired)?;
            if index <= *highest {
                return Err(SrtpError::Replayed);
            }
            *highest = index;
            return Ok(index);
        }
        if self.sources.len() >= MAX_SOURCES {
            return Err(SrtpError::TooManySources);
        }
        let index = u64::from(head.sequence);
        self.sources.push((head.ssrc, index));
        Ok(index)
    }

    /// Protects an RTCP packet, compound or not; index, tag and MKI are appended.
    ///
    /// # Errors
    /// The packet and the sender are as they were.
    pub fn protect_report(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let ssrc = u32_at(packet, 4).ok_or(SrtpError::Malformed)?;
        self.key.check_lifetime()?;
        if self.next_report >= self.reserved {
            return Err(SrtpError::NotReserved);
        }
        let index = self.next_report;
        self.next_report += 1;
        self.seal_under(packet, ssrc, index)
    }

    /// The same under an index that is given, as [`Sender::protect_at`] does.
    ///
    /// # Errors
    /// The packet is as it was.
    pub fn protect_report_at(&mut self, packet: &mut Vec<u8>, index: u32) -> Result<(), SrtpError> {
        let ssrc = u32_at(packet, 4).ok_or(SrtpError::Malformed)?;
        self.seal_under(packet, ssrc, index)
    }

    fn seal_under(&mut self, packet: &mut Vec<u8>, ssrc: u32, index: u32) -> Result<(), SrtpError> {
        self.key.used.srtcp += 1;
        let at = Place { ssrc, index: u64::from(index) };
        let flag = if self.encryption.srtcp { ENCRYPTED_FLAG } else { 0 };
        let word = (index | flag).to_be_bytes();
        let cipher = &self.key.srtcp;
        if cipher.is_aead() {
            let tag = seal_report(cipher, at, word, packet, self.encryption.srtcp).ok_or(SrtpError::Malformed)?;
            packet.extend_from_slice(&tag);
            packet.extend_from_slice(&word);
            packet.extend_from_slice(&self.key.mki);
            return Ok(());
        }
        if self.encryption.srtcp {
            cipher.encrypt(at, packet.get_mut(REPORT_HEADER_LENGTH..).unwrap_or_default());
        }
        packet.extend_from_slice(&word);
        let tag = cipher.authenticate(packet, &[]).ok_or(SrtpError::Malformed)?;
        packet.extend_from_slice(&self.key.mki);
        packet.extend_from_slice(tag.get(..cipher.tag_length()).unwrap_or_default());
        Ok(())
    }
}

/// RFC 7714 9.2, 9.3: what is authenticated ends with the word, which is sent behind the tag.
fn seal_report(cipher: &Cipher, at: Place, word: [u8; 4], packet: &mut Vec<u8>, encrypted: bool) -> Option<Tag> {
    if encrypted {
        let (header, data) = packet.split_first_chunk_mut::<REPORT_HEADER_LENGTH>()?;
        let mut clear = [0; REPORT_HEADER_LENGTH + 4];
        clear.iter_mut().zip(header.iter().chain(&word)).for_each(|(octet, given)| *octet = *given);
        return cipher.seal(at, &clear, data);
    }
    let length = packet.len();
    packet.extend_from_slice(&word);
    let tag = cipher.seal(at, packet, &mut []);
    packet.truncate(length);
    tag
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender(next report {}, {} sources)", self.next_report, self.sources.len())
    }
}
