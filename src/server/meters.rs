//! What is counted while the server runs, in Prometheus' names and units. Counting is an addition to an atomic; nobody waits.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use siprec_core::media::{PortStatistics, Second};

/// How fast INVITEs are answered, seconds.
const ANSWERS: [f64; 9] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0];
/// Parts of a stream's packets that were lost.
const LOSS: [f64; 8] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25];
/// Seconds.
const JITTER: [f64; 8] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1];
/// Mean opinion scores.
const MOS: [f64; 8] = [1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.2, 4.4];
/// How fast the API answers, seconds.
const REQUESTS: [f64; 9] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Target {
    pub(super) target: String,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Peer {
    pub(super) peer: String,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Named {
    pub(super) alarm: String,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Status {
    pub(super) status: u16,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct By {
    pub(super) by: &'static str,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Outcome {
    pub(super) result: &'static str,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Why {
    pub(super) reason: &'static str,
}

/// A route of the API. Paths are patterns: what people ask for makes no series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Route {
    pub(super) method: String,
    pub(super) route: String,
}

/// The same, with what was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Answered {
    pub(super) method: String,
    pub(super) route: String,
    pub(super) status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

type Ratio = Gauge<f64, AtomicU64>;

/// What is counted. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Meters(Arc<Counted>);

/// All meters, by their names without `siprec_`.
#[derive(Debug)]
pub(super) struct Counted {
    registry: Registry,
    pub(super) invites: Family<Status, Counter>,
    pub(super) answer_seconds: Histogram,
    pub(super) sessions: Family<Peer, Gauge>,
    pub(super) sessions_started: Counter,
    pub(super) dialogs: Gauge,
    pub(super) draining: Gauge,
    pub(super) refusing: Gauge,
    pub(super) rtp_packets: Counter,
    pub(super) rtp_bytes: Counter,
    pub(super) rtp_lost_packets: Counter,
    pub(super) dropped_packets: Family<By, Counter>,
    pub(super) stream_loss_ratio: Histogram,
    pub(super) stream_jitter_seconds: Histogram,
    pub(super) stream_mos: Histogram,
    pub(super) recordings: Family<Outcome, Counter>,
    pub(super) recordings_stored: Family<Target, Counter>,
    pub(super) recordings_unfinished: Gauge,
    pub(super) outbox_recordings: Family<Target, Gauge>,
    pub(super) outbox_oldest_seconds: Family<Target, Ratio>,
    pub(super) journal_waiting_bytes: Gauge,
    pub(super) journal_sync_seconds: Ratio,
    pub(super) disk_free_bytes: Gauge,
    pub(super) alarms: Family<Named, Gauge>,
    pub(super) api_requests: Family<Answered, Counter>,
    pub(super) api_request_seconds: Family<Route, Histogram>,
    pub(super) api_refused: Family<Why, Counter>,
    pub(super) process_cpu_seconds: Counter<f64, AtomicU64>,
    pub(super) process_resident_memory_bytes: Gauge,
    pub(super) process_open_fds: Gauge,
}

impl std::ops::Deref for Meters {
    type Target = Counted;

    fn deref(&self) -> &Counted {
        &self.0
    }
}

impl Meters {
    pub(super) fn new() -> Self {
        let histogram = |buckets: &[f64]| Histogram::new(buckets.iter().copied());
        let mut counted = Counted {
            registry: Registry::with_prefix("siprec"),
            invites: Family::default(),
            answer_seconds: histogram(&ANSWERS),
            sessions: Family::default(),
            sessions_started: Counter::default(),
            dialogs: Gauge::default(),
            draining: Gauge::default(),
            refusing: Gauge::default(),
            rtp_packets: Counter::default(),
            rtp_bytes: Counter::default(),
            rtp_lost_packets: Counter::default(),
            dropped_packets: Family::default(),
            stream_loss_ratio: histogram(&LOSS),
            stream_jitter_seconds: histogram(&JITTER),
            stream_mos: histogram(&MOS),
            recordings: Family::default(),
            recordings_stored: Family::default(),
            recordings_unfinished: Gauge::default(),
            outbox_recordings: Family::default(),
            outbox_oldest_seconds: Family::default(),
            journal_waiting_bytes: Gauge::default(),
            journal_sync_seconds: Gauge::default(),
            disk_free_bytes: Gauge::default(),
            alarms: Family::default(),
            api_requests: Family::default(),
            api_request_seconds: Family::new_with_constructor(|| Histogram::new(REQUESTS)),
            api_refused: Family::default(),
            process_cpu_seconds: Counter::default(),
            process_resident_memory_bytes: Gauge::default(),
            process_open_fds: Gauge::default(),
        };
        register_calls(&mut counted);
        register_media(&mut counted);
        register_archive(&mut counted);
        register_server(&mut counted);
        for by in ["kernel", "disk"] {
            drop(counted.dropped_packets.get_or_create(&By { by }));
        }
        for result in ["completed", "failed"] {
            drop(counted.recordings.get_or_create(&Outcome { result }));
        }
        Self(Arc::new(counted))
    }

    /// As Prometheus reads it (OpenMetrics 1.0).
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// What came on a stream since it was looked at last.
    pub(super) fn stream(&self, before: Option<&Seen>, now: &PortStatistics) -> Seen {
        let seen = Seen::of(now);
        let before = before.filter(|before| before.packets <= seen.packets).copied().unwrap_or_default();
        self.rtp_packets.inc_by(seen.packets - before.packets);
        self.rtp_bytes.inc_by(seen.octets.saturating_sub(before.octets));
        // What comes late after all was counted as lost, and a counter does not go back.
        self.rtp_lost_packets.inc_by(seen.lost.saturating_sub(before.lost));
        let by_kernel = seen.dropped.saturating_sub(before.dropped);
        if by_kernel > 0 {
            self.dropped_packets.get_or_create(&By { by: "kernel" }).inc_by(by_kernel);
        }
        Seen { lost: seen.lost.max(before.lost), ..seen }
    }

    /// A stream is over: how it was as a whole.
    pub(super) fn stream_ended(&self, whole: &Second) {
        if whole.expected == 0 {
            return;
        }
        self.stream_loss_ratio.observe(whole.lost as f64 / whole.expected as f64);
        self.stream_jitter_seconds.observe(f64::from(whole.jitter_us) / 1e6);
        if let Some(mos) = whole.mos_hundredths {
            self.stream_mos.observe(f64::from(mos) / 100.0);
        }
    }
}

/// What was seen of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    packets: u64,
    octets: u64,
    lost: u64,
    dropped: u64,
}

impl Seen {
    fn of(now: &PortStatistics) -> Self {
        let lost = now.sources.iter().map(|source| source.statistics.lost).sum();
        Self { packets: now.packets, octets: now.octets, lost, dropped: now.dropped_by_kernel }
    }
}

fn register_calls(m: &mut Counted) {
    let r = &mut m.registry;
    r.register("invites", "INVITEs that were answered, by our final response", m.invites.clone());
    let help = "From an INVITE's arrival to our final response";
    r.register_with_unit("invite_answer", help, Unit::Seconds, m.answer_seconds.clone());
    r.register(
        "sessions",
        "Recording sessions that go on, by the row of peers that they are under",
        m.sessions.clone(),
    );
    r.register("sessions_started", "Recording sessions that began", m.sessions_started.clone());
    r.register("dialogs", "SIPREC dialogs that are known", m.dialogs.clone());
    r.register("draining", "1 while no new sessions are taken and the server stops after the last", m.draining.clone());
    r.register(
        "refusing",
        "1 while new sessions are refused, since the disk is full or does not keep up",
        m.refusing.clone(),
    );
}

fn register_media(m: &mut Counted) {
    let r = &mut m.registry;
    r.register("rtp_packets", "RTP packets that arrived", m.rtp_packets.clone());
    r.register("rtp_bytes", "Their octets, RTP headers included", m.rtp_bytes.clone());
    let help = "RTP packets that did not arrive, by their sequence numbers";
    r.register("rtp_lost_packets", help, m.rtp_lost_packets.clone());
    let help = "RTP packets that arrived at this machine and were lost in it";
    r.register("dropped_packets", help, m.dropped_packets.clone());
    let help = "Part of its packets that a stream has lost when it ends";
    r.register("stream_loss_ratio", help, m.stream_loss_ratio.clone());
    let help = "Interarrival jitter (RFC 3550) of a stream when it ends";
    r.register_with_unit("stream_jitter", help, Unit::Seconds, m.stream_jitter_seconds.clone());
    r.register("stream_mos", "Mean opinion score (ITU-T G.107) of a stream when it ends", m.stream_mos.clone());
}

fn register_archive(m: &mut Counted) {
    let r = &mut m.registry;
    r.register("recordings", "Recordings that were made, or could not be", m.recordings.clone());
    r.register("recordings_stored", "Recordings that a storage target has", m.recordings_stored.clone());
    let help = "Sessions whose recordings are still to be made";
    r.register("recordings_unfinished", help, m.recordings_unfinished.clone());
    r.register("outbox_recordings", "Recordings that wait for a storage target", m.outbox_recordings.clone());
    let help = "How long the one of them waits that waits longest";
    r.register("outbox_oldest_seconds", help, m.outbox_oldest_seconds.clone());
    let help = "Octets of journals that wait in memory for the disk";
    r.register("journal_waiting_bytes", help, m.journal_waiting_bytes.clone());
    let help = "How long it took last to make journals durable";
    r.register("journal_sync_seconds", help, m.journal_sync_seconds.clone());
    r.register("disk_free_bytes", "What is left of the data directory's disk", m.disk_free_bytes.clone());
}

fn register_server(m: &mut Counted) {
    let r = &mut m.registry;
    r.register("alarms", "Alarms that are raised", m.alarms.clone());
    r.register("api_requests", "Requests to the API", m.api_requests.clone());
    r.register("api_refused", "Requests to the API that were not for their senders", m.api_refused.clone());
    let help = "How long they took, until the answer began";
    r.register_with_unit("api_request", help, Unit::Seconds, m.api_request_seconds.clone());
    let build: Family<Build, Gauge> = Family::default();
    build.get_or_create(&Build { version: crate::policy::VERSION }).set(1);
    r.register("build_info", "This build", build);
    let help = "Processor time of the process";
    r.register_with_unit("process_cpu", help, Unit::Seconds, m.process_cpu_seconds.clone());
    let help = "Memory that the process holds";
    r.register("process_resident_memory_bytes", help, m.process_resident_memory_bytes.clone());
    r.register("process_open_fds", "Files and sockets that the process has open", m.process_open_fds.clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use siprec_core::entry::PortIndex;

    #[test]
    fn a_stream_is_counted_once_however_often_it_is_looked_at() {
        let meters = Meters::new();
        let mut now = PortStatistics::of(PortIndex(0));
        now.packets = 50;
        let seen = meters.stream(None, &now);
        now.packets = 100;
        let seen = meters.stream(Some(&seen), &now);
        meters.stream(Some(&seen), &now);
        assert_eq!(meters.rtp_packets.get(), 100);
        // Another port under the same number.
        meters.stream(Some(&seen), &PortStatistics { packets: 7, ..PortStatistics::of(PortIndex(0)) });
        assert_eq!(meters.rtp_packets.get(), 107);
    }

    #[test]
    fn the_text_has_names_and_units_as_prometheus_wants_them() {
        let meters = Meters::new();
        meters.answer_seconds.observe(0.003);
        let text = meters.text();
        for line in [
            "# TYPE siprec_invite_answer_seconds histogram",
            "siprec_invite_answer_seconds_bucket{le=\"0.005\"} 1",
            "siprec_rtp_packets_total 0",
            "siprec_dropped_packets_total{by=\"kernel\"} 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is missing in\n{text}");
        }
    }
}
