//! Records of TLS 1.2 under AES-CBC with an HMAC (RFC 5246 6.2.3.2). RFC 3261 (26.2.1) asks for TLS_RSA_WITH_AES_128_CBC_SHA
//! wherever SIP goes over TLS, and many an SBC still takes such a suite.
//!
//! ```text
//! plain:                     IV | encrypted( content | code | padding, its length )
//! with encrypt_then_mac:     IV | encrypted( content | padding, its length ) | code     (RFC 7366)
//! ```
//! Padding is judged before the code, which would tell a stranger about the content if we answered: a reader of captures
//! answers nobody.

use std::iter;

use ring::hmac;

use super::block::{Aes, BLOCK, xor};

/// Opens records.
pub(super) struct Cbc {
    aes: Aes,
    mac: hmac::Key,
    /// Whether what is authenticated is encrypted already (RFC 7366).
    is_encrypted_first: bool,
}

impl Cbc {
    pub(super) fn new(key: &[u8], mac: hmac::Key, is_encrypted_first: bool) -> Option<Self> {
        Some(Self { aes: Aes::new(key)?, mac, is_encrypted_first })
    }

    /// The content of a record. `head`: its number, kind and version, which are authenticated with it.
    pub(super) fn open(&self, head: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        if self.is_encrypted_first {
            let encrypted = self.authentic(head, sealed)?;
            return self.decrypt(encrypted);
        }
        let mut content = self.decrypt(sealed)?;
        let length = self.authentic(head, &content)?.len();
        content.truncate(length);
        Some(content)
    }

