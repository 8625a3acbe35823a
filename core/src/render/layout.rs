//! Which files a recording becomes: how its voices are laid out, and in what form they are written.
//!
//! ```text
//! seats -> pairs (two channels that are mixed together) -> stereo:   a file a pair
//!                                                          mono:     all pairs added up, one file
//!                                                          separate: a file a channel that somebody has
//! ```
//!
//! All files of a recording begin at t = 0 and are equally long.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::finish::Findings;
use super::lanes::Seat;
use super::plan::{FilePlan, Plan};
use super::sheet::{ChannelName, VoiceSheet};
use super::{ChannelLevels, Levels};
use crate::codec::Coding;

/// Where nothing is heard, Hz.
const DEFAULT_RATE: u32 = 8_000;
/// Rates that an Opus encoder takes, Hz.
const OPUS_RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// How voices are laid out in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Caller left, callee right; who speaks at the same time as a third is in a further file.
    #[default]
    Stereo,
    /// Everybody in one channel.
    Mono,
    /// A file a participant.
    Separate,
}

impl Layout {
    /// Its name in configurations, sheets and queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stereo => "stereo",
            Self::Mono => "mono",
            Self::Separate => "separate",
        }
    }
}

/// In what form files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// WAV with 16-bit samples.
    #[default]
    Wav,
    /// WAV with G.711 as it came, where all of a file's audio is of one law; else with 16-bit samples.
    WavG711,
    /// FLAC.
    Flac,
    /// Opus in Ogg.
    Opus,
}

impl FileFormat {
    /// Its name in configurations, sheets and queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::WavG711 => "wav-g711",
            Self::Flac => "flac",
            Self::Opus => "opus",
        }
    }
}

/// Layout and format of a rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rendition {
    /// How voices are laid out.
    pub layout: Layout,
    /// In what form they are written.
    pub format: FileFormat,
}

/// What a file's octets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileCoding {
    /// 16-bit samples in WAV.
    #[default]
    Pcm16,
    /// G.711 A-law in WAV.
    ALaw,
    /// G.711 mu-law in WAV.
    MuLaw,
    /// FLAC.
    Flac,
    /// Opus in Ogg.
    Opus,
}

impl FileCoding {
    /// What the file is called by players.
    pub fn format(self) -> &'static str {
        match self {
            Self::Pcm16 | Self::ALaw | Self::MuLaw => "wav",
            Self::Flac => "flac",
            Self::Opus => "opus",
        }
    }

    /// Whether its encoder takes samples at this rate, Hz.
    pub fn takes_rate(self, rate: u32) -> bool {
        self != Self::Opus || OPUS_RATES.contains(&rate)
    }
}

/// What of the pairs a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    Pair(usize),
    Side(usize, ChannelName),
    Everything,
}

/// Two channels that are mixed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    /// Hz.
    pub(super) rate: u32,
    /// Samples a channel.
    pub(super) frames: u64,
}

/// Where a stream is heard before it is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) seat: Seat,
    /// Index into the sidecar's streams.
    pub(super) stream: usize,
}

/// The files of a rendition.
#[derive(Debug, Clone)]
pub(super) struct Laid {
    pub(super) rendition: Rendition,
    pub(super) pairs: Vec<Pair>,
    pub(super) files: Vec<FilePlan>,
    pub(super) legs: Vec<Leg>,
}

impl Laid {
    /// Lays out what was found.
    pub(super) fn out(findings: &Findings<'_>, rendition: Rendition) -> Self {
        let pairs = pairs(findings, rendition);
        let legs = findings.lines.iter().enumerate();
        let legs = legs.filter_map(|(stream, line)| Some(Leg { seat: line.seat?, stream })).collect();
        let takes: Vec<Take> = match rendition.layout {
            Layout::Stereo => (0..pairs.len()).map(Take::Pair).collect(),
            Layout::Mono => alloc::vec![Take::Everything],
            Layout::Separate => sides(findings, pairs.len()),
        };
        let id = findings.planner.recording;
        let file = |(number, take): (usize, Take)| {
            let coding = coding(findings, rendition.format, take);
            let extension = coding.format();
            let pair = pairs.get(take.pair()).copied().unwrap_or(Pair { rate: DEFAULT_RATE, frames: 0 });
            FilePlan {
                name: if number == 0 {
                    format!("{id}.{extension}")
                } else {
                    format!("{id}-{}.{extension}", number + 1)
                },
                sample_rate: pair.rate,
                channels: if matches!(take, Take::Pair(_)) { 2 } else { 1 },
                frames: pair.frames,
                coding,
                take,
            }
        };
        let files = takes.into_iter().enumerate().map(file).collect();
        Self { rendition, pairs, files, legs }
    }

