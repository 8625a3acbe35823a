//! What the fake disk holds: a living tree, and what of it is durable.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};

use siprec_core::seed::Random;

pub(super) const ROOT: usize = 0;

pub(super) struct State {
    pub(super) inodes: Vec<Inode>,
    /// Names that are not durable yet, in their order.
    pub(super) names: Vec<NameChange>,
    pub(super) random: Random,
    pub(super) operations: u64,
    pub(super) crash_at: Option<u64>,
    pub(super) crashed: bool,
    /// Handles of an earlier life are dead.
    pub(super) life: u64,
    pub(super) capacity: Option<u64>,
    pub(super) failing: Option<ErrorKind>,
    pub(super) stalled: bool,
    /// A write has met the stall.
    pub(super) held_up: bool,
}

pub(super) enum Inode {
    File { live: Vec<u8>, durable: Vec<u8>, pending: Vec<Change> },
    Folder { live: BTreeMap<String, usize>, durable: BTreeMap<String, usize> },
}

#[derive(Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Clone)]
pub(super) struct NameChange {
    pub(super) removed: Option<(usize, String, usize)>,
    pub(super) added: Option<(usize, String, usize)>,
}

impl State {
    pub(super) fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("crashed")) } else { Ok(()) }
    }

    pub(super) fn coin(&mut self) -> bool {
        self.random.next_u32().is_multiple_of(2)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.random.next_u64() % (limit as u64).max(1)).unwrap_or(0)
    }

    pub(super) fn folder(&self, inode: usize) -> io::Result<&BTreeMap<String, usize>> {
        match self.inodes.get(inode) {
            Some(Inode::Folder { live, .. }) => Ok(live),
            Some(Inode::File { .. }) | None => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<usize> {
        names(path)
            .iter()
            .try_fold(ROOT, |at, name| self.folder(at)?.get(*name).copied().ok_or_else(|| ErrorKind::NotFound.into()))
    }

    /// The folder that a path's last name is in, and that name.
    pub(super) fn place(&self, path: &Path) -> io::Result<(usize, String)> {
        let names = names(path);
        let name = names.last().ok_or(ErrorKind::InvalidInput)?;
        let folder = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.folder(folder)?;
        Ok((folder, (*name).to_owned()))
    }

    /// Makes a change of names in the living tree, and notes it.
    pub(super) fn rename(&mut self, change: NameChange) {
        apply(&mut self.inodes, &change, false);
        self.names.push(change);
    }

    pub(super) fn used(&self) -> u64 {
        let length = |inode: &Inode| match inode {
            Inode::File { live, .. } => live.len() as u64,
            Inode::Folder { .. } => 0,
        };
        self.inodes.iter().map(length).sum()
    }

    pub(super) fn add(&mut self, path: &Path, inode: Inode) -> io::Result<usize> {
        let (folder, name) = self.place(path)?;
        if self.folder(folder)?.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.inodes.push(inode);
        let inode = self.inodes.len() - 1;
        self.rename(NameChange { removed: None, added: Some((folder, name, inode)) });
        Ok(inode)
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.place(path)?;
        let inode = *self.folder(folder)?.get(&name).ok_or(ErrorKind::NotFound)?;
        if self.folder(inode).is_ok_and(|names| !names.is_empty()) {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.rename(NameChange { removed: Some((folder, name, inode)), added: None });
        Ok(())
    }

    pub(super) fn write(&mut self, inode: usize, change: Change) {
        if let Some(Inode::File { live, pending, .. }) = self.inodes.get_mut(inode) {
            write(live, &change);
            pending.push(change);
        }
    }

    pub(super) fn sync_names(&mut self, folder: Option<usize>) {
        for change in std::mem::take(&mut self.names) {
            let touches = |place: &Option<(usize, String, usize)>| place.as_ref().is_some_and(|p| Some(p.0) == folder);
            if folder.is_none() || touches(&change.removed) || touches(&change.added) {
                apply(&mut self.inodes, &change, true);
            } else {
                self.names.push(change);
            }
        }
    }

    pub(super) fn sync_content(&mut self, inode: usize) {
        if let Some(Inode::File { live, durable, pending }) = self.inodes.get_mut(inode) {
            durable.clone_from(live);
            pending.clear();
        }
    }

    /// The power is gone: what was not durable is kept or lost, thing by thing.
    pub(super) fn forget(&mut self) {
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

    pub(super) fn kept(&mut self, change: Change) -> Option<Change> {
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
