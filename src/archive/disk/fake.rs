//! A disk in memory that crashes, forgets, fills up and stalls as a test wants it, all from a seed.
//!
//! The fault model is POSIX at its worst:
//! - content is durable after `sync_data` of the file, a name after `sync_dir` of its folder, and both only then;
//! - what is not durable when the power goes is kept or lost write by write and name by name, in any combination: a
//!   later write may be there without an earlier one (zeros between), a length without its content, a content without
//!   its name;
//! - a rename is one thing: it has happened or not, with both names;
//! - the operation during which the crash comes is done, half done (a write), or not done.
//!
//! Not modelled: bits that rot, and disks that lie about a sync.

mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use siprec_core::seed::{Random, Seed};

use self::tree::{Change, Inode, NameChange, ROOT, State};
use super::{Disk, DiskFile, Listed};

/// The seeds that a test tries: each of the first `all` where there is time (`make soak`), else one in `step` of them.
#[cfg(test)]
pub(in crate::archive) fn seeds(all: u64, step: usize) -> impl Iterator<Item = u64> {
    (0..all).step_by(if std::env::var_os("SIPREC_SOAK").is_some() { 1 } else { step })
}

/// What a restart costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Only the process died: all that was done is there.
    Process,
    /// The machine died: see the fault model.
    Power,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct FakeDisk {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    released: Condvar,
}

struct Handle {
    shared: Arc<Shared>,
    inode: usize,
    life: u64,
}

impl fmt::Debug for FakeDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeDisk({} operations)", self.operations())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.inode)
    }
}

