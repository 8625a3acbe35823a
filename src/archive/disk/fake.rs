//! A disk in memory that crashes, forgets, fills up and stalls as a test wants it, all from a seed.
//!
//! The fault model is POSIX at its worst:
//! - content is durable after `sync_data` of the file, a name after `sync_dir` of its folder, and both only then;
//! - what is not durable when the power goes is kept or lost write by write and name by name, in any combination: a later
//!   write may be there without an earlier one (zeros between), a length without its content, a content without its name;
//! - a rename is one thing: it has happened or not, with both names;
//! - the operation during which the crash comes is done, half done (a write), or not done.
//!
//! Not modelled: bits that rot, and disks that lie about a sync.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use siprec_core::seed::{Random, Seed};

use super::{Disk, DiskFile, Listed};

const ROOT: usize = 0;

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

struct State {
    inodes: Vec<Inode>,
    /// Names that are not durable yet, in their order.
    names: Vec<NameChange>,
    random: Random,
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    /// Handles of an earlier life are dead.
    life: u64,
    capacity: Option<u64>,
    failing: Option<ErrorKind>,
    stalled: bool,
}

enum Inode {
    File { live: Vec<u8>, durable: Vec<u8>, pending: Vec<Change> },
    Folder { live: BTreeMap<String, usize>, durable: BTreeMap<String, usize> },
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Clone)]
struct NameChange {
    removed: Option<(usize, String, usize)>,
    added: Option<(usize, String, usize)>,
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

    /// From now on writes and syncs hang, until it is called with `false`.
    pub fn stall(&self, stalled: bool) {
        self.shared.lock().stalled = stalled;
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

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("crashed")) } else { Ok(()) }
    }

    fn coin(&mut self) -> bool {
        self.random.next_u32().is_multiple_of(2)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.random.next_u64() % (limit as u64).max(1)).unwrap_or(0)
    }

    fn folder(&self, inode: usize) -> io::Result<&BTreeMap<String, usize>> {
        match self.inodes.get(inode) {
            Some(Inode::Folder { live, .. }) => Ok(live),
            Some(Inode::File { .. }) | None => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        names(path)
            .iter()
            .try_fold(ROOT, |at, name| self.folder(at)?.get(*name).copied().ok_or_else(|| ErrorKind::NotFound.into()))
    }

    /// The folder that a path's last name is in, and that name.
    fn place(&self, path: &Path) -> io::Result<(usize, String)> {
        let names = names(path);
        let name = names.last().ok_or(ErrorKind::InvalidInput)?;
        let folder = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.folder(folder)?;
        Ok((folder, (*name).to_owned()))
    }

    /// Makes a change of names in the living tree, and notes it.
    fn rename(&mut self, change: NameChange) {
        apply(&mut self.inodes, &change, false);
        self.names.push(change);
    }

    fn used(&self) -> u64 {
        let length = |inode: &Inode| match inode {
            Inode::File { live, .. } => live.len() as u64,
            Inode::Folder { .. } => 0,
        };
        self.inodes.iter().map(length).sum()
    }

    fn add(&mut self, path: &Path, inode: Inode) -> io::Result<usize> {
        let (folder, name) = self.place(path)?;
        if self.folder(folder)?.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.inodes.push(inode);
        let inode = self.inodes.len() - 1;
        self.rename(NameChange { removed: None, added: Some((folder, name, inode)) });
        Ok(inode)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        let inode = *self.folder(folder)?.get(&name).ok_or(ErrorKind::NotFound)?;
        if self.folder(inode).is_ok_and(|names| !names.is_empty()) {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.rename(NameChange { removed: Some((folder, name, inode)), added: None });
        Ok(())
    }

    fn write(&mut self, inode: usize, change: Change) {
        if let Some(Inode::File { live, pending, .. }) = self.inodes.get_mut(inode) {
            write(live, &change);
            pending.push(change);
        }
    }

    fn sync_names(&mut self, folder: Option<usize>) {
        for change in std::mem::take(&mut self.names) {
            let touches = |place: &Option<(usize, String, usize)>| place.as_ref().is_some_and(|p| Some(p.0) == folder);
            if folder.is_none() || touches(&change.removed) || touches(&change.added) {
                apply(&mut self.inodes, &change, true);
            } else {
                self.names.push(change);
            }
        }
    }

    fn sync_content(&mut self, inode: usize) {
        if let Some(Inode::File { live, durable, pending }) = self.inodes.get_mut(inode) {
            durable.clone_from(live);
            pending.clear();
        }
    }

    /// The power is gone: what was not durable is kept or lost, thing by thing.
    fn forget(&mut self) {
        for change in std::mem::take(&mut self.names) {
            if self.coin() {
                apply(&mut self.inodes, &change, true);
            }
        }
        let mut inodes = std::mem::take(&mut self.inodes);
        for inode in &mut inodes {
            match inode {
                Inode::Folder { live, durable } => live.clone_from(durable),
                Inode::File { live, durable, pending } => {
                    for change in pending.drain(..) {
                        if let Some(kept) = self.kept(change) {
                            write(durable, &kept);
                        }
                    }
                    live.clone_from(durable);
                }
            }
        }
        self.inodes = inodes;
    }

    fn kept(&mut self, change: Change) -> Option<Change> {
        match (self.below(4), change) {
            (0, _) => None,
            (1, Change::Write { offset, mut bytes }) => {
                let length = self.below(bytes.len());
                bytes.truncate(length);
                Some(Change::Write { offset, bytes })
            }
            (2, Change::Write { offset, bytes }) => Some(Change::Write { offset, bytes: vec![0; bytes.len()] }),
            (_, change) => Some(change),
        }
    }
}

/// Changes names in the living or the durable tree. What cannot be (the name is not there) is left.
fn apply(inodes: &mut [Inode], change: &NameChange, in_durable: bool) {
    let mut tree = |folder: usize, edit: &dyn Fn(&mut BTreeMap<String, usize>) -> bool| match inodes.get_mut(folder) {
        Some(Inode::Folder { live, durable }) => edit(if in_durable { durable } else { live }),
        Some(Inode::File { .. }) | None => false,
    };
    if let Some((folder, name, inode)) = &change.removed {
        let there = tree(*folder, &|names| names.get(name) == Some(inode) && names.remove(name).is_some());
        if !there {
            return;
        }
    }
    if let Some((folder, name, inode)) = &change.added {
        tree(*folder, &|names| names.insert(name.clone(), *inode).is_none());
    }
}

fn write(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => content.resize(*length, 0),
        Change::Write { offset, bytes } => {
            let end = offset + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*offset..end].copy_from_slice(bytes);
        }
    }
}

