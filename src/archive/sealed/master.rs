//! Where master keys come from, and `seal.key`, which tells whether they are those of a data directory.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use siprec_core::sealed::{DataKey, KEY, KEY_FILE, MasterKey, wrapped_by};
use zeroize::Zeroizing;

use super::keys::{MasterKeys, random};
use crate::archive::disk::{Disk, read_range};
use crate::archive::key_file::{PUBLIC, open_secret, place};
use crate::archive::recordings::hexadecimal;

/// The file in the data directory by which a master key is known again: a key that seals nothing, wrapped.
pub const FILE: &str = "seal.key";

/// A command that prints a master key has so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Its end is looked for this often.
const LOOK: Duration = Duration::from_millis(5);
/// Longer is no master key, with all that a shell may put round it.
const MAX_TEXT: u64 = 256;

/// Where master keys come from.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeySources<'c> {
    /// The key itself.
    pub key: Option<&'c str>,
    /// A file that it stands in.
    pub file: Option<&'c Path>,
    /// A command that prints it.
    pub command: &'c [String],
    /// Keys of before.
    pub previous: &'c [&'c str],
}

impl KeySources<'_> {
    /// Fetches them.
    ///
    /// # Errors
    /// One that cannot be had, or is none; by the key of the configuration.
    pub fn fetch(&self) -> anyhow::Result<MasterKeys> {
        let current = match (self.key, self.file, self.command) {
            (Some(text), ..) => Some(parse("archive.seal.master_key", text)?),
            (None, Some(path), _) => Some(of_file(path)?),
            (None, None, [program, arguments @ ..]) => Some(of_command(program, arguments, PATIENCE)?),
            (None, None, []) => None,
        };
        let previous = self.previous.iter().map(|text| parse("archive.seal.previous_keys", text));
        Ok(MasterKeys::new(current, previous.collect::<anyhow::Result<_>>()?))
    }
}

fn of_file(path: &Path) -> anyhow::Result<MasterKey> {
    let name = format!("archive.seal.master_key_file: {}", path.display());
    let file = open_secret(path).context("archive.seal.master_key_file")?;
    let file = file.with_context(|| {
        format!("{name} is not there: make it with siprec archive new-key FILE, or give back its copy")
    })?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_TEXT).read_to_string(&mut text).with_context(|| name.clone())?;
    parse(&name, &text)
}

/// `patience`: a command that asks somebody, or nobody who answers, is given so long.
fn of_command(program: &str, arguments: &[String], patience: Duration) -> anyhow::Result<MasterKey> {
    let name = format!("archive.seal.master_key_command: {program}");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{name} cannot be run"))?;
    let (said, hear) = sync_channel(1);
    let out = child.stdout.take();
    std::thread::Builder::new().name("master-key".into()).spawn(move || {
        let mut text = Zeroizing::new(String::new());
        let read = out.map_or(Ok(0), |out| out.take(MAX_TEXT).read_to_string(&mut text));
        // Who waits no longer does not want it.
        let _ = said.send((text, read));
    })?;
    let until = Instant::now() + patience;
    let heard = hear.recv_timeout(patience);
    let status = loop {
        match child.try_wait().with_context(|| name.clone())? {
            Some(status) => break status,
            None if Instant::now() < until => std::thread::park_timeout(LOOK),
            None => {
                // It may have ended this moment.
                let _ = child.kill();
                child.wait().with_context(|| name.clone())?;
                bail!("{name} has not ended in {patience:?}: run it by hand to see what it waits for");
            }
        }
    };
    let (text, read) = heard.with_context(|| format!("{name} has not closed its output"))?;
    ensure!(status.success(), "{name} failed ({status}): see what it says above");
    read.with_context(|| format!("{name} printed no text"))?;
    parse(&name, &text)
}

/// 64 hexadecimal digits.
fn parse(name: &str, text: &str) -> anyhow::Result<MasterKey> {
    let text = text.trim();
    let mut octets = Zeroizing::new([0; KEY]);
    let digits = text.as_bytes();
    let is_key = digits.len() == 2 * KEY && digits.iter().all(u8::is_ascii_hexdigit);
    ensure!(
        is_key,
        "{name}: a master key is 64 hexadecimal digits, as siprec archive new-key prints them; this has {} octets",
        text.len()
    );
    for (octet, pair) in octets.iter_mut().zip(digits.chunks(2)) {
        let pair = str::from_utf8(pair).context("hexadecimal digits")?;
        *octet = u8::from_str_radix(pair, 16)?;
    }
    Ok(MasterKey::new(&octets))
}

/// The text of a new master key.
///
/// # Errors
/// A machine without a source of random octets.
pub fn new_key() -> anyhow::Result<Zeroizing<String>> {
    let octets = Zeroizing::new(random::<KEY>()?);
    Ok(Zeroizing::new(hexadecimal(&*octets)))
}

/// Whether a data directory's `seal.key` is wrapped by a key at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none: nothing was sealed here yet.
    Unsealed,
    /// By the current key.
    Current,
    /// By one of before: what it has wrapped is to be wrapped anew.
    Previous,
}

