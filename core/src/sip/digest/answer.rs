//! The client's side of a challenge (RFC 7616 3.4, RFC 3261 22.2): the strongest that is understood is answered.

use alloc::format;
use alloc::string::String;

use super::{Algorithm, Credentials, DIRECTIVES, Password, unescaped};
use crate::sip::message::Message;
use crate::sip::params;

/// Challenges of one response that are looked at.
const MAX_CHALLENGES: usize = 8;

/// A name and its password, and the challenge that they answer.
#[derive(Debug, Clone)]
pub struct Login {
    name: String,
    password: Password,
    challenge: Option<Challenge>,
    count: u32,
}

#[derive(Debug, Clone)]
struct Challenge {
    /// `Authorization` or `Proxy-Authorization`.
    header: &'static str,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    algorithm_named: bool,
    qop: bool,
    stale: bool,
}

impl Login {
    /// That has not been asked for yet.
    pub fn new(name: impl Into<String>, password: Password) -> Self {
        Self { name: name.into(), password, challenge: None, count: 0 }
    }

    /// Takes the challenge of a 401 or 407; whether another try makes sense: an answer that was refused is given again
    /// only if its nonce had become stale (RFC 7616 3.3).
    pub fn take_challenge(&mut self, response: &Message) -> bool {
        let (asks, answers) = match response.status() {
            Some(407) => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => ("WWW-Authenticate", "Authorization"),
        };
        let fields = response.headers.fields(asks).take(MAX_CHALLENGES);
        let read = fields.filter_map(|field| Challenge::read(answers, &field.value));
        // The first of the strongest: SHA-256 before MD5, whatever the order (RFC 8760 2.4 lets us choose).
        let Some(best) = read.min_by_key(|challenge| challenge.algorithm == Algorithm::Md5) else { return false };
        let again = best.stale || self.challenge.as_ref().is_none_or(|known| known.header != best.header);
        self.challenge = Some(best);
        self.count = 0;
        again
    }

    /// Adds the answer to the last challenge, if there was one. `cnonce` is never used twice.
    pub fn sign(&mut self, request: &mut Message, cnonce: &str) {
        let Some(challenge) = &self.challenge else { return };
        self.count = self.count.saturating_add(1);
        let Challenge { realm, nonce, .. } = challenge;
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{nonce}\", uri=\"{}\", response=\"\"",
            quoted(&self.name),
            quoted(realm),
            request.uri().unwrap_or("")
        );
        if challenge.algorithm_named {
            value.push_str(&format!(", algorithm={}", challenge.algorithm.name()));
        }
        if challenge.qop {
            value.push_str(&format!(", cnonce=\"{cnonce}\", nc={:08x}, qop=auth", self.count));
        }
        if let Some(opaque) = &challenge.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        let method = request.method().map_or("", |method| method.as_str());
        let Some(credentials) = Credentials::read(&value) else { return };
        let response = credentials.expected(method, &self.password.0);
        let value = value.replacen("response=\"\"", &format!("response=\"{response}\""), 1);
        request.headers.remove(challenge.header);
        request.headers.push(challenge.header, value);
    }
}

impl Challenge {
    fn read(header: &'static str, value: &str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let pieces = params::split(rest, b',').take(2 * DIRECTIVES);
        let pairs = pieces.filter_map(|piece| piece.split_once('='));
        let mut challenge = Self {
            header,
            realm: String::new(),
            nonce: String::new(),
            opaque: None,
            algorithm: Algorithm::Md5,
            algorithm_named: false,
            qop: false,
            stale: false,
        };
        for (name, value) in pairs {
            let value = params::unquote(value.trim());
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => challenge.realm = unescaped(value),
                "nonce" => challenge.nonce = value.into(),
                "opaque" => challenge.opaque = Some(value.into()),
                "stale" => challenge.stale = value.eq_ignore_ascii_case("true"),
                "algorithm" => {
                    challenge.algorithm = Algorithm::named(Some(value))?;
                    challenge.algorithm_named = true;
                }
                // RFC 7616 3.3: without `auth` among them there is nothing that we could do.
                "qop" => {
                    if !value.split(',').any(|offered| offered.trim().eq_ignore_ascii_case("auth")) {
                        return None;
                    }
                    challenge.qop = true;
                }
                _ => {}
            }
        }
        (!challenge.nonce.is_empty()).then_some(challenge)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Denied, Nonces, Realm, User};
    use super::*;
    use crate::seed::Seed;
    use crate::sip::Method;
    use crate::time::Monotonic;

    const NOW: Monotonic = Monotonic(1_000_000_000_000);

    fn asked(challenges: &[String], status: u16) -> Message {
        let request = Message::request(Method::Invite, "sip:srs@h");
        let name = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
        challenges.iter().fold(Message::response(status, "", &request), |m, value| m.with(name, value.clone()))
    }

    #[test]
    fn our_own_server_takes_the_answer_to_each_of_its_challenges() {
        let user = User { name: "s\"bc".into(), password: Password::new("secret") };
        for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512256] {
            let realm = Realm { users: [user.clone()].into(), algorithms: [algorithm].into(), ..Realm::default() };
            let mut nonces = Nonces::new(Seed([1; 32]));
            let mut login = Login::new("s\"bc", Password::new("secret"));
            let challenges = nonces.challenges(NOW, &realm, false);
            assert!(login.take_challenge(&asked(&challenges, 401)));
            for _ in 0..2 {
                let mut request = Message::request(Method::Invite, "sip:srs@h");
                login.sign(&mut request, "c");
                assert_eq!(nonces.judge(NOW, &realm, &request), Ok("s\"bc"), "{request:?}");
            }
            assert!(!login.take_challenge(&asked(&challenges, 401)), "refused once is enough");
            assert!(
                login.take_challenge(&asked(&nonces.challenges(NOW, &realm, true), 401)),
                "stale is another matter"
            );
            let mut wrong = Login::new("s\"bc", Password::new("other"));
            wrong.take_challenge(&asked(&challenges, 401));
            let mut request = Message::request(Method::Invite, "sip:srs@h");
            wrong.sign(&mut request, "c");
            assert_eq!(nonces.judge(NOW, &realm, &request), Err(Denied::Wrong));
        }
    }

    #[test]
    fn the_stronger_challenge_is_answered_and_proxies_have_a_field_of_their_own() {
        let mut login = Login::new("a", Password::new("b"));
        let md5 = "Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth-int,auth\"".into();
        let sha = "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\", opaque=\"o\"".into();
        assert!(login.take_challenge(&asked(&[md5, sha], 407)));
        let mut request = Message::request(Method::Bye, "sip:srs@h");
        login.sign(&mut request, "c");
        let value = request.header("Proxy-Authorization").unwrap();
        assert!(value.contains("algorithm=SHA-256") && value.contains("opaque=\"o\""), "{value}");
        assert!(!login.take_challenge(&asked(&["Basic realm=\"r\"".into()], 401)));
        assert!(!login.take_challenge(&asked(&["Digest nonce=\"n\", qop=\"auth-int\"".into()], 401)));
    }
}
