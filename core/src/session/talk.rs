//! Who is heard on a session's streams, told while the call runs: a leg on which nobody is heard while another talks
//! (one-way audio), a leg of nothing but digital silence, legs that hold the same audio (an SRC that copies one leg
//! twice: the other one is lost), and talk that is too loud for its codec.

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
/// A stream that sends so many seconds of digital silence and never anything else has no microphone behind it.
const SILENT_SECONDS: u32 = 30;
/// Clipping is judged over so many samples of talk that were listened to: some seconds of it.
const CLIPPING_SAMPLES: u64 = 4_000;
/// It is told where one sample in so many is clipped, as in the sheet, and over where fewer than one in so many is.
const CLIPPED_FROM: u64 = 200;
const CLEAN_BELOW: u64 = 1_000;

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
    /// Something was heard that is not digital silence. (Checkpoints of before knew nothing of it.)
    #[serde(default = "yes")]
    sounded: bool,
    /// Samples of talk, and clipped ones, when clipping was judged last.
    #[serde(skip)]
    judged: (u64, u64),
    one_way: bool,
    identical: bool,
    #[serde(default)]
    silent: bool,
    #[serde(default)]
    clipped: bool,
}

fn yes() -> bool {
    true
}

impl Talk {
    /// Of a stream that goes on after a restart, and of which nothing was alarmed: somebody may have talked before it.
    pub(super) fn of_before() -> Self {
        Self { talked: 1, sounded: true, ..Self::default() }
    }

    /// Nothing that must outlive a crash.
    pub(super) fn is_unalarmed(&self) -> bool {
        !self.one_way && !self.identical && !self.silent && !self.clipped
    }

    /// A second's figures: whether somebody talked in it.
    fn second(&mut self, heard: Option<&Heard>) -> bool {
        let Some(now) = heard else { return false };
        let before = self.heard.as_deref().copied().unwrap_or_default();
        // Figures that fell are those of another port (a restart of ours).
        let fell = before.packets > now.packets || before.printed > now.printed;
        let before = if fell { Heard::default() } else { before };
        if fell {
            self.judged = (0, 0);
        }
        let talks = now.talk > before.talk;
        self.came = self.came.saturating_add(u32::from(now.packets > before.packets));
        self.talked = self.talked.saturating_add(u32::from(talks));
        self.sounded |= now.sounding > before.sounding;
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
    news.extend(live.talk.silence().map(|raised| (Alarm::Silent, told.port, raised)));
    news.extend(live.talk.clipping(told.heard.as_ref()).map(|raised| (Alarm::Clipped, told.port, raised)));
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
    }
    // Whether somebody talks is not known of a codec that is not decoded; its prints are.
    if talks || told.heard.is_some_and(|heard| heard.packets == 0) {
        news.extend(compare(streams, told.port));
    }
    news
}

impl Talk {
    /// Whether digital silence is told, or over.
    fn silence(&mut self) -> Option<bool> {
        let is_silent = !self.sounded && self.came >= SILENT_SECONDS;
        // After a restart of ours the seconds count anew; only a sound clears it.
        let silent = if self.silent { !self.sounded } else { is_silent };
        (core::mem::replace(&mut self.silent, silent) != silent).then_some(silent)
    }

    /// Whether clipping is told, or over.
    fn clipping(&mut self, heard: Option<&Heard>) -> Option<bool> {
        let now = heard?;
        let samples = now.samples.checked_sub(self.judged.0).filter(|&samples| samples >= CLIPPING_SAMPLES)?;
        let clipped = now.clipped.saturating_sub(self.judged.1);
        self.judged = (now.samples, now.clipped);
        let limit = if self.clipped { CLEAN_BELOW } else { CLIPPED_FROM };
        let is_clipped = clipped.saturating_mul(limit) >= samples;
        (core::mem::replace(&mut self.clipped, is_clipped) != is_clipped).then_some(is_clipped)
    }

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
