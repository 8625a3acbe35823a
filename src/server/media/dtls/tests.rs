//! Handshakes: with OpenSSL, with dimpl's client in DTLS 1.3, over a net that loses and reorders, with strangers.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, Output};
use siprec_core::entry::PortIndex;
use siprec_core::sdp::DtlsAttributes;
use siprec_core::sdp::crypto::Suite;
use siprec_core::sdp::dtls::{Association, Role, Side, Theirs};
use siprec_core::seed::{Random, Seed, SessionId};

use super::desk::{Act, Component, Desk};
use super::handshake::{Keys, Refused, client_hello, is_dtls};
use super::identity::Identity;
use super::provider::provider;

const HERE: Component = Component { session: SessionId(1), port: PortIndex(0), is_rtcp: false };

fn peer(n: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], n))
}

fn identity() -> Identity {
    Identity::load(tempfile::tempdir().unwrap().path()).unwrap()
}

/// One for many rounds: keys are made slowly.
fn identity_of_all() -> Identity {
    static IDENTITY: std::sync::OnceLock<Identity> = std::sync::OnceLock::new();
    IDENTITY.get_or_init(identity).clone()
}

/// What a peer with this certificate offered, and we answered.
fn association(fingerprint: &str, setup: &str) -> Association {
    let (fingerprints, setup) = (vec![fingerprint.to_owned()], Some(setup.to_owned()));
    let theirs = Theirs::read(&DtlsAttributes { fingerprints, setup, tls_id: None }).unwrap();
    Association::agree(None, &theirs, Side::Answerer, None, &mut Random::new(Seed([1; 32]))).unwrap()
}

/// A peer that dimpl plays.
struct Peer {
    dtls: Dtls,
    identity: Identity,
    material: Option<Vec<u8>>,
}

impl Peer {
    fn new(now: Instant, role: Role, newest: bool) -> Self {
        let identity = identity();
        let config = Arc::new(Config::builder().with_crypto_provider(provider()).build().unwrap());
        let certificate = identity.certificate.clone();
        let mut dtls =
            if newest { Dtls::new_auto(config, certificate, now) } else { Dtls::new_12(config, certificate, now) };
        dtls.set_active(role == Role::Client);
        dtls.handle_timeout(now).unwrap();
        Self { dtls, identity, material: None }
    }

    fn fingerprint(&self) -> String {
        self.identity.fingerprint().to_string()
    }

    fn poll(&mut self) -> Vec<Vec<u8>> {
        let (mut buffer, mut sent) = (vec![0; 4096], Vec::new());
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(datagram) => sent.push(datagram.to_vec()),
                Output::KeyingMaterial(material, _) => self.material = Some(material.to_vec()),
                Output::Timeout(_) => return sent,
                Output::BufferTooSmall { .. }
                | Output::Connected
                | Output::PeerCert(_)
                | Output::ApplicationData(_)
                | Output::CloseNotify
                | _ => {}
            }
        }
    }
}

/// Carries datagrams both ways, losing those of which `lose` says so, until nothing moves; time goes on where that helps.
fn shake(desk: &mut Desk, them: &mut Peer, now: &mut Instant, mut lose: impl FnMut(usize) -> bool) -> Vec<Act> {
    let (mut told, mut count) = (Vec::new(), 0);
    for _ in 0..200 {
        let mut moved = false;
        for datagram in them.poll() {
            count += 1;
            moved = true;
            if !lose(count) {
                desk.datagram(*now, HERE, peer(1), &datagram);
            }
        }
        while let Some(act) = desk.poll() {
            let Act::Send { datagram, to, .. } = act else {
                told.push(act);
                continue;
            };
            count += 1;
            moved = true;
            assert_eq!(to, peer(1));
            if !lose(count) {
                them.dtls.handle_packet(&datagram).unwrap();
            }
        }
        let is_refused = told.iter().any(|act| matches!(act, Act::Refused { .. }));
        if is_refused || (!told.is_empty() && them.material.is_some() && !moved) {
            break;
        }
        if !moved {
            *now += Duration::from_millis(500);
            desk.tick(*now);
            them.dtls.handle_timeout(*now).unwrap();
        }
    }
    told
}

fn keys(acts: &[Act]) -> &Keys {
    match acts {
        [Act::Done { keys, .. }] => keys,
        other => panic!("not one handshake done: {other:?}"),
    }
}