/// Compares the master keys at hand with the data directory's.
///
/// # Errors
/// They are not the ones.
pub fn standing(disk: &dyn Disk, data: &Path, masters: &MasterKeys) -> anyhow::Result<Standing> {
    let path = data.join(FILE);
    if !disk.exists(&path)? {
        return Ok(Standing::Unsealed);
    }
    let file = disk.open_read(&path).and_then(|file| read_range(&*file, 0, KEY_FILE + 1));
    let octets = file.with_context(|| format!("cannot read {}", path.display()))?;
    match (masters.unwrap(&octets), wrapped_by(&octets)) {
        (Ok((_, true)), _) => Ok(Standing::Current),
        (Ok((_, false)), _) => Ok(Standing::Previous),
        (Err(siprec_core::sealed::BadKey::Other(_)), Some(id)) => bail!("{}", masters.other(&path, id)),
        (Err(why), _) => bail!("{}: {why}: give back the copy of it", path.display()),
    }
}

/// Makes the `seal.key` of a data directory that has none.
///
/// # Errors
/// The disk's, or no current master key.
pub fn stand(data: &Path, masters: &MasterKeys) -> anyhow::Result<()> {
    let key = DataKey::new(Zeroizing::new(random::<KEY>()?));
    let file = masters.wrap(&key)?;
    place(data, FILE, PUBLIC, &file).with_context(|| format!("cannot write {}", data.join(FILE).display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::disk::RealDisk;
    use std::os::unix::fs::PermissionsExt;

    fn command(words: &[&str]) -> anyhow::Result<MasterKeys> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        KeySources { command: &words, ..KeySources::default() }.fetch()
    }

    fn id(masters: &MasterKeys) -> String {
        masters.current().unwrap().id().to_string()
    }

    #[test]
    fn a_command_that_waits_for_something_is_ended() {
        for script in ["exec sleep 100", "exec >&-; exec sleep 100"] {
            let arguments = ["-c".to_owned(), script.to_owned()];
            let began = Instant::now();
            let error = of_command("sh", &arguments, Duration::from_millis(200)).unwrap_err().to_string();
            assert!(error.contains("has not ended in 200ms: run it by hand"), "{error}");
            assert!(began.elapsed() < PATIENCE);
        }
    }

    #[test]
    fn a_key_comes_from_text_file_or_command_and_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (path, text) = (folder.path().join("master"), new_key().unwrap());
        place(folder.path(), "master", 0o600, format!("{}\n", &*text).as_bytes()).unwrap();
        let given = KeySources { key: Some(&text), ..KeySources::default() }.fetch().unwrap();
        let of_file = KeySources { file: Some(&path), ..KeySources::default() }.fetch().unwrap();
        assert_eq!(id(&given), id(&of_file));
        assert_eq!(id(&given), id(&command(&["cat", path.to_str().unwrap()]).unwrap()));
        assert!(KeySources::default().fetch().unwrap().current().is_none());
        assert_ne!(text, new_key().unwrap());

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = |sources: KeySources<'_>| format!("{:#}", sources.fetch().unwrap_err());
        assert!(error(KeySources { file: Some(&path), ..KeySources::default() }).contains("chmod 600"));
        let gone = folder.path().join("gone");
        assert!(error(KeySources { file: Some(&gone), ..KeySources::default() }).contains("siprec archive new-key"));
        let short = error(KeySources { key: Some("abc"), ..KeySources::default() });
        assert!(
            short.contains("64 hexadecimal digits") && short.contains("3 octets") && !short.contains("abc"),
            "{short}"
        );
        let previous = error(KeySources { previous: &["é"], ..KeySources::default() });
        assert!(previous.starts_with("archive.seal.previous_keys"), "{previous}");
        assert!(format!("{:#}", command(&["false"]).unwrap_err()).contains("failed"));
        assert!(format!("{:#}", command(&["/no/such/program"]).unwrap_err()).contains("cannot be run"));
        assert!(format!("{:#}", command(&["true"]).unwrap_err()).contains("64 hexadecimal digits"));
    }

    #[test]
    fn a_data_directory_knows_its_key() {
        let data = tempfile::tempdir().unwrap();
        let keys = |current: u8, previous: &[u8]| {
            let key = |n: &u8| MasterKey::new(&[*n; 32]);
            MasterKeys::new(Some(key(&current)), previous.iter().map(key).collect())
        };
        let standing = |masters: &MasterKeys| standing(&RealDisk, data.path(), masters);
        assert_eq!(standing(&keys(1, &[])).unwrap(), Standing::Unsealed);
        stand(data.path(), &keys(1, &[])).unwrap();
        assert_eq!(standing(&keys(1, &[])).unwrap(), Standing::Current);
        assert_eq!(standing(&keys(2, &[1])).unwrap(), Standing::Previous);
        let error = standing(&keys(2, &[3])).unwrap_err().to_string();
        assert!(error.contains(FILE) && error.contains("previous_keys"), "{error}");
        std::fs::write(data.path().join(FILE), b"short").unwrap();
        assert!(standing(&keys(1, &[])).unwrap_err().to_string().contains("give back the copy"));
    }
}
