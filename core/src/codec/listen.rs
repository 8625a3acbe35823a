//! A stream heard as it comes, for who listens to a running call: packets to samples at once, in the order of their
//! sequence numbers. What comes late is not heard here; the recording, which is made afterwards, has it.

use alloc::vec::Vec;

use super::{Coding, Decoder, State};
use crate::rtp::Packet;
use crate::sdp::{Format, static_format};

/// What is missing is made up for so long at most, ms; beyond it the listener hears silence, by [`Sound::position`].
const CONCEALED_MS: u64 = 60;
/// A sequence number this far ahead, or behind, is a source that began anew.
const JUMP: u16 = 1_000;
/// Sampling rate that Opus is decoded for, Hz.
const OPUS_RATE: u32 = 48_000;

/// What a packet sounds like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Its source.
    pub ssrc: u32,
    /// Hz.
    pub sample_rate: u32,
    /// Where its first sample stands, in samples since the source's first; what is skipped is silence.
    pub position: u64,
    /// Samples at its beginning that are made up for lost ones.
    pub concealed: usize,
}

/// Listens to one stream.
#[derive(Debug, Default)]
pub struct Listener {
    decoders: Vec<(u8, Decoder)>,
    source: Option<Source>,
}

/// The source that was heard last.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    payload_type: u8,
    decoder: Decoder,
    state: Option<State>,
    /// Of the newest packet.
    sequence: u16,
    /// The timestamp that follows it, and its position, in samples.
    next_timestamp: u32,
    next_position: u64,
}

impl Listener {
    /// Of a stream with these payload types. Those of RFC 3551 are known without being announced.
    pub fn new(formats: &[Format]) -> Self {
        let mut listener = Self::default();
        listener.update(formats);
        listener
    }

    /// Takes other payload types.
    pub fn update(&mut self, formats: &[Format]) {
        let audio = |format: &Format| match Coding::of(format) {
            Coding::Audio(decoder) => Some((format.payload_type, decoder)),
            Coding::Inaudible | Coding::Unknown => None,
        };
        self.decoders = formats.iter().filter_map(audio).collect();
    }

    /// Appends the samples of an RTP packet to `out`. None of one that cannot be heard, comes late or comes again.
    pub fn packet(&mut self, bytes: &[u8], out: &mut Vec<i16>) -> Option<Sound> {
        let packet = Packet::parse(bytes).ok()?;
        let decoder = self.decoder(packet.payload_type)?;
        let mut source = match self.source.take() {
            Some(source) if source.goes_on_with(&packet) => source,
            _ => Source::new(&packet, decoder),
        };
        let sound = source.hear(&packet, decoder, out);
        self.source = Some(source);
        sound
    }

    fn decoder(&self, payload_type: u8) -> Option<Decoder> {
        if let Some((_, decoder)) = self.decoders.iter().find(|(number, _)| *number == payload_type) {
            return Some(*decoder);
        }
        match Coding::of(&static_format(payload_type)?) {
            Coding::Audio(decoder) => Some(decoder),
            Coding::Inaudible | Coding::Unknown => None,
        }
    }
}

impl Source {
    fn new(packet: &Packet<'_>, decoder: Decoder) -> Self {
        Self {
            ssrc: packet.ssrc,
            payload_type: packet.payload_type,
            decoder,
            state: decoder.state(OPUS_RATE),
            sequence: packet.sequence.wrapping_sub(1),
            next_timestamp: packet.timestamp,
            next_position: 0,
        }
    }

    fn goes_on_with(&self, packet: &Packet<'_>) -> bool {
        let step = packet.sequence.wrapping_sub(self.sequence);
        self.ssrc == packet.ssrc && !(JUMP..=u16::MAX - JUMP).contains(&step)
    }

    fn hear(&mut self, packet: &Packet<'_>, decoder: Decoder, out: &mut Vec<i16>) -> Option<Sound> {
        let step = packet.sequence.wrapping_sub(self.sequence);
        if step == 0 || step >= JUMP {
            return None;
        }
        let rate_before = self.sample_rate();
        if self.payload_type != packet.payload_type || self.decoder != decoder {
            (self.payload_type, self.decoder, self.state) = (packet.payload_type, decoder, decoder.state(OPUS_RATE));
        }
        let sample_rate = self.sample_rate();
        // Positions go on by the rate of now.
        self.next_position = self.next_position * u64::from(sample_rate) / u64::from(rate_before.max(1));
        let samples = |ticks: u32| u64::from(ticks) * u64::from(sample_rate) / u64::from(decoder.clock_rate.max(1));
        let ahead = packet.timestamp.wrapping_sub(self.next_timestamp);
        // Timestamps that went back are taken as if nothing lay between.
        let skipped = if ahead < u32::MAX / 2 { samples(ahead) } else { 0 };
        let begin = out.len();
        let is_short = skipped * 1_000 <= CONCEALED_MS * u64::from(sample_rate);
        let mut concealed = 0;
        if step > 1 && skipped > 0 && is_short {
            let missing = usize::try_from(skipped).unwrap_or(0);
            let is_made = self.state.as_mut().is_some_and(|state| state.conceal(missing, Some(packet.payload), out));
            concealed = if is_made { out.len() - begin } else { 0 };
        }
        let position = self.next_position + skipped - concealed as u64;
        let decoded_from = out.len();
        match &mut self.state {
            Some(state) => state.decode(packet.payload, out),
            None => decoder.decode(packet.payload, out),
        }
        self.sequence = packet.sequence;
        self.next_timestamp = packet.timestamp.wrapping_add(decoder.ticks(packet.payload));
        self.next_position = position + (concealed + out.len() - decoded_from) as u64;
        (out.len() > begin).then_some(Sound { ssrc: self.ssrc, sample_rate, position, concealed })
    }

