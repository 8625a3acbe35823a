//! TLS of the API: the same handshakes and files as SIP's, on the API's own runtime.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, RwLock};

use tokio::net::TcpStream;

use super::handshake::{self, Handshakes, Secured};
use super::material::{Material, Stamps};
use super::{Inner, LOOK, LOOKS_A_DAY, Shown, section};
use crate::config::Config;

/// Where users of the API come in. Clones are of the same.
#[derive(Clone)]
pub(in crate::server) struct Door(Arc<Inner>);

impl Door {
    /// Reads certificates and keys; `None` where the API is served without TLS.
    pub(in crate::server) fn open(config: &Config) -> anyhow::Result<Option<Self>> {
        let tls = config.api_tls();
        if !tls.enabled {
            return Ok(None);
        }
        let stamps = Stamps::of(&tls);
        let material = Material::load(section::API, &tls)?;
        let inner = Inner {
            section: section::API,
            config: Mutex::new((tls, stamps)),
            material: RwLock::new(Arc::new(material)),
            handshakes: Handshakes::default(),
            names: Mutex::default(),
        };
        inner.warn();
        Ok(Some(Self(Arc::new(inner))))
    }

    /// Shakes hands; who fails is told in the log.
    pub(in crate::server) async fn shake(&self, stream: TcpStream, remote: SocketAddr) -> Option<Secured> {
        let _turn = self.0.handshakes.begin(remote)?;
        handshake::accept(&self.0.handshakes, &self.0.material(), stream, remote).await
    }

    /// The certificate, whichever is in force.
    pub(in crate::server) fn shown(&self) -> Shown {
        Shown(Arc::clone(&self.0))
    }

    /// Takes another configuration. What cannot be used changes nothing, and is told.
    pub(in crate::server) fn reload(&self, config: &Config) {
        self.0.lock().0 = config.api_tls();
        self.0.load_again();
    }

    /// Looks at the files and at the calendar for ever.
    pub(in crate::server) async fn watch(self) {
        let mut looks = tokio::time::interval(LOOK);
        looks.tick().await;
        for n in 1_u32.. {
            looks.tick().await;
            self.0.look();
            if n.is_multiple_of(LOOKS_A_DAY) {
                self.0.warn();
            }
        }
    }
}
