//! Connections of rustls with itself, whose octets on the wire and keys are kept, made plain and compared.

use super::*;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use std::io::{Read as _, Write as _};
use std::sync::Mutex;

#[derive(Debug, Default)]
struct Log(Mutex<String>);

impl rustls::KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        self.0.lock().unwrap().push_str(&format!("{label} {} {}\n", hex(client_random), hex(secret)));
    }
}

/// What went over the wire, by who sent it, and the key log.
struct Wire {
    sent: Vec<(End, Vec<u8>)>,
    log: String,
    suite: String,
}

const ROUNDS: usize = 6;

fn client_text(round: usize) -> Vec<u8> {
    format!("INVITE sip:{round}@example.com SIP/2.0\r\n").repeat(1 + round * 500).into_bytes()
}

fn server_text(round: usize) -> Vec<u8> {
    format!("SIP/2.0 {}00 OK\r\n", round + 1).repeat(1 + round * 900).into_bytes()
}

/// Two ends that are not yet connected, and what the client writes its keys to.
fn ends(version: &'static SupportedProtocolVersion, suite: CipherSuite) -> ([rustls::Connection; 2], Arc<Log>) {
    let made = rcgen::generate_simple_self_signed(["srs.example".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|known| known.suite() == suite);
    let provider = Arc::new(provider);
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[version]).unwrap();
    let mut client = builder.with_root_certificates(roots).with_no_client_auth();
    let log = Arc::new(Log::default());
    client.key_log = Arc::clone(&log) as _;
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let server = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let name = ServerName::try_from("srs.example").unwrap();
    let client = ClientConnection::new(Arc::new(client), name).unwrap();
    let server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut both = [rustls::Connection::from(client), rustls::Connection::from(server)];
    both.iter_mut().for_each(|end| end.set_buffer_limit(None));
    (both, log)
}

/// Carries octets to and fro until there are none, and keeps them.
fn pump([client, server]: &mut [rustls::Connection; 2], sent: &mut Vec<(End, Vec<u8>)>) {
    while client.wants_write() || server.wants_write() {
        for end in [End::A, End::B] {
            let (writer, reader) =
                if end == End::A { (&mut *client, &mut *server) } else { (&mut *server, &mut *client) };
            let mut bytes = Vec::new();
            while writer.wants_write() {
                writer.write_tls(&mut bytes).unwrap();
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                reader.read_tls(&mut rest).unwrap();
                reader.process_new_packets().unwrap();
                while matches!(reader.reader().read(&mut [0; 4096]), Ok(1..)) {}
            }
            if !bytes.is_empty() {
                sent.push((end, bytes));
            }
        }
    }
}

/// Both say what they are given, in turns, with a new key in between where the version has that.
fn talk(version: &'static SupportedProtocolVersion, suite: CipherSuite, texts: [fn(usize) -> Vec<u8>; 2]) -> Wire {
    let (mut both, log) = ends(version, suite);
    let mut sent = Vec::new();
    for round in 0..ROUNDS {
        for (end, text) in texts.iter().enumerate() {
            both[end].writer().write_all(&text(round)).unwrap();
            pump(&mut both, &mut sent);
            if round == 2 && version.version == rustls::ProtocolVersion::TLSv1_3 {
                both[end].refresh_traffic_keys().unwrap();
                pump(&mut both, &mut sent);
            }
        }
    }
    both[0].send_close_notify();
    pump(&mut both, &mut sent);
    let suite = format!("{:?}", both[0].negotiated_cipher_suite().unwrap().suite());
    let log = log.0.lock().unwrap().clone();
    Wire { sent, log, suite }
}

/// What is plain of a connection that comes in pieces of `size`.
fn plain(wire: &Wire, log: &str, size: usize) -> (Vec<u8>, Vec<u8>, Option<Trouble>) {
    let mut connection = Connection::new(Arc::new(KeyLog::read(log.as_bytes()).unwrap()));
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for (end, bytes) in &wire.sent {
        for piece in bytes.chunks(size) {
            connection.push(*end, piece);
        }
        a.extend(connection.take(End::A));
        b.extend(connection.take(End::B));
    }
    (a, b, connection.trouble().cloned())
}

fn said(text: fn(usize) -> Vec<u8>) -> Vec<u8> {
    (0..ROUNDS).flat_map(text).collect()
}

