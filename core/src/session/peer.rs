//! What an SRC has shown that it can do.

use serde::{Deserialize, Serialize};

use super::reading::is_tagged;
use super::session_timer::{SHORTEST_INTERVAL, min_se};
use crate::sip::Method;
use crate::sip::message::Message;

/// The abilities of a dialog's other end, as its messages tell them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Abilities {
    /// It speaks of SIPREC: an ordinary phone system would refuse what requires it (RFC 3261 8.2.2.3).
    pub(super) siprec: bool,
    /// It takes UPDATE: its Allow lists it, or it has sent one.
    pub(super) update: bool,
    /// The largest Min-SE it has named, or met (RFC 4028 7.4).
    pub(super) min_se: u32,
    /// Its Allow does not list INFO.
    #[serde(default)]
    pub(super) no_info: bool,
    /// It calls metadata by the name of RFC 7866, before RFC 9806 changed it.
    plain_metadata_type: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        Self { siprec: false, update: false, min_se: SHORTEST_INTERVAL, no_info: false, plain_metadata_type: false }
    }
}

impl Abilities {
    /// Reads what a request or a 2xx says; what it does not speak of stays.
    pub(super) fn learn(&mut self, message: &Message) {
        if message.headers.fields("Allow").next().is_some() {
            let allows = |wanted: &str| message.headers_all("Allow").any(|method| method.eq_ignore_ascii_case(wanted));
            (self.update, self.no_info) = (allows("UPDATE"), !allows("INFO"));
        }
        self.siprec |= message.supports("siprec") || is_tagged(message);
        self.update |= message.method() == Some(&Method::Update);
        self.min_se = self.min_se.max(min_se(message));
    }

    /// Takes over the type of a metadata body, if it is one of metadata's own.
    pub(super) fn called_metadata(&mut self, content_type: &str) {
        let lower = content_type.to_ascii_lowercase();
        if lower.starts_with("application/rs-metadata") {
            self.plain_metadata_type = !lower.contains("+xml");
        }
    }

    /// The type of a metadata body for it.
    pub(super) fn metadata_type(&self) -> &'static str {
        if self.plain_metadata_type { "application/rs-metadata" } else { "application/rs-metadata+xml" }
    }
}
