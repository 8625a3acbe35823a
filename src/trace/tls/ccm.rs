//! AES-CCM with nonces of twelve octets (RFC 3610, RFC 6655), which only few have.

use ring::aead::NONCE_LEN;

use super::block::{Aes, BLOCK, Block, xor};

/// In the flags of each block: a length, or a count, takes the three octets that the nonce leaves.
const LENGTH: u8 = 3 - 1;

/// Opens what is sealed under a key.
pub(super) struct Ccm {
    aes: Aes,
    /// Octets of a tag.
    tag: usize,
}

impl Ccm {
    pub(super) fn new(key: &[u8], tag: usize) -> Option<Self> {
        Some(Self { aes: Aes::new(key)?, tag })
    }

    pub(super) fn tag_length(&self) -> usize {
        self.tag
    }

    /// What is sealed, if its tag is right. `more`: what is authenticated with it.
    pub(super) fn open(&self, nonce: &[u8; NONCE_LEN], more: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (sealed, tag) = sealed.split_at_checked(sealed.len().checked_sub(self.tag)?)?;
        let mut plain = sealed.to_vec();
        for (count, block) in (1..).zip(plain.chunks_mut(BLOCK)) {
            xor(block, &self.encrypted(Self::block(0, nonce, count)));
        }
        let mut expected = self.code(nonce, more, &plain)?;
        xor(&mut expected, &self.encrypted(Self::block(0, nonce, 0)));
        (expected.get(..self.tag) == Some(tag)).then_some(plain)
    }

    /// RFC 3610 2.2.
    fn code(&self, nonce: &[u8; NONCE_LEN], more: &[u8], plain: &[u8]) -> Option<Block> {
        let has_more = if more.is_empty() { 0 } else { 1 << 6 };
        let tag = u8::try_from(self.tag.checked_sub(2)? / 2).ok()? << 3;
        let mut code = self.encrypted(Self::block(has_more | tag, nonce, u32::try_from(plain.len()).ok()?));
        // A length of two octets: records have thirteen at most.
        let length = u16::try_from(more.len()).ok().filter(|length| *length < 0xff00)?.to_be_bytes();
        let more = if more.is_empty() { Vec::new() } else { [&length, more].concat() };
        for block in more.chunks(BLOCK).chain(plain.chunks(BLOCK)) {
            xor(&mut code, block);
            code = self.encrypted(code);
        }
        Some(code)
    }

    /// Flags, the nonce, and a number in the octets that are left (RFC 3610 2.2 and 2.3).
    fn block(flags: u8, nonce: &[u8; NONCE_LEN], number: u32) -> Block {
        let mut block = [0; BLOCK];
        let [_, number @ ..] = number.to_be_bytes();
        let all = [flags | LENGTH].into_iter().chain(*nonce).chain(number);
        block.iter_mut().zip(all).for_each(|(octet, value)| *octet = value);
        block
    }

    fn encrypted(&self, mut block: Block) -> Block {
        self.aes.encrypt(&mut block);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NIST SP 800-38C, C.3.
    #[test]
    fn the_example_of_nist_opens_and_nothing_but_it() {
        let ccm = Ccm::new(&(0x40..0x50).collect::<Vec<u8>>(), 8).unwrap();
        let nonce = std::array::from_fn(|at| 0x10 + u8::try_from(at).unwrap());
        let (more, plain): (Vec<u8>, Vec<u8>) = ((0..0x14).collect(), (0x20..0x38).collect());
        let sealed = [
            0xe3, 0xb2, 0x01, 0xa9, 0xf5, 0xb7, 0x1a, 0x7a, 0x9b, 0x1c, 0xea, 0xec, 0xcd, 0x97, 0xe7, 0x0b, 0x61, 0x76,
            0xaa, 0xd9, 0xa4, 0x42, 0x8a, 0xa5, 0x48, 0x43, 0x92, 0xfb, 0xc1, 0xb0, 0x99, 0x51,
        ];
        assert_eq!(ccm.open(&nonce, &more, &sealed), Some(plain));
        for at in 0..sealed.len() {
            let mut changed = sealed;
            changed[at] ^= 1;
            assert_eq!(ccm.open(&nonce, &more, &changed), None);
            assert_eq!(ccm.open(&nonce, &more, &sealed[..at]), None);
        }
        assert_eq!(ccm.open(&nonce, &more[1..], &sealed), None);
        assert_eq!(ccm.open(&nonce, &[], &sealed), None);
    }
}
