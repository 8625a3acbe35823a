//! `siprec config key new`: a key of the API for a program. It is shown once; the configuration has its hash.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest as _, Sha256};

use crate::config::{Expiry, KEY_PREFIX, KeyHash};

pub(super) const EXAMPLE: &str =
    "Example:\n  siprec config key new --name nightly --role supervisor --expires 2027-01-31";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key, and print it with its row of auth.api_keys
    #[command(after_help = EXAMPLE)]
    New {
        /// Whose it is, for the audit log
        #[arg(long, value_parser = name)]
        name: String,
        /// One of auth.roles; may be given again
        #[arg(long = "role", value_name = "ROLE", required = true, value_parser = name)]
        roles: Vec<String>,
        /// The day from which it is refused, as 2027-01-31
        #[arg(long, value_name = "DAY")]
        expires: Option<Expiry>,
    },
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let Action::New { name, roles, expires } = args.action;
    let mut chance = zeroize::Zeroizing::new([0; 32]);
    getrandom(&mut *chance, GetRandomFlags::empty())?;
    let key = zeroize::Zeroizing::new(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(*chance)));
    let sha256 = KeyHash(Sha256::digest(key.as_bytes()).into());
    let expires = expires.map(|day| format!(", expires: \"{day}\"")).unwrap_or_default();
    let roles = roles.join(", ");
    // The key alone is for scripts; what is for people does not get in its way.
    writeln!(std::io::stderr(), "the key, which nobody can show again:")?;
    writeln!(std::io::stdout(), "{}", *key)?;
    writeln!(std::io::stderr(), "its row of auth.api_keys, in force after a reload (SIGHUP):")?;
    writeln!(std::io::stdout(), "- {{name: {name}, sha256: \"{sha256}\", roles: [{roles}]{expires}}}")?;
    Ok(())
}

/// A name that needs no quotes in YAML.
fn name(text: &str) -> Result<String, String> {
    const MAX: usize = 64;
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (begins && is_plain && text.len() <= MAX)
        .then(|| text.to_owned())
        .ok_or_else(|| format!("a name is a letter, then letters, digits, - _ and ., {MAX} at most"))
}
