//! A recorder in a few lines: SIP on port 5060, recordings in `./calls`.
//!
//! `cargo run --example embed` runs it until Ctrl-C.

use siprec::config::{ArchiveConfig, MediaConfig, ServerConfig};
use siprec::{Config, Server};

fn main() -> anyhow::Result<()> {
    let server = Server::new(Config {
        server: ServerConfig { address: ":5060".parse()?, max_connections: 100, ..Default::default() },
        media: MediaConfig { port_range: "10000-10999".parse()?, ..Default::default() },
        archive: ArchiveConfig { data_dir: "./calls".into(), ..Default::default() },
        ..Default::default()
    });
    server.start()
}
