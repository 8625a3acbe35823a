//! What it costs to store: recordings through the outbox (hashed, sent, checked there, receipts on the disk) beside bare loops that
//! send the same octets to the same server, as many at a time, in objects and parts of the same sizes. One of them hashes nothing
//! at all; the other one is rust-s3's own PUT.
//!
//! `cargo bench --bench storage -- 400`: MiB a round. `-- 400 http://127.0.0.1:9000`: to another server than moto, with a bucket `recs`
//! for the keys that tests use.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use s3::creds::Credentials;
use s3::serde_types::Part;
use s3::{Bucket, Region};
use siprec::archive::disk::RealDisk;
use siprec::archive::outbox::{Named, Outbox, Queue, Settings, Told};
use siprec::archive::storage::{KeyTemplate, PART_BYTES, S3Settings, S3Target};
use siprec_core::seed::RecordingId;
use support::objects::S3;
use support::{TempDir, files_below, made_up};
use zeroize::Zeroizing;

const ROUNDS: usize = 5;
const UPLOADS: usize = 4;
const DEFAULT_MIB: usize = 256;
const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "secret-of-a-test";

/// What sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To URLs that were signed before, nothing hashed.
    Bare,
    /// By rust-s3's own requests, which hash for their signatures.
    Crate,
    /// By the outbox.
    Outbox,
}

/// Where they go.
#[derive(Debug)]
struct Server {
    endpoint: String,
    _moto: Option<S3>,
}

/// What a way took.
#[derive(Debug, Clone, Copy)]
struct Took {
    time: Duration,
    /// Of this process, on all cores.
    cpu: Duration,
}

fn main() -> Result<()> {
    let mib = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(DEFAULT_MIB);
    for (what, octets) in [("of 32 MiB", 32 << 20), ("of 5 MiB", 5 << 20), ("of 64 KiB", 64 << 10)] {
        let count = ((mib << 20) / octets).clamp(1, 500);
        let ways = [Way::Bare, Way::Crate, Way::Outbox];
        let mut best = ways.map(|_| Took { time: Duration::MAX, cpu: Duration::MAX });
        for round in 0..ROUNDS {
            let server = Server::start()?;
            // Whoever comes first finds the server fresh.
            for way in (0..ways.len()).map(|n| (n + round) % ways.len()) {
                let took = measure(&server, ways[way], count, octets)?;
                if took.time < best[way].time {
                    best[way] = took;
                }
            }
        }
        tell(what, count, count * octets, best);
    }
    Ok(())
}

impl Server {
    /// The one that was asked for; else a fresh moto, since that keeps in memory what it has got.
    fn start() -> Result<Self> {
        if let Some(endpoint) = std::env::args().find(|argument| argument.starts_with("http")) {
            return Ok(Self { endpoint, _moto: None });
        }
        let moto = S3::start().context("no S3 server: make peers")?;
        Ok(Self { endpoint: format!("http://127.0.0.1:{}", moto.port), _moto: Some(moto) })
    }
}

fn tell(what: &str, count: usize, octets: usize, [bare, by_crate, outbox]: [Took; 3]) {
    let speed = |took: Took| octets as f64 / 1e9 / took.time.as_secs_f64();
    let cpu = |took: Took| took.cpu.as_nanos() as f64 / octets as f64;
    println!(
        "recordings {what}: bare {:.3} GB/s, rust-s3 {:.3} GB/s, stored {:.3} GB/s and {:.0} recordings a minute, {:.2} of bare \
         and {:.2} of rust-s3; CPU {:.1}, {:.1} and {:.1} ns an octet",
        speed(bare),
        speed(by_crate),
        speed(outbox),
        60.0 * count as f64 / outbox.time.as_secs_f64(),
        speed(outbox) / speed(bare),
        speed(outbox) / speed(by_crate),
        cpu(bare),
        cpu(by_crate),
        cpu(outbox)
    );
}

