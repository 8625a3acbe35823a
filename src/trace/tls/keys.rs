//! From secrets to what opens records.

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{KeyType, Prk};
use ring::hmac;
use zeroize::Zeroizing;

use super::Hello;
use super::block::xor;
use super::cbc::Cbc;
use super::ccm::Ccm;
use super::record::{Kind, Record};
use super::suite::{Cipher, Suite};

/// Opens the records of one direction, in their order.
pub(super) struct Opener {
    suite: Suite,
    key: Key,
    /// What of the nonce is made with the key; nothing with CBC.
    iv: Vec<u8>,
    sequence: u64,
    /// TLS 1.3: what the next key is made from.
    secret: Option<Zeroizing<Vec<u8>>>,
}

enum Key {
    Aead(Box<LessSafeKey>),
    Ccm(Ccm),
    /// TLS 1.2 alone.
    Cbc(Cbc),
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Key {
    /// One that seals with a nonce; none where the cipher is another.
    fn with_nonce(cipher: Cipher, key: &[u8]) -> Option<Self> {
        match cipher {
            Cipher::Aead { algorithm, .. } => {
                let key = UnboundKey::new(algorithm, key).ok()?;
                Some(Self::Aead(Box::new(LessSafeKey::new(key))))
            }
            Cipher::Ccm { tag, .. } => Ccm::new(key, tag).map(Self::Ccm),
            Cipher::Cbc { .. } => None,
        }
    }

    /// Octets of a tag.
    fn tag_length(&self) -> usize {
        match self {
            Self::Aead(key) => key.algorithm().tag_len(),
            Self::Ccm(key) => key.tag_length(),
            Self::Cbc(_) => 0,
        }
    }

    /// Opens what is sealed with a nonce, and with `more` that is authenticated with it.
    fn open(&self, nonce: [u8; NONCE_LEN], more: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Aead(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let mut content = sealed.to_vec();
                let length = key.open_in_place(nonce, Aad::from(more), &mut content).ok()?.len();
                content.truncate(length);
                Some(content)
            }
            Self::Ccm(key) => key.open(&nonce, more, sealed),
            Self::Cbc(_) => None,
        }
    }
}

impl Opener {
    /// TLS 1.3 (RFC 8446 7.3).
    pub(super) fn tls13(suite: Suite, secret: &[u8]) -> Option<Self> {
        let key = expand(suite, secret, b"key", suite.cipher.key_length())?;
        let iv = expand(suite, secret, b"iv", NONCE_LEN)?;
        let key = Key::with_nonce(suite.cipher, &key)?;
        Some(Self { suite, key, iv: iv.to_vec(), sequence: 0, secret: Some(Zeroizing::new(secret.to_vec())) })
    }

    /// TLS 1.2 (RFC 5246 6.3): keys for authentication codes, the client's and the server's, the same of ciphers and of nonces.
    pub(super) fn tls12(hello: &Hello, master: &[u8], client_random: &[u8; 32], is_client: bool) -> Option<Self> {
        let (suite, cipher) = (hello.suite, hello.suite.cipher);
        let lengths = [cipher.mac_key_length(), cipher.key_length(), cipher.implicit_length()];
        let seed = [b"key expansion", &hello.random[..], client_random];
        let block = expand12(suite, master, &seed, 2 * lengths.iter().sum::<usize>());
        let mut rest = block.as_slice();
        let mut own = |length: usize| {
            let (both, after) = rest.split_at_checked(2 * length)?;
            rest = after;
            let (client, server) = both.split_at_checked(length)?;
            Some(if is_client { client } else { server })
        };
        let [mac_key, key, iv] = lengths.map(&mut own);
        let (mac_key, key, iv) = (mac_key?, key?, iv?);
        let key = if let Cipher::Cbc { mac, .. } = cipher {
            Key::Cbc(Cbc::new(key, hmac::Key::new(*mac, mac_key), hello.is_encrypted_first)?)
        } else {
            Key::with_nonce(cipher, key)?
        };
        Some(Self { suite, key, iv: iv.to_vec(), sequence: 0, secret: None })
    }

