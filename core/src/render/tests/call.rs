//! Synthetic calls: packets as a sender and a network make them, and a listener that finds the clicks again.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::convert::Infallible;
use core::net::SocketAddr;

use crate::entry::{EndCause, Entry, Event, Kind, PauseCause, PortIndex, Stream};
use crate::node_key::NodeKey;
use crate::render::{self, Noted, Plan, Rendition, Unsealer};
use crate::sdp::Format;
use crate::seed::{Random, RecordingId, Seed};
use crate::time::Wall;

pub(super) const MS: i64 = 1_000_000;
pub(super) const SECOND: i64 = 1_000 * MS;
/// t = 0.
pub(super) const ZERO: i64 = 1_790_000_000 * SECOND + 123_456_789;
/// The first packet arrives so long after t = 0.
pub(super) const LEAD: i64 = 40 * MS;
pub(super) const RECORDING: RecordingId = RecordingId(7);
const RATE: i64 = 8_000;
const SAMPLES: i64 = 160;
/// A-law for about 24,000 and for silence.
const LOUD: u8 = 0xaf;
const QUIET: u8 = 0xd5;

/// A sender's sample counts at which clicks begin: 0.7 to 1.1 s apart.
pub(super) fn clicks(seconds: i64) -> Vec<i64> {
    let mut clicks = Vec::new();
    let mut at = 2_803;
    while at < seconds * RATE - 400 {
        clicks.push(at);
        at += 5_600 + (at * 7) % 3_217;
    }
    clicks
}

/// An entry that owns its bytes.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Event(Event),
    Packet {
        port: u16,
        bytes: Vec<u8>,
    },
    /// One that no key opened.
    Sealed {
        port: u16,
        bytes: Vec<u8>,
    },
    /// One that was made plain when it came.
    Authentic {
        port: u16,
        bytes: Vec<u8>,
        index: u64,
    },
    /// RTCP that came.
    Report {
        port: u16,
        bytes: Vec<u8>,
    },
}

impl Item {
    /// Changes a packet's octets.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        match self {
            Self::Packet { bytes, .. }
            | Self::Sealed { bytes, .. }
            | Self::Authentic { bytes, .. }
            | Self::Report { bytes, .. } => change(bytes),
            Self::Event(_) => {}
        }
    }
}

/// A sender.
#[derive(Debug, Clone)]
pub(super) struct Leg {
    pub(super) port: u16,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// Parts per million by which its clock runs fast.
    pub(super) skew: i64,
    /// Uniform jitter up to this, ns.
    pub(super) jitter: i64,
    /// Sends only every so many packets.
    pub(super) every: i64,
    pub(super) payload_type: u8,
}

impl Leg {
    pub(super) fn new(port: u16) -> Self {
        Self {
            port,
            ssrc: 0x1000 + u32::from(port),
            sequence: 65_500,
            timestamp: u32::MAX - 8_000,
            skew: 0,
            jitter: 0,
            every: 1,
            payload_type: 8,
        }
    }

    /// When the sender's sample number `sample` is to be heard.
    pub(super) fn heard_at(&self, sample: i64) -> i64 {
        let ns =
            i128::from(sample) * i128::from(SECOND) * 1_000_000 / i128::from(RATE) / i128::from(1_000_000 + self.skew);
        ZERO + LEAD + i64::try_from(ns).unwrap()
    }

