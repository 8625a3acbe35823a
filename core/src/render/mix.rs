//! Pass 2: the entries once more become the samples of one pair of channels.
//!
//! ```text
//!   arrival - SETTLED_NS                    arrival
//!  ------|----------------------------------|---------
//!  final | late and reordered packets still | what comes next
//! ```
//!
//! A packet's place depends on its timestamp alone, so its order of arrival does not matter, and a second copy
//! writes what is there already. What needs the packets before it waits for them in a [`Queue`]: that of codecs that
//! remember, and of clocks that are not ours (`canvas.rs`).

use alloc::vec::Vec;

use super::canvas::{Canvas, Link, NANOS_PER_SECOND};
use super::holes::{End, Holes, LONGEST_NS, WAIT_NS, interrupts};
use super::lanes::Seat;
use super::order::Place;
use super::plan::Plan;
use super::queue::{Queue, Turn};
use super::scope::Scope;
use super::sheet::ChannelName;
use super::track::{Audio, Heard, Tracker, ticks_to_nanos};
use crate::codec::{Decoder, State};
use crate::entry::{Entry, Event, Kind, PortIndex, Protected};

/// After its place nothing changes any more, but for packets that were later: those that wait for others need their time too.
pub(super) const SETTLED_NS: i64 = WAIT_NS + 1_000_000_000;
/// Sources whose decoders are remembered at a time.
const MAX_VOICES: usize = 64;
/// What a codec makes up fades out over this time, where the loss goes on.
const FADE_NS: i64 = 10_000_000;
/// Noise that goes on is made in parts.
const NOISE_NS: i64 = 20_000_000;

/// Pass 2: takes the same entries as pass 1, in the same order, and gives the samples of one file.
#[derive(Debug)]
pub(super) struct Mixer<'p> {
    plan: &'p Plan,
    file: usize,
    scope: Scope,
    tracker: Tracker,
    holes: Holes,
    voices: Vec<Voice>,
    canvas: Canvas<'p>,
    /// Frames before this one do not change any more.
    settled: i64,
    /// The last arrival.
    now: i64,
}

/// A source whose packets are played in order.
#[derive(Debug)]
struct Voice {
    source: usize,
    port: PortIndex,
    used_at: i64,
    queue: Queue<Held>,
    state: Option<(Decoder, State)>,
    end: Option<End>,
    noise: Option<Noise>,
    link: Link,
}

/// Noise that goes on from here.
#[derive(Debug, Clone, Copy)]
struct Noise {
    epoch: usize,
    at: i64,
    channel: ChannelName,
}

/// A packet that waits.
#[derive(Debug)]
struct Held {
    sequence: i64,
    channel: ChannelName,
    /// Epoch, start, end, decoder and payload of its audio.
    audio: Option<(usize, i64, i64, Decoder, Vec<u8>)>,
}

impl<'p> Mixer<'p> {
    /// A mixer of pair `file`; of no samples if there is no such pair.
    pub(super) fn new(plan: &'p Plan, file: usize) -> Self {
        Self {
            plan,
            file,
            scope: Scope::new(plan.recording),
            tracker: Tracker::default(),
            holes: Holes::default(),
            voices: Vec::new(),
            canvas: Canvas::new(plan, file),
            settled: 0,
            now: 0,
        }
    }

    /// Takes the next entry. Call [`Mixer::poll_block`] until `None` afterwards.
    pub(super) fn entry(&mut self, entry: &Entry<'_>) {
        let at = entry.at.0;
        match &entry.kind {
            Kind::Rtp { protected: Some(Protected::Sealed), .. } => {}
            Kind::Rtp { port, from, packet, .. } => {
                self.settled =
                    self.settled.max(self.canvas.frame(at.saturating_sub(self.canvas.settled)).min(self.canvas.length));
                self.now = self.now.max(at);
                self.play_waiting(at);
                if let Some(heard) = self.tracker.packet(at, *port, *from, packet) {
                    let in_scope = self.scope.takes(*port);
                    self.holes.packet(at, *port, &heard, in_scope);
                    if let Some(seat) = self.seat(heard.source).filter(|_| in_scope) {
                        self.packet(at, *port, &heard, seat.channel);
                    }
                }
                self.bridge_holes(at);
            }
            Kind::Event(event) => self.event(at, event),
            Kind::Sip { .. } | Kind::Rtcp { .. } | Kind::Checkpoint(_) => {}
        }
    }

