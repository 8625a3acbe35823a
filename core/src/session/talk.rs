//! Who is heard on a session's streams, told while the call runs: a leg on which nobody is heard while another talks
//! (one-way audio), and legs that hold the same audio (an SRC that copies one leg twice: the other one is lost).

use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::streams::Streams;
use crate::entry::{Alarm, PortIndex};
use crate::media::{Heard, PRINTS, PortStatistics};

/// So many seconds of talk on one leg, and none ever on another that sends: longer than an announcement that is listened to.
const ONE_WAY_SECONDS: u32 = 30;
/// Legs are the same from so many common prints on, and are not below so many.
const SAME_FROM: usize = PRINTS / 2;
const OTHERS_BELOW: usize = PRINTS / 8;

/// What is known of a stream's talk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Talk {
    /// Seconds in which somebody talked.
    talked: u32,
    /// Seconds in which something came.
    #[serde(skip)]
    came: u32,
    /// By the last figures.
    #[serde(skip)]
    heard: Option<Box<Heard>>,
    one_way: bool,
    identical: bool,
}

impl Talk {
    /// Of a stream that goes on after a restart, and of which nothing was alarmed: somebody may have talked before it.
    pub(super) fn of_before() -> Self {
        Self { talked: 1, ..Self::default() }
    }

    /// Nothing that must outlive a crash.
    pub(super) fn is_unalarmed(&self) -> bool {
        !self.one_way && !self.identical
    }

    /// A second's figures: whether somebody talked in it.
    fn second(&mut self, heard: Option<&Heard>) -> bool {
        let Some(now) = heard else { return false };
        let before = self.heard.as_deref().copied().unwrap_or_default();
        // Figures that fell are those of another port (a restart of ours).
        let before = if before.packets > now.packets { Heard::default() } else { before };
        let talks = now.talk > before.talk;
        self.came = self.came.saturating_add(u32::from(now.packets > before.packets));
        self.talked = self.talked.saturating_add(u32::from(talks));
        match &mut self.heard {
            Some(heard) => **heard = *now,
            None => self.heard = Some(Box::new(*now)),
        }
        talks
    }
}

/// Takes a second's figures of a stream: the alarms that are raised or cleared by them.
pub(super) fn judge(streams: &mut Streams, told: &PortStatistics) -> Vec<(Alarm, PortIndex, bool)> {
    let mut news = Vec::new();
    let Some(live) = streams.live_mut().find(|live| live.port() == told.port) else { return news };
    let talks = live.talk.second(told.heard.as_ref());
    if talks && core::mem::take(&mut live.talk.one_way) {
        news.push((Alarm::OneWay, told.port, false));
    }
    if talks {
        // Whoever is silent is so while this one talks.
        let talked = live.talk.talked;
        let others = streams.live_mut().filter(|other| other.port() != told.port && !other.is_paused());
        for other in others.filter(|other| other.talk.is_one_way_beside(talked)) {
            other.talk.one_way = true;
            news.push((Alarm::OneWay, other.port(), true));
        }
        news.extend(compare(streams, told.port));
    }
    news
}

impl Talk {
    fn is_one_way_beside(&self, others_talked: u32) -> bool {
        !self.one_way && self.talked == 0 && self.came >= ONE_WAY_SECONDS && others_talked >= ONE_WAY_SECONDS
    }
}

/// Whether a stream that talks is the same as one before it, if that is news.
fn compare(streams: &mut Streams, port: PortIndex) -> Option<(Alarm, PortIndex, bool)> {
    let heard = |port: PortIndex| streams.live().find(|live| live.port() == port)?.talk.heard.clone();
    let ours = heard(port)?;
    let before = streams.live().filter(|live| live.port() < port).filter_map(|live| live.talk.heard.as_deref());
    let common = before.map(|other| ours.alike(other)).max()?;
    let talk = &mut streams.live_mut().find(|live| live.port() == port)?.talk;
    let identical = if talk.identical { common >= OTHERS_BELOW } else { common >= SAME_FROM };
    (core::mem::replace(&mut talk.identical, identical) != identical).then_some((Alarm::Identical, port, identical))
}
