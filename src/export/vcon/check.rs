//! Whether a vCon is what its server signed: told by the file, the audio beside it, and a public key.

use std::fs;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use base64::read::DecoderReader;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{MAX_SIGNED, MAX_SUFFIX, sha512};
use crate::archive::disk::{Disk as _, RealDisk};
use crate::archive::proof_key::PublicKey;
use crate::archive::soundness::is_plain_name;
use crate::export::verify::folder_of;

/// Whether a file is a vCon by its name: `.vcon.json`, or `.vcon` as the draft has it.
pub(in crate::export) fn is_vcon(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // (Not a temporary one.)
    !name.starts_with('.') && (name.ends_with(super::ENDING) || name.ends_with(".vcon"))
}

#[derive(Deserialize)]
struct Signed<'f> {
    #[serde(borrow)]
    payload: &'f str,
    #[serde(borrow)]
    signatures: Vec<Signature<'f>>,
}

#[derive(Deserialize)]
struct Signature<'f> {
    header: Option<Header>,
    protected: &'f str,
    signature: &'f str,
}

#[derive(Deserialize)]
struct Header {
    x5c: Option<Vec<String>>,
    x5u: Option<String>,
    uuid: Option<String>,
}

#[derive(Deserialize)]
struct Protected {
    alg: String,
    crit: Option<IgnoredAny>,
}

/// Of a file that is none of the signed form: which form it is.
#[derive(Deserialize)]
struct Other {
    parties: Option<IgnoredAny>,
    dialog: Option<IgnoredAny>,
    ciphertext: Option<IgnoredAny>,
}

/// A vCon, as far as its signature leaves something open.
#[derive(Deserialize)]
struct Content {
    uuid: String,
    #[serde(default)]
    dialog: Vec<Dialog>,
}

#[derive(Deserialize)]
struct Dialog {
    url: Option<String>,
    content_hash: Option<Hashes>,
    filename: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Hashes {
    One(String),
    Several(Vec<String>),
}

/// What is wrong with the vCon at `path`; nothing, if it is what one of `keys` signed.
pub(in crate::export) fn faults(path: &Path, keys: &[PublicKey]) -> Vec<String> {
    look(path, keys).unwrap_or_else(|error| vec![format!("{error:#}")])
}

fn look(path: &Path, keys: &[PublicKey]) -> Result<Vec<String>> {
    let length = fs::metadata(path).context("it cannot be read")?.len();
    ensure!(length <= MAX_SIGNED + MAX_SUFFIX, "it has {length} octets, more than siprec signs");
    let text = fs::read(path).context("it cannot be read")?;
    let Ok(signed) = serde_json::from_slice::<Signed<'_>>(&text) else { bail!(form_of(&text)) };
    let by = signed.signatures.iter().find(|signature| keys.iter().any(|key| signed.is_by(signature, key)));
    let Some(by) = by else { bail!("the signature is not of this vCon by any of the keys") };
    // Only now is what it says worth reading.
    let payload = DecoderReader::new(signed.payload.as_bytes(), &BASE64_URL_SAFE_NO_PAD);
    let content: Content = serde_json::from_reader(BufReader::new(payload)).context("what was signed is no vCon")?;
    let mut faults = Vec::new();
    let header = by.header.as_ref();
    if header.is_none_or(|header| header.x5c.is_none() && header.x5u.is_none()) {
        faults.push("it carries no certificate (x5c or x5u), as the draft wants it to".to_owned());
    }
    if header.and_then(|header| header.uuid.as_ref()).is_some_and(|uuid| *uuid != content.uuid) {
        faults.push("the uuid beside the signature is another's".to_owned());
    }
    let first = header.and_then(|header| header.x5c.as_ref()?.first());
    let certificate = first.map(|text| BASE64_STANDARD.decode(text).unwrap_or_default());
    if certificate.is_some_and(|der| !keys.iter().any(|key| signed.is_by(by, key) && key.is_in(&der))) {
        faults.push("the certificate beside the signature (x5c) is of another key".to_owned());
    }
    faults.extend(content.dialog.iter().filter_map(|dialog| fault_of(folder_of(path), dialog)));
    Ok(faults)
}

/// Why a file is not looked into.
fn form_of(text: &[u8]) -> &'static str {
    match serde_json::from_slice::<Other>(text) {
        Ok(Other { ciphertext: Some(_), .. }) => "it is encrypted: decrypt it first",
        Ok(Other { parties, dialog, .. }) if parties.is_some() || dialog.is_some() => {
            "it was not signed: siprec export --as vcon --sign signs"
        }
        Ok(_) | Err(_) => "it is damaged: neither a vCon nor a signed one",
    }
}

impl Signed<'_> {
    fn is_by(&self, signature: &Signature<'_>, key: &PublicKey) -> bool {
        let protected = BASE64_URL_SAFE_NO_PAD.decode(signature.protected).unwrap_or_default();
        // What is critical there is nothing that we know of (RFC 7515 4.1.11); `Ed25519` is its newer name (RFC 9864).
        let is_ours = serde_json::from_slice::<Protected>(&protected)
            .is_ok_and(|header| matches!(header.alg.as_str(), "EdDSA" | "Ed25519") && header.crit.is_none());
        let Ok(octets) = BASE64_URL_SAFE_NO_PAD.decode(signature.signature) else { return false };
        is_ours && key.verifies([signature.protected, ".", self.payload].concat().as_bytes(), &octets)
    }
}

/// What is wrong with a file that the vCon refers to.
fn fault_of(folder: &Path, dialog: &Dialog) -> Option<String> {
    let url = dialog.url.as_deref()?;
    let name = dialog.filename.as_deref().unwrap_or_else(|| url.rsplit('/').next().unwrap_or(url));
    if !is_plain_name(name) {
        return Some(format!("it names a file \"{name}\" in another folder"));
    }
    let hashes: &[String] = match &dialog.content_hash {
        Some(Hashes::One(hash)) => std::slice::from_ref(hash),
        Some(Hashes::Several(hashes)) => hashes,
        None => &[],
    };
    let Some(wanted) = hashes.iter().find(|hash| hash.starts_with("sha512-")) else {
        return Some(format!("it gives no SHA-512 of {name}"));
    };
    match RealDisk.open_read(&folder.join(name)).and_then(|file| sha512(&*file)) {
        Ok(found) if found == *wanted => None,
        Ok(found) => Some(format!("{name} is changed: {found}, the vCon says {wanted}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(format!("{name} is not beside it")),
        Err(error) => Some(format!("{name} cannot be read: {error}")),
    }
}