    fn event(&mut self, at: i64, event: &Event) {
        self.scope.event(at, event);
        self.holes.event(event);
        for voice in self.voices.iter_mut().filter(|voice| interrupts(event, Some(voice.port))) {
            voice.play_all(&mut self.canvas);
            voice.fill_noise(self.canvas.frame(at), &mut self.canvas);
            self.canvas.end(&mut voice.link);
            (voice.end, voice.noise) = (None, None);
        }
        match event {
            Event::Stream(stream) => self.tracker.stream(stream),
            Event::Source { port, ssrc, from, change } => self.tracker.appeared(*port, *ssrc, *from, *change),
            Event::Segment(_)
            | Event::Answered
            | Event::Metadata { .. }
            | Event::RecordingStarted { .. }
            | Event::RecordingBound { .. }
            | Event::RecordingEnded { .. }
            | Event::Tagged { .. }
            | Event::SrtpKeys { .. }
            | Event::SrtcpReserved { .. }
            | Event::SrtpRefused { .. }
            | Event::Gap { .. }
            | Event::Dropped { .. }
            | Event::ClockStep { .. }
            | Event::DiskStalled { .. }
            | Event::Alarm { .. }
            | Event::Ended { .. } => {}
        }
    }

    /// Says that there are no more entries. Call [`Mixer::poll_block`] until `None` afterwards.
    pub(super) fn finish(&mut self) {
        for voice in &mut self.voices {
            voice.play_all(&mut self.canvas);
            voice.fill_noise(self.canvas.frame(self.now), &mut self.canvas);
            self.canvas.end(&mut voice.link);
        }
        self.bridge_holes(i64::MAX);
        self.settled = self.canvas.length;
    }

    /// The next interleaved samples, when a block of them is final.
    pub(super) fn poll_block(&mut self) -> Option<&[i16]> {
        if self.canvas.window.ready(self.settled, self.canvas.length).is_none() {
            self.canvas.write_beyond();
            return None;
        }
        self.canvas.window.take(self.settled, self.canvas.length)
    }

    /// Where a source is heard in this file.
    fn seat(&self, source: usize) -> Option<Seat> {
        (*self.plan.seats.get(source)?).filter(|seat| seat.file == self.file)
    }

    /// Plays a packet, or lets it wait.
    fn packet(&mut self, at: i64, port: PortIndex, heard: &Heard<'_>, channel: ChannelName) {
        let known = self.voices.iter().position(|voice| voice.source == heard.source);
        let needs_order =
            heard.audio.as_ref().or(heard.noise.as_ref()).is_some_and(|audio| self.canvas.wants_order(audio));
        // Who is heard now ends the noise of who was heard there before.
        if heard.audio.is_some() || heard.noise.is_some() {
            for voice in self.voices.iter_mut().filter(|voice| voice.source != heard.source) {
                voice.noise = voice.noise.filter(|noise| noise.channel != channel);
            }
        }
        let index = match known {
            Some(index) => index,
            None if needs_order => self.new_voice(heard.source, port),
            None => {
                if let Some(audio) = &heard.audio {
                    self.canvas.place(audio, channel);
                }
                return;
            }
        };
        let Some(voice) = self.voices.get_mut(index) else { return };
        voice.used_at = at;
        if heard.place == Place::Restart {
            voice.play_all(&mut self.canvas);
            voice.end = None;
        }
        match voice.queue.turn(heard) {
            Turn::Now => {
                voice.play(heard.sequence, heard.audio.as_ref().or(heard.noise.as_ref()), channel, &mut self.canvas);
                voice.play_waiting(at, &mut self.canvas);
            }
            Turn::Wait => {
                let audio = heard.audio.as_ref().or(heard.noise.as_ref());
                let audio = audio.map(|a| (a.epoch, a.from, a.to, a.decoder, a.payload.to_vec()));
                let held = Held { sequence: heard.sequence, channel, audio };
                voice.queue.push(at, heard.sequence, heard.payload.len(), held);
                voice.play_waiting(at, &mut self.canvas);
            }
            // Too late for its turn: what stands for itself is heard all the same.
            Turn::Never => {
                if let Some(audio) =
                    heard.audio.as_ref().filter(|audio| heard.place == Place::Late && audio.decoder.is_stateless())
                {
                    let mut link = Link::default();
                    self.canvas.place_in_order(&mut link, audio, channel);
                    self.canvas.end(&mut link);
                }
            }
        }
    }

