//! Who may use the API, of the real binary: tokens of a real issuer, keys, certificates, and a table of attacks.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::becomes_true;
use support::http::{Answer, Client, Frame, read};
use support::issuer::{AUDIENCE, Issuer};
use support::process;
use support::server::{Server, Setup, binary, new_key};
use support::tls::{Ca, Ends, Identity, Pipe, Wanted};

const SOON: Duration = Duration::from_secs(20);
const ROLES: &str = "auth.roles=[{name: admin, permissions: [read, write, delete, export, manage]}, {name: agent, permissions: [read]}]";

fn with_issuer(issuer: &Issuer) -> Setup {
    Setup::default()
        .set("auth.provider=oauth2")
        .set(&format!("auth.oauth2.issuer={}", issuer.url))
        .set(&format!("auth.oauth2.audience={AUDIENCE}"))
        .set(ROLES)
        .set("logging.level=debug")
}

fn seconds() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token with this head and these claims, signed by `sign`.
fn made(head: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encoded(head), encoded(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn hmac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    ring::hmac::sign(&key, message).as_ref().to_vec()
}

/// Entries of the audit log of this action, as the API shows them.
fn audited(admin: &Client, action: &str) -> Vec<Value> {
    admin.get(&format!("/api/v1/audit?action={action}&limit=1000")).must(200)["entries"].as_array().unwrap().clone()
}

#[test]
fn tokens_of_the_issuer_let_in_by_their_roles_and_over_its_change_of_keys() {
    let Some(mut issuer) = Issuer::start() else { return };
    let server = with_issuer(&issuer).start();
    let client = Client::new(server.api);
    let admin = client.bearer(&issuer.token("alice", &["admin", "of-no-consequence"]));
    admin.get("/api/v1/config").must(200);
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let claims = json!({"aud": ["other", AUDIENCE], "sub": "bob", "scope": "openid agent"});
        let agent = client.bearer(&issuer.sign(algorithm, &claims));
        agent.get("/api/v1/recordings").must(200);
        let refused = agent.get("/api/v1/config");
        assert!(refused.problem(403).contains("`manage`"), "{algorithm}");
        assert_eq!(refused.field("www-authenticate"), "Bearer realm=\"siprec\", error=\"insufficient_scope\"");
    }
    for roles in [&["root"][..], &[]] {
        client.bearer(&issuer.token("carol", roles)).get("/api/v1/recordings").problem(403);
    }
    client.get("/api/v1/recordings").problem(401);
    for path in ["/healthz", "/readyz", "/docs", "/api/v1/openapi.json"] {
        assert_eq!(client.get(path).status, 200, "{path} is for everybody");
    }

    let before = issuer.token("alice", &["admin"]);
    assert!(issuer.restart());
    client.bearer(&issuer.token("alice", &["admin"])).get("/api/v1/config").must(200);
    let withdrawn = client.bearer(&before).get("/api/v1/config");
    assert!(withdrawn.problem(401).contains("no key of its issuer"), "a key that the issuer has withdrawn");

    let token = issuer.token("alice", &["admin"]);
    issuer.stop();
    client.bearer(&token).get("/api/v1/config").must(200);
    let came = || {
        let came = audited(&client.bearer(&token), "logged_in");
        let of = |who: &str| came.iter().filter(|entry| entry["who"] == who).count();
        (of("user alice"), of("user bob"), of("user carol")) == (1, 1, 0)
    };
    assert!(becomes_true(SOON, came), "{:?}", audited(&client.bearer(&token), "logged_in"));
    server.assert_never_panicked();
}

/// An attack, by its name, with the reason that it is counted under.
type Attack = (&'static str, &'static str, String);

