//! Putting right. What is whole takes the place of what is not, which is kept beside it; nothing is removed.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::recording::Case;
use super::{Inspector, files};
use crate::archive::catalog::Record;
use crate::archive::disk::Disk;
use crate::archive::lock::change_lock;
use crate::archive::outbox::{Named, restore};
use crate::archive::proof_key::SIGNATURE;
use crate::archive::receipt::{Delivered, Receipt};
use crate::archive::recordings::{StoredFile, stored_files};
use crate::wall::now_ms;

/// What is fetched lies under its name and this, until it is known to be whole.
const FETCHED: &str = "mended";
/// What a damaged file's name is followed by.
const DAMAGED: &str = "damaged";
/// Damaged files of one name that are kept.
const MAX_DAMAGED: u32 = 1000;

/// Puts something of a recording right while nobody else changes it, unless it is being erased: then nothing may come back.
pub(super) fn in_turn<'i>(
    case: &mut Case<'i>,
    put_right: impl FnOnce(&mut Case<'i>) -> Result<String>,
) -> Result<String> {
    let _turn = change_lock(&case.inspector.options.data)?;
    ensure!(!case.inspector.is_being_erased(case.id), "it is being erased");
    ensure!(!case.was_replaced(), "its files were replaced meanwhile: verify it again");
    put_right(case)
}

/// Puts the row of a recording right.
pub(super) fn row(case: &mut Case<'_>, record: &Record) -> Result<String> {
    case.inspector.writer()?.put(record)?;
    Ok("the catalog has what its sheet says".to_owned())
}

/// Fetches an audio file from a target that has it whole.
pub(super) fn file(case: &mut Case<'_>, file: StoredFile<'_>) -> Result<String> {
    let disk = case.inspector.options.disk.beneath();
    let path = case.sheet.with_file_name(file.name);
    let fetched = path.with_added_extension(FETCHED);
    let targets = &case.inspector.options.targets;
    case.inspector
        .runtime
        .block_on(restore(disk, targets, case.receipt.as_ref(), file, &fetched))
        .context("no target has it whole; export --as renders it again where its journal is kept")?;
    put_in_place(disk, &fetched, &path)?;
    case.local.insert(file.name.to_owned(), files::read(case, file.name)?);
    Ok("fetched from a storage target".to_owned())
}

/// Fetches a sheet and its signature, which must fit each other, from a target.
pub(super) fn sheet(case: &mut Case<'_>) -> Result<String> {
    let sheet = format!("{}.json", case.id);
    let names = [format!("{sheet}{SIGNATURE}"), sheet];
    let how = small(case, &names)?;
    match case.read_sheet() {
        None => Ok(how),
        Some(finding) => bail!("what a target had is no better: {}", finding.what),
    }
}

/// Fetches small files, as they were stored, from a target that has all of them.
pub(super) fn small(case: &mut Case<'_>, names: &[String]) -> Result<String> {
    let inspector = case.inspector;
    let disk = inspector.options.disk.beneath();
    let mut why = None;
    for delivery in case.receipt.iter().flat_map(|receipt| &receipt.targets) {
        let Some(named) = inspector.target(&delivery.target) else { continue };
        let known: Vec<&Delivered> = delivery.files.iter().filter(|file| names.contains(&file.name)).collect();
        if known.len() < names.len() {
            continue;
        }
        match fetch_all(inspector, case, named, &known) {
            Ok(()) => {
                for file in known {
                    let path = case.sheet.with_file_name(&file.name);
                    put_in_place(disk, &path.with_added_extension(FETCHED), &path)?;
                }
                return Ok(format!("fetched from {}", named.name));
            }
            Err(error) => why = Some(error),
        }
    }
    Err(why.unwrap_or_else(|| anyhow::anyhow!("no storage target that is set up has it")))
}

fn fetch_all(inspector: &Inspector<'_>, case: &Case<'_>, named: &Named, known: &[&Delivered]) -> Result<()> {
    let targets: Vec<_> = inspector.options.targets.iter().filter(|other| other.name == named.name).cloned().collect();
    for file in known {
        let path = case.sheet.with_file_name(&file.name).with_added_extension(FETCHED);
        let stored = StoredFile { name: &file.name, bytes: file.bytes, sha256: &file.sha256 };
        let disk = inspector.options.disk.beneath();
        inspector.runtime.block_on(restore(disk, &targets, case.receipt.as_ref(), stored, &path))?;
    }
    Ok(())
}

/// Has a receipt that says nothing made anew: what targets have already is found there and not sent again.
pub(super) fn receipt(case: &mut Case<'_>) -> Result<String> {
    let sidecar = case.sidecar.clone().context("its sheet is damaged too")?;
    for file in stored_files(&sidecar) {
        let here = files::read(case, file.name).is_ok_and(|content| content.sha256.eq_ignore_ascii_case(file.sha256));
        ensure!(here, "{} is not here: only the damaged receipt may say where it is", file.name);
    }
    let disk = case.inspector.options.disk.beneath();
    lay_aside(disk, &case.sheet.with_added_extension("stored"))?;
    let names: Vec<String> = case.inspector.options.targets.iter().map(|named| named.name.clone()).collect();
    names.iter().try_for_each(|name| queue(case, name).map(drop))?;
    Ok(format!("queued for {} storage targets, which are asked what they have", names.len()))
}

