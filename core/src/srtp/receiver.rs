//! The receiving side of a set of master keys: packets of any number of sources made plain in place.

use alloc::vec::Vec;
use core::fmt;
use core::iter;
use core::ops::Range;

use super::cipher::{MAX_TAG_LENGTH, Place, Tag};
use super::derivation::Protocol;
use super::keys::Key;
use super::sources::{MAX_SOURCES, Sources};
use super::state::ReceiverState;
use super::window::{REPORT_WINDOW, WINDOW};
use super::{Head, SrtpError};
use crate::rtp::packet::u32_at;
use crate::sdp::crypto::{Encryption, InlineKey};

/// Rollover counters that are tried on a packet of a source whose own is not sure: at 50 packets a second, a stream that
/// is up to 23 hours old can be joined at once. One that is older is searched for.
pub const MAX_TRIALS: u32 = 64;
/// Counters that are gone through, beyond those, for a source that is waited for ([`Receiver::search_on`]): at 50 packets a
/// second, a stream of two and a half years. Then from the beginning.
pub const MAX_SEARCHED: u64 = 1 << 16;
/// So many of them at each packet.
pub const SEARCHED_AT_ONCE: u64 = 64;
/// Sources that are waited for at a time; the one that has waited least gives way.
const MAX_SEARCHES: usize = 8;
/// The rollover counters there are.
const ROLLOVERS: u64 = 1 << 32;
/// Octets of an RTCP header with its SSRC, which are never encrypted (RFC 3711 3.4).
pub(super) const REPORT_HEADER_LENGTH: usize = 8;
/// The E flag above the SRTCP index (RFC 3711 3.4).
pub(super) const ENCRYPTED_FLAG: u32 = 1 << 31;

/// An SRTP packet made plain: it is the first `length` octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain {
    /// Octets of the RTP packet.
    pub length: usize,
    /// The packet index: the rollover counter above the sequence number (RFC 3711 3.3.1).
    pub index: u64,
    /// Which of the master keys, by its place.
    pub key: usize,
}

/// An SRTCP packet made plain: it is the first `length` octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainReport {
    /// Octets of the RTCP packet.
    pub length: usize,
    /// The SRTCP index, 31 bits.
    pub index: u32,
    /// The E flag: it was encrypted.
    pub encrypted: bool,
    /// Which of the master keys, by its place.
    pub key: usize,
}

/// What receives under one set of master keys.
pub struct Receiver {
    keys: Vec<Key>,
    encryption: Encryption,
    pub(super) sources: Sources<{ (WINDOW / 64) as usize }>,
    pub(super) reporters: Sources<{ (REPORT_WINDOW / 64) as usize }>,
    expected: Vec<(u32, u32)>,
    /// Sources whose counter is looked for, and how far beyond the likeliest it was.
    searches: Vec<(u32, u64)>,
}

/// Where the parts of a protected packet stand, its master key being known.
struct Layout {
    key: usize,
    /// The end of what is encrypted.
    body_end: usize,
    /// The E flag and index of SRTCP.
    word: u32,
    tag: Tag,
    tag_length: usize,
}

/// The indices that a packet may have: the likeliest, then by rollover counter.
struct Candidates {
    foreseen: Option<u64>,
    rollovers: [Range<u64>; 2],
    /// Those that are gone through at this packet.
    searched: Range<u64>,
}

impl Receiver {
    /// With the keys of an accepted `a=crypto` line.
    pub fn new(keys: &[InlineKey], encryption: Encryption) -> Self {
        Self::resume(keys, encryption, &ReceiverState::default())
    }

    /// As [`Receiver::state`] left one with the same keys. Its sources count as unconfirmed: what was missed meanwhile may
    /// have taken their rollover counters further.
    pub fn resume(keys: &[InlineKey], encryption: Encryption, state: &ReceiverState) -> Self {
        let used = state.keys.iter().copied().chain(iter::repeat(Default::default()));
        Self {
            keys: keys.iter().zip(used).filter_map(|(key, used)| Key::new(key, used)).collect(),
            encryption,
            sources: Sources::resumed(&state.sources),
            reporters: Sources::resumed(&state.reporters),
            expected: state.expected.iter().copied().take(MAX_SOURCES).collect(),
            searches: Vec::new(),
        }
    }