/// Tokens that the issuer has not signed, though they look so.
fn forged(issuer: &Issuer) -> Vec<Attack> {
    let keys = issuer.keys();
    let of = |kind: &str| keys.as_array().unwrap().iter().find(|key| key["alg"] == kind).unwrap().clone();
    let (public, ed) = (of("RS256"), of("EdDSA")["kid"].clone());
    let good =
        json!({"iss": issuer.url, "aud": AUDIENCE, "sub": "mallory", "exp": seconds() + 600, "roles": ["admin"]});
    let valid = issuer.token("mallory", &["agent"]);
    let parts: Vec<&str> = valid.split('.').collect();
    let head = |algorithm: &str| json!({"alg": algorithm, "kid": public["kid"], "typ": "JWT"});
    let under = |head: &Value, claims: &str, signature: &str| format!("{}.{claims}.{signature}", encoded(head));
    let unsigned = |algorithm: &str| made(&head(algorithm), &good, |_| Vec::new());
    let by_secret = |secret: &[u8]| made(&head("HS256"), &good, |message| hmac(secret, message));
    let modulus = URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap();
    let own = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let by_own = |head: Value| made(&head, &good, |message| own.sign(message).as_ref().to_vec());
    let own_public = URL_SAFE_NO_PAD.encode(ring::signature::KeyPair::public_key(&own).as_ref());
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": own_public});
    let eddsa = |kid: &Value, name: &str, value: Value| by_own(json!({"alg": "EdDSA", "kid": kid, name: value}));
    let (raised, unknown) = (encoded(&good), json!("own"));
    vec![
        ("no algorithm", "algorithm", unsigned("none")),
        ("no algorithm, in other letters", "algorithm", unsigned("nOnE")),
        ("no algorithm, under the issuer's signature", "algorithm", under(&head("none"), &raised, parts[2])),
        ("no signature", "signature", unsigned("RS256")),
        ("the signature cut off", "signature", format!("{}.{}.", parts[0], parts[1])),
        ("the public key as a secret: its modulus", "algorithm", by_secret(&modulus)),
        ("the public key as a secret: as it is fetched", "algorithm", by_secret(public.to_string().as_bytes())),
        ("the empty secret", "algorithm", by_secret(b"")),
        ("another algorithm of the key's kind", "algorithm", under(&head("PS256"), parts[1], parts[2])),
        ("a key of another kind", "unknown_key", eddsa(&public["kid"], "typ", json!("JWT"))),
        ("other claims under the issuer's signature", "signature", format!("{}.{raised}.{}", parts[0], parts[2])),
        ("an own key by the name of the issuer's", "signature", eddsa(&ed, "typ", json!("JWT"))),
        ("an own key in the head, by the issuer's name", "signature", eddsa(&ed, "jwk", jwk.clone())),
        ("an own key in the head", "unknown_key", eddsa(&unknown, "jwk", jwk)),
        ("an own set of keys", "unknown_key", eddsa(&unknown, "jku", json!("http://127.0.0.1:1/jwks"))),
        ("an own certificate", "unknown_key", eddsa(&unknown, "x5u", json!("http://127.0.0.1:1/x"))),
        ("a file as a key", "unknown_key", eddsa(&json!("../../../dev/null"), "typ", json!("JWT"))),
        ("an extension", "malformed", eddsa(&ed, "crit", json!(["exp"]))),
        ("encrypted", "algorithm", format!("{}.AA.AA.AA.AA", encoded(&json!({"alg": "dir", "enc": "A256GCM"})))),
        ("deep", "malformed", format!("{}.e30.AA", URL_SAFE_NO_PAD.encode("[".repeat(5000)))),
        ("no token at all", "malformed", "x".to_owned()),
        ("an API key that is none", "api_key", format!("siprec_{}", "A".repeat(43))),
    ]
}

/// Tokens that the issuer has signed, but not for us, or not for now.
fn foreign(issuer: &Issuer) -> Vec<Attack> {
    let with = |name: &str, value: Value| {
        let mut claims = json!({"aud": AUDIENCE, "sub": "mallory", "roles": ["admin"]});
        claims[name] = value;
        issuer.sign("RS256", &claims)
    };
    let now = seconds();
    vec![
        ("another audience", "audience", with("aud", json!("another-api"))),
        ("no audience", "audience", with("aud", Value::Null)),
        ("another issuer", "issuer", with("iss", json!("https://evil.example.com"))),
        ("the issuer and more", "issuer", with("iss", json!(format!("{}/", issuer.url)))),
        ("expired", "expired", with("exp", json!(now - 31))),
        ("without an end", "malformed", with("exp", Value::Null)),
        ("of the future", "not_yet_valid", with("nbf", json!(now + 120))),
        ("nobody's", "malformed", with("sub", Value::Null)),
        ("huge", "malformed", with("padding", json!("x".repeat(9000)))),
    ]
}

