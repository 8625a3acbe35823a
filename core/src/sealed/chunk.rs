//! Chunks: where they lie, how they are made, and how they are checked.

use alloc::vec::Vec;

use super::{BLOCK, Cipher, HEAD, HEADER, LEAST_ROOM, NONCE, TAG};

const FLAG_LAST: u32 = 1;
/// Octets of a head that are authenticated: all but the nonce.
const CLEAR: usize = HEAD - NONCE;

/// Where a sealed file ends, so far: the end of its last chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Octets of the file.
    pub position: u64,
    /// Octets of its content.
    pub plain: u64,
}

impl End {
    /// Of a file that has its header.
    pub const EMPTY: Self = Self { position: HEADER as u64, plain: 0 };
}

/// A chunk's head, and where the chunk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Where in the file.
    pub position: u64,
    /// Octets of its content.
    pub length: u32,
    /// It is the last of a whole.
    pub last: bool,
    /// Where its content belongs in the plain file.
    pub offset: u64,
    nonce: [u8; NONCE],
}

/// Where the chunk begins that follows what ends at `position`.
pub fn start(position: u64) -> u64 {
    let room = BLOCK - position % BLOCK;
    if room < LEAST_ROOM { position + room } else { position.max(HEADER as u64) }
}

impl Chunk {
    /// Reads the head of the chunk at `position`; none where that can be no head. It tells the truth only if
    /// [`open`] finds it authentic.
    pub fn read(position: u64, head: &[u8]) -> Option<Self> {
        let (length, rest) = head.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let nonce = *rest.first_chunk()?;
        let (length, flags) = (u32::from_le_bytes(*length), u32::from_le_bytes(*flags));
        let last = flags == FLAG_LAST;
        let chunk = Self { position, length, last, offset: u64::from_le_bytes(*offset), nonce };
        let fits = chunk.offset.checked_add(u64::from(length)).is_some()
            && position % BLOCK + chunk.size() <= BLOCK
            && start(position) == position;
        ((last || (flags == 0 && length > 0)) && fits).then_some(chunk)
    }

    /// Octets of it in the file.
    pub fn size(&self) -> u64 {
        (HEAD + TAG) as u64 + u64::from(self.length)
    }

    /// Where it ends, in the file and in the plain one.
    pub fn end(&self) -> End {
        End { position: self.position + self.size(), plain: self.offset + u64::from(self.length) }
    }

    /// What is authenticated beside its content.
    fn clear(&self) -> [u8; CLEAR + 8] {
        let mut clear = [0; CLEAR + 8];
        let flags = if self.last { FLAG_LAST } else { 0 };
        let numbers = [self.length.to_le_bytes(), flags.to_le_bytes()];
        let octets = numbers.iter().flatten().copied();
        let octets = octets.chain(self.offset.to_le_bytes()).chain(self.position.to_le_bytes());
        clear.iter_mut().zip(octets).for_each(|(place, octet)| *place = octet);
        clear
    }

    /// Appends it to `out`, with this content.
    fn seal<C: Cipher>(&self, cipher: &C, content: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let clear = self.clear();
        out.extend_from_slice(clear.get(..CLEAR)?);
        out.extend_from_slice(&self.nonce);
        let from = out.len();
        out.extend_from_slice(content);
        let tag = cipher.seal(self.nonce, &clear, out.get_mut(from..)?)?;
        out.extend_from_slice(&tag);
        Some(())
    }
}

/// Seals `plain` for the file that ends at `end`: appends to `out` what is to be written there, and gives the new end. The
/// last of it, if `last`, is the last of a whole. Nonces are `nonce`'s, random, one a chunk. None where there is no nonce, or
/// the cipher will not: `out` is of no use then.
pub fn append<C: Cipher>(
    cipher: &C,
    mut end: End,
    mut plain: &[u8],
    last: bool,
    mut nonce: impl FnMut() -> Option<[u8; NONCE]>,
    out: &mut Vec<u8>,
) -> Option<End> {
    let mut is_due = last;
    while !plain.is_empty() || is_due {
        let position = start(end.position);
        let gap = usize::try_from(position - end.position).ok()?;
        out.resize(out.len() + gap, 0);
        let room = usize::try_from(BLOCK - position % BLOCK).ok()? - HEAD - TAG;
        let (content, rest) = plain.split_at(room.min(plain.len()));
        let is_last = last && rest.is_empty();
        let length = u32::try_from(content.len()).ok()?;
        let chunk = Chunk { position, length, last: is_last, offset: end.plain, nonce: nonce()? };
        chunk.seal(cipher, content, out)?;
        (end, plain) = (chunk.end(), rest);
        is_due &= !is_last;
    }
    Some(end)
}

/// Decrypts the rest of a chunk, what follows its head, in place, and gives its content; none where it is not authentic: of
/// another place, another file, or changed.
pub fn open<'d, C: Cipher>(cipher: &C, chunk: &Chunk, rest: &'d mut [u8]) -> Option<&'d [u8]> {
    let (content, tag) = rest.split_at_mut_checked(usize::try_from(chunk.length).ok()?)?;
    let tag: &[u8; TAG] = (&*tag).try_into().ok()?;
    cipher.open(chunk.nonce, &chunk.clear(), content, tag).then_some(&*content)
}