    /// Of too many voices, that which was silent for longest is forgotten.
    fn new_voice(&mut self, source: usize, port: PortIndex) -> usize {
        let voice = Voice {
            source,
            port,
            used_at: 0,
            queue: Queue::default(),
            state: None,
            end: None,
            noise: None,
            link: Link::default(),
        };
        if self.voices.len() < MAX_VOICES {
            self.voices.push(voice);
            return self.voices.len() - 1;
        }
        let oldest =
            self.voices.iter().enumerate().min_by_key(|(_, voice)| voice.used_at).map_or(0, |(index, _)| index);
        if let Some(slot) = self.voices.get_mut(oldest) {
            slot.play_all(&mut self.canvas);
            self.canvas.end(&mut slot.link);
            *slot = voice;
        }
        oldest
    }

    fn play_waiting(&mut self, at: i64) {
        let settling = self.canvas.frame(at.saturating_sub(WAIT_NS));
        for voice in &mut self.voices {
            voice.play_waiting(at, &mut self.canvas);
            voice.fill_noise(settling, &mut self.canvas);
            self.canvas.end_before(settling, &mut voice.link);
        }
    }

    /// Fills holes of codecs that do not do so themselves.
    fn bridge_holes(&mut self, at: i64) {
        while let Some(hole) = self.holes.due(at) {
            if let Some(seat) = self.seat(hole.source).filter(|_| !hole.decoder.conceals()) {
                self.canvas.bridge(&hole, seat.channel);
            }
        }
    }
}

impl Voice {
    fn play_all(&mut self, canvas: &mut Canvas<'_>) {
        self.play_waiting(i64::MAX, canvas);
    }

    /// Plays those that waited long enough by `now`.
    fn play_waiting(&mut self, now: i64, canvas: &mut Canvas<'_>) {
        while let Some(Held { sequence, channel, audio }) = self.queue.pop(now) {
            let audio = audio.as_ref().map(|(epoch, from, to, decoder, payload)| Audio {
                epoch: *epoch,
                from: *from,
                to: *to,
                decoder: *decoder,
                payload,
            });
            self.play(sequence, audio.as_ref(), channel, canvas);
        }
    }

    /// Plays the next packet, and before it what is lost.
    fn play(&mut self, sequence: i64, audio: Option<&Audio<'_>>, channel: ChannelName, canvas: &mut Canvas<'_>) {
        let end = core::mem::replace(&mut self.end, End::of(sequence, audio));
        let Some(audio) = audio else { return };
        if let Some((from, _)) = canvas.frames(audio.epoch, audio.from, audio.to) {
            self.fill_noise(from, canvas);
        }
        self.noise = None;
        if audio.decoder.is_stateless() {
            canvas.place_in_order(&mut self.link, audio, channel);
            return;
        }
        let lost = end.and_then(|end| end.lost_before(sequence, audio));
        if !self.state.as_ref().is_some_and(|(decoder, _)| decoder.reads_as(&audio.decoder)) {
            self.state = audio.decoder.state(canvas.rate).map(|state| (audio.decoder, state));
        }
        let Some((_, state)) = &mut self.state else { return };
        if let Some((from, to)) = lost.filter(|_| audio.decoder.conceals()) {
            conceal(state, audio, (from, to), channel, (&mut self.link, canvas));
        }
        canvas.decoded.clear();
        state.decode(audio.payload, &mut canvas.decoded);
        canvas.place_decoded(&mut self.link, state.sample_rate(), (audio.epoch, audio.from, audio.to), channel);
        let goes_on = audio.decoder.goes_on(audio.payload);
        self.noise = goes_on.then_some(Noise { epoch: audio.epoch, at: audio.to, channel });
    }

