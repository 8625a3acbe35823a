//! Keys, from the master key to that of a file, and the headers that they depend on.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Aes256Gcm, BLOCK, Cipher, HEADER, KEY, NONCE, TAG};

/// Octets of a key file.
pub const KEY_FILE: usize = 80;
const KEY_MAGIC: &[u8; 8] = b"SPRCKEY1";
/// Of it, what its checksum is of.
const CHECKED: usize = KEY_FILE - 4;
/// And what is authenticated in clear.
const KEY_CLEAR: usize = 16;
const FILE_MAGIC: &[u8; 8] = b"SPRCSEAL";
const VERSION: u8 = 1;

/// Which master key: tells nothing of the key itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MasterId([u8; 8]);

impl fmt::Display for MasterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for MasterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a key file opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadKey {
    /// Not the length, the beginning or the checksum of one: it was cut off, or overwritten.
    Malformed,
    /// Another master key has wrapped it.
    Other(MasterId),
    /// It says that this master key has wrapped it, and it has not.
    Changed,
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("it is no key file, cut off or damaged"),
            Self::Other(id) => write!(f, "it is wrapped by master key {id}"),
            Self::Changed => f.write_str("it was changed"),
        }
    }
}

impl core::error::Error for BadKey {}

/// What data keys are wrapped with.
pub struct MasterKey {
    id: MasterId,
    cipher: Aes256Gcm,
}

impl MasterKey {
    /// From octets that nobody else knows.
    pub fn new(octets: &[u8; KEY]) -> Self {
        let id = derive(octets, &[b"siprec master id"]);
        let id = MasterId(id.first_chunk().copied().unwrap_or_default());
        Self { id, cipher: Aes256Gcm::new(&derive(octets, &[b"siprec master wrap"])) }
    }

    /// Which it is.
    pub fn id(&self) -> MasterId {
        self.id
    }

    /// A key file for `key`. No nonce may come twice.
    pub fn wrap(&self, key: &DataKey, nonce: [u8; NONCE]) -> Option<[u8; KEY_FILE]> {
        let mut file = [0; KEY_FILE];
        let (clear, rest) = file.split_at_mut(KEY_CLEAR);
        clear.get_mut(..8)?.copy_from_slice(KEY_MAGIC);
        clear.get_mut(8..)?.copy_from_slice(&self.id.0);
        let (at_nonce, rest) = rest.split_at_mut(NONCE);
        at_nonce.copy_from_slice(&nonce);
        let (data, rest) = rest.split_at_mut(KEY);
        data.copy_from_slice(&*key.0);
        let tag = self.cipher.seal(nonce, clear, data)?;
        rest.get_mut(..TAG)?.copy_from_slice(&tag);
        let sum = crc32fast::hash(file.get(..CHECKED)?).to_le_bytes();
        file.get_mut(CHECKED..)?.copy_from_slice(&sum);
        Some(file)
    }

    /// The data key of a key file.
    ///
    /// # Errors
    /// The file's: it is none, or not of this master key.
    pub fn unwrap(&self, file: &[u8]) -> Result<DataKey, BadKey> {
        let id = wrapped_by(file).ok_or(BadKey::Malformed)?;
        if id != self.id {
            return Err(BadKey::Other(id));
        }
        let open = || {
            let (clear, rest) = file.split_at_checked(KEY_CLEAR)?;
            let (nonce, rest) = rest.split_first_chunk()?;
            let (data, tag) = rest.split_first_chunk::<KEY>()?;
            let mut data = Zeroizing::new(*data);
            let right = self.cipher.open(*nonce, clear, &mut *data, tag.first_chunk()?);
            right.then_some(DataKey(data))
        };
        open().ok_or(BadKey::Changed)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// The master key that has wrapped a key file; none of what is no key file.
pub fn wrapped_by(file: &[u8]) -> Option<MasterId> {
    let file: &[u8; KEY_FILE] = file.try_into().ok()?;
    let (checked, sum) = file.split_last_chunk()?;
    let is_whole = crc32fast::hash(checked) == u32::from_le_bytes(*sum);
    checked.strip_prefix(KEY_MAGIC).filter(|_| is_whole)?.first_chunk().copied().map(MasterId)
}

/// What a recording's files, or a segment of a journal, are sealed under. Wiped when it is dropped.
pub struct DataKey(Zeroizing<[u8; KEY]>);

impl DataKey {
    /// From octets that nobody can guess.
    pub fn new(octets: Zeroizing<[u8; KEY]>) -> Self {
        Self(octets)
    }

    /// A cipher for the file that begins with `header`.
    pub fn cipher<C: Cipher>(&self, header: &Header) -> C {
        C::new(&derive(&self.0, &[b"siprec sealed file", &header.0]))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// How a sealed file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Wherever its writer was stopped.
    Stream,
    /// With its last chunk.
    Whole,
}

/// What a sealed file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header([u8; HEADER]);

impl Header {
    /// Of a new file; `salt` is random.
    pub fn new(kind: Kind, salt: [u8; 32]) -> Self {
        let mut header = [0; HEADER];
        let kind = match kind {
            Kind::Stream => 1,
            Kind::Whole => 2,
        };
        let block = u32::try_from(BLOCK).unwrap_or(0).to_le_bytes();
        let about = [VERSION, kind, 0, 0];
        let octets = FILE_MAGIC.iter().chain(&about).chain(&block).chain(&salt);
        header.iter_mut().zip(octets).for_each(|(place, octet)| *place = *octet);
        Self(header)
    }

    /// As it stands at the beginning of a file; none where that is nothing this version can read.
    pub fn read(file: &[u8]) -> Option<Self> {
        let header = Self(*file.first_chunk()?);
        let salt = header.0.last_chunk().copied()?;
        [Kind::Stream, Kind::Whole].into_iter().map(|kind| Self::new(kind, salt)).find(|known| *known == header)
    }

    /// How the file ends.
    pub fn kind(&self) -> Kind {
        if self.0.get(9) == Some(&2) { Kind::Whole } else { Kind::Stream }
    }

    /// Its octets.
    pub fn octets(&self) -> &[u8; HEADER] {
        &self.0
    }
}

/// HMAC under a key shorter than a block, which is filled up with zeroes (RFC 2104 2).
fn derive(key: &[u8; KEY], parts: &[&[u8]]) -> Zeroizing<[u8; KEY]> {
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(octet, key)| *octet = *key);
    let mac: Hmac<Sha256> = KeyInit::new(&(*block).into());
    let mac = parts.iter().fold(mac, |mac, part| mac.chain_update(part));
    Zeroizing::new(mac.finalize().into_bytes().into())
}
