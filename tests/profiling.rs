//! Profiles of a running server: `go tool pprof`'s format, and a picture.

#![cfg(feature = "pprof")]
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use pprof::protos::{Message as _, Profile};
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::becomes_true;
use support::http::Client;
use support::server::{Server, Setup};
use support::src::{Call, Src};
use support::studio::Plan;

#[global_allocator]
static ALLOCATOR: siprec::profiling::Heap = siprec::profiling::Heap;

fn start() -> (Server, Client) {
    // No limit: it is to be busy.
    let setup = Setup::default().set("api.rate_limit=0").arg("--pprof").arg("--pprof-addr=:0");
    let server = setup.start();
    let said = server.must_say(&["profiles are at http://127.0.0.1:", "/debug/pprof/"]);
    let address: SocketAddr = said.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
    (server, Client::new(address))
}

/// By the machine's own gzip.
fn profile(gzipped: &[u8]) -> Profile {
    let mut gzip = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    gzip.stdin.take().unwrap().write_all(gzipped).unwrap();
    let output = gzip.wait_with_output().unwrap();
    assert!(output.status.success());
    Profile::decode(&output.stdout[..]).unwrap()
}

fn string(profile: &Profile, place: i64) -> &str {
    &profile.string_table[usize::try_from(place).unwrap()]
}

fn kinds(profile: &Profile) -> Vec<(&str, &str)> {
    profile.sample_type.iter().map(|kind| (string(profile, kind.ty), string(profile, kind.unit))).collect()
}

/// Each sample leads to functions by locations that are there.
#[track_caller]
fn assert_whole(profile: &Profile) {
    assert_eq!(profile.string_table[0], "");
    for sample in &profile.sample {
        assert_eq!(sample.value.len(), profile.sample_type.len());
        for id in &sample.location_id {
            let location = profile.location.iter().find(|location| location.id == *id).unwrap();
            assert!(location.line.iter().all(|line| profile.function.iter().any(|known| known.id == line.function_id)));
        }
    }
}

fn names_ours(profile: &Profile) -> bool {
    profile.function.iter().any(|function| string(profile, function.name).contains("siprec"))
}

#[test]
fn a_busy_servers_processor_time_has_our_functions_and_is_a_picture_too() {
    let (server, profiles) = start();
    let src = Src::udp(server.sip);
    let calls: Vec<Call> = (0..8).map(|n| Call::new(&src, n)).collect();
    for call in &calls {
        call.must_invite();
        call.talk(&Plan::seconds(5.0));
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let client = Client::new(server.api);
            while !over.load(Ordering::Relaxed) {
                client.get("/api/v1/sessions").must(200);
            }
        });
        let taken = profiles.get("/debug/pprof/profile?seconds=1");
        let picture = profiles.get("/debug/pprof/flamegraph?seconds=1");
        over.store(true, Ordering::Relaxed);
        assert_eq!(taken.status, 200, "{}", taken.text());
        let taken = profile(&taken.body);
        assert_eq!(kinds(&taken), [("samples", "count"), ("cpu", "nanoseconds")]);
        assert_whole(&taken);
        assert!(names_ours(&taken), "{:?}", taken.string_table);
        assert_eq!((picture.status, picture.field("content-type")), (200, "image/svg+xml"));
        assert!(picture.text().contains("<svg") && picture.text().trim_end().ends_with("</svg>"));
        assert!(picture.text().contains("siprec"), "{}", picture.text());
    });
    // Nothing of the calls was lost for it.
    for call in &calls {
        call.wait();
        call.bye().unwrap();
    }
    assert_eq!(profiles.get("/debug/pprof/nothing").status, 404);
    server.assert_never_panicked();
}

#[test]
fn a_servers_heap_says_who_holds_it() {
    let (server, profiles) = start();
    let heap = || profile(&profiles.get("/debug/pprof/heap").body);
    assert!(becomes_true(Duration::from_secs(10), || names_ours(&heap())), "{:?}", heap().string_table);
    let heap = heap();
    assert_eq!(kinds(&heap), [("inuse_objects", "count"), ("inuse_space", "bytes")]);
    assert_eq!(string(&heap, heap.default_sample_type), "inuse_space");
    assert_whole(&heap);
    server.assert_never_panicked();
}

/// Holds so much, in pieces of that size.
#[inline(never)]
fn hold(octets: usize, piece: usize) -> Vec<Vec<u8>> {
    (0..octets / piece).map(|_| vec![1; piece]).collect()
}

#[test]
fn what_is_held_is_estimated_and_what_was_given_back_is_not() {
    let address = siprec::profiling::start(":0".parse().unwrap()).unwrap();
    let profiles = Client::new(address);
    let held_by_hold = || {
        let heap = profile(&profiles.get("/debug/pprof/heap").body);
        let is_hold = |id: u64| {
            heap.function.iter().any(|known| known.id == id && string(&heap, known.name).contains("profiling::hold"))
        };
        let places: Vec<u64> = heap
            .location
            .iter()
            .filter(|place| place.line.iter().any(|line| is_hold(line.function_id)))
            .map(|place| place.id)
            .collect();
        let by_it = heap.sample.iter().filter(|sample| sample.location_id.iter().any(|id| places.contains(id)));
        by_it.fold((0, 0), |(objects, octets), sample| (objects + sample.value[0], octets + sample.value[1]))
    };
    // 512 samples in the mean: a fifth is more than four times their deviation.
    let (octets, piece) = (256 << 20, 4096);
    let held = hold(octets, piece);
    let (objects, space) = held_by_hold();
    let near = |is: i64, wanted: usize| (is - wanted as i64).unsigned_abs() < wanted as u64 / 5;
    assert!(near(space, octets), "{space} of {octets}");
    assert!(near(objects, octets / piece), "{objects} of {}", octets / piece);
    drop(held);
    assert!(held_by_hold().1 < 4 << 20, "{:?}", held_by_hold());
}