    /// Whether it has opened nothing yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.sequence == 0
    }

    /// The next key (RFC 8446 7.2).
    pub(super) fn update(&mut self) -> Option<()> {
        let secret = self.secret.as_ref()?;
        let next = expand(self.suite, secret, b"traffic upd", secret.len())?;
        *self = Self::tls13(self.suite, &next)?;
        Some(())
    }

    /// Opens the next record.
    pub(super) fn open(&mut self, record: &Record) -> Option<Record> {
        let opened = if self.secret.is_some() { self.open13(record)? } else { self.open12(record)? };
        self.sequence = self.sequence.checked_add(1)?;
        Some(opened)
    }

    /// RFC 8446 5.2: behind the content stands its kind, and zeros.
    fn open13(&self, record: &Record) -> Option<Record> {
        let mut content = self.key.open(self.mixed_nonce()?, &record.header, &record.content)?;
        let last = content.iter().rposition(|octet| *octet != 0)?;
        let kind = Kind::of(*content.get(last)?)?;
        content.truncate(last);
        Some(Record { kind, header: record.header, content })
    }

    /// RFC 5246 6.2.3.2 and 6.2.3.3.
    fn open12(&self, record: &Record) -> Option<Record> {
        let [kind, major, minor, ..] = record.header;
        let mut more = Vec::with_capacity(13);
        more.extend(self.sequence.to_be_bytes());
        more.extend([kind, major, minor]);
        let content = if let Key::Cbc(key) = &self.key {
            key.open(&more, &record.content)?
        } else {
            let (explicit, sealed) = record.content.split_at_checked(self.suite.cipher.explicit_length())?;
            let nonce = if explicit.is_empty() {
                self.mixed_nonce()?
            } else {
                [&self.iv[..], explicit].concat().try_into().ok()?
            };
            let length = u16::try_from(sealed.len().checked_sub(self.key.tag_length())?).ok()?;
            more.extend(length.to_be_bytes());
            self.key.open(nonce, &more, sealed)?
        };
        Some(Record { kind: record.kind, header: record.header, content })
    }

    /// The nonce with the record's number in its end (RFC 8446 5.3, RFC 7905 2).
    fn mixed_nonce(&self) -> Option<[u8; NONCE_LEN]> {
        let mut nonce: [u8; NONCE_LEN] = self.iv.as_slice().try_into().ok()?;
        xor(nonce.last_chunk_mut::<8>()?, &self.sequence.to_be_bytes());
        Some(nonce)
    }
}

/// HKDF-Expand-Label without a context (RFC 8446 7.1).
fn expand(suite: Suite, secret: &[u8], label: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
    const PREFIX: &[u8] = b"tls13 ";
    let octets = u16::try_from(length).ok()?.to_be_bytes();
    let label_length = [u8::try_from(PREFIX.len() + label.len()).ok()?];
    let info = [&octets[..], &label_length, PREFIX, label, &[0]];
    let mut out = Zeroizing::new(vec![0; length]);
    Prk::new_less_safe(suite.hkdf(), secret).expand(&info, Length(length)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

/// The pseudorandom function of TLS 1.2 (RFC 5246 5).
fn expand12(suite: Suite, secret: &[u8], seed: &[&[u8]], length: usize) -> Zeroizing<Vec<u8>> {
    let key = hmac::Key::new(suite.hmac(), secret);
    let sign = |pieces: &[&[u8]]| {
        let mut context = hmac::Context::with_key(&key);
        pieces.iter().for_each(|piece| context.update(piece));
        context.sign()
    };
    let mut out = Zeroizing::new(Vec::with_capacity(length + 48));
    let mut a = sign(seed);
    while out.len() < length {
        let pieces: Vec<&[u8]> = [a.as_ref()].into_iter().chain(seed.iter().copied()).collect();
        let next = sign(&pieces);
        out.extend_from_slice(next.as_ref());
        a = sign(&[a.as_ref()]);
    }
    out.truncate(length);
    out
}
