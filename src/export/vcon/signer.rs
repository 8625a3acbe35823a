//! The signed form of a vCon (5.2 of the draft): a JWS in general JSON serialization (RFC 7515 7.2.1), by Ed25519 (RFC 8037).
//!
//! `alg` is under the signature; `x5c`, which the draft wants in the unprotected header, holds a certificate that the proof key
//! made of itself: it carries the key along and vouches for nothing. Who verifies trusts the key, not the certificate.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;

use super::PAYLOAD;
use crate::archive::disk::DiskFile;
use crate::archive::proof_key::ProofKey;

/// The protected header: how it is signed, and what the payload is (`application/` is left out, RFC 7515 4.1.10).
const PROTECTED: &str = r#"{"alg":"EdDSA","cty":"vcon"}"#;

/// Signs vCons.
#[derive(Debug)]
pub(crate) struct Signer {
    key: ProofKey,
    certificate: String,
    /// A payload is in memory as a whole while it is signed: one at a time.
    one: Mutex<()>,
}

#[derive(Serialize)]
struct Signature<'s> {
    header: Header<'s>,
    protected: &'s str,
    signature: String,
}

#[derive(Serialize)]
struct Header<'s> {
    x5c: [&'s str; 1],
    uuid: &'s str,
}

impl Signer {
    /// With the proof key of the data directory `data`.
    ///
    /// # Errors
    /// There is none, or it may not be read.
    pub(in crate::export) fn read(data: &Path) -> Result<Self> {
        let key = ProofKey::read(data).context("--sign")?;
        let certificate = BASE64_STANDARD.encode(key.certificate()?);
        Ok(Self { key, certificate, one: Mutex::new(()) })
    }

    /// What follows the payload of so many octets that `file` has by now.
    pub(super) fn suffix(&self, file: &dyn DiskFile, payload: u64, uuid: &str) -> Result<Vec<u8>> {
        let protected = BASE64_URL_SAFE_NO_PAD.encode(PROTECTED);
        let signature = {
            let _one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = protected.len() + 1;
            let mut message = vec![0; begin + usize::try_from(payload)?];
            let (head, body) = message.split_at_mut(begin);
            head.copy_from_slice(format!("{protected}.").as_bytes());
            let read = file.read_at(PAYLOAD.len() as u64, body)?;
            ensure!(read as u64 == payload, "what was written is gone: does the disk fail?");
            BASE64_URL_SAFE_NO_PAD.encode(self.key.sign(&message)?)
        };
        let header = Header { x5c: [&self.certificate], uuid };
        let signatures = [Signature { header, protected: &protected, signature }];
        let mut suffix = b"\",\"signatures\":".to_vec();
        serde_json::to_writer(&mut suffix, &signatures)?;
        suffix.push(b'}');
        Ok(suffix)
    }
}
