//! What a session may cost: every number that the wire could otherwise choose for us.

use core::time::Duration;

/// m-lines of an offer that are looked at; an offer with more is refused with 488.
pub const MAX_M_LINES: usize = 32;
/// Ports that a session may use over its life (re-used m-lines get new ones).
pub const MAX_PORTS: u16 = 256;
/// Recordings that a session may hold open at a time.
pub const MAX_OPEN_RECORDINGS: usize = 32;
/// Tags that a session's recordings may have while it goes on.
pub const MAX_TAGS: usize = 64;
/// Streams (TCP, TLS) that are open at a time.
pub const MAX_CONNECTIONS: usize = 20_000;
/// Streams of strangers that carry no call.
pub const MAX_STRANGE_STREAMS: usize = 2048;
/// Those of one address (of IPv6: one /64).
pub const MAX_STRANGE_STREAMS_EACH: usize = 64;
/// A stranger's stream on which nothing whole ever came is closed after this long.
pub const SILENT_STREAM: Duration = Duration::from_secs(32);
/// One that carries no call, after this long without a message: longer than keep-alives (RFC 5626 4.4.1) and health
/// checks are apart.
pub const IDLE_STREAM: Duration = Duration::from_secs(600);
/// Requests beyond its rate that a stranger may send on one stream before it is closed.
pub const MAX_EXCESS: u32 = 64;
/// Times that a stream's bytes may turn out to be no SIP before the stream is closed.
pub const MAX_BREAKS: u8 = 3;
/// A checkpoint is written at each change and at least this often.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);
/// A new segment of the journal is begun this often.
pub const SEGMENT_LENGTH: Duration = Duration::from_secs(15 * 60);
/// RTP that comes so long after its communication session's end is still of it; what comes later, and is no other's,
/// begins a recording of its own: no audio without a recording.
pub const ORPHAN_AUDIO: Duration = Duration::from_secs(2);
/// Snapshots are asked for no more often, an order apart (RFC 7866 9.2).
pub const SNAPSHOT_REQUEST_INTERVAL: Duration = Duration::from_secs(30);
/// Snapshots asked for in a row without a complete document having come.
pub const MAX_SNAPSHOT_TRIES: u8 = 3;
/// 3xx that an INVITE of ours follows.
pub const MAX_REDIRECTS: u8 = 3;
/// Messages kept of the time before a session that we begin has its journal.
pub const MAX_EARLY_MESSAGES: usize = 32;
/// Our m-lines in an offer of ours, where the metadata names no more.
pub const DEFAULT_OFFERED_STREAMS: usize = 2;
/// Senders whose rate of requests is counted; beyond that, whoever was silent longest is forgotten.
pub const MAX_SOURCES: usize = 16_384;
/// A sender may save up requests for this long.
pub const SAVED_UP: Duration = Duration::from_secs(2);