    /// File and channel of a seat.
    pub(super) fn place(&self, seat: Seat) -> (usize, ChannelName) {
        let side = if seat.channel == ChannelName::Right { ChannelName::Right } else { ChannelName::Left };
        match self.rendition.layout {
            Layout::Stereo => (seat.file, seat.channel),
            Layout::Mono => (0, ChannelName::Mono),
            Layout::Separate => {
                let take = Take::Side(seat.file, side);
                (self.files.iter().position(|file| file.take == take).unwrap_or(0), ChannelName::Mono)
            }
        }
    }

    /// Whose voices a file holds, by channel.
    pub(super) fn voices(&self, findings: &Findings<'_>, file: usize) -> Vec<VoiceSheet> {
        let voice = |leg: &Leg| {
            let (at, channel) = self.place(leg.seat);
            let record = findings.lines.get(leg.stream)?.record;
            let (label, participants) = (record.stream.label.clone(), record.senders.clone());
            (at == file).then_some(VoiceSheet { channel, label, participants })
        };
        self.legs.iter().filter_map(voice).collect()
    }

    /// What an operator should know of files that are not as they were asked for.
    pub(super) fn words(&self, findings: &Findings<'_>) -> Vec<String> {
        if self.rendition.format != FileFormat::WavG711 {
            return Vec::new();
        }
        let other = self.files.iter().filter(|file| file.coding == FileCoding::Pcm16);
        let words = other.filter_map(|file| {
            let codecs = codecs(findings, file.take);
            (!codecs.is_empty()).then(|| {
                let why = if matches!(file.take, Take::Everything) {
                    "several voices added up"
                } else {
                    "not of one G.711 law"
                };
                format!("{} holds 16-bit samples: its audio is {why} ({})", file.name, codecs.join(", "))
            })
        });
        words.collect()
    }
}

impl Take {
    fn pair(self) -> usize {
        match self {
            Self::Pair(pair) | Self::Side(pair, _) => pair,
            Self::Everything => 0,
        }
    }

    /// Whether a seat's voice is in it.
    fn holds(self, seat: Seat) -> bool {
        match self {
            Self::Pair(pair) => seat.file == pair,
            Self::Side(pair, side) => {
                seat.file == pair && (seat.channel == ChannelName::Right) == (side == ChannelName::Right)
            }
            Self::Everything => true,
        }
    }
}