/// Both ends have the same octets, theirs first (RFC 5764 4.2).
fn assert_same(keys: &Keys, role: Role, material: &[u8]) {
    let (client, server) = if role == Role::Server { (&keys.theirs, &keys.ours) } else { (&keys.ours, &keys.theirs) };
    let ours = [client.key(), server.key(), client.salt(), server.salt()].concat();
    assert_eq!(ours, material);
}

#[test]
fn both_versions_and_both_roles_yield_the_same_keys_at_both_ends() {
    for (setup, role, theirs) in [("actpass", Role::Server, Role::Client), ("passive", Role::Client, Role::Server)] {
        for (newest, version) in [(false, "DTLS 1.2"), (true, "DTLS 1.3")] {
            let mut now = Instant::now();
            let mut them = Peer::new(now, theirs, newest);
            let mut desk = Desk::new(identity()).unwrap();
            desk.expect(now, HERE, &association(&them.fingerprint(), setup), Some(peer(1)));
            let told = shake(&mut desk, &mut them, &mut now, |_| false);
            let keys = keys(&told);
            assert_eq!((keys.version, keys.theirs.suite()), (version, Suite::AeadAes256Gcm), "{setup}");
            assert_same(keys, role, them.material.as_ref().unwrap());
        }
    }
}

#[test]
fn what_is_lost_is_repeated() {
    for newest in [false, true] {
        for lost in 1..=12 {
            let mut now = Instant::now();
            let mut them = Peer::new(now, Role::Client, newest);
            let mut desk = Desk::new(identity()).unwrap();
            desk.expect(now, HERE, &association(&them.fingerprint(), "actpass"), None);
            let told = shake(&mut desk, &mut them, &mut now, |n| n == lost || n == lost + 2);
            let done: Vec<_> = told.iter().filter(|act| matches!(act, Act::Done { .. })).collect();
            assert_eq!((done.len(), told.len()), (1, 1), "datagrams {lost} and {} lost: {told:?}", lost + 2);
            assert!(them.material.is_some(), "datagram {lost} lost");
        }
    }
}

#[test]
fn a_flight_that_comes_backwards_is_put_in_order() {
    let mut now = Instant::now();
    let mut them = Peer::new(now, Role::Client, false);
    let mut desk = Desk::new(identity()).unwrap();
    desk.expect(now, HERE, &association(&them.fingerprint(), "active"), None);
    let mut told = Vec::new();
    for _ in 0..40 {
        for datagram in them.poll().into_iter().rev() {
            desk.datagram(now, HERE, peer(1), &datagram);
        }
        let acts: Vec<Act> = std::iter::from_fn(|| desk.poll()).collect();
        for act in acts.into_iter().rev() {
            match act {
                Act::Send { datagram, .. } => them.dtls.handle_packet(&datagram).unwrap(),
                other @ (Act::Done { .. } | Act::Refused { .. }) => told.push(other),
            }
        }
        now += Duration::from_millis(100);
        desk.tick(now);
        them.dtls.handle_timeout(now).unwrap();
    }
    assert_same(keys(&told), Role::Server, them.material.as_ref().unwrap());
}

#[test]
fn another_certificate_gets_no_keys_and_disturbs_nobody() {
    let mut now = Instant::now();
    let (mut them, mut stranger) = (Peer::new(now, Role::Client, false), Peer::new(now, Role::Client, false));
    let mut desk = Desk::new(identity()).unwrap();
    desk.expect(now, HERE, &association(&them.fingerprint(), "actpass"), None);
    let told = shake(&mut desk, &mut stranger, &mut now, |_| false);
    let shown = stranger.identity.fingerprint().clone();
    assert_eq!(told, [Act::Refused { component: HERE, peer: peer(1), why: Refused::Certificate(shown) }]);
    assert_eq!(stranger.material, None, "it never saw our last message");
    let told = shake(&mut desk, &mut them, &mut now, |_| false);
    assert_same(keys(&told), Role::Server, them.material.as_ref().unwrap());
}

#[test]
fn who_begins_anew_gets_other_keys() {
    let mut now = Instant::now();
    let mut them = Peer::new(now, Role::Client, false);
    let mut desk = Desk::new(identity()).unwrap();
    desk.expect(now, HERE, &association(&them.fingerprint(), "actpass"), None);
    let first = shake(&mut desk, &mut them, &mut now, |_| false);
    // The peer has crashed: the same certificate and address, nothing else.
    let mut again = Peer::new(now, Role::Client, false);
    let certificate = them.identity.certificate.clone();
    let config = Arc::new(Config::builder().with_crypto_provider(provider()).build().unwrap());
    again.dtls = Dtls::new_12(config, certificate, now);
    again.dtls.set_active(true);
    again.dtls.handle_timeout(now).unwrap();
    let second = shake(&mut desk, &mut again, &mut now, |_| false);
    assert_ne!(keys(&first).theirs, keys(&second).theirs);
    assert_same(keys(&second), Role::Server, again.material.as_ref().unwrap());
}

