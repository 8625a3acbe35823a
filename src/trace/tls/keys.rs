//! From secrets to what opens records.

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{KeyType, Prk};
use ring::hmac;
use zeroize::Zeroizing;

use super::record::{Kind, Record};
use super::suite::Suite;

/// Octets of a tag, the same for all ciphers here.
const TAG: usize = 16;

/// Opens the records of one direction, in their order.
pub(super) struct Opener {
    suite: Suite,
    key: LessSafeKey,
    iv: Vec<u8>,
    sequence: u64,
    /// TLS 1.3: what the next key is made from.
    secret: Option<Zeroizing<Vec<u8>>>,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Opener {
    /// TLS 1.3 (RFC 8446 7.3).
    pub(super) fn tls13(suite: Suite, secret: &[u8]) -> Option<Self> {
        let key = expand(suite, secret, b"key", suite.cipher.key_len())?;
        let iv = expand(suite, secret, b"iv", NONCE_LEN)?;
        let key = LessSafeKey::new(UnboundKey::new(suite.cipher, &key).ok()?);
        Some(Self { suite, key, iv: iv.to_vec(), sequence: 0, secret: Some(Zeroizing::new(secret.to_vec())) })
    }

    /// TLS 1.2 (RFC 5246 6.3): no keys for authentication codes, the client's key and the server's, the same of nonces.
    pub(super) fn tls12(
        suite: Suite,
        master: &[u8],
        client: &[u8; 32],
        server: &[u8; 32],
        is_client: bool,
    ) -> Option<Self> {
        let (key_length, iv_length) = (suite.cipher.key_len(), NONCE_LEN - suite.explicit);
        let block = expand12(suite, master, &[b"key expansion", &server[..], client], 2 * (key_length + iv_length));
        let place = usize::from(!is_client);
        let key = block.get(place * key_length..(place + 1) * key_length)?;
        let iv = block.get(2 * key_length + place * iv_length..)?.get(..iv_length)?;
        let key = LessSafeKey::new(UnboundKey::new(suite.cipher, key).ok()?);
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
        let nonce = self.mixed_nonce()?;
        let mut content = record.content.clone();
        let length = self.key.open_in_place(nonce, Aad::from(record.header), &mut content).ok()?.len();
        content.truncate(length);
        let last = content.iter().rposition(|octet| *octet != 0)?;
        let kind = Kind::of(*content.get(last)?)?;
        content.truncate(last);
        Some(Record { kind, header: record.header, content })
    }

    /// RFC 5246 6.2.3.3.
    fn open12(&self, record: &Record) -> Option<Record> {
        let (explicit, sealed) = record.content.split_at_checked(self.suite.explicit)?;
        let nonce = if explicit.is_empty() {
            self.mixed_nonce()?
        } else {
            Nonce::try_assume_unique_for_key(&[&self.iv[..], explicit].concat()).ok()?
        };
        let length = u16::try_from(sealed.len().checked_sub(TAG)?).ok()?;
        let [kind, major, minor, ..] = record.header;
        let mut more = Vec::with_capacity(13);
        more.extend(self.sequence.to_be_bytes());
        more.extend([kind, major, minor]);
        more.extend(length.to_be_bytes());
        let mut content = sealed.to_vec();
        self.key.open_in_place(nonce, Aad::from(more), &mut content).ok()?;
        content.truncate(usize::from(length));
        Some(Record { kind: record.kind, header: record.header, content })
    }

    /// The nonce with the record's number in its end (RFC 8446 5.3, RFC 7905 2).
    fn mixed_nonce(&self) -> Option<Nonce> {
        let mut nonce: [u8; NONCE_LEN] = self.iv.as_slice().try_into().ok()?;
        nonce
            .iter_mut()
            .skip(NONCE_LEN - 8)
            .zip(self.sequence.to_be_bytes())
            .for_each(|(octet, other)| *octet ^= other);
        Some(Nonce::assume_unique_for_key(nonce))
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