    /// Under session keys that no master key leads to.
    #[cfg(test)]
    pub(super) fn with_key(key: Key, encryption: Encryption) -> Self {
        Self { keys: Vec::from([key]), ..Self::new(&[], encryption) }
    }

    /// With other master keys, at the same transport addresses (RFC 4568 7.1.4): whether a source goes on with its rollover
    /// counter or begins anew is found by trial. Packets under the old keys are still for the old receiver.
    pub fn rekeyed(&self, keys: &[InlineKey], encryption: Encryption) -> Self {
        let mut rekeyed = Self::new(keys, encryption);
        rekeyed.expected.clone_from(&self.expected);
        for source in self.sources.iter() {
            rekeyed.expect(source.ssrc, rollover(source.window.highest()));
        }
        rekeyed
    }

    /// For a checkpoint.
    pub fn state(&self) -> ReceiverState {
        let mut state = ReceiverState::default();
        self.state_into(&mut state);
        state
    }

    /// The same into the memory of an earlier one.
    pub fn state_into(&self, into: &mut ReceiverState) {
        self.sources.state_into(&mut into.sources);
        self.reporters.state_into(&mut into.reporters);
        into.expected.clone_from(&self.expected);
        into.keys.clear();
        into.keys.extend(self.keys.iter().map(|key| key.used));
    }

    /// A source's rollover counter.
    pub fn rollover_counter(&self, ssrc: u32) -> Option<u32> {
        self.sources.get(ssrc).map(|source| rollover(source.window.highest()))
    }

    /// Sets a source's rollover counter, known by other means; what was known of the source is forgotten. No more than
    /// [`MAX_SOURCES`] are waited for.
    pub fn expect(&mut self, ssrc: u32, rollover_counter: u32) {
        self.forget(ssrc);
        if self.expected.len() < MAX_SOURCES {
            self.expected.push((ssrc, rollover_counter));
        }
    }

    /// Lets rollover counters be tried for a source again: it was silent so long that more than half a round of sequence
    /// numbers may be missing, or its packets fail one after the other.
    pub fn doubt(&mut self, ssrc: u32) {
        if let Some(source) = self.sources.get_mut(ssrc) {
            source.confirmed = false;
        }
    }

    /// Forgets a source that left (RFC 4568 6.5). Its old packets could be replayed from now on.
    pub fn forget(&mut self, ssrc: u32) {
        self.sources.remove(ssrc);
        self.reporters.remove(ssrc);
        self.expected.retain(|(expected, _)| *expected != ssrc);
    }

    /// A packet failed, which its sender must have meant for us: at the next one of its source further counters are tried. To
    /// be called for what comes from where the stream does, and no more often than such packets may cost. Of a source that is
    /// confirmed nothing is looked for.
    pub fn search_on(&mut self, packet: &[u8]) {
        let Some(ssrc) = Head::read(packet).map(|head| head.ssrc) else { return };
        if self.sources.get(ssrc).is_some_and(|source| source.confirmed) {
            return;
        }
        if let Some((_, next)) = self.searches.iter_mut().find(|(searched, _)| *searched == ssrc) {
            *next = (*next + SEARCHED_AT_ONCE) % MAX_SEARCHED;
            return;
        }
        if self.searches.len() >= MAX_SEARCHES {
            let newest = self.searches.iter().enumerate().min_by_key(|(_, (_, next))| *next).map(|(place, _)| place);
            if let Some(place) = newest {
                self.searches.swap_remove(place);
            }
        }
        self.searches.push((ssrc, 0));
    }

    /// Whether further counters are tried for the packet's source.
    pub fn is_searching(&self, packet: &[u8]) -> bool {
        !self.searches.is_empty()
            && Head::read(packet).is_some_and(|head| self.searches.iter().any(|(ssrc, _)| *ssrc == head.ssrc))
    }

