//! What differs from peer to peer, and who is kept out.

use super::*;

/// A row about 127.0.0.0/8.
pub(super) fn local(name: &str, rules: Rules) -> Peer {
    let networks = [Network { address: "127.0.0.0".parse().unwrap(), prefix: 8 }].to_vec();
    Peer { name: name.to_string(), who: Who { networks, ..Who::default() }, rules }
}
