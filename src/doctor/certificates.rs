//! Certificates of SIP over TLS and of the API: readable, with their key, in force, with their chain.

use siprec_core::time::Wall;

use super::check::Check;
use crate::config::Config;
use crate::wall;

const AREA: &str = "certificates";
const DAY_NS: i64 = 86_400 * 1_000_000_000;
/// Who renews by hand wants to know by then.
const SOON_DAYS: i64 = 30;

/// A certificate that the server would show, or why it cannot.
#[derive(Debug, Clone)]
pub struct Presented {
    /// `server.tls` or `api.tls`.
    pub section: &'static str,
    /// What the files hold; or which of them cannot be used, and the remedy.
    pub found: Result<Held, String>,
}

/// What the files hold.
#[derive(Debug, Clone)]
pub struct Held {
    /// Whom it is for.
    pub names: Vec<String>,
    /// From when on it counts.
    pub from: Wall,
    /// Until when.
    pub to: Wall,
    /// Subject and issuer of each certificate in the file, the server's own first.
    pub chain: Vec<(String, String)>,
    /// Who may read the key that should not.
    pub exposed_key: Option<String>,
}

pub(super) fn examine(config: &Config, presented: Vec<Presented>) -> Vec<Check> {
    if presented.is_empty() && !config.server.tls.enabled {
        return vec![Check::ok(AREA, "server.tls", "off: SIP is received over UDP and TCP")];
    }
    presented.into_iter().flat_map(|presented| judge(presented, wall::now())).collect()
}

fn judge(Presented { section, found }: Presented, now: Wall) -> Vec<Check> {
    let held = match found {
        Ok(held) => held,
        Err(why) => {
            let remedy = format!("put it right: the server does not start with what {section} names");
            return vec![Check::failed(AREA, section, why, remedy)];
        }
    };
    let mut checks = vec![in_force(section, &held, now), chain(section, &held.chain)];
    checks.extend(held.exposed_key.map(|why| Check::warning(AREA, section, why, "chmod o-rwx the key file")));
    checks
}

fn in_force(section: &str, held: &Held, now: Wall) -> Check {
    let renew = format!("put a new one into {section}.cert_file and key_file: a running server takes it up by itself");
    let names = if held.names.is_empty() { "nobody".to_owned() } else { held.names.join(" ") };
    let (from, to) = (held.from, held.to);
    let days = to.0.saturating_sub(now.0) / DAY_NS;
    let seen = format!("the certificate of {names} matches its key, and ends on {to}");
    if to < now {
        Check::failed(AREA, section, format!("the certificate of {names} expired on {to}"), renew)
    } else if now < from {
        let remedy = "look at this machine's clock, or wait";
        Check::failed(AREA, section, format!("the certificate of {names} is not valid before {from}"), remedy)
    } else if days < SOON_DAYS {
        Check::warning(AREA, section, format!("{seen}, in {days} days"), renew)
    } else {
        Check::ok(AREA, section, seen)
    }
}

/// Whether each certificate is followed by its issuer's.
fn chain(section: &str, chain: &[(String, String)]) -> Check {
    let broken = chain.windows(2).find(|pair| matches!(pair, [(_, issuer), (subject, _)] if issuer != subject));
    if let Some([(subject, issuer), (next, _)]) = broken {
        return Check::failed(
            AREA,
            section,
            format!("its chain is broken: {subject} is issued by {issuer}, and {next} comes next"),
            format!("put into {section}.cert_file the server's own certificate, then its issuer's, and so on"),
        );
    }
    match chain {
        [] => Check::failed(AREA, section, "no certificate can be read", format!("look at {section}.cert_file")),
        [(subject, issuer)] if subject == issuer => Check::warning(
            AREA,
            section,
            "it is signed by itself: peers accept it only by its fingerprint",
            "give it to them, or have one issued by a CA that they know",
        ),
        [.., (_, last)] => {
            let count = chain.len();
            Check::ok(AREA, section, format!("{count} in the file, up to {last}, whom peers have to know"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict::{Failed, Ok as Fine, Warning};

    fn day(n: i64) -> Wall {
        Wall(n * DAY_NS)
    }

    fn held() -> Held {
        let pair = |subject: &str, issuer: &str| (subject.to_owned(), issuer.to_owned());
        Held {
            names: vec!["srs.example.com".into()],
            from: day(10),
            to: day(100),
            chain: vec![pair("CN=srs", "CN=ca"), pair("CN=ca", "CN=root")],
            exposed_key: None,
        }
    }

    fn of(held: Held, now: i64) -> Vec<Check> {
        judge(Presented { section: "server.tls", found: Ok(held) }, day(now))
    }

    #[test]
    fn a_certificate_is_judged_by_its_dates() {
        let verdict = |now| of(held(), now)[0].verdict;
        assert_eq!((verdict(5), verdict(50), verdict(71), verdict(101)), (Failed, Fine, Warning, Failed));
        assert!(of(held(), 101)[0].seen.contains("expired on 1970-04-11"));
    }

    #[test]
    fn a_chain_in_the_wrong_order_fails_and_one_by_itself_warns() {
        assert_eq!(of(held(), 50)[1].verdict, Fine);
        let mut turned = held();
        turned.chain.reverse();
        assert!(of(turned, 50)[1].seen.contains("CN=ca is issued by CN=root, and CN=srs comes next"));
        let alone = Held { chain: vec![("CN=a".into(), "CN=a".into())], ..held() };
        assert_eq!(of(alone, 50)[1].verdict, Warning);
        assert_eq!(of(Held { chain: Vec::new(), ..held() }, 50)[1].verdict, Failed);
    }

    #[test]
    fn a_key_for_everybody_and_files_that_cannot_be_used_are_told() {
        let exposed = Held { exposed_key: Some("everybody may read it".into()), ..held() };
        assert_eq!(of(exposed, 50)[2].verdict, Warning);
        let found = Err("server.tls.key_file: k.pem is not the key: give the right one".into());
        let check = judge(Presented { section: "server.tls", found }, day(50)).remove(0);
        assert!(check.verdict == Failed && check.seen.ends_with("give the right one"), "{check:?}");
    }
}
