//! The sidecar `<recording-id>.json`: who spoke, what was received, what is missing and why.
//!
//! Field names are the file's format 1. Times are RFC 3339 in UTC with milliseconds, durations are milliseconds from
//! t = 0 of the recording. The structure holds nothing that a second rendering of the same journal would write
//! differently; sizes and digests of files and the journal's place are filled in by whoever writes the files.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::layout::{FileCoding, Rendition};
use super::levels::Levels;
use crate::deviation::Deviation;
use crate::entry::{Alarm, EndCause, PauseCause, SourceChange};
use crate::seed::{RecordingId, SessionId};
use crate::sip::Transport;
use crate::vendor::{CallIds, Profile};

/// Version of the sidecar's format.
pub const SIDECAR_FORMAT: u32 = 1;

/// All that is known of a recording besides its audio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    /// [`SIDECAR_FORMAT`].
    pub format: u32,
    /// Version of siprec that rendered it.
    pub siprec: String,
    /// The recording's id.
    pub id: RecordingId,
    /// Whether the recording ended as calls do.
    pub state: State,
    /// t = 0: our 200, or the start of the communication session.
    pub started_at: String,
    /// When it ended; of an interrupted recording, its last entry.
    pub ended_at: String,
    /// Length of the audio.
    pub duration_ms: u64,
    /// Why it ended; none while nothing says so.
    pub ended_by: Option<EndCause>,
    /// The SIPREC dialog.
    pub recording_session: RecordingSession,
    /// The call that was recorded, where the metadata names it.
    pub communication_session: Option<CommunicationSession>,
    /// What vendors call the call, by field: recordings with a value in common belong together.
    #[serde(default)]
    pub call: CallIds,
    /// What it was tagged with when it ended: by whom it was recorded for (`peers[].tags`), and by orders while it went on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Who called.
    pub caller: Option<Party>,
    /// Who was called.
    pub callee: Option<Party>,
    /// Everybody who took part.
    pub participants: Vec<Participant>,
    /// The m-lines and what arrived on them.
    pub streams: Vec<StreamSheet>,
    /// Keys that were pressed.
    #[serde(default)]
    pub digits: Vec<DigitSheet>,
    /// Lines that were typed.
    #[serde(default)]
    pub text: Vec<TextSheet>,
    /// The metadata as received.
    pub metadata: Vec<RawMetadata>,
    /// How it was rendered.
    #[serde(default)]
    pub rendition: Rendition,
    /// The audio files.
    pub files: Vec<FileSheet>,
    /// What they were made from, where they are not those that were rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recompressed: Option<Recompressed>,
    /// What was received, and what was not.
    pub proof: Proof,
    /// The journal it was made from.
    pub journal: JournalSheet,
}

/// How a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Ended by BYE, by its communication session's end or by order.
    Complete,
    /// The session broke off, or has not ended yet; `ended_by` says which.
    Interrupted,
}

/// The SIPREC dialog a recording was made in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RecordingSession {
    /// The session's id, from its journal.
    pub id: Option<SessionId>,
    /// Call-ID of the dialog.
    pub call_id: String,
    /// The SRC's signalling address.
    pub src: String,
    /// What carried the signalling.
    pub transport: Option<Transport>,
    /// The SRC's User-Agent header.
    pub user_agent: Option<String>,
    /// Who made the SRC, by the signs it gives; none if they say too little.
    #[serde(default)]
    pub vendor: Option<Profile>,
}

/// A communication session (RFC 7865 6.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommunicationSession {
    /// `session_id`.
    pub id: String,
    /// `sipSessionID` values.
    pub sip_session_ids: Vec<String>,
    /// `group-ref`.
    pub group: Option<String>,
}

/// One end of the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Address of record.
    pub aor: String,
    /// Display name.
    pub name: Option<String>,
}

/// A participant (RFC 7865 6.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// `participant_id`.
    pub id: String,
    /// First address of record.
    pub aor: String,
    /// Display name.
    pub name: Option<String>,
    /// When the participant was associated with the session.
    pub joined_at: Option<String>,
    /// When it was disassociated.
    pub left_at: Option<String>,
    /// Labels of the streams it sends.
    pub labels: Vec<String>,
}

/// Where a stream is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelName {
    /// Left channel of a file.
    Left,
    /// Right channel of a file.
    Right,
    /// Both: a mixed stream, not separable.
    Both,
    /// The one channel of a file.
    Mono,
    /// Not rendered.
    None,
}

/// An m-line of the recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamSheet {
    /// Our UDP port.
    pub port: u16,
    /// Index of its m-line, from 0.
    pub m_line: u16,
    /// `a=label`.
    pub label: Option<String>,
    /// What it shows, in the SRC's words: `slides`, `speaker` (`a=content`, RFC 4796).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<String>,
    /// Where it is heard.
    pub channel: ChannelName,
    /// Index into `files` of the file it is heard in.
    pub file: Option<usize>,
    /// Ids of the participants who send it.
    pub participants: Vec<String>,
    /// Codecs seen, else offered: `PCMA/8000`.
    pub codecs: Vec<String>,
    /// What sent on it.
    pub sources: Vec<SourceSheet>,
    /// Whether some audio of it is in a file.
    pub rendered: bool,
    /// Why not, in words.
    pub why_not: Option<String>,
}

