//! Whether a request outside of a dialog is taken: by whom it is from, then by what it is, then by what it costs.
//!
//! Requests within a dialog are not asked for credentials again: they show the tags that only the two ends know, and
//! many SRCs cannot answer a challenge to BYE, which would leave a session open that is over.

use alloc::format;
use alloc::string::{String, ToString};

use super::admission::busy;
use super::peers::{DigestUsers, Rules};
use super::reading::{Bodies, accepts_sdp, is_recording_session, is_tagged, requires_siprec};
use super::session_timer::Asked;
use super::srs::Srs;
use crate::sip::check::Rejection;
use crate::sip::digest::Denied;
use crate::sip::message::Message;
use crate::sip::{Flow, Transport};
use crate::time::Now;

impl Srs {
    /// What an INVITE carries, and the row of the table of peers that it is under.
    pub(super) fn judge(
        &mut self,
        now: Now,
        message: &Message,
        flow: &Flow,
    ) -> Result<(Bodies, Option<String>), Rejection> {
        let asker = self.asker(flow, message);
        let peer = self.policy.peer_for(&asker);
        let (name, rules) = (peer.map(|peer| peer.name.clone()), peer.map_or(&self.policy.rules, |peer| &peer.rules));
        let rules = rules.clone();
        by_whom(&rules, flow)?;
        if let Some(users) = &rules.digest {
            self.authenticate(now, message, users)?;
        }
        let bodies = Bodies::read(message)?;
        if let Some(rejection) = Asked::of(message).too_small(self.policy.session_timers) {
            return Err(rejection);
        }
        by_what(&rules, message, &bodies)?;
        // Half of a call that is being recorded is no new session.
        let is_half = self.session_to_join(message, name.as_deref()).is_some();
        match self.full(name.as_deref(), &rules).filter(|_| !is_half) {
            Some(reason) => {
                let mut rejection = busy(&rules.refusal);
                if rejection.status >= 400 {
                    rejection.reason = reason;
                }
                Err(rejection)
            }
            None => Ok((bodies, name)),
        }
    }

    /// What an OPTIONS outside of a dialog is answered: by it, SBCs decide whether we are in service. It is kept out as an
    /// INVITE would be, and told where an INVITE would find no room; who is there needs no password.
    pub(super) fn judge_options(&self, message: &Message, flow: &Flow) -> Result<(u16, &'static str), Rejection> {
        let asker = self.asker(flow, message);
        let peer = self.policy.peer_for(&asker);
        let (name, rules) = (peer.map(|peer| &*peer.name), peer.map_or(&self.policy.rules, |peer| &peer.rules));
        by_whom(rules, flow)?;
        let health = self.policy.health;
        let status = match self.full(name, rules) {
            Some(_) if self.draining => health.draining,
            Some(_) => health.full,
            None => 200,
        };
        Ok((status, if status == 200 { "OK" } else { "Service Unavailable" }))
    }

    /// Why no new session of this peer can be taken.
    fn full(&self, peer: Option<&str>, rules: &Rules) -> Option<&'static str> {
        let of_peer =
            |limit: usize| self.sessions.values().filter(|s| s.state.peer_row.as_deref() == peer).count() >= limit;
        if self.draining {
            Some("Draining")
        } else if self.sessions.len() >= self.policy.max_sessions {
            Some("Too Many Sessions")
        } else if rules.max_sessions.is_some_and(of_peer) {
            Some("Too Many Sessions of This Peer")
        } else {
            self.pressure
        }
    }

    /// RFC 3261 22.1: a 401 asks for credentials.
    fn authenticate(&mut self, now: Now, message: &Message, users: &DigestUsers) -> Result<(), Rejection> {
        let realm = &self.policy.realm;
        let denied = match self.nonces.judge(now.monotonic, realm, message) {
            Ok(user) if users.has(user) => return Ok(()),
            Ok(_) => return Err(Rejection::new(403, "User Not Allowed", "RFC 3261 21.4.4")),
            Err(denied) => denied,
        };
        let reason = match denied {
            Denied::Missing => "Unauthorized",
            Denied::Stale => "Stale Credentials",
            Denied::Wrong => "Wrong Credentials",
        };
        let mut rejection = Rejection::new(401, reason, "RFC 3261 22.2");
        let challenges = self.nonces.challenges(now.monotonic, realm, denied == Denied::Stale);
        rejection.headers.extend(challenges.into_iter().map(|challenge| ("WWW-Authenticate", challenge)));
        Err(rejection)
    }
}

fn by_whom(rules: &Rules, flow: &Flow) -> Result<(), Rejection> {
    if !rules.allow {
        return Err(Rejection::new(403, "Forbidden", "RFC 3261 21.4.4"));
    }
    if rules.require_tls && flow.transport != Transport::Tls {
        let mut rejection = Rejection::new(403, "TLS Required", "RFC 7866 12.1");
        let why = format!("SIP came over {}, and TLS is required (require_tls)", flow.transport);
        rejection.headers.push(("Warning", warning(&why)));
        return Err(rejection);
    }
    Ok(())
}

fn by_what(rules: &Rules, message: &Message, bodies: &Bodies) -> Result<(), Rejection> {
    let is_recording_session = is_recording_session(message, bodies);
    // RFC 4475 3.3.15. An SRC offers SDP because it reads SDP, whatever its Accept forgets (RFC 7866 7.1).
    if rules.legacy && !is_recording_session && !accepts_sdp(message) {
        let mut rejection = Rejection::new(406, "Not Acceptable", "RFC 3261 21.4.7");
        rejection.headers.push(("Warning", warning("Accept names no application/sdp, and the answer is nothing else")));
        return Err(rejection);
    }
    if rules.legacy {
        return Ok(());
    }
    if !is_recording_session {
        return Err(Rejection::new(403, "Not a Recording Session", "RFC 7866 6.2"));
    }
    if rules.strict_siprec && !requires_siprec(message) {
        let mut rejection = Rejection::new(421, "Extension Required", "RFC 7866 6.1.1");
        rejection.headers.push(("Require", "siprec".to_string()));
        return Err(rejection);
    }
    if rules.strict_siprec && !is_tagged(message) {
        return Err(Rejection::new(403, "Contact Without +sip.src", "RFC 7866 6.1.1"));
    }
    Ok(())
}

/// The value of a Warning that is to be shown to a person (RFC 3261 20.43).
pub(super) fn warning(why: &str) -> String {
    format!("399 siprec \"{}\"", why.replace(['"', '\\'], "'"))
}