/// Why requests were refused, one after another, as the log says at its level `debug`.
fn reasons(log: &str) -> Vec<String> {
    let told =
        log.lines().filter_map(|line| line.split_once("DEBUG siprec::server::api::auth: the API: refused reason=\""));
    told.filter_map(|(_, rest)| Some(rest.split_once('"')?.0.to_owned())).collect()
}

#[test]
fn each_attack_is_refused_counted_and_none_of_it_is_in_the_log() {
    let Some(issuer) = Issuer::start() else { return };
    let server = with_issuer(&issuer).set("api.rate_limit=0").start();
    let client = Client::new(server.api);
    let admin = client.bearer(&issuer.token("alice", &["admin"]));
    admin.get("/api/v1/config").must(200);
    let attacks = [forged(&issuer), foreign(&issuer)].concat();
    for (name, _, token) in &attacks {
        let answer = client.bearer(token).get("/api/v1/recordings");
        answer.problem(401);
        let challenge = answer.field("www-authenticate");
        assert!(challenge.contains("error=\"invalid_token\""), "{name}: {challenge}");
    }
    let wanted: Vec<&str> = attacks.iter().map(|(_, reason, _)| *reason).collect();
    let found = || reasons(&server.log());
    assert!(becomes_true(SOON, || found().len() >= wanted.len()), "{:?}", found());
    let wrong = attacks.iter().zip(found()).filter(|((_, wanted, _), found)| wanted != found);
    assert_eq!(wrong.map(|((name, ..), found)| format!("{name}: {found}")).collect::<Vec<_>>(), [""; 0]);
    let metrics = admin.get("/metrics").text();
    for reason in &wanted {
        let count = wanted.iter().filter(|other| *other == reason).count();
        let line = format!("siprec_api_refused_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    for n in 0..50 {
        let head = json!({"alg": "RS256", "kid": format!("made-up-{n}")});
        client.bearer(&made(&head, &json!({}), |_| vec![0; 256])).get("/api/v1/recordings").problem(401);
    }
    // Once at the start, once for the first key that is unknown, and by this test for its forgeries and now.
    issuer.keys();
    assert!(becomes_true(SOON, || issuer.fetched() >= 4), "{}", issuer.fetched());
    assert_eq!(issuer.fetched(), 4, "made-up keys have the issuer asked again and again");
    let reasons: BTreeSet<&str> = wanted.into_iter().collect();
    let told = || {
        let told = audited(&admin, "refused");
        reasons.iter().all(|reason| told.iter().filter(|entry| entry["detail"]["reason"] == **reason).count() == 1)
    };
    assert!(becomes_true(SOON, told), "{reasons:?} are to be told once each: {:#?}", audited(&admin, "refused"));
    let (log, audit) = (server.log(), std::fs::read_to_string(server.data.join("audit.log")).unwrap());
    for (name, _, token) in attacks.iter().filter(|(_, _, token)| token.len() > 30) {
        let signature = token.rsplit('.').find(|part| part.len() > 30).unwrap();
        assert!(!log.contains(signature) && !audit.contains(signature), "{name}: the token is in a log");
    }
    server.assert_never_panicked();
}

#[test]
fn without_its_issuer_nobody_is_let_in_and_it_is_said_why() {
    let Some(mut issuer) = Issuer::start() else { return };
    let token = issuer.token("alice", &["admin"]);
    issuer.stop();
    let server = with_issuer(&issuer).start();
    let client = Client::new(server.api);
    let answer = client.bearer(&token).get("/api/v1/config");
    assert!(answer.problem(503).contains("issuer") && !answer.field("retry-after").is_empty());
    server.must_say(&["the issuer's keys cannot be fetched", &issuer.url]);
    assert!(issuer.restart());
    let token = issuer.token("alice", &["admin"]);
    assert!(becomes_true(SOON, || client.bearer(&token).get("/api/v1/config").status == 200), "{}", server.tail());
}

#[test]
fn api_keys_let_in_until_they_expire_and_are_kept_nowhere() {
    let (key, row) = new_key("--name nightly --role agent --role admin");
    let (old, old_row) = new_key("--name old --role admin --expires 2026-01-01");
    assert!(key.starts_with("siprec_") && key.len() == 50 && !row.contains(&key), "{key} {row}");
    let server = Setup::default().set(&format!("auth.api_keys=[{row}, {old_row}]")).set(ROLES).start();
    let client = Client::new(server.api);
    client.bearer(&key).get("/api/v1/config").must(200);
    client.with("X-API-Key", &key).get("/api/v1/config").must(200);
    assert!(client.bearer(&old).get("/api/v1/config").problem(401).contains("expired"));
    for wrong in [&key[..49], &format!("{key}A"), &key.to_uppercase(), "siprec_", "a.b.c"] {
        client.bearer(wrong).get("/api/v1/config").problem(401);
    }
    client.get("/api/v1/config").problem(401);
    client.get(&format!("/api/v1/config?access_token={key}")).problem(401);
    // Where browsers let no page set header fields: what is refused there is the rest of the request.
    for path in ["/api/v1/events?colour=red&", "/ws/events?"] {
        client.get(&format!("{path}access_token={key}")).problem(400);
        client.get(&format!("{path}access_token={key}A")).problem(401);
    }
    assert_eq!(client.bearer(&key).with("X-API-Key", &key).get("/api/v1/config").status, 401, "twice");
    let shown = client.bearer(&key).get("/api/v1/config").text();
    let (log, audit) = (server.log(), std::fs::read_to_string(server.data.join("audit.log")).unwrap());
    assert!(![&shown, &log, &audit].iter().any(|text| text.contains(&key) || text.contains(&old)), "a key is shown");
    assert!(becomes_true(SOON, || audited(&client.bearer(&key), "logged_in")
        .iter()
        .any(|entry| entry["who"] == "key nightly")));
    let slow = client.bearer(&key).get("/api/v1/recordings");
    assert_eq!((slow.field("cache-control"), slow.field("access-control-allow-origin")), ("no-store", ""));
    let named = Command::new(binary()).args(["config", "key", "new", "--name", "a:b", "--role", "admin"]).output();
    assert_eq!(named.unwrap().status.code(), Some(2), "a name that YAML would read otherwise");
}

#[test]
fn a_stream_ends_when_what_proves_its_listener_does() {
    let at = siprec_core::time::Wall((seconds() + 4) * 1_000_000_000).rfc3339();
    let (key, row) = new_key(&format!("--name soon --role agent --expires {at}"));
    let server = Setup::default().set(&format!("auth.api_keys=[{row}]")).set(ROLES).start();
    let client = Client::new(server.api);
    for path in ["/ws/events", "/ws/stream"] {
        assert_eq!(client.websocket(path).err(), Some(401), "{path}");
    }
    let open = |path: &str| client.websocket(&format!("{path}?access_token={key}")).unwrap();
    let (mut events, mut stream) = (open("/ws/events"), open("/ws/stream"));
    for socket in [&mut events, &mut stream] {
        assert_eq!(socket.frame(), Frame::Text(json!({ "type": "expired" })));
        assert_eq!(socket.frame(), Frame::Closed);
    }
    assert_eq!(client.websocket(&format!("/ws/events?access_token={key}")).err(), Some(401));
}

/// A key that is taken away counts no more, nor for what it has opened; who comes back with another goes on.
#[test]
fn a_stream_ends_when_a_reload_changes_who_may() {
    let folder = support::TempDir::new("rules");
    let file = folder.path().join("siprec.yaml");
    let ((key, row), (other, other_row)) = (new_key("--name a --role agent"), new_key("--name b --role agent"));
    let write = |rows: &str| std::fs::write(&file, format!("auth: {{api_keys: [{rows}]}}\n")).unwrap();
    write(&format!("{row}, {other_row}"));
    let server = Setup::default().set(ROLES).arg("--config").arg(file.to_str().unwrap()).start();
    let client = Client::new(server.api);
    let mut events = client.websocket(&format!("/ws/events?access_token={key}")).unwrap();
    let mut stream = client.websocket(&format!("/ws/stream?access_token={key}")).unwrap();
    write(&other_row);
    process::signal(server.pid(), libc::SIGHUP);
    for socket in [&mut events, &mut stream] {
        assert_eq!(socket.frame(), Frame::Text(json!({ "type": "expired" })));
        assert_eq!(socket.frame(), Frame::Closed);
    }
    assert_eq!(client.websocket(&format!("/ws/events?access_token={key}")).err(), Some(401));
    assert!(client.websocket(&format!("/ws/events?access_token={other}")).is_ok());
}

/// One request under TLS.
fn ask_secured(server: &Server, ends: &Ends, path: &str) -> std::io::Result<Answer> {
    let stream = TcpStream::connect(server.api)?;
    stream.set_read_timeout(Some(SOON))?;
    let mut pipe = Pipe::client(stream, ends)?;
    pipe.write_all(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.api).as_bytes())?;
    read(&mut BufReader::new(pipe), false)
}