/// Has a target get what it lacks: the receipt first, since what stands there is not sent. A crash between both shows as a
/// recording that does not wait.
pub(super) fn object(
    case: &mut Case<'_>,
    named: &Named,
    known: &Delivered,
    unsound: &[(String, String)],
) -> Result<String> {
    let is_elsewhere = case.receipt.iter().flat_map(|receipt| &receipt.targets).any(|delivery| {
        let is_sound = !unsound.contains(&(delivery.target.clone(), known.name.clone()));
        let has = delivery.files.iter().any(|file| file.name == known.name && file.sha256 == known.sha256);
        delivery.target != named.name && case.inspector.target(&delivery.target).is_some() && is_sound && has
    });
    let is_here = case.local.contains_key(&known.name);
    ensure!(is_here || is_elsewhere, "it lies neither here nor in another storage target");
    let (disk, id) = (&*case.inspector.options.disk, case.id);
    let names = [known.name.clone()];
    Receipt::change(disk, &case.sheet, id, |receipt| receipt.lacks(&named.name, &names))?;
    if let Some(receipt) = &mut case.receipt {
        receipt.lacks(&named.name, &names);
    }
    queue(case, &named.name)
}

/// Queues the recording for a target.
pub(super) fn queue(case: &mut Case<'_>, target: &str) -> Result<String> {
    let queue = case.inspector.queue()?;
    queue.add(&[target.to_owned()], case.id, case.session(), &case.day, (now_ms(), true))?;
    Ok(format!("queued for {target}: the server that runs or starts next stores it"))
}

/// What was fetched takes the place of what is damaged, if anything is there.
fn put_in_place(disk: &dyn Disk, fetched: &Path, path: &Path) -> Result<()> {
    lay_aside(disk, path)?;
    disk.rename(fetched, path)?;
    Ok(disk.sync_dir(path.parent().unwrap_or(path))?)
}

/// Keeps a damaged file under another name, beside those of before.
fn lay_aside(disk: &dyn Disk, path: &Path) -> Result<()> {
    let mut aside: PathBuf = path.with_added_extension(DAMAGED);
    for number in 2..MAX_DAMAGED {
        if !disk.exists(&aside)? {
            break;
        }
        aside = path.with_added_extension(format!("{DAMAGED}.{number}"));
    }
    ensure!(!disk.exists(&aside)?, "{} damaged files are kept beside {}: look at them", MAX_DAMAGED, path.display());
    match disk.rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.with_context(|| format!("cannot rename {}", path.display()))?,
    }
    // Before another file gets its name: a power loss may keep the second rename without the first.
    Ok(disk.sync_dir(path.parent().unwrap_or(path))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::disk::{FakeDisk, Loss, read_range};

    #[test]
    fn damaged_files_are_kept_all_of_them() {
        let disk = FakeDisk::new(1);
        for content in ["first", "second", "third"] {
            disk.replace(Path::new("/a.wav"), content.as_bytes()).unwrap();
            disk.replace(Path::new("/a.wav.mended"), b"whole").unwrap();
            put_in_place(&disk, Path::new("/a.wav.mended"), Path::new("/a.wav")).unwrap();
        }
        let names: Vec<String> = disk.list(Path::new("/")).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["a.wav", "a.wav.damaged", "a.wav.damaged.2", "a.wav.damaged.3"]);
        assert_eq!(disk.open_read(Path::new("/a.wav.damaged.2")).unwrap().length().unwrap(), 6);
    }

    #[test]
    fn a_crash_loses_neither_what_is_damaged_nor_what_was_fetched() {
        for loss in [Loss::Process, Loss::Power] {
            for seed in 0..20 {
                for crash in 1.. {
                    let disk = FakeDisk::new(seed);
                    disk.replace(Path::new("/a.wav"), b"damaged").unwrap();
                    disk.replace(Path::new("/a.wav.mended"), b"whole").unwrap();
                    disk.crash_at(disk.operations() + crash);
                    let done = put_in_place(&disk, Path::new("/a.wav.mended"), Path::new("/a.wav")).is_ok();
                    let crashed = disk.is_crashed();
                    disk.restart(loss);
                    let listed = disk.list(Path::new("/")).unwrap();
                    let content = |name: &str| {
                        let file = disk.open_read(&Path::new("/").join(name)).unwrap();
                        read_range(&*file, 0, 10).unwrap()
                    };
                    let held: Vec<Vec<u8>> = listed.iter().map(|entry| content(&entry.name)).collect();
                    for kept in [&b"damaged"[..], b"whole"] {
                        assert!(held.iter().any(|content| content == kept), "{loss:?} {seed} {crash}: {listed:?}");
                    }
                    assert!(!done || content("a.wav") == b"whole", "{loss:?} {seed} {crash}");
                    if !crashed {
                        break;
                    }
                }
            }
        }
    }
}