fn names(path: &Path) -> Vec<&str> {
    let normal = |component| match component {
        Component::Normal(name) => name.to_str(),
        Component::RootDir | Component::CurDir | Component::ParentDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(normal).collect()
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

    fn sync_file_system(&self, _path: &Path) -> io::Result<()> {
        let (mut state, done) = self.shared.enter(true)?;
        if done {
            state.sync_names(None);
            (0..state.inodes.len()).for_each(|inode| state.sync_content(inode));
        }
        state.alive()
    }

    fn is_own_file_system(&self, _path: &Path) -> io::Result<bool> {
        Ok(false)
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
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn content(disk: &FakeDisk, path: &str) -> Option<Vec<u8>> {
        let file = disk.open_read(Path::new(path)).ok()?;
        super::super::read_range(&*file, 0, 1 << 20).ok()
    }

    #[test]
    fn what_is_synced_with_its_name_survives_the_power_and_nothing_else_surely_does() {
        let (mut seen, mut names) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..300 {
            let disk = FakeDisk::new(seed);
            disk.create_dir_all(Path::new("/d/e")).unwrap();
            let file = disk.create_new(Path::new("/d/e/f")).unwrap();
            file.write_at(0, b"durable").unwrap();
            file.sync_data().unwrap();
            disk.sync_dir(Path::new("/d/e")).unwrap();
            file.write_at(7, b" a").unwrap();
            file.write_at(9, b" b").unwrap();
            disk.create_new(Path::new("/d/e/g")).unwrap();
            disk.rename(Path::new("/d/e/f"), Path::new("/d/f")).unwrap();
            disk.crash();
            assert!(file.write_at(0, b"x").is_err() && disk.list(Path::new("/d")).is_err());
            disk.restart(Loss::Power);
            assert!(file.write_at(0, b"x").is_err(), "a handle of an earlier life");
            let (old, new) = (content(&disk, "/d/e/f"), content(&disk, "/d/f"));
            assert!(old.is_some() != new.is_some(), "renamed or not, never both or neither");
            names.insert((old.is_some(), content(&disk, "/d/e/g").is_some()));
            let left = old.or(new).unwrap();
            assert!(left.starts_with(b"durable"));
            seen.insert(left);
        }
        assert_eq!(names.len(), 4);
        assert!(seen.contains(b"durable".as_slice()) && seen.contains(b"durable a b".as_slice()));
        assert!(seen.contains(b"durable\0\0 b".as_slice()), "reordered: {seen:?}");
    }

    #[test]
    fn a_replaced_file_is_old_or_new_after_any_crash() {
        let count = {
            let disk = FakeDisk::new(0);
            disk.replace(Path::new("/f"), b"old").unwrap();
            disk.replace(Path::new("/f"), b"new!").unwrap();
            disk.operations()
        };
        for n in 1..=count + 1 {
            for seed in 0..20 {
                let disk = FakeDisk::new(seed);
                disk.replace(Path::new("/f"), b"old").unwrap();
                let before = disk.operations();
                disk.crash_at(n);
                let done = n > before && disk.replace(Path::new("/f"), b"new!").is_ok();
                disk.restart(Loss::Power);
                let left = content(&disk, "/f").unwrap();
                assert!(left == b"new!" || (left == b"old" && !done), "{left:?} at {n}");
            }
        }
    }

    #[test]
    fn a_full_disk_takes_a_part() {
        let disk = FakeDisk::new(1);
        let file = disk.create_new(Path::new("f")).unwrap();
        disk.set_capacity(Some(10));
        file.write_at(0, b"12345678").unwrap();
        assert_eq!(file.write_at(8, b"9abc").unwrap_err().kind(), ErrorKind::StorageFull);
        assert!((8..=10).contains(&file.length().unwrap()));
        assert!(disk.free_space(Path::new("f")).unwrap() <= 2);
    }
}
