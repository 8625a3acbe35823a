//! `alarms`: from when on what is watched of the server is an alarm.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::model::optional_age;
use super::values::Span;

/// `alarms`: from when on what is watched of the server is an alarm. None: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlarmsConfig {
    /// A recording has waited so long for a storage target.
    #[serde(deserialize_with = "optional_age")]
    pub storage_late: Option<Span>,
    /// A recording has waited so long to be made of its journal.
    #[serde(deserialize_with = "optional_age")]
    pub render_late: Option<Span>,
    /// A certificate that we show ends so soon.
    #[serde(deserialize_with = "optional_age")]
    pub certificate: Option<Span>,
    /// The machine's clock is so far from the one that recordings go by.
    #[serde(deserialize_with = "optional_age")]
    pub clock_off: Option<Span>,
    /// A peer has begun no session in a time in which it usually begins so many; 0: never.
    pub peer_silent: u32,
}

impl Default for AlarmsConfig {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self {
            storage_late: Some(Span(hour)),
            render_late: Some(Span(hour / 4)),
            certificate: Some(Span(14 * 24 * hour)),
            clock_off: Some(Span(Duration::from_secs(1))),
            peer_silent: 10,
        }
    }
}