/// An RTP source on a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceSheet {
    /// SSRC, eight hexadecimal digits.
    pub ssrc: String,
    /// Its address.
    pub from: String,
    /// Packets received, duplicates not counted.
    pub packets: u64,
    /// Packets that its sequence numbers promise, pauses not counted.
    pub expected: u64,
    /// Expected and not received.
    pub lost: u64,
    /// Received after a packet with a higher sequence number.
    pub late: u64,
    /// Received more than once.
    pub duplicates: u64,
    /// How much of what was lost is made of what came before or after it.
    #[serde(default)]
    pub concealed_ms: u64,
    /// Interarrival jitter (RFC 3550 6.4.1) at its end, microseconds.
    pub jitter_us: u64,
    /// How much faster than ours its clock runs, parts per million; none where too little came to tell.
    #[serde(default)]
    pub clock_skew_ppm: Option<i64>,
    /// What it said of itself by RTCP.
    #[serde(default)]
    pub reported: Option<ReportSheet>,
    /// Arrival of its first packet.
    pub first_at: String,
    /// Arrival of its last packet.
    pub last_at: String,
    /// How it appeared.
    pub change: SourceChange,
    /// How it sounds; none where the codec cannot be rated.
    #[serde(default)]
    pub quality: Option<QualitySheet>,
}

/// What a source said by RTCP: sender reports (RFC 3550 6.4.1), VoIP metrics (RFC 3611 4.7) and answers to ours (4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSheet {
    /// Sender reports received.
    pub sender_reports: u64,
    /// Packets that it says it sent, by its last report, from its own beginning on.
    pub packets_sent: Option<u32>,
    /// How far its wall clock is behind ours, the way here included: the least of all reports. Not used for the timeline.
    pub clock_behind_ms: Option<i64>,
    /// Round trip that it measures in its call.
    pub round_trip_ms: Option<u16>,
    /// Delay within its own system.
    pub end_system_ms: Option<u16>,
    /// From the recorder to it and back, microseconds (RFC 3611 4.5): the least that its answers told. None where it does not
    /// answer (`a=rtcp-xr:rcvr-rtt`).
    #[serde(default)]
    pub recorder_round_trip_us: Option<u32>,
}

/// How a source sounds by the E-model (ITU-T G.107), from its codec and its loss alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualitySheet {
    /// Mean opinion score, 1 to 4.5, hundredths.
    pub mos_hundredths: u16,
    /// R, 0 to 100, thousandths.
    pub r_milli: u32,
    /// How much longer losses last than by chance, hundredths: 100 is random loss.
    pub burst_ratio_hundredths: u32,
    /// What the codec was taken for, with its factors of ITU-T G.113 Appendix I.
    pub codec: String,
}

/// A key that was pressed (RFC 4733, INFO, or tones in the audio).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigitSheet {
    /// When, as it arrived.
    pub at_ms: u64,
    /// How long, as far as was told.
    pub duration_ms: u64,
    /// `0` to `9`, `*`, `#`, `A` to `D`; none where it was masked before it was kept.
    pub digit: Option<String>,
    /// On which stream; none if by INFO or without a label.
    pub label: Option<String>,
    /// By INFO instead of RTP.
    pub by_info: bool,
    /// Heard in the audio, and told in no other way.
    #[serde(default)]
    pub in_band: bool,
}

/// What was typed (RFC 4103).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSheet {
    /// When its first character arrived.
    pub at_ms: u64,
    /// On which stream.
    pub label: Option<String>,
    /// A line, as it stood when it ended; U+FFFD where characters are lost.
    pub text: String,
}

/// A metadata document as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawMetadata {
    /// When.
    pub at: String,
    /// In which request.
    pub method: String,
    /// Its Content-Type.
    pub content_type: String,
    /// Its text; bytes that are not UTF-8 are replaced.
    pub raw: String,
}

/// An audio file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSheet {
    /// Its name beside the sidecar.
    pub name: String,
    /// Its size; 0 until the file is written.
    pub bytes: u64,
    /// SHA-256 in hexadecimal; empty until the file is written.
    pub sha256: String,
    /// `wav`, `flac` or `opus`.
    pub format: String,
    /// What its octets are.
    #[serde(default)]
    pub coding: FileCoding,
    /// Hz.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u16,
    /// Samples a channel.
    pub frames: u64,
    /// Whose voices it holds.
    #[serde(default)]
    pub voices: Vec<VoiceSheet>,
    /// What is heard in it, of a mono mix in the first two channels before they were added up; filled in by whoever writes the file.
    #[serde(default)]
    pub levels: Option<Levels>,
    /// What lies on the disk in its place, where it is sealed; filled in by whoever writes the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedSheet>,
}

