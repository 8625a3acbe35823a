//! Profiles of this process while it runs, for `go tool pprof` and for browsers: where it spends its time, and who holds its memory.
//!
//! ```text
//! GET /debug/pprof/profile?seconds=30     -> cpu: a timer's signal, 99 times a second of processor time -> gzipped protobuf
//! GET /debug/pprof/flamegraph?seconds=30  -> the same as SVG
//! GET /debug/pprof/heap                   -> heap: one allocation in 512 KiB -> gzipped protobuf
//! ```
//! There is no authentication, so it is on loopback alone. Nothing here is on the way of a call, but for what sampling costs.

mod cpu;
mod flame;
mod gzip;
mod heap;
mod http;
mod profile;

pub use heap::Heap;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};

use self::http::{Answer, Question};
use crate::config::ListenAddress;

/// Where profiles are served if nothing else is said.
pub const ADDRESS: &str = "127.0.0.1:6060";
/// Who asks at one time; others wait to be accepted.
const MAX_ASKING: usize = 8;
/// A profile is of so many seconds, and of so many at most.
const SECONDS: u64 = 30;
const MAX_SECONDS: u64 = 600;
const INDEX: &str = "<!doctype html><title>profiles</title><h1>siprec: profiles</h1><ul>\
    <li><a href=profile?seconds=30>profile</a>: processor time, for go tool pprof\
    <li><a href=flamegraph?seconds=30>flamegraph</a>: the same, as a picture\
    <li><a href=heap>heap</a>: who holds memory, for go tool pprof</ul>";

/// Serves profiles until the process ends, and samples the heap from now on. Where it listens.
///
/// # Errors
/// An address that is not this machine's alone, or that is taken.
pub fn start(address: ListenAddress) -> anyhow::Result<SocketAddr> {
    // An address without an IP is all of them elsewhere; here it must not be.
    let ip = address.ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    if !ip.is_loopback() {
        bail!(
            "--pprof-addr: profiles are served without authentication, so on loopback alone and not on {ip}: give \
             {ADDRESS}, and reach it from elsewhere by `ssh -L 6060:{ADDRESS}`"
        );
    }
    let address = SocketAddr::new(ip, address.port);
    let listener = TcpListener::bind(address).with_context(|| {
        format!("--pprof-addr: {address} cannot be bound: give another port, as in --pprof-addr :6061")
    })?;
    let bound = listener.local_addr()?;
    let asking = Arc::new(AtomicUsize::new(0));
    std::thread::Builder::new().name("pprof".into()).spawn(move || accept(&listener, &asking))?;
    heap::sample();
    Ok(bound)
}

fn accept(listener: &TcpListener, asking: &Arc<AtomicUsize>) {
    for stream in listener.incoming().filter_map(Result::ok) {
        if asking.fetch_add(1, Ordering::AcqRel) >= MAX_ASKING {
            asking.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let leaves = Leaves(Arc::clone(asking));
        let answer_it = move || {
            let _leaves = leaves;
            http::serve(stream, answer);
        };
        if let Err(error) = std::thread::Builder::new().name("pprof".into()).spawn(answer_it) {
            tracing::warn!(%error, "a profile is not taken");
        }
    }
}

/// One of those who ask.
struct Leaves(Arc<AtomicUsize>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn answer(question: &Question) -> Answer {
    let seconds = match question.parameter("seconds").map(str::parse) {
        None => SECONDS,
        Some(Ok(seconds @ 1..=MAX_SECONDS)) => seconds,
        Some(_) => return Answer::text(400, &format!("seconds: give 1 to {MAX_SECONDS}")),
    };
    let seconds = Duration::from_secs(seconds);
    let made = match question.path() {
        "/debug/pprof" | "/debug/pprof/" => return Answer::html(INDEX),
        "/debug/pprof/profile" => cpu::profile(seconds).map(|bytes| Answer::file("profile.pb.gz", bytes)),
        "/debug/pprof/flamegraph" => cpu::flame_graph(seconds).map(Answer::svg),
        "/debug/pprof/heap" => Ok(Answer::file("heap.pb.gz", heap::profile())),
        _ => return Answer::text(404, "there is nothing at this path: /debug/pprof/ lists what there is"),
    };
    made.unwrap_or_else(|error| Answer::text(503, &format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_will_do() {
        for address in ["0.0.0.0:0", "192.0.2.1:6060", "[::]:0"] {
            let error = start(address.parse().unwrap()).unwrap_err().to_string();
            assert!(error.starts_with("--pprof-addr: profiles are served without authentication"), "{error}");
        }
        assert!(start(":0".parse().unwrap()).unwrap().ip().is_loopback());
    }

    #[test]
    fn what_cannot_be_is_said() {
        let status = |target: &str| answer(&Question::of(target)).status();
        assert_eq!(status("/debug/pprof/"), 200);
        assert_eq!(status("/debug/pprof/goroutine"), 404);
        for seconds in ["0", "601", "-1", "x"] {
            assert_eq!(status(&format!("/debug/pprof/profile?seconds={seconds}")), 400);
        }
    }
}