/// The pairs that the seats ask for, at the least rates that hold what is heard.
fn pairs(findings: &Findings<'_>, rendition: Rendition) -> Vec<Pair> {
    let count = findings.seats.iter().flatten().map(|seat| seat.file + 1).max().unwrap_or(1);
    let length = i128::from(findings.end.saturating_sub(findings.zero).max(0));
    let fits = |rate: u32| match rendition.format {
        FileFormat::Opus => OPUS_RATES.into_iter().find(|&known| known >= rate).unwrap_or(48_000),
        FileFormat::Wav | FileFormat::WavG711 | FileFormat::Flac => rate,
    };
    let rates: Vec<u32> = (0..count).map(|pair| fits(rate(findings, pair).unwrap_or(DEFAULT_RATE))).collect();
    let highest = rates.iter().copied().max().unwrap_or(DEFAULT_RATE);
    let pair = |rate: u32| {
        let rate = if rendition.layout == Layout::Mono { highest } else { rate };
        let frames = (length * i128::from(rate) + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND;
        Pair { rate, frames: u64::try_from(frames).unwrap_or(0) }
    };
    rates.into_iter().map(pair).collect()
}

/// The highest sampling rate among what is heard in a pair.
fn rate(findings: &Findings<'_>, pair: usize) -> Option<u32> {
    let seated = findings.seats.iter().enumerate().filter(|(_, seat)| seat.is_some_and(|seat| seat.file == pair));
    let accounts = seated.filter_map(|(source, _)| findings.planner.ledger.account(source));
    accounts.map(|account| account.sample_rate).filter(|&rate| rate > 0).max()
}

/// The channels that somebody has; one where nobody is.
fn sides(findings: &Findings<'_>, pairs: usize) -> Vec<Take> {
    let lines = findings.lines.iter().filter_map(|line| line.seat);
    let seats: Vec<Seat> = lines.chain(findings.seats.iter().flatten().copied()).collect();
    let all = (0..pairs).flat_map(|pair| [ChannelName::Left, ChannelName::Right].map(|side| Take::Side(pair, side)));
    let taken: Vec<Take> = all.filter(|take| seats.iter().any(|&seat| take.holds(seat))).collect();
    if taken.is_empty() { alloc::vec![Take::Side(0, ChannelName::Left)] } else { taken }
}

fn coding(findings: &Findings<'_>, format: FileFormat, take: Take) -> FileCoding {
    match format {
        FileFormat::Wav => FileCoding::Pcm16,
        FileFormat::Flac => FileCoding::Flac,
        FileFormat::Opus => FileCoding::Opus,
        // What is added up is no code of the law any more.
        FileFormat::WavG711 if matches!(take, Take::Everything) && voices(findings) > 1 => FileCoding::Pcm16,
        FileFormat::WavG711 => match codecs(findings, take).as_slice() {
            [only] if only == "PCMA/8000" => FileCoding::ALaw,
            [only] if only == "PCMU/8000" => FileCoding::MuLaw,
            _ => FileCoding::Pcm16,
        },
    }
}

/// Channels that somebody is heard in.
fn voices(findings: &Findings<'_>) -> usize {
    let mut seats: Vec<(usize, bool)> =
        findings.seats.iter().flatten().map(|seat| (seat.file, seat.channel == ChannelName::Right)).collect();
    seats.sort_unstable();
    seats.dedup();
    seats.len()
}

/// The codecs of what is heard in a file, each once.
fn codecs(findings: &Findings<'_>, take: Take) -> Vec<String> {
    let mut names = Vec::new();
    for line in &findings.lines {
        let seats = line.sources.iter().filter_map(|&source| *findings.seats.get(source)?);
        if !seats.into_iter().any(|seat| take.holds(seat)) {
            continue;
        }
        let formats = findings.planner.tracker.port(line.port).map_or(&[][..], |track| &track.formats);
        let heard = formats.iter().enumerate().filter(|(index, _)| line.record.packets_of(*index) > 0);
        names.extend(heard.filter(|(_, f)| matches!(f.coding, Coding::Audio(_))).map(|(_, f)| f.name.clone()));
    }
    names.sort_unstable();
    names.dedup();
    names
}

impl Plan {
    /// How often the entries are read in pass 2.
    pub fn passes(&self) -> usize {
        if self.laid.rendition.layout == Layout::Mono { 1 } else { self.laid.pairs.len() }
    }

    /// The pairs that are mixed in a pass.
    pub(super) fn pairs_of(&self, pass: usize) -> core::ops::Range<usize> {
        if self.laid.rendition.layout == Layout::Mono { 0..self.laid.pairs.len() } else { pass..pass + 1 }
    }

    /// Indices of the files that are made in a pass.
    pub fn files_of(&self, pass: usize) -> impl Iterator<Item = usize> {
        let pairs = self.pairs_of(pass);
        let files = self.files.iter().enumerate();
        files.filter(move |(_, file)| pairs.contains(&file.take.pair())).map(|(index, _)| index)
    }

    /// Notes what is heard in a pair of channels, and says what an operator should know of it.
    pub fn heard(&mut self, pair: usize, levels: &Levels) {
        let Self { sidecar, files, laid, digits, .. } = self;
        for (sheet, file) in sidecar.files.iter_mut().zip(files.iter()).filter(|(_, file)| file.take.pair() == pair) {
            let keep = |channel: &ChannelLevels| match file.take {
                Take::Side(_, side) => channel.channel == side,
                Take::Pair(_) | Take::Everything => true,
            };
            let mut own = levels.clone();
            own.channels.retain(keep);
            sheet.levels = Some(own);
        }
        sidecar.list_tones(pair, &laid.legs, &levels.tones, *digits);
        let rate = laid.pairs.get(pair).map_or(DEFAULT_RATE, |pair| pair.rate);
        let legs: Vec<(String, &ChannelLevels)> = levels
            .channels
            .iter()
            .filter_map(|channel| {
                let is = |leg: &&Leg| leg.seat.file == pair && leg.seat.channel == channel.channel;
                let stream = sidecar.streams.get(laid.legs.iter().find(is)?.stream)?;
                let name = stream.label.as_ref().map(|label| format!("label {label}"));
                stream.rendered.then(|| (name.unwrap_or_else(|| format!("m-line {}", stream.m_line)), channel))
            })
            .collect();
        let findings = super::levels::judge(&legs, levels.alike_percent, rate, sidecar.duration_ms);
        sidecar.proof.findings.extend(findings);
    }
}

/// Makes a file's samples of a pair's block, which it adds to where several pairs make one file.
pub(super) fn lay(take: Take, pair: &[i16], out: &mut Vec<i16>) {
    let frames = pair.as_chunks::<2>().0;
    match take {
        Take::Pair(_) => out.extend_from_slice(pair),
        Take::Side(_, ChannelName::Right) => out.extend(frames.iter().map(|frame| frame[1])),
        Take::Side(..) => out.extend(frames.iter().map(|frame| frame[0])),
        Take::Everything => {
            out.resize(out.len().max(frames.len()), 0);
            for (sum, [left, right]) in out.iter_mut().zip(frames) {
                *sum = sum.saturating_add(left.saturating_add(*right));
            }
        }
    }
}
