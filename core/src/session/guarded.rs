//! A description of ours as it is remembered: its keys are shown to nobody, and written down wrapped only.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::keys::Keyring;
use super::secrets::blank_keys;

const PURPOSE: &[u8] = b"description ";

/// A description.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Guarded {
    /// Its keys blanked.
    text: Arc<str>,
    /// The whole, where there are keys in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapped: Option<String>,
    #[serde(skip)]
    whole: Option<Zeroizing<String>>,
}

impl Guarded {
    pub(super) fn new(description: &[u8], keyring: &Keyring<'_>) -> Self {
        let text: Arc<str> = readable(blank_keys(description)).into();
        if text.as_bytes() == description {
            return Self { text, wrapped: None, whole: None };
        }
        let whole = Zeroizing::new(readable(description.to_vec()));
        Self { text, wrapped: Some(keyring.node.wrap(&purpose(keyring), description)), whole: Some(whole) }
    }

    /// After a restart. `false`: another node wrapped its keys.
    pub(super) fn open(&mut self, keyring: &Keyring<'_>) -> bool {
        let Some(wrapped) = &self.wrapped else { return true };
        let opened = keyring.node.open(&purpose(keyring), wrapped);
        let text = opened.as_ref().and_then(|octets| core::str::from_utf8(octets).ok());
        self.whole = text.map(|text| Zeroizing::new(text.to_string()));
        self.whole.is_some()
    }

    /// As it is sent.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.whole.as_ref().map_or(self.text.as_bytes(), |whole| whole.as_bytes())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Descriptions are nearly always UTF-8, and that is found out far faster than they are mended.
fn readable(description: Vec<u8>) -> String {
    String::from_utf8(description).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn purpose(keyring: &Keyring<'_>) -> Vec<u8> {
    [PURPOSE, keyring.session.to_string().as_bytes()].concat()
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}