    /// Packets number `from` to `to` (20 ms each), with arrival times.
    pub(super) fn packets(&self, from: i64, to: i64) -> Vec<(i64, Item)> {
        let clicks = clicks(to / 50 + 2);
        let mut random = Random::new(Seed([u8::try_from(self.port).unwrap() + 1; 32]));
        let mut sent = Vec::new();
        for (count, k) in (from..to).filter(|k| k % self.every == 0).enumerate() {
            let first = k * SAMPLES;
            let mut bytes = alloc::vec![0x80, self.payload_type];
            bytes.extend(self.sequence.wrapping_add(u16::try_from(count % 65_536).unwrap()).to_be_bytes());
            bytes.extend(self.timestamp.wrapping_add(u32::try_from(first).unwrap()).to_be_bytes());
            bytes.extend(self.ssrc.to_be_bytes());
            let near = clicks.partition_point(|&click| click + 80 <= first);
            let click = clicks.get(near).copied().unwrap_or(i64::MAX);
            bytes.extend((first..first + SAMPLES).map(|n| if n >= click && n < click + 80 { LOUD } else { QUIET }));
            let noise = if self.jitter == 0 { 0 } else { i64::try_from(random.next_u64() >> 1).unwrap() % self.jitter };
            sent.push((self.heard_at(first) + noise, Item::Packet { port: self.port, bytes }));
        }
        sent
    }
}

/// A session's entries.
#[derive(Debug, Default, Clone)]
pub(super) struct Call {
    pub(super) items: Vec<(i64, Item)>,
    /// Each line is sent from the address of the other.
    pub(super) crossed: bool,
    /// What unwraps its keys.
    pub(super) node_key: Option<NodeKey>,
}

impl Call {
    /// A call of two A-law lines, answered at [`ZERO`].
    pub(super) fn new() -> Self {
        let mut call = Self::default();
        for port in 0..2 {
            call.event(-2 * MS, Event::Stream(stream(port)));
        }
        call.event(-MS, Event::RecordingStarted { recording: RECORDING, communication_session: None });
        call.event(0, Event::Answered);
        call
    }

    /// Something at so many ns from t = 0.
    pub(super) fn event(&mut self, at: i64, event: Event) {
        self.items.push((ZERO + at, Item::Event(event)));
    }

    pub(super) fn add(&mut self, packets: Vec<(i64, Item)>) {
        self.items.extend(packets);
    }

    pub(super) fn pause(&mut self, port: u16, at: i64, paused: Option<PauseCause>) {
        self.event(at, Event::Stream(Stream { paused, ..stream(port) }));
    }

    /// BYE at so many ns from t = 0, and the way through both passes.
    pub(super) fn render(mut self, bye: i64) -> Rendered {
        self.event(bye, Event::RecordingEnded { recording: RECORDING, cause: EndCause::Bye });
        self.event(bye, Event::Ended { cause: EndCause::Bye });
        self.through()
    }

    pub(super) fn through(self) -> Rendered {
        self.render_as(Rendition::default())
    }

    pub(super) fn render_as(mut self, rendition: Rendition) -> Rendered {
        self.items.sort_by_key(|(at, _)| *at);
        let mut noted = Noted::default();
        let Ok(()) = self.read(&mut |entry| noted.entry(entry));
        let Ok(unsealer) = Unsealer::new(noted, self.node_key.as_ref(), |take| self.read(take));
        let read = |take: &mut dyn FnMut(&Entry<'_>)| {
            let mut opening = unsealer.opening();
            self.read(&mut |entry| opening.entry(entry, take))
        };
        let mut plan = render::plan(RECORDING, rendition, read).unwrap_or_else(|never| match never {});
        if unsealer.lacks_node_key() {
            plan.sidecar.lacks_node_key();
        }
        let mut files = alloc::vec![Vec::new(); plan.files.len()];
        for pass in 0..plan.passes() {
            let mixed = render::mix(&plan, pass, read, |file, block| {
                files[file].extend_from_slice(block);
                Ok(())
            });
            mixed.unwrap_or_else(|never| match never {});
        }
        for (file, samples) in plan.files.iter().zip(&files) {
            assert_eq!(samples.len() as u64, file.frames * u64::from(file.channels));
        }
        Rendered { plan, files }
    }