#[test]
fn a_flood_of_first_messages_is_bounded_and_the_peer_gets_through() {
    let mut now = Instant::now();
    let mut them = Peer::new(now, Role::Client, false);
    let mut desk = Desk::new(identity()).unwrap();
    desk.expect(now, HERE, &association(&them.fingerprint(), "actpass"), None);
    let mut sent = 0;
    for n in 0..500 {
        let hello = Peer::new(now, Role::Client, false).poll().remove(0);
        assert!(is_dtls(&hello) && client_hello(&hello).is_some());
        desk.datagram(now, HERE, peer(1_000 + n), &hello);
        while let Some(act) = desk.poll() {
            let Act::Send { datagram, .. } = act else { panic!("{act:?}") };
            assert!(datagram.len() < hello.len(), "what a forged address gets is no more than was sent");
            sent += 1;
        }
        assert!(format!("{desk:?}").contains("under_way: 4") || n < 4, "{desk:?}");
    }
    assert_eq!(sent, 500);
    let told = shake(&mut desk, &mut them, &mut now, |_| false);
    assert_same(keys(&told), Role::Server, them.material.as_ref().unwrap());
    now += Duration::from_secs(60);
    desk.tick(now);
    assert_eq!((desk.poll(), desk.due()), (None, None), "strangers who never came back are no news");
}

#[test]
fn junk_is_no_handshake() {
    let mut now = Instant::now();
    let mut them = Peer::new(now, Role::Client, false);
    let mut desk = Desk::new(identity()).unwrap();
    let hello = them.poll().remove(0);
    desk.datagram(now, HERE, peer(1), &hello);
    assert_eq!(desk.poll(), None, "nobody expects DTLS here");
    desk.expect(now, HERE, &association(&them.fingerprint(), "actpass"), None);
    for length in 0..hello.len() {
        let mut cut = hello.clone();
        cut.truncate(length);
        desk.datagram(now, HERE, peer(2), &cut);
        cut.iter_mut().skip(13).for_each(|octet| *octet ^= 0xa5);
        desk.datagram(now, HERE, peer(2), &cut);
    }
    while let Some(act) = desk.poll() {
        assert!(!matches!(act, Act::Done { .. }), "{act:?}");
    }
    desk.datagram(now, HERE, peer(1), &hello);
    let told = shake(&mut desk, &mut them, &mut now, |_| false);
    assert_same(keys(&told), Role::Server, them.material.as_ref().unwrap());
    desk.forget(HERE);
    assert_eq!(desk.due(), None);
}

/// Whatever a peer's messages are bent to, nothing panics, nothing is agreed on, and the next handshake is done.
#[test]
fn bent_messages_break_nothing() {
    let mut random = Random::new(Seed([5; 32]));
    let mut below = |n: usize| usize::try_from(random.next_u64() % n.max(1) as u64).unwrap();
    for round in 0..400 {
        let mut now = Instant::now();
        let mut them = Peer::new(now, Role::Client, round % 2 == 0);
        let mut desk = Desk::new(identity_of_all()).unwrap();
        desk.expect(now, HERE, &association(&them.fingerprint(), "actpass"), None);
        let bent_at = 1 + below(9);
        let mut count = 0;
        for _ in 0..12 {
            for mut datagram in them.poll() {
                count += 1;
                if count == bent_at {
                    for _ in 0..=below(4) {
                        let at = below(datagram.len());
                        match below(4) {
                            0 => datagram[at] ^= 1 << below(8),
                            1 => datagram[at] = u8::try_from(below(256)).unwrap(),
                            2 => datagram.truncate(at.max(1)),
                            _ => datagram.extend(std::iter::repeat_n(0x16, below(60))),
                        }
                    }
                }
                desk.datagram(now, HERE, peer(1), &datagram);
            }
            while let Some(act) = desk.poll() {
                if let Act::Send { datagram, .. } = act {
                    let _ = them.dtls.handle_packet(&datagram);
                } else if let Act::Refused { why: Refused::Protocol(why), .. } = &act {
                    assert!(!why.contains("fault of ours"), "{why}");
                }
            }
            now += Duration::from_millis(200);
            desk.tick(now);
            if them.dtls.handle_timeout(now).is_err() {
                break;
            }
        }
        let mut another = Peer::new(now, Role::Client, false);
        desk.expect(now, HERE, &association(&another.fingerprint(), "actpass"), None);
        let told = shake(&mut desk, &mut another, &mut now, |_| false);
        let done = told.iter().any(|act| matches!(act, Act::Done { .. }));
        assert!(done, "round {round}: {told:?}");
    }
}

