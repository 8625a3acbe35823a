//! Where PostgreSQL is, from `metadata.connection`: a URL or `key=value` pairs, as libpq takes them.
//!
//! | sslmode | the connection |
//! | --- | --- |
//! | `disable` | is never under TLS |
//! | `prefer` (where none is given) | is under TLS where the server offers it; whoever answers is believed |
//! | `require` | is always under TLS; whoever answers is believed, unless `sslrootcert` says who vouches for him |
//! | `verify-full` | is always under TLS, with a certificate of that name, by a CA of `sslrootcert` or the machine |

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresError;
use crate::any_certificate::AnyCertificate;

/// How long one address may take to answer, where the connection string does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What was sent and is not acknowledged for so long breaks the connection.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Who is to vouch for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trust {
    Anybody,
    /// The CAs in a file, or those of the machine.
    Authorities(Option<PathBuf>),
}

/// Where PostgreSQL is and how it is spoken to. Shows no password.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    trust: Trust,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// User, host and database: what an operator is told.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(folder) => folder.display().to_string(),
        });
        let ports: Vec<String> = self.config.get_ports().iter().map(|port| format!(":{port}")).collect();
        write!(f, "{}{}", hosts.collect::<Vec<_>>().join(","), ports.join(","))
    }
}

/// The text is no connection string. Says nothing of its value, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}: write it as postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full, with %40 for an @ in the password"
)]
pub struct BadAddress(&'static str);

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let (plain, options) = take_options(text, &["sslmode", "sslrootcert"])?;
        let [mode, root] = options;
        let root = root.filter(|path| path != "system").map(PathBuf::from);
        let (mode, trust) = match (mode.as_deref(), root) {
            (Some("disable"), _) => (SslMode::Disable, Trust::Anybody),
            (Some("prefer") | None, None) => (SslMode::Prefer, Trust::Anybody),
            (Some("require"), None) => (SslMode::Require, Trust::Anybody),
            // As libpq has it: who names the CA wants it to count.
            (Some("prefer" | "require" | "verify-full") | None, Some(root)) => {
                (SslMode::Require, Trust::Authorities(Some(root)))
            }
            (Some("verify-full"), None) => (SslMode::Require, Trust::Authorities(None)),
            (Some(_), _) => return Err(BadAddress("sslmode is disable, prefer, require or verify-full")),
        };
        let mut config: Config =
            plain.parse().map_err(|_| BadAddress("it cannot be read, or has an unknown option"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(BadAddress("it names no host"));
        }
        if config.get_user().is_none() {
            return Err(BadAddress("it names no user"));
        }
        config.ssl_mode(mode);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_USER_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("siprec");
        }
        Ok(Self { config, trust })
    }
}

/// Takes options out of a connection string that the client library does not know, or knows otherwise.
fn take_options<const N: usize>(text: &str, names: &[&str; N]) -> Result<(String, [Option<String>; N]), BadAddress> {
    let mut found = [const { None }; N];
    let mut is_taken = |option: &str| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let place = names.iter().position(|known| *known == name.trim());
        let place = place.and_then(|place| found.get_mut(place));
        place.map(|place| *place = Some(decoded(value.trim().trim_matches('\'')))).is_some()
    };
    let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
    let rest = if is_url {
        let (address, options) = text.split_once('?').unwrap_or((text, ""));
        let rest: Vec<&str> = options.split('&').filter(|option| !option.is_empty() && !is_taken(option)).collect();
        if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) }
    } else if text.contains('=') {
        text.split_whitespace().filter(|option| !is_taken(option)).collect::<Vec<_>>().join(" ")
    } else {
        return Err(BadAddress("it is no connection string"));
    };
    Ok((rest, found))
}

/// `%2F` as `/`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten();
        let code = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Address {
    /// What makes connections TLS. Reads CAs anew, so that new ones count without a restart.
    pub(super) fn tls(&self) -> Result<MakeRustlsConnect, PostgresError> {
        let provider = Arc::new(ring::default_provider());
        let unusable = |why: String| PostgresError::Tls { why };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| unusable(error.to_string()))?;
        let config = match &self.trust {
            Trust::Anybody => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth(),
            Trust::Authorities(file) => {
                let roots = authorities(file.as_ref()).map_err(unusable)?;
                builder.with_root_certificates(roots).with_no_client_auth()
            }
        };
        Ok(MakeRustlsConnect::new(config))
    }
}

fn authorities(file: Option<&PathBuf>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err("this machine has no CAs: name one by sslrootcert, or install ca-certificates".to_owned());
        }
        return Ok(roots);
    };
    let failure = |why: &dyn fmt::Display| format!("sslrootcert {}: {why}", file.display());
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| failure(&error))? {
        let certificate = certificate.map_err(|error| failure(&error))?;
        roots.add(certificate).map_err(|error| failure(&error))?;
    }
    if roots.is_empty() { Err(failure(&"no certificate in it")) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_security_asked_for_is_the_one_there_is() {
        let cases = [
            ("postgres://u:p@h/d", SslMode::Prefer, Trust::Anybody),
            ("postgresql://u:p@h:5433/d?sslmode=disable", SslMode::Disable, Trust::Anybody),
            ("postgres://u:p@h/d?sslmode=require&connect_timeout=3", SslMode::Require, Trust::Anybody),
            ("postgres://u@h/d?sslmode=verify-full", SslMode::Require, Trust::Authorities(None)),
            ("postgres://u@h/d?sslmode=verify-full&sslrootcert=system", SslMode::Require, Trust::Authorities(None)),
            ("host=h user=u dbname=d sslmode=require", SslMode::Require, Trust::Anybody),
        ];
        for (text, mode, trust) in cases {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.config.get_ssl_mode(), address.trust), (mode, trust), "{text}");
        }
        let address: Address = "postgres://u@h/d?sslrootcert=%2Fetc%2Fca.pem".parse().unwrap();
        assert_eq!(address.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(address.trust, Trust::Authorities(Some("/etc/ca.pem".into())));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_the_password() {
        let bad = [
            "",
            "hunter2",
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@h/d?sslmode=verify-ca",
            "postgres://u:hunter2@h/d?colour=blue",
            "postgres://u:hunter2@h:port/d",
            "postgres:///d?user=u&password=hunter2",
            "host=h password=hunter2",
        ];
        for text in bad {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(!error.contains("hunter2") && error.contains("postgres://USER:PASSWORD@HOST/DATABASE"), "{error}");
        }
        let address: Address = "postgres://u:hunter2@h:5433/d".parse().unwrap();
        assert_eq!(format!("{address} {address:?}"), "h:5433 h:5433");
    }
}