    /// How many authentications a packet costs at most where only what is likeliest is tried.
    pub fn likely_trials(&self, packet: &[u8]) -> u32 {
        let candidates = Head::read(packet).and_then(|head| Some((self.candidates(&head).ok()?, head.sequence)));
        candidates.map_or(0, |(candidates, sequence)| {
            let likely = Candidates { searched: 0..0, ..candidates };
            likely.indices(sequence).fold(0, |count, _| count + 1)
        })
    }

    /// How many authentications a packet costs at most.
    pub fn trials(&self, packet: &[u8]) -> u32 {
        let candidates = Head::read(packet).and_then(|head| Some((self.candidates(&head).ok()?, head.sequence)));
        candidates.map_or(0, |(candidates, sequence)| candidates.indices(sequence).fold(0, |count, _| count + 1))
    }

    /// Whether every place is taken by a source that is sure: new ones must wait until one is forgotten.
    pub fn is_full(&self) -> bool {
        !self.sources.has_room() || !self.reporters.has_room()
    }

    /// Makes an SRTP packet plain.
    ///
    /// # Errors
    /// The packet and the receiver are as they were.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<Plain, SrtpError> {
        self.unprotect_within(packet, u32::MAX)
    }

    /// The same at the cost of so many authentications: the likeliest indices are tried first.
    ///
    /// # Errors
    /// The packet and the receiver are as they were.
    pub fn unprotect_within(&mut self, packet: &mut [u8], trials: u32) -> Result<Plain, SrtpError> {
        let head = Head::read(packet).ok_or(SrtpError::Malformed)?;
        let candidates = self.candidates(&head)?;
        self.unprotect_among(packet, head, &candidates, trials)
    }

    /// The same under one of these rollover counters and no other, where something else than the stream tells them.
    ///
    /// # Errors
    /// The packet and the receiver are as they were.
    pub fn unprotect_under(&mut self, packet: &mut [u8], rollovers: Range<u32>) -> Result<Plain, SrtpError> {
        let head = Head::read(packet).ok_or(SrtpError::Malformed)?;
        if self.sources.get(head.ssrc).is_none() && !self.sources.has_room() {
            return Err(SrtpError::TooManySources);
        }
        let rollovers = u64::from(rollovers.start)..u64::from(rollovers.end);
        let candidates = Candidates { foreseen: None, rollovers: [rollovers, 0..0], searched: 0..0 };
        self.unprotect_among(packet, head, &candidates, u32::MAX)
    }

    fn unprotect_among(
        &mut self,
        packet: &mut [u8],
        head: Head,
        candidates: &Candidates,
        trials: u32,
    ) -> Result<Plain, SrtpError> {
        let layout = self.layout(packet, Protocol::Srtp)?;
        let clear_end = if self.is_aead() && !self.encryption.srtp { layout.body_end } else { head.payload_at };
        let key = self.keys.get_mut(layout.key).ok_or(SrtpError::UnknownMki)?;
        key.check_lifetime()?;
        let body = packet.get_mut(..layout.body_end).ok_or(SrtpError::Malformed)?;
        let (clear, data) = body.split_at_mut_checked(clear_end).ok_or(SrtpError::Malformed)?;
        let window = self.sources.get(head.ssrc).map(|source| &source.window);
        let tag = layout.tag.get(..layout.tag_length).unwrap_or_default();
        let authentic = |index: &u64| {
            window.is_none_or(|window| window.check(*index).is_ok()) && {
                let at = Place { ssrc: head.ssrc, index: *index };
                key.srtp.open(at, clear, data, &rollover(*index).to_be_bytes(), tag, self.encryption.srtp)
            }
        };
        let Some(index) = candidates.indices(head.sequence).zip(0..trials).map(|(index, _)| index).find(authentic)
        else {
            let replayed = window.zip(candidates.foreseen).map_or(Ok(()), |(window, index)| window.check(index));
            return Err(replayed.err().unwrap_or(SrtpError::Unauthentic));
        };
        key.used.srtp += 1;
        self.sources.accept(head.ssrc, index, candidates.foreseen == Some(index));
        self.expected.retain(|(expected, _)| *expected != head.ssrc);
        self.searches.retain(|(searched, _)| *searched != head.ssrc);
        Ok(Plain { length: layout.body_end, index, key: layout.key })
    }

    /// Makes an SRTCP packet plain. The E flag is taken as the packet has it: it is authenticated (RFC 3711 3.4).
    ///
    /// # Errors
    /// The packet and the receiver are as they were.
    pub fn unprotect_report(&mut self, packet: &mut [u8]) -> Result<PlainReport, SrtpError> {
        packet.first().filter(|first| **first >> 6 == 2).ok_or(SrtpError::Malformed)?;
        let ssrc = u32_at(packet, 4).ok_or(SrtpError::Malformed)?;
        let layout = self.layout(packet, Protocol::Srtcp)?;
        if layout.body_end < REPORT_HEADER_LENGTH {
            return Err(SrtpError::Malformed);
        }
        let (index, encrypted) = (layout.word & !ENCRYPTED_FLAG, layout.word & ENCRYPTED_FLAG != 0);
        let known = self.reporters.get(ssrc);
        match known {
            Some(reporter) => reporter.window.check(u64::from(index))?,
            None if self.reporters.has_room() => (),
            None => return Err(SrtpError::TooManySources),
        }
        let foreseen = known.is_some();
        let key = self.keys.get_mut(layout.key).ok_or(SrtpError::UnknownMki)?;
        key.check_lifetime()?;
        let at = Place { ssrc, index: u64::from(index) };
        let tag = layout.tag.get(..layout.tag_length).unwrap_or_default();
        let word = layout.word.to_be_bytes();
        let authentic = if key.srtcp.is_aead() {
            open_aead_report(key, at, packet, &layout, encrypted)
        } else {
            let body = packet.get_mut(..layout.body_end).ok_or(SrtpError::Malformed)?;
            let (clear, data) = body.split_at_mut_checked(REPORT_HEADER_LENGTH).ok_or(SrtpError::Malformed)?;
            key.srtcp.open(at, clear, data, &word, tag, encrypted)
        };
        if !authentic {
            return Err(SrtpError::Unauthentic);
        }
        key.used.srtcp += 1;
        self.reporters.accept(ssrc, u64::from(index), foreseen);
        Ok(PlainReport { length: layout.body_end, index, encrypted, key: layout.key })
    }

    fn is_aead(&self) -> bool {
        self.keys.first().is_some_and(|key| key.srtp.is_aead())
    }

    /// Finds the parts from the end. RFC 3711 3.1, 3.4: `body (word) MKI tag`; RFC 7714 8.2, 9.2: `body tag (word) MKI`.
    fn layout(&self, packet: &[u8], protocol: Protocol) -> Result<Layout, SrtpError> {
        let first = self.keys.first().ok_or(SrtpError::UnknownMki)?;
        let (tag_length, mki_length) = (first.cipher(protocol).tag_length(), first.mki.len());
        let mut rest = packet;
        let mut take = |length: usize| {
            let (before, taken) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
            rest = before;
            Some(taken)
        };
        let word_length = if protocol == Protocol::Srtcp { 4 } else { 0 };
        let parts = if self.is_aead() {
            let (mki, word) = (take(mki_length), take(word_length));
            (take(tag_length), mki, word)
        } else {
            (take(tag_length), take(mki_length), take(word_length))
        };
        let (Some(found), Some(mki), Some(word)) = parts else { return Err(SrtpError::Malformed) };
        let mut tag = [0; MAX_TAG_LENGTH];
        tag.iter_mut().zip(found).for_each(|(octet, found)| *octet = *found);
        let key = self.keys.iter().position(|key| key.mki == mki).ok_or(SrtpError::UnknownMki)?;
        Ok(Layout { key, body_end: rest.len(), word: u32_at(word, 0).unwrap_or(0), tag, tag_length })
    }

    /// What a packet's index may be, by what is known of its source (RFC 3711 3.3.1).
    fn candidates(&self, head: &Head) -> Result<Candidates, SrtpError> {
        let trials = u64::from(MAX_TRIALS);
        if let Some(source) = self.sources.get(head.ssrc) {
            let highest = source.window.highest();
            let foreseen = estimate(highest, head.sequence);
            if source.confirmed {
                source.window.check(foreseen.ok_or(SrtpError::KeyExpired)?)?;
                return Ok(Candidates { foreseen, rollovers: [0..0, 0..0], searched: 0..0 });
            }
            let from = u64::from(rollover(highest));
            let searched = self.searched(head.ssrc, from);
            return Ok(Candidates { foreseen, rollovers: [from..from + trials, 0..0], searched });
        }
        if !self.sources.has_room() {
            return Err(SrtpError::TooManySources);
        }
        // RFC 4568 6.4: a source begins at 0, so nothing else is tried at once when one is confirmed.
        let unsure = !self.sources.iter().any(|source| source.confirmed);
        let known = self.expected.iter().find(|(ssrc, _)| *ssrc == head.ssrc);
        let expected = known.map_or(0..0, |(_, rollover)| u64::from(*rollover)..u64::from(*rollover) + trials);
        let rollovers = [expected, 0..if unsure { trials } else { 1 }];
        Ok(Candidates { foreseen: None, rollovers, searched: self.searched(head.ssrc, 0) })
    }

    fn searched(&self, ssrc: u32, base: u64) -> Range<u64> {
        let next = self.searches.iter().find(|(searched, _)| *searched == ssrc).map(|(_, next)| base + 1 + next);
        next.map_or(0..0, |next| next..next + SEARCHED_AT_ONCE)
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({} keys, {} sources)", self.keys.len(), self.sources.iter().count())
    }
}