fn all() -> Vec<Wire> {
    use CipherSuite as Suite;
    let older = [
        Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    let newer =
        [Suite::TLS13_AES_128_GCM_SHA256, Suite::TLS13_AES_256_GCM_SHA384, Suite::TLS13_CHACHA20_POLY1305_SHA256];
    let older = older.map(|suite| talk(&rustls::version::TLS12, suite, [client_text, server_text]));
    older
        .into_iter()
        .chain(newer.map(|suite| talk(&rustls::version::TLS13, suite, [client_text, server_text])))
        .collect()
}

#[test]
fn what_two_ends_said_is_read_octet_for_octet_over_a_key_update() {
    for wire in all() {
        for size in [1, 7, 1_440, usize::MAX] {
            let (a, b, trouble) = plain(&wire, &wire.log, size);
            assert_eq!(trouble, None, "{} in pieces of {size}", wire.suite);
            assert!(a == said(client_text) && b == said(server_text), "{} in pieces of {size}", wire.suite);
        }
    }
}

#[test]
fn why_it_cannot_be_read_is_said() {
    for mut wire in all() {
        let (a, _, trouble) = plain(&wire, "", 1_000);
        let Some(Trouble::NoKey { client_random, .. }) = &trouble else { panic!("{trouble:?}") };
        assert!(a.is_empty() && wire.log.contains(client_random.as_str()));
        assert!(trouble.unwrap().to_string().starts_with("the key log has no "));

        let wrong: String = wire
            .log
            .lines()
            .map(|line| {
                let (start, secret) = line.rsplit_once(' ').unwrap();
                format!("{start} {}\n", "00".repeat(secret.len() / 2))
            })
            .collect();
        let trouble = plain(&wire, &wrong, 1_000).2;
        assert!(matches!(trouble, Some(Trouble::Unauthentic { .. })), "{trouble:?}");
        // The names of rustls say TLS13 where those of the registry say TLS.
        let told = format!("a record of {} does not open", wire.suite.replace("TLS13_", "TLS_"));
        assert!(trouble.unwrap().to_string().starts_with(&told), "{told}");

        let later = Wire { sent: wire.sent.split_off(4), log: wire.log.clone(), suite: String::new() };
        assert_eq!(plain(&later, &wire.log, 1_000).2, Some(Trouble::BeganBefore));
    }
    let mut connection = Connection::new(Arc::default());
    connection.push(End::A, b"INVITE sip:a@b SIP/2.0\r\n");
    assert_eq!(connection.trouble(), Some(&Trouble::NotTls));
}

#[test]
fn a_suite_that_is_not_opened_is_named() {
    let hello = |kind: u8, rest: &[u8]| {
        let body = [&[3, 3][..], &[7; 32], &[0], rest].concat();
        let length = u8::try_from(body.len()).unwrap();
        [&[22, 3, 3, 0, length + 4, kind, 0, 0, length][..], &body].concat()
    };
    let mut connection = Connection::new(Arc::default());
    connection.push(End::B, &hello(1, &[0, 2, 0, 0x0a, 1, 0]));
    connection.push(End::A, &hello(2, &[0, 0x0a, 0]));
    assert_eq!(connection.client(), Some(End::B));
    let told = connection.trouble().unwrap().to_string();
    assert!(told.starts_with("the cipher suite TLS_RSA_WITH_3DES_EDE_CBC_SHA is not supported, only AES"), "{told}");
}

#[test]
fn what_is_damaged_ends_in_trouble_and_not_in_a_panic() {
    let wire = talk(&rustls::version::TLS13, CipherSuite::TLS13_AES_128_GCM_SHA256, [client_text, server_text]);
    let whole: usize = wire.sent.iter().map(|(_, bytes)| bytes.len()).sum();
    for at in (0..whole).step_by(97) {
        let mut connection = Connection::new(Arc::new(KeyLog::read(wire.log.as_bytes()).unwrap()));
        let mut place = 0;
        for (end, bytes) in &wire.sent {
            let mut bytes = bytes.clone();
            if let Some(octet) = at.checked_sub(place).and_then(|at| bytes.get_mut(at)) {
                *octet ^= 0x55;
            }
            place += bytes.len();
            connection.push(*end, &bytes);
        }
    }
}

#[test]
fn messages_come_out_of_segments_and_what_does_not_open_is_told_once() {
    let wire = talk(&rustls::version::TLS13, CipherSuite::TLS13_AES_256_GCM_SHA384, [sip_text; 2]);
    let (client, server) = ("192.0.2.9:40000".parse().unwrap(), "192.0.2.1:5061".parse().unwrap());
    let messages = |log: &str| {
        let mut streams = TlsStreams::new(KeyLog::read(log.as_bytes()).unwrap());
        let (mut found, mut sequences) = (Vec::new(), [1_u32, 1]);
        for (end, bytes) in &wire.sent {
            for piece in bytes.chunks(500) {
                let (from, to, place) = if *end == End::A { (client, server, 0) } else { (server, client, 1) };
                found.extend(streams.push(from, to, sequences[place], false, piece));
                sequences[place] += u32::try_from(piece.len()).unwrap();
            }
        }
        (found, streams.troubles().to_vec())
    };
    let (found, troubles) = messages(&wire.log);
    assert_eq!((found.len(), troubles), (2 * ROUNDS, Vec::new()));
    assert_eq!(found[0], sip_text(0));
    let (found, troubles) = messages("");
    assert!(found.is_empty() && troubles.len() == 1, "{troubles:?}");
}

fn sip_text(round: usize) -> Vec<u8> {
    format!("OPTIONS sip:{round}@example.com SIP/2.0\r\nContent-Length: 4\r\n\r\nbody").into_bytes()
}
