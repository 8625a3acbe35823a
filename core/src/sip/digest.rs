//! Digest authentication of requests (RFC 3261 22, RFC 7616, RFC 8760): challenges, and what answers them.
//!
//! A nonce is its time of issue and a keyed hash of it, so an unanswered challenge costs no memory. Of nonces that were
//! answered rightly the counts are kept: an answer counts once. The table of them is bounded; what is pushed out of it
//! counts as too old, never as new.
//!
//! What `uri` names is not held against the Request-URI: SRCs put all kinds of spellings of this server there, and
//! there is nothing else here that a captured answer could be used for.

mod answer;

pub use answer::Login;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

use super::message::Message;
use super::params;
use crate::seed::Seed;
use crate::time::Monotonic;

/// Nonces whose counts are kept: a busy SRC uses one for as long as it lives.
pub const MAX_NONCES: usize = 16_384;
/// Authorization fields of a request that are looked at.
const MAX_CREDENTIALS: usize = 4;
/// Counts of one nonce may come in another order than they were made (requests cross over UDP), by this many.
const WINDOW: u32 = 64;
/// Hexadecimal digits of a nonce: the time of issue, then 16 bytes of the keyed hash.
const NONCE_TIME_DIGITS: usize = 16;
const NONCE_MAC_BYTES: usize = 16;

/// A hash that a challenge can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 8760's first choice.
    Sha256,
    /// SHA-512 cut to 256 bits.
    Sha512256,
    /// What RFC 3261 had: broken as a hash, and still all that many SRCs know.
    Md5,
}

impl Algorithm {
    /// As challenges write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha512256 => "SHA-512-256",
            Self::Md5 => "MD5",
        }
    }

    /// The algorithm called `name`; MD5 where none is named (RFC 3261 22.4).
    fn named(name: Option<&str>) -> Option<Self> {
        let Some(name) = name else { return Some(Self::Md5) };
        [Self::Sha256, Self::Sha512256, Self::Md5].into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// The hash in hexadecimal.
    fn hash(self, text: &str) -> String {
        match self {
            Self::Sha256 => hexadecimal(&Sha256::digest(text.as_bytes())),
            Self::Sha512256 => hexadecimal(&Sha512_256::digest(text.as_bytes())),
            Self::Md5 => hexadecimal(&Md5::digest(text.as_bytes())),
        }
    }
}

/// Who may authenticate, and how they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    /// The realm's name.
    pub name: String,
    /// What is asked for, the best first (RFC 8760 2.4).
    pub algorithms: Vec<Algorithm>,
    /// Who there is.
    pub users: Vec<User>,
    /// How long a nonce can be answered.
    pub nonce_lifetime: Duration,
}

impl Default for Realm {
    fn default() -> Self {
        Self {
            name: String::from("siprec"),
            algorithms: [Algorithm::Sha256, Algorithm::Md5].to_vec(),
            users: Vec::new(),
            nonce_lifetime: Duration::from_secs(300),
        }
    }
}

/// A user of the realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Password,
}

/// A password; it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password in clear.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Why a request proves nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It has no credentials for the realm.
    Missing,
    /// The answer is right, for a nonce that is too old or was used before: to be asked again with `stale=true`.
    Stale,
    /// There is no such user, or the password is another.
    Wrong,
}

impl Denied {
    /// In words, for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "no credentials",
            Self::Stale => "the nonce is too old or was used before",
            Self::Wrong => "unknown user or wrong password",
        }
    }
}

/// The nonces of a server.
#[derive(Debug)]
pub struct Nonces {
    secret: [u8; 32],
    used: BTreeMap<u64, Uses>,
    /// Nonces up to this one may have been used and forgotten.
    forgotten: u64,
}

/// Which counts of a nonce were used: the highest, and of those before it a bit each.
#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    highest: u32,
    before: u64,
}

impl Uses {
    /// Whether `count` is new; it is not from now on.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.before = if ahead >= WINDOW { 0 } else { self.before << ahead };
            if self.highest > 0 && ahead <= WINDOW {
                self.before |= 1 << (ahead - 1);
            }
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        if count == 0 || behind == 0 || behind > WINDOW {
            return false;
        }
        let bit = 1 << (behind - 1);
        let is_new = self.before & bit == 0;
        self.before |= bit;
        is_new
    }
}