    /// Makes noise as far as frame `until`, or a little further: what comes then is written over it.
    fn fill_noise(&mut self, until: i64, canvas: &mut Canvas<'_>) {
        let (Some(noise), Some((_, state))) = (&mut self.noise, &mut self.state) else { return };
        let samples = usize::try_from(NOISE_NS * i64::from(state.sample_rate()) / NANOS_PER_SECOND).unwrap_or(0);
        // None is made for what is handed out already, or for after the end.
        let until = until.min(canvas.length);
        if let Some((from, _)) = canvas.frames(noise.epoch, noise.at, noise.at) {
            // A timestamp can be days before.
            let behind = i128::from(canvas.window.base().min(until).saturating_sub(from).max(0));
            let behind = behind * i128::from(NANOS_PER_SECOND) / i128::from(canvas.rate);
            noise.at = noise.at.saturating_add(i64::try_from(behind).unwrap_or(i64::MAX));
        }
        while canvas.frames(noise.epoch, noise.at, noise.at).is_some_and(|(from, _)| from < until) {
            let to = noise.at.saturating_add(NOISE_NS);
            canvas.decoded.clear();
            if !state.conceal(samples, None, &mut canvas.decoded) {
                break;
            }
            canvas.place_decoded(&mut self.link, state.sample_rate(), (noise.epoch, noise.at, to), noise.channel);
            noise.at = to;
        }
    }
}

/// Makes up what is lost before `audio`: all of a short loss; of a longer one the beginning, and the end where the packet
/// brings it once more.
fn conceal(
    state: &mut State,
    audio: &Audio<'_>,
    (from, to): (i64, i64),
    channel: ChannelName,
    (link, canvas): (&mut Link, &mut Canvas<'_>),
) {
    let rate = i64::from(state.sample_rate());
    let samples = |ns: i64| usize::try_from((ns * rate + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND).unwrap_or(0);
    let mut make = |from: i64, to: i64, next: Option<&[u8]>, fade: usize| {
        canvas.decoded.clear();
        if state.conceal(samples(to - from), next, &mut canvas.decoded) {
            fade_out(&mut canvas.decoded, fade);
            canvas.place_decoded(link, state.sample_rate(), (audio.epoch, from, to), channel);
        }
    };
    if to.saturating_sub(from) <= LONGEST_NS {
        make(from, to, Some(audio.payload), 0);
        return;
    }
    make(from, from.saturating_add(LONGEST_NS), None, samples(FADE_NS));
    let recovered = ticks_to_nanos(i64::from(audio.decoder.ticks_recovered(audio.payload)), audio.decoder.clock_rate);
    if (1..=LONGEST_NS).contains(&recovered) {
        make(to.saturating_sub(recovered).max(from), to, Some(audio.payload), 0);
    }
}

/// To nothing over the last `length` samples.
fn fade_out(samples: &mut [i16], length: usize) {
    let from = samples.len().saturating_sub(length);
    let steps = i32::try_from(length).unwrap_or(1).max(1);
    for (n, sample) in (1..).zip(samples.iter_mut().skip(from)) {
        *sample = i16::try_from(i32::from(*sample) * (steps - n).max(0) / steps).unwrap_or(0);
    }
}
