//! What of a call is not to be in sheet and catalog (RFC 7865 10: no more metadata is kept than is needed).

use alloc::format;
use alloc::string::String;

use super::sheet::{Participant, Party, Sidecar};
use crate::vendor::CallIds;

/// What can be left out of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Display names.
    Names,
    /// Addresses of record. Ids of participants, which may be numbers, become `p1`, `p2` and so on.
    Addresses,
    /// What vendors call the call, and the ids of sessions and groups: recordings are not linked by them.
    CallIds,
    /// The metadata as received. It is left out with names or addresses too, since it has them.
    Metadata,
}

impl Sidecar {
    /// Takes `details` out. What a deviation quotes of the SRC's words goes with any of them.
    pub fn leave_out(&mut self, details: &[Detail]) {
        let leaves = |detail| details.contains(&detail);
        if leaves(Detail::Names) {
            self.participants.iter_mut().for_each(|participant| participant.name = None);
            self.parties().for_each(|party| party.name = None);
        }
        if leaves(Detail::Addresses) {
            self.participants.iter_mut().for_each(|participant| participant.aor = String::new());
            self.parties().for_each(|party| party.aor = String::new());
            self.number_participants();
        }
        if leaves(Detail::CallIds) {
            self.call = CallIds::default();
            self.communication_session = None;
        }
        if leaves(Detail::Metadata) || leaves(Detail::Names) || leaves(Detail::Addresses) {
            self.metadata.clear();
        }
        if !details.is_empty() {
            self.proof.deviations.iter_mut().for_each(|deviation| deviation.text = String::from("(left out)"));
        }
    }

    fn parties(&mut self) -> impl Iterator<Item = &mut Party> {
        self.caller.iter_mut().chain(&mut self.callee)
    }

    /// The same participant has the same number, here, at the streams and in the files.
    fn number_participants(&mut self) {
        let known: alloc::vec::Vec<String> = self.participants.iter().map(|p| p.id.clone()).collect();
        let numbered = |id: &String| match known.iter().position(|known| known == id) {
            Some(place) => format!("p{}", place + 1),
            None => String::from("p"),
        };
        for Participant { id, .. } in &mut self.participants {
            *id = numbered(id);
        }
        let of_streams = self.streams.iter_mut().flat_map(|stream| &mut stream.participants);
        let voices = self.files.iter_mut().flat_map(|file| &mut file.voices);
        for id in of_streams.chain(voices.flat_map(|voice| &mut voice.participants)) {
            *id = numbered(id);
        }
    }
}
