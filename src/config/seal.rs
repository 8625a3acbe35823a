//! `archive.seal`: encryption at rest.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::model::Config;
use super::notices::{Notice, error};
use super::values::Secret;

/// `archive.seal`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SealConfig {
    /// Whether journals and recordings are sealed from now on.
    pub enabled: bool,
    /// The master key, 64 hexadecimal digits.
    pub master_key: Option<Secret>,
    /// Or the file that they stand in.
    pub master_key_file: Option<PathBuf>,
    /// Or a command and its arguments, which prints them.
    pub master_key_command: Vec<String>,
    /// Master keys of before, which only open.
    pub previous_keys: Vec<Secret>,
}

/// What cannot be right about it.
pub(super) fn contradictions(config: &Config, found: &mut Vec<Notice>) {
    let seal = &config.archive.seal;
    let given = [seal.master_key.is_some(), seal.master_key_file.is_some(), !seal.master_key_command.is_empty()];
    match given.iter().filter(|given| **given).count() {
        0 if seal.enabled => found.push(error(
            "archive.seal.enabled: there is no key to seal with: make one (siprec archive new-key FILE) and name it in \
             archive.seal.master_key_file",
        )),
        0 | 1 => {}
        _ => found.push(error(
            "archive.seal: more than one of master_key, master_key_file and master_key_command is set: leave one, and put keys of \
             before into previous_keys",
        )),
    }
}