impl FakeDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let root = Inode::Folder { live: BTreeMap::new(), durable: BTreeMap::new() };
        let state = State {
            inodes: vec![root],
            names: Vec::new(),
            random: Random::new(Seed(bytes)),
            operations: 0,
            crash_at: None,
            crashed: false,
            life: 0,
            capacity: None,
            failing: None,
            stalled: false,
            held_up: false,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), released: Condvar::new() }) }
    }

    /// How many operations that change or sync something there have been.
    pub fn operations(&self) -> u64 {
        self.shared.lock().operations
    }

    /// Crashes in operation number `n` (the first is 1): it and all after it fail.
    pub fn crash_at(&self, n: u64) {
        self.shared.lock().crash_at = Some(n);
    }

    /// Crashes now.
    pub fn crash(&self) {
        self.shared.lock().crashed = true;
        self.shared.released.notify_all();
    }

    /// Whether it has crashed.
    pub fn is_crashed(&self) -> bool {
        self.shared.lock().crashed
    }

    /// The next life of the disk. Handles of the last one stay dead; capacity, failures and stalls are over.
    pub fn restart(&self, loss: Loss) {
        let mut state = self.shared.lock();
        if loss == Loss::Power {
            state.forget();
        }
        state.crashed = false;
        state.crash_at = None;
        state.capacity = None;
        state.failing = None;
        state.stalled = false;
        state.life += 1;
        self.shared.released.notify_all();
    }

    /// From now on only so many bytes fit (`None`: any number). A write that does not fit is done in part.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.lock().capacity = bytes;
    }

    /// From now on writes fail so, done in part (`None`: they work).
    pub fn fail_writes(&self, kind: Option<ErrorKind>) {
        self.shared.lock().failing = kind;
    }

    /// Whether a write has met the stall.
    pub fn holds_up_a_write(&self) -> bool {
        self.shared.lock().held_up
    }

    /// From now on writes and syncs hang, until it is called with `false`.
    pub fn stall(&self, stalled: bool) {
        let mut state = self.shared.lock();
        (state.stalled, state.held_up) = (stalled, false);
        drop(state);
        self.shared.released.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation in; `Ok(false)` if the crash comes before it is done.
    fn enter(&self, may_stall: bool) -> io::Result<(MutexGuard<'_, State>, bool)> {
        let mut state = self.lock();
        while may_stall && state.stalled && !state.crashed {
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.alive()?;
        state.operations += 1;
        if state.crash_at.is_some_and(|n| state.operations >= n) {
            state.crashed = true;
            let done = state.random.next_u32().is_multiple_of(2);
            return Ok((state, done));
        }
        Ok((state, true))
    }

    /// Runs a change of names, as a whole or not at all.
    fn change(&self, change: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        let (mut state, done) = self.enter(false)?;
        if done {
            change(&mut state)?;
        }
        state.alive()
    }
}

impl FakeDisk {
    fn handle(&self, inode: usize, life: u64) -> Arc<dyn DiskFile> {
        Arc::new(Handle { shared: Arc::clone(&self.shared), inode, life })
    }
}

impl Disk for FakeDisk {
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let (mut state, done) = self.shared.enter(true)?;
        let empty = Inode::File { live: Vec::new(), durable: Vec::new(), pending: Vec::new() };
        if let Some(kind) = state.failing {
            return Err(kind.into());
        }
        let inode = if done { state.add(path, empty)? } else { ROOT };
        state.alive()?;
        Ok(self.handle(inode, state.life))
    }

    fn open_append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open_read(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.shared.lock();
        state.alive()?;
        let inode = state.find(path)?;
        match state.folder(inode) {
            Ok(_) => Err(ErrorKind::IsADirectory.into()),
            Err(_) => Ok(self.handle(inode, state.life)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.shared.change(|state| {
            let (from_folder, from_name) = state.place(from)?;
            let (to_folder, to_name) = state.place(to)?;
            let inode = *state.folder(from_folder)?.get(&from_name).ok_or(ErrorKind::NotFound)?;
            let over = state.folder(to_folder)?.get(&to_name).copied();
            if over.is_some_and(|over| state.folder(over).is_ok_and(|names| !names.is_empty())) {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            state.rename(NameChange {
                removed: Some((from_folder, from_name, inode)),
                added: Some((to_folder, to_name, inode)),
            });
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.shared.change(|state| state.remove(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.shared.change(|state| state.remove(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let folder = Inode::Folder { live: BTreeMap::new(), durable: BTreeMap::new() };
        self.shared.change(|state| state.add(path, folder).map(|_| ()))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let (mut state, done) = self.shared.enter(true)?;
        let folder = state.find(path)?;
        if done {
            state.sync_names(Some(folder));
        }
        state.alive()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        let state = self.shared.lock();
        state.alive()?;
        let names = state.folder(state.find(path)?)?.iter();
        Ok(names.map(|(name, &inode)| Listed { name: name.clone(), is_dir: state.folder(inode).is_ok() }).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.shared.lock();
        state.alive()?;
        Ok(state.find(path).is_ok())
    }

    fn free_space(&self, _path: &Path) -> io::Result<u64> {
        let state = self.shared.lock();
        state.alive()?;
        Ok(state.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used())))
    }

    fn beneath(&self) -> &dyn Disk {
        self
    }
}

impl Handle {
    fn enter(&self, may_stall: bool) -> io::Result<(MutexGuard<'_, State>, bool)> {
        let (state, done) = self.shared.enter(may_stall)?;
        if state.life == self.life { Ok((state, done)) } else { Err(io::Error::other("crashed")) }
    }

    fn content<T>(&self, read: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        let state = self.shared.lock();
        state.alive()?;
        match state.inodes.get(self.inode) {
            Some(Inode::File { live, .. }) if state.life == self.life => Ok(read(live)),
            Some(Inode::File { .. } | Inode::Folder { .. }) | None => Err(io::Error::other("crashed")),
        }
    }
}

impl DiskFile for Handle {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        {
            let mut state = self.shared.lock();
            state.held_up |= state.stalled;
        }
        let (mut state, done) = self.enter(true)?;
        let room = state.capacity.map_or(usize::MAX, |capacity| {
            usize::try_from(capacity.saturating_sub(state.used())).unwrap_or(usize::MAX)
        });
        let failing = state.failing.or((bytes.len() > room).then_some(ErrorKind::StorageFull));
        let length = match (failing, done) {
            (None, true) => bytes.len(),
            (None, false) | (Some(_), _) => state.below(bytes.len().min(room) + 1),
        };
        let offset = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
        let written = bytes.get(..length).unwrap_or(bytes).to_vec();
        state.write(self.inode, Change::Write { offset, bytes: written });
        state.alive()?;
        failing.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.content(|content| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
            let rest = content.get(from..).unwrap_or_default();
            let length = rest.len().min(into.len());
            into[..length].copy_from_slice(&rest[..length]);
            length
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut state, done) = self.enter(true)?;
        if done {
            state.sync_content(self.inode);
        }
        state.alive()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let (mut state, done) = self.enter(false)?;
        if done {
            let length = usize::try_from(length).map_err(|_| ErrorKind::FileTooLarge)?;
            state.write(self.inode, Change::Length(length));
        }
        state.alive()
    }

    fn length(&self) -> io::Result<u64> {
        self.content(|content| content.len() as u64)
    }
}

#[cfg(test)]
mod tests;