impl Candidates {
    fn indices(&self, sequence: u16) -> impl Iterator<Item = u64> {
        let tried = self
            .rollovers
            .clone()
            .into_iter()
            .chain([self.searched.clone()])
            .flatten()
            .filter(|rollover| *rollover < ROLLOVERS);
        self.foreseen.into_iter().chain(tried.map(move |rollover| rollover << 16 | u64::from(sequence)))
    }
}

/// The index nearest to the highest one that has this sequence number (RFC 3711 3.3.1, appendix A); `None` beyond 2^48.
/// Before the first wrap there is no round to look back to.
pub(super) fn estimate(highest: u64, sequence: u16) -> Option<u64> {
    const HALF: u64 = 1 << 15;
    let (rollover, newest) = (highest >> 16, highest & 0xffff);
    let sequence = u64::from(sequence);
    let rollover = if newest < HALF && sequence > newest + HALF {
        rollover.saturating_sub(1)
    } else if newest >= HALF && sequence < newest - HALF {
        rollover + 1
    } else {
        rollover
    };
    (rollover < ROLLOVERS).then_some(rollover << 16 | sequence)
}

/// The rollover counter of an index.
pub(super) fn rollover(index: u64) -> u32 {
    (index >> 16 & 0xffff_ffff) as u32
}