    fn sample_rate(&self) -> u32 {
        self.state.as_ref().map_or(self.decoder.clock_rate, State::sample_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80, payload_type];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend(7_u32.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// A-law of 20 ms.
    fn alaw(sequence: u16) -> Vec<u8> {
        packet(8, sequence, u32::from(sequence).wrapping_mul(160), &[0xd5 ^ 0x20; 160])
    }

    fn hear(listener: &mut Listener, packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<Option<(u64, usize, usize)>> {
        let mut each = |bytes: Vec<u8>| {
            let mut out = Vec::new();
            let sound = listener.packet(&bytes, &mut out)?;
            Some((sound.position, out.len(), sound.concealed))
        };
        packets.into_iter().map(&mut each).collect()
    }

    #[test]
    fn packets_become_samples_at_once_and_a_gap_is_a_step_of_positions() {
        let mut listener = Listener::new(&[]);
        let heard = hear(&mut listener, [10, 11, 13, 12, 13, 14].map(alaw));
        let expected = [Some((0, 160, 0)), Some((160, 160, 0)), Some((480, 160, 0)), None, None, Some((640, 160, 0))];
        assert_eq!(heard, expected, "12 came late, 13 again");
    }

    #[test]
    fn sequence_numbers_and_timestamps_wrap() {
        let mut listener = Listener::new(&[]);
        let bytes = |n: u32| packet(8, (65_534 + n) as u16, (u32::MAX - 200).wrapping_add(n * 160), &[0xd5; 160]);
        let heard = hear(&mut listener, (0..4).map(bytes));
        assert_eq!(heard.iter().map(|sound| sound.unwrap().0).collect::<Vec<_>>(), [0, 160, 320, 480]);
    }

    #[test]
    fn a_source_that_begins_anew_begins_at_zero() {
        let mut listener = Listener::new(&[]);
        let heard = hear(&mut listener, [10, 11, 20_000, 20_001].map(alaw));
        assert_eq!(heard.iter().map(|sound| sound.unwrap().0).collect::<Vec<_>>(), [0, 160, 0, 160]);
    }

    #[test]
    fn a_codec_with_a_memory_makes_up_what_is_lost() {
        let mut listener = Listener::new(&[]);
        let g729 = |n: u16| packet(18, n, u32::from(n) * 160, &[0x5a; 20]);
        let heard = hear(&mut listener, [1, 2, 4, 5].map(g729));
        assert_eq!(heard, [Some((0, 160, 0)), Some((160, 160, 0)), Some((320, 320, 160)), Some((640, 160, 0))]);
        let late = hear(&mut listener, [g729(40)]);
        assert_eq!(late, [Some((40 * 160 - 160, 160, 0))], "a second of loss is silence");
    }

    #[test]
    fn another_codec_in_mid_stream_goes_on_at_its_own_rate() {
        let g722 = Format { payload_type: 9, encoding: "G722".into(), clock_rate: 8_000, channels: 1, fmtp: None };
        let mut listener = Listener::new(&[g722]);
        let bytes = [alaw(1), packet(9, 2, 320, &[0x5a; 160]), alaw(3)];
        assert_eq!(hear(&mut listener, bytes), [Some((0, 160, 0)), Some((320, 320, 0)), Some((320, 160, 0))]);
    }

    #[test]
    fn events_and_what_nobody_can_decode_are_not_heard() {
        let event = Format {
            payload_type: 101,
            encoding: "telephone-event".into(),
            clock_rate: 8_000,
            channels: 1,
            fmtp: None,
        };
        let mut listener = Listener::new(&[event]);
        let heard = hear(&mut listener, [packet(101, 1, 0, &[1, 0, 0, 0]), packet(120, 2, 0, &[0; 40]), vec![0; 3]]);
        assert_eq!(heard, [None, None, None]);
    }
}
