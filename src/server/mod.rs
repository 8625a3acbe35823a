//! `siprec serve`: listeners, media workers and the archive behind them.
//!
//! ```text
//! SIP sockets -> arrivals -> signalling (one thread, one core) -> media workers -> journal writer -> renderers
//! ```

#[cfg(feature = "api")]
mod api;
#[cfg_attr(not(feature = "api"), expect(dead_code, reason = "only the API asks for it"))]
mod alarms;
mod answering;
mod arrivals;
mod auditing;
mod banner;
pub mod clock;
mod datagrams;
mod dscp;
mod erasing;
mod facade;
mod finishing;
mod housekeeping;
mod live;
mod lookout;
pub mod media;
#[cfg_attr(not(feature = "api"), expect(dead_code, reason = "only the API asks for it"))]
mod meters;
mod options;
#[cfg_attr(not(feature = "api"), expect(dead_code, reason = "only the API asks for it"))]
mod orders;
#[cfg_attr(not(feature = "api"), expect(dead_code, reason = "only the API asks for it"))]
mod own_src;
mod recompressing;
mod recovery;
mod rhythm;
mod serve;
mod shared_catalog;
#[cfg_attr(not(feature = "api"), expect(dead_code, reason = "only the API asks for it"))]
mod showing;
mod signalling;
mod sip_watch;
mod storing;
mod streams;
mod tls;
mod told;
#[cfg(feature = "otlp")]
mod traces;
mod turn;
#[cfg(feature = "api")]
mod webhooks;

pub use alarms::ServerAlarm;
#[cfg(feature = "api")]
pub use api::keys_of_issuer;
pub use facade::Server;
pub use live::{Live, LiveEvent, MAX_LISTENERS, Sound, StreamSecond, Tap, Told, Watch, Watched};
pub use options::Options;
pub use orders::{Desk, Orders};
pub use recovery::clock_offset;
pub use serve::run;
pub use sip_watch::{SipTold, SipWatch, SipWatched};
pub use tls::{Held, check as check_tls, hold as held_certificates};
