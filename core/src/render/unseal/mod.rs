//! Packets that were kept sealed, opened by a key of the journal, however late it came. A port tries again what came some
//! seconds before a key (`media/protection.rs`); the rest is opened here, at each reading, and stays sealed in the journal.
//!
//! ```text
//! reading 1   Entry -> Noted      keys, what a port opened itself, rollover counters of authentic packets
//! reading 2   Entry -> Opening    only where there is something to open: counters that nothing tells are searched for
//! each pass   Entry -> Opening -> Entry, plain
//! ```
//! Every pass opens the same packets: all of them begin with what the two readings found. A packet is authenticated before
//! anything else comes of it, as at a port; what was not to be kept whole (paused, digits masked) is never opened.

mod noted;
mod opening;

pub use noted::Noted;
pub use opening::Opening;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::entry::{Entry, PortIndex};
use crate::node_key::NodeKey;
use crate::sdp::crypto::{Encryption, InlineKey};
use noted::Rounds;
use opening::Found;

/// Keys of a port that are noted; of more, the oldest give way. A re-key every hour for two days.
const MAX_KEYS: usize = 48;
/// Keys that are tried on a packet: the one that opened its source's last, those that came next, then those of before.
const MAX_KEYS_TRIED: usize = 8;
/// Sources of a port that are looked at.
const MAX_SOURCES: usize = 128;
/// Packets that a port opened itself and that are known again, 24 octets each. What is beyond is opened twice, and the
/// second counts as a duplicate.
const MAX_TWINS: usize = 1 << 17;
/// Authentications that the packets of a source may fail by, beyond the first two of each: some 0.1 s of a core.
const MAX_FAILED: u32 = 1 << 16;
/// What a packet that is opened gives back of them.
const REGAINED: u32 = 8;
/// Rollover counters that are searched for a source, under each key: at 50 packets a second, a stream of two and a half years.
const MAX_SEARCHED: u32 = 1 << 16;
/// Keys under which they are.
const MAX_KEYS_SEARCHED: usize = 4;
/// Authentications that all searches of a session may cost: some 2 s of a core.
const MAX_SEARCHED_OF_SESSION: u32 = 1 << 21;
/// So many of them at each packet.
const SEARCHED_AT_ONCE: u32 = 1_024;

/// A packet: port, SSRC, sequence number, arrival in ns.
type Mark = (PortIndex, u32, u16, i64);

/// What opens a session's sealed packets.
#[derive(Debug, Default)]
pub struct Unsealer {
    ports: BTreeMap<PortIndex, LatePort>,
    /// What a port opened itself stands in the journal twice.
    twins: BTreeSet<Mark>,
    /// Sources of which something can be opened; none: it was not looked for yet.
    openable: Option<BTreeSet<(PortIndex, u32)>>,
    /// A port has sealed packets, and keys none of which the node's key unwraps.
    lacks_node_key: bool,
}

/// A port of which packets are sealed.
#[derive(Debug, Default)]
struct LatePort {
    /// In the order in which they came.
    keys: Vec<LateKey>,
    /// Rollover counters by SSRC.
    sources: BTreeMap<u32, Rounds>,
}

/// The SRC's keys from one moment on.
#[derive(Debug)]
struct LateKey {
    at: i64,
    keys: Vec<InlineKey>,
    encryption: Encryption,
    /// Packets that the port took under them, or may have.
    used: u64,
}

impl Unsealer {
    /// What opens the packets that `noted` found sealed, by keys that `node_key` unwraps. `read` reads the same entries again; it
    /// is called at most once, and only where there is something to open.
    ///
    /// # Errors
    /// Whatever `read` fails with.
    pub fn new<E>(
        noted: Noted,
        node_key: Option<&NodeKey>,
        read: impl FnOnce(&mut dyn FnMut(&Entry<'_>)) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut unsealer = noted.unsealer(node_key);
        if unsealer.ports.is_empty() {
            return Ok(unsealer);
        }
        let mut search = Opening::searching(&unsealer);
        read(&mut |entry| search.entry(entry, &mut |_| {}))?;
        let Found { openable, counters } = search.finish();
        for counter in counters {
            if let Some(port) = unsealer.ports.get_mut(&counter.port) {
                port.sources.entry(counter.ssrc).or_default().found(counter.at, counter.rollover);
            }
        }
        unsealer.openable = Some(openable);
        Ok(unsealer)
    }

    /// For one pass over the entries.
    pub fn opening(&self) -> Opening<'_> {
        Opening::new(self)
    }

    /// Whether packets that are sealed in the journal can be opened, or stand in it once more, since a port opened them.
    pub fn opens(&self) -> bool {
        !self.twins.is_empty() || self.openable.as_ref().is_some_and(|openable| !openable.is_empty())
    }

    /// Whether keys stand in the journal, for packets that are sealed in it, which another node's key than the one at hand
    /// unwraps.
    pub fn lacks_node_key(&self) -> bool {
        self.lacks_node_key
    }

    /// Whether entries are as they are in the journal.
    fn changes_nothing(&self) -> bool {
        self.ports.is_empty() && self.twins.is_empty()
    }
}