#[test]
fn a_certificate_shows_who_asks_and_the_servers_own_is_read_again() {
    let folder = support::TempDir::new("https");
    let dir = folder.path();
    let ca = Ca::new(dir, "ca");
    let issue = |name: &str| ca.issue(name, &Wanted { common_name: Some(name), ..Wanted::default() });
    let (own, alice, bob) = (issue("server"), issue("alice"), issue("bob"));
    let stranger = Identity::self_signed(dir, "stranger", &Wanted { common_name: Some("alice"), ..Wanted::default() });
    // It calls itself alice, and is let in as who it is.
    let pinned = Identity::self_signed(dir, "pinned", &Wanted { common_name: Some("alice"), ..Wanted::default() });
    let file = dir.join("siprec.yaml");
    let of_pinned = format!("{{fingerprint: \"{}\", roles: [agent]}}", pinned.fingerprint);
    let rows = format!("{{name: alice, roles: [admin]}}, {of_pinned}");
    let path = |path: &std::path::Path| path.display().to_string();
    let write = |cert: &Identity, rows: &str| {
        let tls = format!(
            "{{enabled: true, cert_file: {}, key_file: {}, client_auth: required, client_ca_file: {}}}",
            path(&cert.cert),
            path(&cert.key),
            path(&ca.file())
        );
        std::fs::write(&file, format!("api: {{tls: {tls}}}\nauth: {{certificates: [{rows}]}}\n")).unwrap();
    };
    write(&own, &rows);
    let server = Setup::default().set(ROLES).arg("--config").arg(file.to_str().unwrap()).start();
    assert!(server.stdout().iter().any(|line| line.text.contains(&format!("https://{}", server.api))));
    let ask = |identity: &Identity, path: &str| ask_secured(&server, &Ends::with(identity), path);
    ask(&alice, "/api/v1/config").unwrap().must(200);
    ask(&pinned, "/api/v1/recordings").unwrap().must(200);
    ask(&pinned, "/api/v1/config").unwrap().problem(403);
    ask(&bob, "/api/v1/recordings").unwrap().problem(403);
    assert!(ask(&stranger, "/healthz").is_err(), "a certificate that nobody vouches for");
    server.must_say(&["TLS: no connection", "none of api.tls.client_ca_file vouches", "a row of auth.certificates"]);
    assert!(Client::new(server.api).try_ask("GET", "/healthz", b"").is_err(), "HTTP in clear");
    server.must_say(&["ask by https://"]);

    let shown = |server: &Server| support::tls::certificate_of(server.api, &alice);
    let before = shown(&server);
    write(&issue("renewed"), &of_pinned);
    process::signal(server.pid(), libc::SIGHUP);
    assert!(becomes_true(SOON, || shown(&server) != before), "{}", server.tail());
    ask(&alice, "/api/v1/config").unwrap().problem(403);
    ask(&pinned, "/api/v1/recordings").unwrap().must(200);
    server.assert_never_panicked();
}

