//! TLS of a capture, made plain with a key log (the NSS format that `SSLKEYLOGFILE` names): 1.2 and 1.3, in the
//! suites that encrypt with AES (GCM, CCM, and in 1.2 CBC) or ChaCha20.
//!
//! ```text
//! a connection's octets, each direction in order -> records -> hellos, keys of the log -> octets of the application
//! ```
//! Nothing is verified but what each record's own tag, or authentication code, proves. Where it cannot go on,
//! [`Connection::trouble`] says why.

mod block;
mod cbc;
mod ccm;
mod handshake;
mod key_log;
mod keys;
mod record;
mod streams;
mod suite;
#[cfg(test)]
mod tests;

pub use key_log::{KeyLog, KeyLogError};
pub use streams::TlsStreams;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use self::handshake::{Handshakes, Message, ServerHello};
use self::key_log::{CLIENT_EARLY, CLIENT_HANDSHAKE, CLIENT_RANDOM, CLIENT_TRAFFIC, SERVER_HANDSHAKE, SERVER_TRAFFIC};
use self::keys::Opener;
use self::record::{Kind, Record, Records};
use self::suite::Suite;

/// Records that wait for the other direction's hello.
const MAX_WAITING: usize = 64;

/// Why a connection cannot be made plain, or not any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It does not begin with a hello: the capture begins later than the connection does.
    BeganBefore,
    /// These are no records of TLS.
    NotTls,
    /// The version is older than TLS 1.2.
    Version(u16),
    /// The key log has no line for it.
    NoKey {
        /// What the line is called.
        label: &'static str,
        /// Which connection, as the line has it: the client's random, hexadecimal.
        client_random: String,
    },
    /// The cipher suite is none that we know to open.
    Suite(String),
    /// A record does not open: the key is another's, or octets are lost.
    Unauthentic {
        /// What the suite is called.
        suite: &'static str,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeganBefore => f.write_str("the capture begins in the middle of the connection"),
            Self::NotTls => f.write_str("not TLS"),
            Self::Version(version) => write!(f, "TLS of version {version:#06x} is not supported, only 1.2 and 1.3"),
            Self::NoKey { label, client_random } => {
                write!(f, "the key log has no {label} for the client random {client_random}")
            }
            Self::Suite(name) => write!(
                f,
                "the cipher suite {name} is not supported, only AES (GCM, CBC, CCM) and ChaCha20: let one end allow no others"
            ),
            Self::Unauthentic { suite } => {
                write!(f, "a record of {suite} does not open with the key of the log (octets lost, or another key)")
            }
        }
    }
}

impl std::error::Error for Trouble {}

/// One of the two ends of a connection, whichever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// One.
    A,
    /// The other.
    B,
}

impl End {
    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What one end sends.
#[derive(Default)]
struct Direction {
    records: Records,
    waiting: VecDeque<Record>,
    handshakes: Handshakes,
    opener: Option<Opener>,
    /// TLS 1.2: from here on all is encrypted.
    is_changed: bool,
    plain: Vec<u8>,
}

/// A TCP connection that speaks TLS.
pub struct Connection {
    keys: Arc<KeyLog>,
    a: Direction,
    b: Direction,
    client: Option<End>,
    client_random: Option<[u8; 32]>,
    server: Option<Hello>,
    trouble: Option<Trouble>,
}

/// What the server's hello decided.
#[derive(Debug, Clone, Copy)]
struct Hello {
    random: [u8; 32],
    suite: Suite,
    is_13: bool,
    is_encrypted_first: bool,
}

impl Hello {
    fn unauthentic(&self) -> Trouble {
        Trouble::Unauthentic { suite: self.suite.name }
    }
}

impl Connection {
    /// A connection of which nothing was seen yet.
    pub fn new(keys: Arc<KeyLog>) -> Self {
        let (a, b) = (Direction::default(), Direction::default());
        Self { keys, a, b, client: None, client_random: None, server: None, trouble: None }
    }