impl Nonces {
    /// Nonces that nobody without `seed` can make.
    pub fn new(seed: Seed) -> Self {
        let secret = keyed_hash(&seed.0, b"siprec digest nonces");
        Self { secret, used: BTreeMap::new(), forgotten: 0 }
    }

    /// The challenges of a 401, one WWW-Authenticate an algorithm.
    pub fn challenges(&self, now: Monotonic, realm: &Realm, stale: bool) -> Vec<String> {
        let nonce = self.nonce(now.0);
        let stale = if stale { ", stale=true" } else { "" };
        let name = realm.name.replace(['"', '\\'], "'");
        let one = |algorithm: &Algorithm| {
            let algorithm = algorithm.name();
            format!("Digest realm=\"{name}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        };
        realm.algorithms.iter().map(one).collect()
    }

    /// Who sent a request, by its Authorization.
    ///
    /// # Errors
    /// It does not say so, or does not prove it.
    pub fn judge<'a>(&mut self, now: Monotonic, realm: &'a Realm, request: &Message) -> Result<&'a str, Denied> {
        let method = request.method().map_or("", |method| method.as_str());
        let mut denied = Denied::Missing;
        let fields = request.headers.fields("Authorization").take(MAX_CREDENTIALS);
        for credentials in fields.filter_map(|field| Credentials::read(&field.value)) {
            if credentials.realm != realm.name || !realm.algorithms.contains(&credentials.algorithm) {
                continue;
            }
            let user = realm.users.iter().find(|user| user.name == credentials.username);
            // Who is not there is computed for as well: how long we take must not tell who is.
            let password = user.map_or("", |user| &user.password.0);
            let right = same(&credentials.expected(method, password), &credentials.response);
            match user {
                Some(user) if right && self.is_fresh(now, realm, &credentials) => return Ok(&user.name),
                Some(_) if right => denied = Denied::Stale,
                Some(_) | None => denied = if denied == Denied::Stale { denied } else { Denied::Wrong },
            }
        }
        Err(denied)
    }

    fn nonce(&self, issued: u64) -> String {
        let mac = keyed_hash(&self.secret, &issued.to_be_bytes());
        format!("{issued:016x}{}", hexadecimal(mac.get(..NONCE_MAC_BYTES).unwrap_or(&mac)))
    }

    /// Whether the nonce is ours, young enough, and its count new. Only asked where the answer was right, so nobody
    /// else fills the table.
    fn is_fresh(&mut self, now: Monotonic, realm: &Realm, credentials: &Credentials<'_>) -> bool {
        let Some(digits) = credentials.nonce.get(..NONCE_TIME_DIGITS) else { return false };
        let Ok(issued) = u64::from_str_radix(digits, 16) else { return false };
        if !same(&self.nonce(issued), credentials.nonce) || issued > now.0 {
            return false;
        }
        let oldest = now.0.saturating_sub(u64::try_from(realm.nonce_lifetime.as_nanos()).unwrap_or(u64::MAX));
        if issued < oldest || issued <= self.forgotten {
            return false;
        }
        while self.used.first_key_value().is_some_and(|(first, _)| *first < oldest) {
            self.used.pop_first();
        }
        if self.used.len() >= MAX_NONCES
            && !self.used.contains_key(&issued)
            && let Some((first, _)) = self.used.pop_first()
        {
            self.forgotten = self.forgotten.max(first);
        }
        issued > self.forgotten && self.used.entry(issued).or_default().take(credentials.count)
    }
}

/// An Authorization that says `Digest` (RFC 7616 3.4).
struct Credentials<'a> {
    username: String,
    realm: String,
    nonce: &'a str,
    uri: &'a str,
    response: String,
    algorithm: Algorithm,
    cnonce: &'a str,
    /// `nc` as written, which is hashed.
    nc: &'a str,
    count: u32,
    /// Whether there is a `qop`; RFC 2069 knew none, and its answers count once a nonce.
    protected: bool,
}