#[test]
fn a_caller_who_asks_too_much_waits_and_others_do_not() {
    let (busy, row) = new_key("--name busy --role admin");
    let (calm, other_row) = new_key("--name calm --role admin");
    let setup = Setup::default().set(&format!("auth.api_keys=[{row}, {other_row}]")).set(ROLES);
    let server = setup.set("api.rate_limit=1").start();
    let client = Client::new(server.api);
    let answers: Vec<Answer> = (0..20).map(|_| client.bearer(&busy).get("/api/v1/recordings")).collect();
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty() && answers[0].status == 200);
    assert!(refused.iter().all(|answer| answer.field("retry-after").parse::<u32>().is_ok_and(|wait| wait >= 1)));
    client.bearer(&calm).get("/api/v1/recordings").must(200);
    let guesses: Vec<u16> = (0..20).map(|_| client.bearer("siprec_x").get("/api/v1/recordings").status).collect();
    assert!(guesses.contains(&401) && guesses.contains(&429), "{guesses:?}");
    client.bearer(&calm).get("/api/v1/recordings").must(200);
}

#[test]
fn pages_of_other_sites_get_nothing_unless_they_are_named() {
    let server = Setup::default().set("api.cors=https://desk.example.com").start();
    let client = Client::new(server.api);
    let id = "01a2287a-4bab-7e19-982e-8c887adffaaf";
    let stop = |client: &Client| client.post(&format!("/api/v1/sessions/{id}/stop"), "");
    stop(&client).problem(404);
    stop(&client.with("Origin", &format!("http://{}", server.api))).problem(404);
    stop(&client.with("Origin", "https://evil.example.com")).problem(403);
    stop(&client.with("Origin", "null")).problem(403);
    let page = client.with("Origin", "https://desk.example.com");
    let seen = page.get("/api/v1/recordings");
    seen.must(200);
    assert_eq!((seen.field("access-control-allow-origin"), seen.field("vary")), ("https://desk.example.com", "Origin"));
    let asked = page.with("Access-Control-Request-Method", "DELETE").ask("OPTIONS", "/api/v1/recordings", b"");
    assert_eq!((asked.status, asked.field("access-control-max-age")), (204, "600"));
    let evil = client.with("Origin", "https://evil.example.com").with("Access-Control-Request-Method", "DELETE");
    let asked = evil.ask("OPTIONS", "/api/v1/recordings", b"");
    assert_eq!((asked.status, asked.field("access-control-allow-origin")), (405, ""));
    let rebound = Client::named(server.api, "evil.example.com:8080").get("/api/v1/recordings");
    assert!(rebound.problem(403).contains("localhost"));

    let (key, row) = new_key("--name desk --role admin");
    let server = Setup::default().set(&format!("auth.api_keys=[{row}]")).set(ROLES).start();
    let named = Client::named(server.api, "siprec.example.com").bearer(&key);
    named.get("/api/v1/recordings").must(200);
}