    /// Takes what `end` sent next, in order and without a gap.
    pub fn push(&mut self, end: End, bytes: &[u8]) {
        if self.trouble.is_some() {
            return;
        }
        let result = self.take_in(end, bytes);
        self.trouble = result.err();
    }

    /// What the application at `end` sent, as far as it is plain and was not taken before.
    pub fn take(&mut self, end: End) -> Vec<u8> {
        std::mem::take(&mut self.direction(end).plain)
    }

    /// Why it does not go on.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Which end is the client, once its hello was seen.
    pub fn client(&self) -> Option<End> {
        self.client
    }

    fn direction(&mut self, end: End) -> &mut Direction {
        match end {
            End::A => &mut self.a,
            End::B => &mut self.b,
        }
    }

    fn take_in(&mut self, end: End, bytes: &[u8]) -> Result<(), Trouble> {
        let direction = self.direction(end);
        direction.records.push(bytes);
        while let Some(record) = direction.records.next()? {
            direction.waiting.push_back(record);
        }
        // What comes from one end may be what the other's records waited for.
        loop {
            let mut went_on = false;
            for end in [end, end.other()] {
                while self.one(end)? {
                    went_on = true;
                }
            }
            if !went_on {
                break;
            }
        }
        let is_stuck = self.direction(end).waiting.len() > MAX_WAITING;
        if is_stuck { Err(Trouble::BeganBefore) } else { Ok(()) }
    }

    /// Takes the next record of an end; `false` if there is none, or it has to wait for the other end.
    fn one(&mut self, end: End) -> Result<bool, Trouble> {
        let is_client = self.client.is_none_or(|client| client == end);
        let has_server_hello = self.server.is_some();
        let is_13 = self.server.is_some_and(|hello| hello.is_13);
        let direction = self.direction(end);
        let Some(kind) = direction.waiting.front().map(|record| record.kind) else { return Ok(false) };
        let has_no_key = direction.opener.is_none();
        if !has_server_hello && kind == Kind::Data {
            // Early data, or a connection without its beginning.
            return if self.client == Some(end) { Ok(false) } else { Err(Trouble::BeganBefore) };
        }
        if is_13 && is_client && has_no_key && kind == Kind::Data {
            self.use_secret(end, CLIENT_HANDSHAKE)?;
        }
        let direction = self.direction(end);
        let Some(record) = direction.waiting.pop_front() else { return Ok(false) };
        self.record(end, record)?;
        Ok(true)
    }

    fn record(&mut self, end: End, mut record: Record) -> Result<(), Trouble> {
        if record.kind == Kind::ChangeCipherSpec {
            return self.changed(end);
        }
        let is_13 = self.server.is_some_and(|hello| hello.is_13);
        let direction = self.direction(end);
        let is_encrypted = if is_13 { record.kind == Kind::Data } else { direction.is_changed };
        if is_encrypted {
            let Some(opener) = &mut direction.opener else { return Err(Trouble::BeganBefore) };
            let opened = opener.open(&record);
            record = match opened {
                Some(opened) => opened,
                None => self.early(end, &record)?,
            };
        }
        match record.kind {
            Kind::Data if is_encrypted => {
                self.direction(end).plain.extend_from_slice(&record.content);
                Ok(())
            }
            Kind::Handshake => {
                self.direction(end).handshakes.push(&record.content);
                while let Some(message) = self.direction(end).handshakes.next()? {
                    self.message(end, &message)?;
                }
                Ok(())
            }
            Kind::Data => Err(Trouble::BeganBefore),
            Kind::Alert | Kind::ChangeCipherSpec => Ok(()),
        }
    }