impl<'a> Credentials<'a> {
    fn read(value: &'a str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for piece in params::split(rest, b',').take(2 * DIRECTIVES) {
            if let Some((name, value)) = piece.split_once('=') {
                pairs.push((name.trim(), params::unquote(value.trim())));
            }
        }
        let get = |wanted: &str| pairs.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, v)| *v);
        let qop = get("qop");
        if qop.is_some_and(|qop| !qop.eq_ignore_ascii_case("auth")) {
            return None;
        }
        let nc = get("nc").unwrap_or("");
        let count = if qop.is_some() { u32::from_str_radix(nc, 16).ok()? } else { 1 };
        Some(Self {
            username: unescaped(get("username")?),
            realm: unescaped(get("realm")?),
            nonce: get("nonce")?,
            uri: get("uri")?,
            response: get("response")?.to_ascii_lowercase(),
            algorithm: Algorithm::named(get("algorithm"))?,
            cnonce: get("cnonce").unwrap_or(""),
            nc,
            count,
            protected: qop.is_some(),
        })
    }

    /// The response that proves the password (RFC 7616 3.4.1).
    fn expected(&self, method: &str, password: &str) -> String {
        let hash = |text: &str| self.algorithm.hash(text);
        let secret = hash(&format!("{}:{}:{password}", self.username, self.realm));
        let asked = hash(&format!("{method}:{}", self.uri));
        let (nonce, nc, cnonce) = (self.nonce, self.nc, self.cnonce);
        if self.protected {
            hash(&format!("{secret}:{nonce}:{nc}:{cnonce}:auth:{asked}"))
        } else {
            hash(&format!("{secret}:{nonce}:{asked}"))
        }
    }
}

/// Directives that an Authorization can have.
const DIRECTIVES: usize = 12;

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut escaped = false;
    for c in text.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out
}

/// Whether both are the same, in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    let differ = a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| core::hint::black_box(differ | (a ^ b)));
    a.len() == b.len() && differ == 0
}