#[test]
fn addresses_that_are_not_listed_get_nothing() {
    let server = Setup::default().set("auth.ip_whitelist=10.0.0.0/8").start();
    let client = Client::new(server.api);
    for path in ["/api/v1/recordings", "/api/v1/openapi.json"] {
        assert!(client.get(path).problem(403).contains("auth.ip_whitelist"));
    }
}

#[test]
fn what_would_let_anybody_in_or_nobody_does_not_start() {
    let hash = "ab".repeat(32);
    let key = format!("auth.api_keys=[{{name: k, sha256: \"{hash}\", roles: [admin]}}]");
    for (settings, said) in [
        (&["api.address=:18080"][..], "auth.provider: none lets everybody in"),
        (&["api.address=:18080", &key], "auth.roles: is empty"),
        (&["auth.provider=oauth2", ROLES], "auth.oauth2.issuer: whose tokens?"),
        (&["auth.provider=oauth2", "auth.oauth2.issuer=http://a.example.com", ROLES], "https://"),
        (&["api.tls.enabled=true"], "api.tls.cert_file"),
        (
            &["api.tls.enabled=true", "api.tls.cert_file=/nowhere/c.pem", "api.tls.key_file=/nowhere/k.pem"],
            "api.tls.cert_file: cannot read",
        ),
    ] {
        let mut command = Command::new(binary());
        command.args(["serve", "--data-dir", "/nonexistent"]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(said), "{settings:?}: {text}");
    }
}
