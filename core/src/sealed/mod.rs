//! Sealing: files that tell nothing without their key, and of which no octet can be changed, moved or cut off unnoticed.
//! What it is not: files, random numbers, or the place where keys lie.
//!
//! ```text
//! master key --wraps--> data key (one key file) --derives, by the file's header--> file key --AES-256-GCM--> chunks
//! ```
//!
//! # The format, version 1
//!
//! All numbers are little endian. HMAC is HMAC-SHA-256 (RFC 2104), AES-GCM has a key of 256 bits, a nonce of 96 and a tag
//! of 128 (NIST SP 800-38D).
//!
//! ## A master key: 32 octets that nobody can guess
//!
//! Its **id** is the first eight octets of HMAC(master key, `"siprec master id"`), its **wrapping key** is
//! HMAC(master key, `"siprec master wrap"`).
//!
//! ## A key file: 80 octets
//!
//! ```text
//!  0  "SPRCKEY1"    8  the master key's id (8)   16  nonce (12)   28  the data key (32), encrypted   60  tag (16)
//! 76  u32 CRC-32 (IEEE) of all before: a file that a crash has torn is not taken for one of another master key
//! ```
//!
//! Encrypted is it with the wrapping key; octets 0 to 15 are authenticated too. A data key is 32 random octets. To wrap it
//! anew is to write this file anew; to destroy it is to destroy all that was sealed under it, and all copies of that.
//!
//! ## A sealed file
//!
//! ```text
//!  0  "SPRCSEAL"    8  u8 version (1)    9  u8 kind    10  u16 0    12  u32 65,536 (size of a block)    16  salt (32)
//! 48  chunks
//! ```
//!
//! | kind | what | how it ends |
//! | --- | --- | --- |
//! | 1 | a stream, as a journal: it grows until somebody crashes | where its last whole chunk ends; what follows is torn |
//! | 2 | a whole | with its last chunk: anything else was cut off |
//!
//! Its **file key** is HMAC(data key, `"siprec sealed file"` and the 48 octets of this header), so no bit of the header can be
//! changed, and files under the same data key have nothing in common.
//!
//! The file is cut into **blocks** of 65,536 octets, the header being the beginning of the first. A **chunk** never lies
//! in two blocks, and each block begins with one (the first: behind the header). Where less than 48 octets of a block are
//! left behind a chunk, they are zero, and the next chunk begins the next block; else it follows at once.
//!
//! ```text
//!  0  u32 length n    4  u32 flags: 1 in the last chunk of a whole, else 0    8  u64 offset of its content in the plain file
//! 16  nonce (12)     28  content (n), encrypted    28 + n  tag (16)
//! ```
//!
//! Authenticated with the content are octets 0 to 15 of the chunk and, as a u64, where in the file it begins. So chunks
//! cannot change places, nor go, nor come from another file. Only the last chunk of a whole may be empty. Nonces are random:
//! a chunk may be written again in its place, after a fault of the disk or with a correction, without a nonce coming twice.
//!
//! Any octet is found by few looks: contents of chunks are in order, and a block tells at its beginning what it has. There is
//! no index that must be written at the end, so a file that was never ended is read as any other.

mod chunk;
mod cipher;
mod key;

pub use chunk::{Chunk, End, append, open, start};
pub use cipher::{Aes256Gcm, Cipher};
pub use key::{BadKey, DataKey, Header, KEY_FILE, Kind, MasterId, MasterKey, wrapped_by};

/// Octets of a block.
pub const BLOCK: u64 = 65_536;
/// Octets of a sealed file before its first chunk.
pub const HEADER: usize = 48;
/// Octets of a chunk before its content.
pub const HEAD: usize = 28;
/// Octets of a chunk behind its content.
pub const TAG: usize = 16;
/// Octets of a nonce.
pub const NONCE: usize = 12;
/// Octets of master keys, data keys and file keys.
pub const KEY: usize = 32;
/// With less room than this left in a block, a chunk begins the next one.
pub const LEAST_ROOM: u64 = 48;
/// Octets of content in a block at most.
pub const MOST_CONTENT: u64 = BLOCK - (HEAD + TAG) as u64;

#[cfg(test)]
mod tests;