/// A sealed file, as it lies on the disk: what anybody can check without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSheet {
    /// Its name beside the sidecar.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// That a recording's files were replaced by smaller ones, and what proves of which they were made. Whoever has a file or a
/// sheet of before finds its SHA-256 here, under the signature of the sheet that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recompressed {
    /// When.
    pub at: String,
    /// Version of siprec that did it.
    pub siprec: String,
    /// Whether each sample is what it was: that was compared before anything was replaced.
    pub lossless: bool,
    /// The files of before, in the order of those that they became.
    pub files: Vec<FileBefore>,
    /// The sheet of before, to the octet.
    pub sheet: String,
    /// Its SHA-256 in hexadecimal.
    pub sheet_sha256: String,
    /// Its signature by the proof key, in hexadecimal.
    pub signature: String,
}

/// A file that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileBefore {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// What its octets were.
    pub coding: FileCoding,
    /// What lay on the disk in its place, where it was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedSheet>,
    /// SHA-256 of its samples, as 16 bits each, the least octet first, channels interleaved: those of a lossless successor.
    pub samples_sha256: String,
}

/// A voice in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceSheet {
    /// Its channel.
    pub channel: ChannelName,
    /// The label of its stream.
    pub label: Option<String>,
    /// Ids of the participants who speak.
    pub participants: Vec<String>,
}

/// What was received, and what is missing and why.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Proof {
    /// Packets received, duplicates not counted.
    pub packets_received: u64,
    /// Packets that the sequence numbers promise.
    pub packets_expected: u64,
    /// Expected and not received.
    pub packets_lost: u64,
    /// Stretches that are missing though they were sent.
    pub gaps: Vec<Gap>,
    /// Stretches that were not to be recorded.
    pub pauses: Vec<Pause>,
    /// Stretches in which nothing was sent.
    pub silences: Vec<Silence>,
    /// What was raised for the operator.
    pub alarms: Vec<AlarmSheet>,
    /// SRTP packets, among those received, whose key came after them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub opened_late: u64,
    /// SRTP packets that are kept sealed, since no key that was at hand opens them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sealed: u64,
    /// Keys that came for them stand in the journal, wrapped by another `node.key` than the one that was at hand.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub node_key_missing: bool,
    /// Packets that reached us and could not be kept.
    pub dropped: u64,
    /// Steps of the machine's clock.
    pub clock_steps: Vec<ClockStep>,
    /// When the disk did not take what was written.
    #[serde(default)]
    pub disk_stalls: Vec<DiskStall>,
    /// Where the SRC's metadata is not as the RFC has it.
    pub deviations: Vec<Deviation>,
    /// What an operator should know, in words.
    pub findings: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why a stretch that was sent is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// The recorder was not running.
    Crash,
    /// The machine was not running.
    Reboot,
    /// Packets arrived and could not be kept.
    Stall,
    /// Packets arrived and the kernel dropped them: nobody fetched them in time.
    Overflow,
    /// SRTP packets arrived that no key opens: they are kept sealed.
    Sealed,
    /// Packets were lost before they reached us.
    Loss,
}

/// A missing stretch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The stream; none when all are meant.
    pub label: Option<String>,
    /// Its start.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
    /// Why.
    pub cause: GapCause,
    /// Packets missing, where sequence numbers tell.
    pub packets: Option<u64>,
}

/// A stretch that was not to be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The stream's label.
    pub label: Option<String>,
    /// Its start.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
    /// Who asked for it, and how.
    pub cause: PauseCause,
}

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceCause {
    /// Before the stream's first packet.
    NotStarted,
    /// Timestamps ran on and sequence numbers did not: discontinuous transmission.
    Dtx,
    /// After the stream's last packet.
    Stopped,
    /// The stream never had a packet, or none that could be opened.
    NeverStarted,
}

/// A stretch in which nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// The stream's label.
    pub label: Option<String>,
    /// Its start.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
    /// Why.
    pub cause: SilenceCause,
}

/// An alarm raised or cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmSheet {
    /// When.
    pub at_ms: u64,
    /// What.
    pub alarm: Alarm,
    /// On which stream.
    pub label: Option<String>,
    /// `false`: it is over.
    pub raised: bool,
}

/// A step of the machine's clock; the timeline goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStep {
    /// When.
    pub at_ms: u64,
    /// New minus old.
    pub by_ns: i64,
}

/// A stall of the disk. What waited in memory meanwhile was written afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStall {
    /// When it had gone on, as far as is known: up to a second later than it did.
    pub until_ms: u64,
    /// How long it took.
    pub took_ms: u64,
}

/// The journal of the recording session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JournalSheet {
    /// Path below the data directory; filled in by the archive.
    pub path: String,
    /// Segments that were read.
    pub segments: u32,
    /// Bytes; filled in by the archive.
    pub bytes: u64,
}
