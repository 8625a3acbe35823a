//! What it costs to store: recordings through the outbox (hashed, sent, checked there, receipts on the disk) beside a bare loop
//! that puts the same octets to the same server, as many at a time.
//!
//! `cargo bench --bench storage -- 400`: MiB a round.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use s3::creds::Credentials;
use s3::{Bucket, Region};
use siprec::archive::disk::RealDisk;
use siprec::archive::outbox::{Named, Outbox, Queue, Settings, Told};
use siprec::archive::storage::{KeyTemplate, S3Settings, S3Target};
use siprec_core::seed::RecordingId;
use support::objects::S3;
use support::{TempDir, files_below, made_up};
use zeroize::Zeroizing;

const ROUNDS: usize = 3;
const UPLOADS: usize = 4;
const DEFAULT_MIB: usize = 200;

fn main() -> Result<()> {
    let mib = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(DEFAULT_MIB);
    let s3 = S3::start().context("no S3 server: make peers")?;
    for (what, octets) in [("recordings of 5 MiB", 5 << 20), ("small recordings", 64 << 10)] {
        let count = (mib << 20) / octets;
        let count = count.min(1000);
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let house = TempDir::new("bench");
            let data = house.path().join("data");
            let ids: Vec<u128> = (0..count).map(|n| (round * count + n) as u128 + 1).collect();
            ids.iter().for_each(|id| drop(made_up::record(&data, *id, octets)));
            bare.push(put_all(&s3, &data)?);
            ours.push(store_all(&s3, &data, &ids)?);
        }
        let best = |times: &[Duration]| times.iter().min().copied().unwrap_or_default().as_secs_f64();
        let total = (count * octets) as f64 / 1e9;
        let (bare, ours) = (best(&bare), best(&ours));
        println!(
            "{what}: bare {:.3} GB/s, stored {:.3} GB/s and {:.0} recordings a minute, {:.2} of bare",
            total / bare,
            total / ours,
            60.0 * count as f64 / ours,
            bare / ours
        );
    }
    Ok(())
}

fn target(s3: &S3) -> S3Target {
    S3Target::new(S3Settings {
        bucket: "recs".to_owned(),
        region: Some("us-east-1".to_owned()),
        endpoint: Some(format!("http://127.0.0.1:{}", s3.port)),
        path_style: true,
        credentials: Some(("AKIDEXAMPLE".to_owned(), Zeroizing::new("secret-of-a-test".to_owned()), None)),
        ..S3Settings::default()
    })
}

/// Every file, read and put, nothing looked at before or after.
fn put_all(s3: &S3, data: &Path) -> Result<Duration> {
    let region = Region::Custom { region: "us-east-1".to_owned(), endpoint: format!("http://127.0.0.1:{}", s3.port) };
    let credentials = Credentials::new(Some("AKIDEXAMPLE"), Some("secret-of-a-test"), None, None, None)?;
    let bucket = Arc::new(*Bucket::new("recs", region, credentials)?.with_path_style());
    let files = files_below(&data.join("recordings"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let began = Instant::now();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for (n, path) in files.into_iter().enumerate() {
            if tasks.len() >= UPLOADS
                && let Some(done) = tasks.join_next().await
            {
                done??;
            }
            let bucket = Arc::clone(&bucket);
            tasks.spawn(async move {
                bucket.put_object(format!("bare/{n}"), &std::fs::read(&path)?).await?;
                anyhow::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        anyhow::Ok(())
    })?;
    Ok(began.elapsed())
}

/// The same through the outbox, handed in as a server does what it has just recorded, until the last receipt is written.
fn store_all(s3: &S3, data: &Path, ids: &[u128]) -> Result<Duration> {
    let named = Named { name: "s3".to_owned(), key: KeyTemplate::default(), target: Box::new(target(s3)) };
    let settings = Settings { targets: vec![Arc::new(named)], keep_local: None, uploads: UPLOADS, min_free: 0 };
    let (tell, told) = std::sync::mpsc::channel();
    let tell = Arc::new(move |what| {
        let _ = tell.send(what);
    });
    let queue = Arc::new(Queue::open(data)?);
    queue.target_is_set_up("s3")?;
    let outbox = Outbox::start(Arc::new(RealDisk), data.to_owned(), queue, settings, tell)?;
    let began = Instant::now();
    for id in ids {
        outbox.intake().add(RecordingId(*id), None, made_up::DAY)?;
    }
    let mut stored = 0;
    while stored < ids.len() {
        let told = told.recv_timeout(Duration::from_secs(120)).context("nothing was stored for two minutes")?;
        stored += usize::from(matches!(told, Told::Stored { .. }));
        ensure!(matches!(told, Told::Stored { .. }), "{told:?}");
    }
    let took = began.elapsed();
    drop(outbox);
    Ok(took)
}
