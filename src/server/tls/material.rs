//! What the configuration and its files come to: one value, swapped as a whole when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use siprec_core::time::Wall;

use super::Held;
use super::certificate::Certificate;
use super::files;
use super::judge::{Called, Judge, Rules};
use super::section::Section;
use crate::config::{ClientAuth, TlsConfig, TlsVersion};

/// A certificate that ends sooner is worth a warning.
const SOON_NS: i64 = 30 * DAY_NS;
const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// The newest first.
static BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
static NEW: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// Everything that a handshake needs.
pub(super) struct Material {
    pub(super) section: Section,
    identity: Arc<SingleCertAndKey>,
    own: Option<Certificate>,
    chain: Vec<Certificate>,
    rules: Arc<Rules>,
    asks_clients: bool,
    pub(super) min_version: TlsVersion,
    key_is_readable: Option<String>,
}

impl Material {
    /// Reads all files that `config`, of `section`, names.
    pub(super) fn load(section: Section, config: &TlsConfig) -> anyhow::Result<Self> {
        Self::read(section, config).map_err(|error| anyhow::anyhow!("{}", section.says(&format!("{error:#}"))))
    }

    fn read(section: Section, config: &TlsConfig) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let cert =
            config.cert_file.as_ref().context("server.tls.cert_file: TLS needs a certificate: name its PEM file")?;
        let key =
            config.key_file.as_ref().context("server.tls.key_file: TLS needs a private key: name its PEM file")?;
        let identity = files::identity(cert, key, &provider)?;
        let anchors = match &config.client_ca_file {
            Some(file) => files::anchors(file)?.into(),
            None if config.verify_peers => files::machines_anchors(),
            None => Arc::default(),
        };
        let own = identity.cert.first().and_then(Certificate::read);
        let chain = identity.cert.iter().filter_map(Certificate::read).collect();
        let rules = Rules {
            provider,
            anchors,
            anchors_are_ours: config.client_ca_file.is_some(),
            names: config.allowed_names.clone(),
            pins: config.pins.clone(),
            mandatory: config.client_auth == ClientAuth::Required,
            lenient: !config.verify_peers,
        };
        Ok(Self {
            section,
            identity: Arc::new(SingleCertAndKey::from(identity)),
            own,
            chain,
            rules: Arc::new(rules),
            asks_clients: config.client_auth != ClientAuth::None,
            min_version: config.min_version,
            key_is_readable: files::readable_by_others(key),
        })
    }

    /// What is worth saying of it: its end, and who may read its key.
    pub(super) fn warnings(&self, now: Wall) -> Vec<String> {
        let expiry = self.own.as_ref().and_then(|own| about_expiry(own.not_before, own.not_after, now));
        expiry.into_iter().chain(self.key_is_readable.clone()).map(|text| self.section.says(&text)).collect()
    }

    /// What the files hold.
    pub(super) fn held(&self) -> Held {
        let chain = self.chain.iter().map(|one| (one.subject().to_owned(), one.issuer().to_owned())).collect();
        let exposed_key = self.key_is_readable.as_deref().map(|text| self.section.says(text));
        let own = self.own.as_ref();
        Held {
            names: own.map(|own| own.peer.names.clone()).unwrap_or_default(),
            valid: own.map_or((Wall(0), Wall(0)), |own| (own.not_before, own.not_after)),
            chain,
            exposed_key,
        }
    }

    /// When the certificate ends.
    pub(super) fn ends(&self) -> Option<Wall> {
        self.own.as_ref().map(|own| own.not_after)
    }

    /// For the banner: whose certificate, and until when.
    pub(super) fn words(&self) -> String {
        self.own.as_ref().map_or_else(String::new, |own| {
            format!("certificate of {} until {}", own.peer.names.join(" "), own.not_after)
        })
    }

    /// For one client; the judge keeps what it saw. Sessions are not resumed: each connection is judged anew.
    pub(super) fn for_client(&self) -> Result<(ServerConfig, Arc<Judge>), rustls::Error> {
        let judge = Arc::new(Judge::of_client(Arc::clone(&self.rules)));
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.rules.provider))
            .with_protocol_versions(self.versions())?;
        let builder = if self.asks_clients {
            builder.with_client_cert_verifier(Arc::clone(&judge) as _)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&self.identity) as _);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = self.section.protocols.iter().map(|name| name.to_vec()).collect();
        Ok((config, judge))
    }

    /// For one server that we connect to; it may ask for our certificate.
    pub(super) fn for_server(&self, called: Called) -> Result<(ClientConfig, Arc<Judge>), rustls::Error> {
        let judge = Arc::new(Judge::of_server(Arc::clone(&self.rules), called));
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.rules.provider))
            .with_protocol_versions(self.versions())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&judge) as _)
            .with_client_cert_resolver(Arc::clone(&self.identity) as _);
        config.resumption = Resumption::disabled();
        Ok((config, judge))
    }

    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.min_version {
            TlsVersion::V1_2 => BOTH,
            TlsVersion::V1_3 => NEW,
        }
    }
}

fn about_expiry(from: Wall, to: Wall, now: Wall) -> Option<String> {
    let renew = "renew it: the new file is taken up within a minute, no restart";
    let left = to.0.saturating_sub(now.0);
    if left < 0 {
        Some(format!(
            "server.tls.cert_file: the certificate expired on {to}, and peers that look will not connect; {renew}"
        ))
    } else if now < from {
        Some(format!("server.tls.cert_file: the certificate is not valid before {from}; look at this machine's clock"))
    } else if left < SOON_NS {
        let days = left / DAY_NS;
        Some(format!("server.tls.cert_file: the certificate expires in {days} days, on {to}; {renew}"))
    } else {
        None
    }
}

/// The state of the files that matter: when it differs, they are read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamps(Vec<(PathBuf, Option<(SystemTime, u64)>)>);

impl Stamps {
    /// As they are now.
    pub(super) fn of(config: &TlsConfig) -> Self {
        let files = [&config.cert_file, &config.key_file, &config.client_ca_file];
        let stamp = |file: &PathBuf| {
            let known = std::fs::metadata(file).ok().and_then(|m| Some((m.modified().ok()?, m.len())));
            (file.clone(), known)
        };
        Self(files.into_iter().flatten().map(stamp).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_near_is_told_with_the_days() {
        let day = |n: i64| Wall(n * DAY_NS);
        let says = |now: i64| about_expiry(day(0), day(100), day(now));
        assert_eq!(says(10), None);
        assert!(says(71).unwrap().contains("expires in 29 days, on 1970-04-11"), "{:?}", says(71));
        assert!(says(101).unwrap().contains("expired on"));
        assert!(about_expiry(day(5), day(100), day(1)).unwrap().contains("not valid before"));
    }

    #[test]
    fn a_file_that_changes_shows_in_its_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cert.pem");
        std::fs::write(&file, "one").unwrap();
        let config = TlsConfig { cert_file: Some(file.clone()), ..TlsConfig::default() };
        let before = Stamps::of(&config);
        assert_eq!(before, Stamps::of(&config));
        std::fs::write(&file, "three").unwrap();
        assert_ne!(before, Stamps::of(&config));
        std::fs::remove_file(&file).unwrap();
        assert_ne!(before, Stamps::of(&config), "gone is a change too");
    }
}