    /// A record that the handshake's key does not open may be early data (RFC 8446 4.2.10).
    fn early(&mut self, end: End, record: &Record) -> Result<Record, Trouble> {
        let (Some(hello), Some(random)) = (self.server, self.client_random) else { return Err(Trouble::BeganBefore) };
        let is_fresh = self.direction(end).opener.as_ref().is_some_and(Opener::is_fresh);
        let is_first = hello.is_13 && is_fresh && self.client == Some(end);
        let secret = self.keys.secret(CLIENT_EARLY, &random).filter(|_| is_first);
        let mut opener = secret.and_then(|secret| Opener::tls13(hello.suite, secret)).ok_or(hello.unauthentic())?;
        let opened = opener.open(record).ok_or(hello.unauthentic())?;
        self.direction(end).opener = Some(opener);
        Ok(opened)
    }

    fn message(&mut self, end: End, message: &Message) -> Result<(), Trouble> {
        match message {
            Message::ClientHello { random } => {
                self.client = Some(end);
                self.client_random = Some(*random);
                Ok(())
            }
            Message::ServerHello(hello) => self.server_hello(end, hello),
            Message::Finished if self.server.is_some_and(|hello| hello.is_13) => {
                let label = if self.client == Some(end) { CLIENT_TRAFFIC } else { SERVER_TRAFFIC };
                self.use_secret(end, label)
            }
            Message::EndOfEarlyData => self.use_secret(end, CLIENT_HANDSHAKE),
            Message::KeyUpdate => {
                let hello = self.server.ok_or(Trouble::BeganBefore)?;
                let updated = self.direction(end).opener.as_mut().and_then(Opener::update);
                updated.ok_or(hello.unauthentic())
            }
            Message::HelloRetry | Message::Finished | Message::Other => Ok(()),
        }
    }

    fn server_hello(&mut self, end: End, hello: &ServerHello) -> Result<(), Trouble> {
        const TLS_12: u16 = 0x0303;
        const TLS_13: u16 = 0x0304;
        let &ServerHello { random, suite, version, is_encrypted_first } = hello;
        if self.client_random.is_none() {
            return Err(Trouble::BeganBefore);
        }
        if !(TLS_12..=TLS_13).contains(&version) {
            return Err(Trouble::Version(version));
        }
        let is_13 = version == TLS_13;
        let suite = Suite::known(suite, is_13).ok_or_else(|| Trouble::Suite(suite::name(suite)))?;
        self.server = Some(Hello { random, suite, is_13, is_encrypted_first });
        if is_13 { self.use_secret(end, SERVER_HANDSHAKE) } else { Ok(()) }
    }

    fn use_secret(&mut self, end: End, label: &'static str) -> Result<(), Trouble> {
        let (Some(hello), Some(random)) = (self.server, self.client_random) else { return Err(Trouble::BeganBefore) };
        let secret = self.keys.secret(label, &random).ok_or_else(|| no_key(label, &random))?;
        let opener = Opener::tls13(hello.suite, secret).ok_or(hello.unauthentic())?;
        self.direction(end).opener = Some(opener);
        Ok(())
    }

    /// RFC 5246 7.1. In TLS 1.3 it says nothing (RFC 8446 D.4).
    fn changed(&mut self, end: End) -> Result<(), Trouble> {
        let Some(hello) = self.server else {
            // Before the server's hello, which will be of TLS 1.3 then.
            return if self.client.is_some() { Ok(()) } else { Err(Trouble::BeganBefore) };
        };
        if hello.is_13 {
            return Ok(());
        }
        let random = self.client_random.ok_or(Trouble::BeganBefore)?;
        let master = self.keys.secret(CLIENT_RANDOM, &random).ok_or_else(|| no_key(CLIENT_RANDOM, &random))?;
        let is_client = self.client == Some(end);
        let opener = Opener::tls12(&hello, master, &random, is_client).ok_or(hello.unauthentic())?;
        let direction = self.direction(end);
        direction.opener = Some(opener);
        direction.is_changed = true;
        Ok(())
    }
}

fn no_key(label: &'static str, random: &[u8; 32]) -> Trouble {
    Trouble::NoKey { label, client_random: random.iter().map(|octet| format!("{octet:02x}")).collect() }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("client", &self.client)
            .field("trouble", &self.trouble)
            .finish_non_exhaustive()
    }
}
