//! `/metrics`: for Prometheus.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rustix::param::{clock_ticks_per_second, page_size};

use super::problem::Problem;
use super::state::{Served, blocking};
use crate::server::meters::{Answered, Named, Peer, Route, Target, Why};
use crate::wall;

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new().route("/metrics", get(metrics))
}

/// What is counted, as Prometheus reads it (OpenMetrics).
#[utoipa::path(get, path = "/metrics", tag = "server", responses(
    (status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text"),
    (status = 503, description = "The server stops", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn metrics(State(served): State<Arc<Served>>) -> Result<Response, Problem> {
    look(&served).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], served.meters.text()).into_response())
}

/// Looks at what is not counted as it happens.
async fn look(served: &Arc<Served>) -> Result<(), Problem> {
    let figures = served.figures().await?;
    let health = figures.health;
    let meters = &served.meters;
    meters.dialogs.set(count(figures.dialogs));
    meters.draining.set(i64::from(health.draining));
    meters.refusing.set(i64::from(health.pressure.is_some()));
    meters.recordings_unfinished.set(count(figures.unfinished));
    meters.journal_waiting_bytes.set(count(figures.journal.waiting_bytes));
    meters.journal_sync_seconds.set(figures.journal.last_sync.as_secs_f64());
    meters.disk_free_bytes.set(figures.free.and_then(|free| i64::try_from(free).ok()).unwrap_or(-1));
    meters.sessions.clear();
    for (peer, sessions) in figures.by_peer {
        meters.sessions.get_or_create(&Peer { peer: peer.unwrap_or_default() }).set(count(sessions));
    }
    meters.alarms.clear();
    for (of, _) in served.alarms.all() {
        meters.alarms.get_or_create(&Named { alarm: of.name() }).inc();
    }
    for (reason, refused) in served.auth.refusals().all() {
        let meter = meters.api_refused.get_or_create(&Why { reason: reason.name() });
        meter.inc_by(refused.saturating_sub(meter.get()));
    }
    let asked = Arc::clone(served);
    blocking(move || {
        outbox(&asked);
        process(&asked);
        Ok(())
    })
    .await
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn outbox(served: &Served) {
    let meters = &served.meters;
    // What cannot be read now is told by an alarm and the log; the last figures are no lie for a minute.
    let Some(Ok(backlog)) = served.erasing.queue().map(|queue| queue.backlog()) else { return };
    meters.outbox_recordings.clear();
    meters.outbox_oldest_seconds.clear();
    let now = wall::now_ms();
    for of in backlog {
        let target = Target { target: of.target };
        meters.outbox_recordings.get_or_create(&target).set(i64::try_from(of.waiting).unwrap_or(i64::MAX));
        let age = of.oldest_ms.map_or(0, |oldest| (now - oldest).max(0));
        meters.outbox_oldest_seconds.get_or_create(&target).set(age as f64 / 1e3);
    }
}

/// What the kernel says of this process.
fn process(served: &Served) {
    let meters = &served.meters;
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let stat = read("stat");
    // Its name, in parentheses, may have blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let seconds = (ticks(11) + ticks(12)) as f64 / clock_ticks_per_second() as f64;
    meters.process_cpu_seconds.inc_by((seconds - meters.process_cpu_seconds.get()).max(0.0));
    let pages: i64 = read("statm").split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    meters.process_resident_memory_bytes.set(pages * i64::try_from(page_size()).unwrap_or(0));
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    meters.process_open_fds.set(count(open));
}

/// Counts requests, by the pattern of their path: what people ask for makes no series.
pub(super) async fn counted(State(served): State<Arc<Served>>, request: Request, next: Next) -> Response {
    let began = std::time::Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none", |path| path.as_str()).to_owned();
    // Methods that HTTP does not know are all one.
    let method = request.method().as_str();
    let method = if known(method) { method } else { "OTHER" }.to_owned();
    let response = next.run(request).await;
    let (of_route, status) = (Route { method: method.clone(), route: route.clone() }, response.status().as_u16());
    served.meters.api_request_seconds.get_or_create(&of_route).observe(began.elapsed().as_secs_f64());
    served.meters.api_requests.get_or_create(&Answered { method, route, status }).inc();
    response
}

fn known(method: &str) -> bool {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method)
}
