//! `siprec doctor`.

use std::io::stdout;

use super::colour::Colour;
use super::settings::Settings;
use crate::config::{Config, Loaded};
use crate::doctor::{self, Examination, Form, Held, OfServer, Presented};
use crate::server;

const EXAMPLES: &str = "Examples:
  As the server's user:  sudo -u siprec siprec doctor --config /etc/siprec/siprec.yaml
  Only what is wrong:    siprec doctor --quiet
  For a script:          siprec doctor --json | jq -r 'select(.verdict == \"failed\") | .remedy'

It may run beside a server.
Exit codes: 0 nothing failed (warnings are told), 1 something failed, 2 usage.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Print one JSON object a check, then one with the sums
    #[arg(long)]
    json: bool,
    /// Print only warnings and what failed
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    /// Colours: on a terminal, always or never
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    color: Colour,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let loaded = args.settings.sources(Vec::new()).load();
    let server = loaded.as_ref().map_or_else(|_| OfServer::default(), |Loaded { config, .. }| of_server(config));
    let form =
        if args.json { Form::Json } else { Form::Text { colour: args.color.is_wanted(&stdout()), quiet: args.quiet } };
    doctor::run(Examination { loaded, server, form })
}

/// What the server's own code says.
fn of_server(config: &Config) -> OfServer {
    let held = |held: server::Held| {
        let server::Held { names, valid: (from, to), chain, exposed_key } = held;
        Held { names, from, to, chain, exposed_key }
    };
    let certificates = server::held_certificates(config);
    let certificates = certificates
        .into_iter()
        .map(|(section, found)| Presented { section, found: found.map(held).map_err(|error| format!("{error:#}")) });
    OfServer {
        certificates: certificates.collect(),
        clock_offset: server::clock_offset(&config.archive.data_dir),
        issuer: issuer(config),
    }
}

#[cfg(feature = "api")]
fn issuer(config: &Config) -> Option<Result<usize, String>> {
    let takes_tokens = config.api.enabled && config.auth.provider == crate::config::AuthProvider::Oauth2;
    takes_tokens.then(|| server::keys_of_issuer(&config.auth.oauth2))
}

#[cfg(not(feature = "api"))]
fn issuer(_: &Config) -> Option<Result<usize, String>> {
    None
}