/// Stores made-up recordings one way, from a house of its own whose files are on the disk already.
fn measure(server: &Server, way: Way, count: usize, octets: usize) -> Result<Took> {
    let house = TempDir::new("bench");
    let data = house.path().join("data");
    // Keys of their own, since keys are made of ids.
    let ids: Vec<u128> = (0..count).map(|n| (way as usize * count + n) as u128 + 1).collect();
    ids.iter().for_each(|id| drop(made_up::record(&data, *id, octets)));
    nix::unistd::sync();
    let before = cpu()?;
    let time = match way {
        Way::Bare | Way::Crate => send_all(server, &data, way)?,
        Way::Outbox => store_all(server, &data, &ids)?,
    };
    Ok(Took { time, cpu: cpu()?.saturating_sub(before) })
}

fn cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

fn target(server: &Server) -> S3Target {
    S3Target::new(S3Settings {
        bucket: "recs".to_owned(),
        region: Some("us-east-1".to_owned()),
        endpoint: Some(server.endpoint.clone()),
        path_style: true,
        credentials: Some((KEY.to_owned(), Zeroizing::new(SECRET.to_owned()), None)),
        ..S3Settings::default()
    })
}

/// Every file, read and sent, nothing looked at before or after.
fn send_all(server: &Server, data: &Path, way: Way) -> Result<Duration> {
    let region = Region::Custom { region: "us-east-1".to_owned(), endpoint: server.endpoint.clone() };
    let credentials = Credentials::new(Some(KEY), Some(SECRET), None, None, None)?;
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
            tasks.spawn(send(Arc::clone(&bucket), way, format!("{way:?}/{n}"), path));
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        anyhow::Ok(())
    })?;
    Ok(began.elapsed())
}

/// One file, at once or in parts as the outbox would make them.
async fn send(bucket: Arc<Bucket>, way: Way, key: String, path: PathBuf) -> Result<()> {
    let content = Bytes::from(tokio::task::spawn_blocking(move || std::fs::read(path)).await??);
    let part_bytes = usize::try_from(PART_BYTES)?;
    if content.len() <= part_bytes {
        match way {
            Way::Crate => drop(bucket.put_object(key, &content).await?),
            Way::Bare | Way::Outbox => drop(put(&bucket, &key, content, None).await?),
        }
        return Ok(());
    }
    let upload = bucket.initiate_multipart_upload(&key, "audio/wav").await?.upload_id;
    let mut parts = Vec::new();
    for (part_number, begin) in (1..).zip((0..content.len()).step_by(part_bytes)) {
        let octets = content.slice(begin..content.len().min(begin + part_bytes));
        parts.push(match way {
            Way::Crate => bucket.put_multipart_chunk(octets.into(), &key, part_number, &upload, "audio/wav").await?,
            Way::Bare | Way::Outbox => {
                let part = HashMap::from([
                    ("partNumber".to_owned(), part_number.to_string()),
                    ("uploadId".to_owned(), upload.clone()),
                ]);
                Part { part_number, etag: put(&bucket, &key, octets, Some(part)).await? }
            }
        });
    }
    bucket.complete_multipart_upload(&key, &upload, parts).await?;
    Ok(())
}

/// Puts without a digest; the entity tag.
async fn put(bucket: &Bucket, key: &str, content: Bytes, part: Option<HashMap<String, String>>) -> Result<String> {
    let url = bucket.presign_put(key, 600, None, part).await?;
    let answer = bucket.http_client().put(url).body(content).send().await?.error_for_status()?;
    Ok(answer.headers().get("etag").context("no entity tag")?.to_str()?.to_owned())
}

/// The same through the outbox, handed in as a server does what it has just recorded, until the last receipt is written.
fn store_all(server: &Server, data: &Path, ids: &[u128]) -> Result<Duration> {
    let named = Named { name: "s3".to_owned(), key: KeyTemplate::default(), target: Box::new(target(server)) };
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
