//! `--sip-trace` and `--sip-trace-file`: each signalling message as it is, less its secrets, to the log and to a capture.
//!
//! ```text
//! signalling thread -> message(): copy, bounded queue -> "sip-trace" thread -> blank secrets -> log, pcap
//! ```
//!
//! The signalling thread never waits: when the queue is full, messages are counted instead of shown.

mod pcap;

use anyhow::Context as _;
use siprec_core::session::blank_secrets;
use siprec_core::sip::Transport;
use siprec_core::time::Wall;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::logging::SIP_TRACE;

/// Messages that may wait; at 64 KiB each this is 32 MiB.
const QUEUE: usize = 512;

/// Where signalling is shown. Clones show to the same place; the last one dropped completes the file.
#[derive(Debug, Clone)]
pub struct SipTrace {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: Option<SyncSender<Shown>>,
    dropped: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A message and its circumstances.
#[derive(Debug)]
struct Shown {
    at: Wall,
    outbound: bool,
    transport: Transport,
    from: SocketAddr,
    to: SocketAddr,
    message: Vec<u8>,
}

impl SipTrace {
    /// Starts it, if there is anything to show messages to.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn start(log: bool, file: Option<&Path>) -> anyhow::Result<Option<Self>> {
        if !log && file.is_none() {
            return Ok(None);
        }
        let capture = file.map(Capture::create).transpose()?;
        let (queue, shown) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let shower = Shower { log, capture, dropped: Arc::clone(&dropped) };
        let thread = std::thread::Builder::new().name("sip-trace".into()).spawn(move || shower.run(&shown))?;
        let inner = Inner { queue: Some(queue), dropped, thread: Mutex::new(Some(thread)) };
        Ok(Some(Self { inner: Arc::new(inner) }))
    }

    /// Shows a message that was received or sent at `at`. Never blocks.
    pub fn message(
        &self,
        at: Wall,
        outbound: bool,
        transport: Transport,
        from: SocketAddr,
        to: SocketAddr,
        message: &[u8],
    ) {
        let shown = Shown { at, outbound, transport, from, to, message: message.to_vec() };
        let taken = self.inner.queue.as_ref().is_some_and(|queue| queue.try_send(shown).is_ok());
        if !taken {
            self.inner.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The thread ends when the queue is closed and empty.
        self.queue = None;
        let thread = self.thread.lock().map(|mut thread| thread.take());
        if let Ok(Some(thread)) = thread {
            let _ = thread.join();
        }
    }
}

struct Shower {
    log: bool,
    capture: Option<Capture>,
    dropped: Arc<AtomicU64>,
}

impl Shower {
    fn run(mut self, queue: &Receiver<Shown>) {
        loop {
            let shown = match queue.try_recv() {
                Ok(shown) => shown,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    // Nothing to do: what was shown is made visible before the wait.
                    self.capture(Capture::flush);
                    match queue.recv() {
                        Ok(shown) => shown,
                        Err(_) => break,
                    }
                }
            };
            self.show(shown);
        }
        self.capture(Capture::flush);
    }

    fn show(&mut self, mut shown: Shown) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(messages = dropped, "SIP trace: messages came too fast and are not shown");
        }
        shown.message = blank_secrets(&shown.message);
        if self.log {
            log(&shown);
        }
        self.capture(|capture| capture.write(&shown));
    }

    /// Does something with the capture; after a failure there is none any more.
    fn capture(&mut self, mut act: impl FnMut(&mut Capture) -> std::io::Result<()>) {
        if let Some(capture) = &mut self.capture
            && let Err(error) = act(capture)
        {
            tracing::warn!(file = %capture.path.display(), %error, "SIP trace: writing ends here");
            self.capture = None;
        }
    }
}

fn log(shown: &Shown) {
    let transport = match shown.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
    };
    let direction = if shown.outbound { "sent" } else { "received" };
    let message = String::from_utf8_lossy(&shown.message);
    tracing::debug!(target: SIP_TRACE, at = %shown.at, %transport, from = %shown.from, to = %shown.to, "{direction}\n{message}");
}

/// The capture file.
struct Capture {
    path: PathBuf,
    file: BufWriter<File>,
    block: Vec<u8>,
}

impl Capture {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("--sip-trace-file: cannot write {}", path.display()))?;
        let mut capture = Self { path: path.to_path_buf(), file: BufWriter::new(file), block: Vec::new() };
        pcap::header(&mut capture.block);
        capture.file.write_all(&capture.block)?;
        capture.file.flush()?;
        Ok(capture)
    }

    fn write(&mut self, shown: &Shown) -> std::io::Result<()> {
        self.block.clear();
        pcap::packet(&mut self.block, shown.at, shown.from, shown.to, &shown.message);
        self.file.write_all(&self.block)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_every_message_once_the_last_clone_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sip.pcap");
        let trace = SipTrace::start(false, Some(&path)).unwrap().unwrap();
        let other = trace.clone();
        let (a, b) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        for _ in 0..100 {
            trace.message(
                Wall(1),
                false,
                Transport::Tcp,
                a,
                b,
                b"OPTIONS sip:b SIP/2.0\r\nAuthorization: Basic c2VjcmV0\r\n\r\n",
            );
        }
        drop(trace);
        drop(other);
        let file = std::fs::read(&path).unwrap();
        let found = |needle: &[u8]| file.windows(needle.len()).filter(|window| window == &needle).count();
        assert_eq!(found(b"OPTIONS sip:b"), 100);
        assert_eq!(found(b"c2VjcmV0"), 0);
    }

    #[test]
    fn a_full_queue_is_counted_and_nobody_waits() {
        let (queue, _shown) = sync_channel(1);
        let inner = Inner { queue: Some(queue), dropped: Arc::default(), thread: Mutex::new(None) };
        let trace = SipTrace { inner: Arc::new(inner) };
        let a = "192.0.2.1:5060".parse().unwrap();
        for _ in 0..3 {
            trace.message(Wall(1), true, Transport::Udp, a, a, b"x");
        }
        assert_eq!(trace.inner.dropped.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn nothing_to_show_to_is_no_trace() {
        assert!(SipTrace::start(false, None).unwrap().is_none());
        let error = SipTrace::start(false, Some(Path::new("/nonexistent/sip.pcap"))).unwrap_err();
        assert!(
            format!("{error:#}").starts_with("--sip-trace-file: cannot write /nonexistent/sip.pcap: "),
            "{error:#}"
        );
    }
}