fn keyed_hash(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    // A key of any length is taken: there is no error to have.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The response that proves `password`, for tests that play a client. `authorization` is the field without it.
#[cfg(test)]
pub(crate) fn response_for_tests(method: &str, authorization: &str, password: &str) -> String {
    let (_, value) = authorization.split_once(':').unwrap();
    Credentials::read(value).unwrap().expected(method, password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Method;

    const NOW: Monotonic = Monotonic(1_000_000_000_000);

    fn realm() -> Realm {
        let user = |name: &str, password: &str| User { name: name.into(), password: Password::new(password) };
        Realm { users: [user("sbc", "secret"), user("b", "other")].to_vec(), ..Realm::default() }
    }

    /// A request that answers the first challenge for `algorithm`.
    fn answer(challenges: &[String], algorithm: &str, user: &str, password: &str, nc: u32) -> Message {
        let challenge = challenges.iter().find(|c| c.contains(&format!("algorithm={algorithm},"))).unwrap();
        let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let text = format!(
            "Digest username=\"{user}\", realm=\"siprec\", nonce=\"{nonce}\", uri=\"sip:srs@h\", response=\"RESPONSE\", \
             algorithm={algorithm}, cnonce=\"c\", nc={nc:08x}, qop=auth"
        );
        let response = Credentials::read(&text).unwrap().expected("INVITE", password);
        Message::request(Method::Invite, "sip:srs@h").with("Authorization", text.replace("RESPONSE", &response))
    }

    #[test]
    fn the_examples_of_rfc_7616() {
        let digest = |algorithm: &str| {
            format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
                 cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"x\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        let expected = |text: &str| Credentials::read(text).unwrap().expected("GET", "Circle of Life");
        assert_eq!(expected(&digest("SHA-256")), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
        assert_eq!(expected(&digest("MD5")), "8ca523f5e9506fed4657c9700eebdbec");
        // Without qop, as RFC 2069 has it (its example as corrected by erratum 749).
        let old = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", uri=\"/dir/index.html\", \
                   nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", response=\"x\"";
        let response = Credentials::read(old).unwrap().expected("GET", "CircleOfLife");
        assert_eq!(response, "1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn an_answer_proves_its_user_once() {
        let (realm, mut nonces) = (realm(), Nonces::new(Seed([1; 32])));
        for (algorithm, seed) in [("SHA-256", 2), ("MD5", 3)] {
            let challenges = nonces.challenges(NOW, &realm, false);
            let request = answer(&challenges, algorithm, "sbc", "secret", 1);
            assert_eq!(nonces.judge(NOW, &realm, &request), Ok("sbc"), "{algorithm}");
            assert_eq!(nonces.judge(NOW, &realm, &request), Err(Denied::Stale), "{algorithm}: played again");
            let next = answer(&challenges, algorithm, "sbc", "secret", 2);
            assert_eq!(nonces.judge(NOW, &realm, &next), Ok("sbc"), "{algorithm}");
            nonces = Nonces::new(Seed([seed; 32]));
            assert_eq!(nonces.judge(NOW, &realm, &next), Err(Denied::Stale), "another server's nonce");
        }
        let challenges = nonces.challenges(NOW, &realm, true);
        assert!(challenges[0].contains("SHA-256") && challenges[1].contains("MD5"), "the best first");
        assert!(challenges.iter().all(|c| c.ends_with("qop=\"auth\", stale=true")));
    }

    #[test]
    fn what_proves_nobody() {
        let (realm, mut nonces) = (realm(), Nonces::new(Seed([1; 32])));
        let challenges = nonces.challenges(NOW, &realm, false);
        let mut judge = |request: &Message| nonces.judge(NOW, &realm, request);
        assert_eq!(judge(&Message::request(Method::Invite, "sip:a")), Err(Denied::Missing));
        assert_eq!(judge(&answer(&challenges, "MD5", "sbc", "wrong", 1)), Err(Denied::Wrong));
        assert_eq!(judge(&answer(&challenges, "MD5", "nobody", "", 1)), Err(Denied::Wrong));
        let good = answer(&challenges, "MD5", "sbc", "secret", 1);
        let text = good.header("Authorization").unwrap();
        for (from, to) in
            [("Digest", "Basic"), ("qop=auth", "qop=auth-int"), ("MD5", "MD4"), ("\"siprec\"", "\"other\"")]
        {
            let other = Message::request(Method::Invite, "sip:a").with("Authorization", text.replace(from, to));
            assert_eq!(judge(&other), Err(Denied::Missing), "{to}");
        }
        let other_method = Message::request(Method::Bye, "sip:a").with("Authorization", text);
        assert_eq!(judge(&other_method), Err(Denied::Wrong));
        let only_sha = Realm { algorithms: [Algorithm::Sha256].to_vec(), ..realm.clone() };
        assert_eq!(nonces.judge(NOW, &only_sha, &good), Err(Denied::Missing), "no downgrade");
        assert_eq!(nonces.judge(NOW, &realm, &good), Ok("sbc"));
    }

    #[test]
    fn a_nonce_grows_old() {
        let (realm, mut nonces) = (realm(), Nonces::new(Seed([1; 32])));
        let challenges = nonces.challenges(NOW, &realm, false);
        let young = NOW.after(realm.nonce_lifetime);
        assert_eq!(nonces.judge(young, &realm, &answer(&challenges, "MD5", "sbc", "secret", 1)), Ok("sbc"));
        let late = young.after(Duration::from_nanos(1));
        let again = answer(&challenges, "MD5", "sbc", "secret", 2);
        assert_eq!(nonces.judge(late, &realm, &again), Err(Denied::Stale));
    }

    #[test]
    fn counts_may_cross_and_none_counts_twice() {
        let mut uses = Uses::default();
        assert!(uses.take(1) && uses.take(5) && uses.take(3) && uses.take(2) && uses.take(4));
        assert!((0..=5).all(|count| !uses.take(count)));
        assert!(uses.take(69) && uses.take(6) && !uses.take(5), "the window's far end");
        assert!(uses.take(1000) && !uses.take(69) && !uses.take(900) && uses.take(999) && !uses.take(999));
        assert!(uses.take(u32::MAX) && !uses.take(u32::MAX));
    }

    #[test]
    fn what_is_pushed_out_of_the_table_is_never_new_again() {
        let (realm, mut nonces) = (realm(), Nonces::new(Seed([1; 32])));
        let at = |n: usize| Monotonic(NOW.0 + n as u64);
        let requests: Vec<Message> = (0..=MAX_NONCES)
            .map(|n| answer(&nonces.challenges(at(n), &realm, false), "MD5", "sbc", "secret", 1))
            .collect();
        let late = at(MAX_NONCES);
        assert!(requests.iter().all(|request| nonces.judge(late, &realm, request).is_ok()));
        assert_eq!(nonces.used.len(), MAX_NONCES);
        assert_eq!(nonces.judge(late, &realm, &requests[0]), Err(Denied::Stale));
    }

    #[test]
    fn a_password_does_not_print() {
        assert!(!format!("{:?}", realm()).contains("secret"));
    }
}