    pub(super) fn read(&self, take: &mut dyn FnMut(&Entry<'_>)) -> Result<(), Infallible> {
        let to = address(1, 10_000);
        let from = |port: u16| address(9, if self.crossed { 20_000 + 2 * (1 - port) } else { 20_000 });
        for (at, item) in &self.items {
            let kind = match item {
                Item::Event(event) => Kind::Event(event.clone()),
                Item::Packet { port, bytes } => {
                    Kind::Rtp { port: PortIndex(*port), from: from(*port), to, packet: bytes, protected: None }
                }
                Item::Sealed { port, bytes } => {
                    let protected = Some(crate::entry::Protected::Sealed);
                    Kind::Rtp { port: PortIndex(*port), from: from(*port), to, packet: bytes, protected }
                }
                Item::Authentic { port, bytes, index } => {
                    let protected = Some(crate::entry::Protected::Authentic { index: *index });
                    Kind::Rtp { port: PortIndex(*port), from: from(*port), to, packet: bytes, protected }
                }
                Item::Report { port, bytes } => {
                    Kind::Rtcp { port: PortIndex(*port), outbound: false, from: from(*port), to, packet: bytes }
                }
            };
            take(&Entry { at: Wall(*at), kind });
        }
        Ok(())
    }
}

/// A plan and its files' samples.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) plan: Plan,
    pub(super) files: Vec<Vec<i16>>,
}

impl Rendered {
    /// Moments (ns on the wall) at which clicks begin on a channel of the first file.
    pub(super) fn onsets(&self, channel: usize) -> Vec<i64> {
        self.onsets_of(0, channel)
    }

    pub(super) fn onsets_of(&self, file: usize, channel: usize) -> Vec<i64> {
        let rate = i64::from(self.plan.files[file].sample_rate);
        let (mut onsets, mut quiet_until) = (Vec::new(), 0);
        for (n, frame) in (0_i64..).zip(self.files[file].chunks_exact(2)) {
            if n >= quiet_until && frame[channel].unsigned_abs() > 12_000 {
                onsets.push(ZERO + n * SECOND / rate);
                quiet_until = n + rate / 5;
            }
        }
        onsets
    }

    /// Asserts that the channel has the clicks of `leg` that `sent` says were sent, each within `tolerance`, and none
    /// besides.
    pub(super) fn assert_clicks(
        &self,
        channel: usize,
        leg: &Leg,
        seconds: i64,
        tolerance: i64,
        sent: impl Fn(i64) -> bool,
    ) {
        let onsets = self.onsets(channel);
        let wanted: Vec<i64> = clicks(seconds).into_iter().filter(|&click| sent(click)).collect();
        assert!(!wanted.is_empty());
        for &click in &wanted {
            let at = leg.heard_at(click);
            let off = onsets.iter().map(|onset| (onset - at).abs()).min().unwrap_or(i64::MAX);
            assert!(off <= tolerance, "the click at {} ms is {off} ns off", (at - ZERO) / MS);
        }
        assert_eq!(onsets.len(), wanted.len(), "clicks where none belongs");
    }

    pub(super) fn milliseconds(&self) -> u64 {
        self.plan.sidecar.duration_ms
    }

    pub(super) fn findings(&self) -> String {
        self.plan.sidecar.proof.findings.join("; ")
    }
}

pub(super) fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], port))
}

pub(super) fn format(payload_type: u8, encoding: &'static str, clock_rate: u32) -> Format {
    Format { payload_type, encoding: encoding.into(), clock_rate, channels: 1, fmtp: None }
}

/// Line `port` of a call, as answered.
pub(super) fn stream(port: u16) -> Stream {
    Stream {
        port: PortIndex(port),
        m_line: port,
        label: Some((port + 1).to_string()),
        media: "audio".into(),
        formats: [format(8, "PCMA", 8_000), format(0, "PCMU", 8_000), format(101, "telephone-event", 8_000)].into(),
        local: address(1, 10_000 + 2 * port),
        local_rtcp: address(1, 10_001 + 2 * port),
        remote: Some(address(9, 20_000 + 2 * port)),
        paused: None,
        digits: crate::entry::Digits::Keep,
    }
}