    /// What stands before an authentication code, if it is of that code (RFC 5246 6.2.3.1, RFC 7366 3).
    fn authentic<'a>(&self, head: &[u8], octets: &'a [u8]) -> Option<&'a [u8]> {
        let code_length = self.mac.algorithm().digest_algorithm().output_len();
        let (octets, code) = octets.split_at_checked(octets.len().checked_sub(code_length)?)?;
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(head);
        context.update(&u16::try_from(octets.len()).ok()?.to_be_bytes());
        context.update(octets);
        (context.sign().as_ref() == code).then_some(octets)
    }

    /// Decrypts blocks behind their IV, and takes the padding off: its length in the last octet, and so many more of the same.
    fn decrypt(&self, encrypted: &[u8]) -> Option<Vec<u8>> {
        let (iv, encrypted) = encrypted.split_first_chunk::<BLOCK>()?;
        let (blocks, []) = encrypted.as_chunks::<BLOCK>() else { return None };
        let mut plain = encrypted.to_vec();
        let (plain_blocks, _) = plain.as_chunks_mut::<BLOCK>();
        for (block, before) in plain_blocks.iter_mut().zip(iter::once(iv).chain(blocks)) {
            self.aes.decrypt(block);
            xor(block, before);
        }
        let last = *plain.last()?;
        let length = plain.len().checked_sub(usize::from(last) + 1)?;
        let is_padded = plain.get(length..)?.iter().all(|octet| *octet == last);
        plain.truncate(length);
        is_padded.then_some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: [u8; 11] = [0, 0, 0, 0, 0, 0, 0, 1, 23, 3, 3];
    const TEXT: &[u8] = b"OPTIONS sip:srs@192.0.2.1 SIP/2.0\r\n";

    fn hex(text: &str) -> Vec<u8> {
        let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    /// So many octets that count up from `first`.
    fn counted(first: u8, length: u8) -> Vec<u8> {
        (first..first + length).collect()
    }

    /// TLS_RSA_WITH_AES_128_CBC_SHA as RFC 5246 has it, and TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384 with encrypt_then_mac.
    fn both() -> [Cbc; 2] {
        let sha1 = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &counted(0x20, 20));
        let sha384 = hmac::Key::new(hmac::HMAC_SHA384, &counted(0x20, 48));
        [Cbc::new(&counted(0, 16), sha1, false).unwrap(), Cbc::new(&counted(0, 32), sha384, true).unwrap()]
    }

    /// [`TEXT`] as `openssl enc -nopad` and `openssl dgst -mac HMAC` sealed it for [`both`], the second with a block of padding
    /// more than it takes.
    fn sealed_by_openssl() -> [Vec<u8>; 2] {
        [
            hex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf60260289c160b3ec5b8ae9d7d4f7a69b5aba62ff8f09addd44ff97fa16f2b973\
                 a040b04233a8fd60aabd77792c861f37a88b8db3cdea27ee6902e6fa478c965e"),
            hex("a0a1a2a3a4a5a6a7a8a9aaabacadaeafe1123b24de2d0b4b5a7c568f3c57ff1987753443463f2503d09cf77e188d8544\
                 e360e28c4a677bcb97f848ff386da3fbc1dd6a48228597557e1148f59c7445110c093faf5172ba9cae7aa91f0c3c83cf\
                 966985808c990c46070e5a96b502a2a74a2b51f027acf21721477d9f4c020df6"),
        ]
    }

    #[test]
    fn what_openssl_sealed_opens() {
        for (cbc, sealed) in both().iter().zip(sealed_by_openssl()) {
            assert_eq!(cbc.open(&HEAD, &sealed).as_deref(), Some(TEXT));
        }
    }

    #[test]
    fn no_bit_can_be_changed_and_no_octet_be_missing() {
        for (cbc, sealed) in both().iter().zip(sealed_by_openssl()) {
            for (at, bit) in (0..sealed.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut sealed = sealed.clone();
                sealed[at] ^= 1 << bit;
                assert_eq!(cbc.open(&HEAD, &sealed), None, "bit {bit} of octet {at}");
            }
            for length in 0..sealed.len() {
                assert_eq!(cbc.open(&HEAD, &sealed[..length]), None, "{length} octets");
            }
            for at in 0..HEAD.len() {
                let mut head = HEAD;
                head[at] ^= 1;
                assert_eq!(cbc.open(&head, &sealed), None, "octet {at} of what is authenticated with it");
            }
        }
    }

    /// A record whose code is right, with whatever padding.
    fn sealed(cbc: &Cbc, content: &[u8], padding: &[u8]) -> Vec<u8> {
        let code = |octets: &[u8]| {
            let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
            hmac::sign(&cbc.mac, &[&HEAD[..], &length, octets].concat()).as_ref().to_vec()
        };
        let (inner, iv) = (if cbc.is_encrypted_first { Vec::new() } else { code(content) }, [0x5a; BLOCK]);
        let mut sealed = [&iv[..], content, &inner, padding].concat();
        let (blocks, rest) = sealed.as_chunks_mut::<BLOCK>();
        assert!(rest.is_empty());
        for at in 1..blocks.len() {
            let before = blocks[at - 1];
            xor(&mut blocks[at], &before);
            cbc.aes.encrypt(&mut blocks[at]);
        }
        let outer = if cbc.is_encrypted_first { code(&sealed) } else { Vec::new() };
        [sealed, outer].concat()
    }

    #[test]
    fn padding_is_of_any_length_and_wrong_in_each_of_its_octets() {
        for cbc in both() {
            for length in [0, 1, 11, 12, 40] {
                let content = vec![7; length];
                let code = if cbc.is_encrypted_first { 0 } else { 20 };
                for last in (0..=255_u8).filter(|last| (length + code + usize::from(*last) + 1).is_multiple_of(BLOCK)) {
                    let mut padding = vec![last; usize::from(last) + 1];
                    assert_eq!(cbc.open(&HEAD, &sealed(&cbc, &content, &padding)), Some(content.clone()));
                    for at in 0..usize::from(last) {
                        padding[at] ^= 0x40;
                        assert_eq!(cbc.open(&HEAD, &sealed(&cbc, &content, &padding)), None, "{at} of {last}");
                        padding[at] ^= 0x40;
                    }
                }
            }
            let padding = if cbc.is_encrypted_first { 16 } else { 12 };
            assert_eq!(cbc.open(&HEAD, &sealed(&cbc, &[], &vec![255; padding])), None, "more padding than octets");
        }
    }
}
