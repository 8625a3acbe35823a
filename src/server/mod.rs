//! `siprec serve`: listeners, media workers and the archive behind them.
//!
//! ```text
//! SIP sockets -> arrivals -> signalling (one thread, one core) -> media workers -> journal writer -> renderers
//! ```

mod arrivals;
mod banner;
pub mod clock;
mod datagrams;
mod dscp;
mod facade;
mod finishing;
mod housekeeping;
mod limits;
mod live;
pub mod media;
mod options;
mod orders;
mod recovery;
mod serve;
mod signalling;
mod streams;
mod tls;
mod told;

pub use facade::Server;
pub use live::{Live, LiveEvent, MAX_LISTENERS, Sound, StreamSecond, Tap, Told, Watch, Watched};
pub use options::Options;
pub use orders::{Desk, Orders};
pub use serve::run;
pub use tls::check as check_tls;
