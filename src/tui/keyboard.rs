//! The thread that reads keys, mouse and size.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use ratatui::crossterm::event as crossterm;
use rustix::process::{Signal, getpid, kill_process};

use super::event::{self, Event};
use super::link::Teller;

/// How often it is woken until it has ended, and how many times at most.
const AGAIN: (Duration, u32) = (Duration::from_millis(5), 200);

/// Reads for as long as it stands; dropped, it has taken its last key.
#[derive(Debug)]
pub(super) struct Keyboard {
    is_over: Arc<AtomicBool>,
    /// Nothing comes; it is closed when the thread ends.
    ended: Receiver<()>,
}

impl Keyboard {
    /// Tells what is read to the teller, and that all is over when the terminal is gone.
    pub(super) fn listen(teller: Teller) -> io::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (reads, ended) = mpsc::channel();
        let stop = Arc::clone(&is_over);
        std::thread::Builder::new().name("keys".into()).spawn(move || read(&teller, &stop, reads))?;
        Ok(Self { is_over, ended })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let (wait, times) = AGAIN;
        for _ in 0..times {
            // What crossterm waits for is a key or a new size: of the two, this process can make the second up.
            let _ = kill_process(getpid(), Signal::WINCH);
            if self.ended.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                break;
            }
        }
    }
}

fn read(teller: &Teller, is_over: &AtomicBool, _reads: Sender<()>) {
    while !is_over.load(Ordering::SeqCst) {
        // A terminal that cannot be read is gone.
        let Ok(read) = crossterm::read() else { break };
        let event = match read {
            crossterm::Event::Key(key) if key.kind != crossterm::KeyEventKind::Release => {
                event::key_name(key).map(Event::Key)
            }
            crossterm::Event::Mouse(mouse) => event::of_mouse(mouse),
            crossterm::Event::Paste(text) => Some(Event::Pasted(text)),
            crossterm::Event::Resize(width, height) => Some(Event::Size(width, height)),
            crossterm::Event::Key(_) | crossterm::Event::FocusGained | crossterm::Event::FocusLost => None,
        };
        if let Some(event) = event {
            teller.send(event);
        }
    }
    teller.send(Event::Ended);
}