/// RFC 7714 9.2, 9.3: what is authenticated ends with the word, which stands behind the tag.
fn open_aead_report(key: &Key, at: Place, packet: &mut [u8], layout: &Layout, encrypted: bool) -> bool {
    let word = layout.word.to_be_bytes();
    let tag = layout.tag.get(..layout.tag_length).unwrap_or_default();
    if encrypted {
        let Some(body) = packet.get_mut(..layout.body_end) else { return false };
        let Some((header, data)) = body.split_first_chunk_mut::<REPORT_HEADER_LENGTH>() else { return false };
        let mut clear = [0; REPORT_HEADER_LENGTH + 4];
        clear.iter_mut().zip(header.iter().chain(&word)).for_each(|(octet, given)| *octet = *given);
        return key.srtcp.open(at, &clear, data, &[], tag, true);
    }
    // The word takes the tag's place while it is looked at.
    let Some(covered) = packet.get_mut(..layout.body_end + word.len()) else { return false };
    let end = covered.len() - word.len();
    covered.iter_mut().skip(end).zip(word).for_each(|(octet, given)| *octet = given);
    let authentic = key.srtcp.open(at, covered, &mut [], &[], tag, false);
    if !authentic {
        covered.iter_mut().skip(end).zip(layout.tag).for_each(|(octet, given)| *octet = given);
    }
    authentic
}
