//! `/api/v1`: what the terminal, scripts and other systems ask of a running server, over HTTP.
//!
//! ```text
//! listening -> guard (who, may they) -> handler -> Served: catalog, files; the signalling thread by way of wishes
//! ```
//! It has a runtime of its own, niced, so no request holds up who calls; what waits for disks is done on threads beside it.

mod alarms;
mod asked;
mod audio;
mod auth;
mod csv;
mod event_log;
mod events;
mod fetched;
mod files;
mod guard;
mod health;
mod idempotency;
mod journal;
mod listening;
mod live_coder;
mod live_mix;
mod metrics;
mod openapi;
mod peaks;
mod page;
mod problem;
mod recent;
mod recoded;
mod recordings;
mod renderings;
mod resampler;
mod search;
mod sessions;
mod signalling;
mod starting;
mod state;
mod stream;
mod system;
mod tagging;
mod time;
mod unfinished;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub(super) use self::auth::Auth;
pub use self::auth::keys_of_issuer;
pub(super) use self::event_log::{EventLog, fields};
pub(super) use self::fetched::FetchedFiles;
pub(super) use self::peaks::Drawings;
use self::problem::Problem;
pub(super) use self::recoded::Makers;
pub(super) use self::renderings::Renderings;
pub(super) use self::state::{Configuration, Served};
use crate::config::{Config, Loaded};
use crate::listening::all_of;
use crate::server::streams;
use crate::server::tls::{Door, Shown};

/// Niceness of its threads: recording comes first.
const NICENESS: i32 = 5;
/// Of its threads, octets: a stack that overflows would take the recorder with it.
const STACK: usize = 8 << 20;
/// Threads that may wait for disks and databases at one time.
const WAITING_THREADS: usize = 32;

/// Requests that are under way have so long when the server stops.
const FINISHED_WITHIN: Duration = Duration::from_secs(1);

/// Sockets of the API, bound before anything else was touched.
pub(super) struct Bound {
    listeners: Vec<std::net::TcpListener>,
    door: Option<Door>,
}

/// Reads what TLS needs, and binds what `config` says; nothing, where the API is off.
pub(super) fn bind(config: &Config) -> anyhow::Result<Bound> {
    let api = &config.api;
    let door = Door::open(config)?;
    let addresses = if api.enabled { all_of(api.address) } else { Vec::new() };
    let listen = |address| {
        let remedy = "or turn the API off: api.enabled: false";
        streams::listen(address, "api.address", config.server.dscp).context(remedy)
    };
    let listeners = addresses.into_iter().map(listen).collect::<anyhow::Result<_>>()?;
    Ok(Bound { listeners, door })
}

impl Bound {
    /// Where it listens.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The certificate that it shows; none without TLS.
    pub(super) fn shown(&self) -> Option<Shown> {
        self.door.as_ref().map(Door::shown)
    }
}

/// The API while it is served; dropped, it ends.
#[derive(Debug)]
pub(super) struct Serving(Option<Runtime>);

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Within another runtime nobody may wait, but this is the end: what it has open (the catalog) is closed before the
            // process is gone.
            let end = std::thread::Builder::new().name("api-end".into());
            if let Ok(thread) = end.spawn(move || runtime.shutdown_timeout(FINISHED_WITHIN)) {
                let _ = thread.join();
            }
        }
    }
}

/// Serves what was bound.
pub(super) fn serve(bound: Bound, served: Served) -> anyhow::Result<Serving> {
    if bound.listeners.is_empty() {
        return Ok(Serving(None));
    }
    let nice = || {
        // Where it is not allowed, it is as it was.
        let _ = rustix::process::nice(NICENESS);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(WAITING_THREADS)
        .thread_stack_size(STACK)
        .thread_name("api")
        .on_thread_start(nice)
        .enable_all()
        .build()?;
    let now = served.configuration.now();
    let connections = usize::from(now.config.api.max_connections);
    runtime.spawn(Arc::clone(&served.auth).watch(now));
    if let Some(door) = &bound.door {
        runtime.spawn(door.clone().watch());
        runtime.spawn(reload(door.clone(), served.configuration.changes()));
    }
    let served = Arc::new(served);
    // They watch from here on, not from when their tasks begin: a call may come before that.
    runtime.spawn(Arc::clone(&served.events).follow(served.live.watch_changes()));
    if let Some(webhooks) = &served.webhooks {
        runtime.spawn(Arc::clone(webhooks).run(served.live.watch_changes()));
    }
    #[cfg(feature = "otlp")]
    follow_traces(&runtime, &served)?;
    let router = router(served);
    let seats = listening::Seats::new(connections);
    for listener in bound.listeners {
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        runtime.spawn(listening::accept(listener, router.clone(), seats.clone(), bound.door.clone()));
    }
    Ok(Serving(Some(runtime)))
}

/// Traces of recording sessions, where a collector is named.
#[cfg(feature = "otlp")]
fn follow_traces(runtime: &Runtime, served: &Served) -> anyhow::Result<()> {
    let node = crate::archive::node_id::load(&*served.disk, &served.data)?;
    let now = served.configuration.now();
    if let Some(traces) = crate::server::traces::Traces::new(&now.config, &node)? {
        runtime.spawn(traces.run(served.live.watch_changes()));
    }
    Ok(())
}

/// Takes up what a reload changes of certificates.
async fn reload(door: Door, mut changes: watch::Receiver<Arc<Loaded>>) {
    while changes.changed().await.is_ok() {
        let loaded = Arc::clone(&changes.borrow_and_update());
        door.reload(&loaded.config);
    }
}

fn router(served: Arc<Served>) -> Router {
    let guarded = Router::new()
        .merge(recordings::routes())
        .merge(sessions::routes())
        .merge(starting::routes())
        .merge(events::routes())
        .merge(stream::routes())
        .merge(alarms::routes())
        .merge(webhooks::routes())
        .merge(unfinished::routes())
        .merge(system::routes())
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(openapi::routes())
        .merge(page::routes())
        .fallback(async || {
            Problem::not_found("there is nothing at this path: GET /api/v1/openapi.json lists what there is")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this is not done to this path: GET /api/v1/openapi.json lists what is",
            )
        });
    guarded
        .layer(axum::middleware::from_fn_with_state(idempotency::Answers::default(), idempotency::once))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&served), guard::guard))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&served), metrics::counted))
        .layer(DefaultBodyLimit::max(asked::MAX_BODY))
        .with_state(served)
}