/// OpenSSL as the client, over real sockets: what it says it exported is what we have.
#[test]
fn openssl_exports_the_same_keys() {
    for (profiles, suite) in [
        ("SRTP_AES128_CM_SHA1_80", Suite::AesCm128HmacSha1_80),
        ("SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM", Suite::AeadAes128Gcm),
        ("SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM", Suite::AeadAes256Gcm),
    ] {
        let client = OpenSsl::new("EC -pkeyopt ec_paramgen_curve:P-256");
        let (told, said) = client.shake(profiles, 2 * (suite.key_length() + suite.salt_length()));
        let keys = keys(&told);
        assert_eq!(keys.theirs.suite(), suite, "{profiles}");
        let said = said.unwrap_or_else(|said| panic!("openssl told no keying material: {said}"));
        assert_same(keys, Role::Server, &said);
    }
}

/// A certificate that dimpl has no use for is told in words that help.
#[test]
fn an_rsa_certificate_is_refused_by_name() {
    let (told, _) = OpenSsl::new("RSA -pkeyopt rsa_keygen_bits:2048").shake("SRTP_AES128_CM_SHA1_80", 60);
    assert!(matches!(&*told, [Act::Refused { why: Refused::NoCertificate, .. }]), "{told:?}");
}

#[test]
fn a_client_without_srtp_profiles_is_refused() {
    let (told, _) = OpenSsl::new("EC -pkeyopt ec_paramgen_curve:P-384").shake("", 60);
    assert!(matches!(&*told, [Act::Refused { why: Refused::NoProfile, .. }]), "{told:?}");
}

/// `openssl s_client` with a certificate of its own.
struct OpenSsl {
    directory: tempfile::TempDir,
    fingerprint: String,
}

impl OpenSsl {
    fn new(key: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=src", "-keyout", "key.pem", "-out", "cert.pem",
            ])
            .args(["-newkey"].into_iter().chain(key.split(' ')))
            .current_dir(&directory)
            .stderr(Stdio::null())
            .status()
            .expect("openssl is needed");
        assert!(made.success());
        let told = Command::new("openssl")
            .args(["x509", "-noout", "-fingerprint", "-sha256", "-in", "cert.pem"])
            .current_dir(&directory)
            .output()
            .unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        let (_, digits) = told.trim().split_once('=').unwrap();
        Self { directory, fingerprint: format!("SHA-256 {digits}") }
    }

    /// What the desk told, and the octets that openssl exported (or all that it said).
    fn shake(&self, profiles: &str, length: usize) -> (Vec<Act>, Result<Vec<u8>, String>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let at = socket.local_addr().unwrap().to_string();
        let mut command = Command::new("openssl");
        command.args(["s_client", "-dtls1_2", "-connect", &at, "-cert", "cert.pem", "-key", "key.pem", "-ign_eof"]);
        command.args(["-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &length.to_string()]);
        if !profiles.is_empty() {
            command.args(["-use_srtp", profiles]);
        }
        let mut child = command
            .current_dir(&self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is needed");
        let mut desk = Desk::new(identity()).unwrap();
        let begun = Instant::now();
        desk.expect(begun, HERE, &association(&self.fingerprint, "actpass"), None);
        let (mut told, mut buffer, mut until) = (Vec::new(), [0; 2048], begun + Duration::from_secs(30));
        while Instant::now() < until {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                desk.datagram(Instant::now(), HERE, from, &buffer[..length]);
            }
            desk.tick(Instant::now());
            while let Some(act) = desk.poll() {
                match act {
                    Act::Send { to, datagram, .. } => drop(socket.send_to(&datagram, to)),
                    other @ (Act::Done { .. } | Act::Refused { .. }) => {
                        told.push(other);
                        // Its last words.
                        until = Instant::now() + Duration::from_millis(500);
                    }
                }
            }
        }
        let _ = child.kill();
        let said = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let octets = said.lines().find_map(|line| line.trim().strip_prefix("Keying material: "));
        let octet = |n: usize, digits: &str| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap();
        (told, octets.map(|digits| (0..digits.len() / 2).map(|n| octet(n, digits)).collect()).ok_or(said))
    }
}
