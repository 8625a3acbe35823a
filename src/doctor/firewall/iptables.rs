//! Rules as `iptables-save` tells them (iptables-save(8), iptables-extensions(8)).

use super::chains::{ALL_PORTS, Chain, Does, Policy, Ports, Rule};

/// The chains of the table `filter`. `family`: `iptables`, `ip6tables`.
pub(super) fn chains(text: &str, family: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let filter = text.lines().skip_while(|line| *line != "*filter").skip(1).take_while(|line| !line.starts_with('*'));
    for line in filter {
        if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let name = words.next().unwrap_or_default();
            let policy = if words.next() == Some("DROP") { Policy::Drop } else { Policy::Accept };
            let policy = (name == "INPUT").then_some(policy);
            let name = format!("{family} {name}");
            chains.push(Chain { policy, told: name.clone(), name, rules: Vec::new() });
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let (name, asked) = rule.split_once(' ').unwrap_or((rule, ""));
            let name = format!("{family} {name}");
            let chain = chains.iter_mut().find(|chain| chain.name == name);
            if let (Some(chain), Some(rule)) = (chain, read(asked, family)) {
                chain.rules.push(rule);
            }
        }
    }
    chains
}

/// `-p udp -m multiport --dports 5060,10000:20000 -j ACCEPT`; none if it is not about UDP, or decides nothing.
fn read(asked: &str, family: &str) -> Option<Rule> {
    let mut rule = Rule { ports: None, by_interface: false, asks_more: false, does: Does::Accept };
    let mut does = None;
    let mut words = asked.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "-p" => match words.next()? {
                "udp" => rule.ports = rule.ports.or_else(|| Some(vec![ALL_PORTS])),
                "all" => {}
                _ => return None,
            },
            // What it must not be is not looked into.
            "!" => {
                rule.asks_more = true;
                words.nth(1);
            }
            "-m" => rule.asks_more |= !["udp", "comment", "multiport"].contains(&words.next()?),
            "--comment" => skip_quoted(&mut words),
            "--dport" | "--dports" => rule.ports = Some(words.next()?.split(',').filter_map(range).collect()),
            "-i" => {
                rule.by_interface = true;
                words.next();
            }
            "-j" | "-g" => {
                does = match words.next()? {
                    "ACCEPT" => Some(Does::Accept),
                    "DROP" | "REJECT" => Some(Does::Drop),
                    // It may be a chain; where it is none, it is followed nowhere.
                    other => Some(Does::Call(format!("{family} {other}"))),
                };
                break;
            }
            _ => rule.asks_more = true,
        }
    }
    Some(Rule { does: does?, ..rule })
}

/// A text stands in quotes where it is more than a word.
fn skip_quoted<'a>(words: &mut impl Iterator<Item = &'a str>) {
    let begins = |word: &str| word.starts_with('"') && !(word.len() > 1 && word.ends_with('"'));
    if words.next().is_some_and(begins) {
        words.find(|word| word.ends_with('"') && !word.ends_with("\\\""));
    }
}

/// `5060`, `10000:20000`.
fn range(piece: &str) -> Option<Ports> {
    let (from, to) = piece.split_once(':').unwrap_or((piece, piece));
    Some((from.parse().ok()?, to.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::chains::{Fate, fate};
    use super::*;

    fn of(rules: &str) -> Fate {
        let text = format!(
            "*nat\n:INPUT ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n:ours - [0:0]\n{rules}COMMIT\n*mangle\n"
        );
        let chains = chains(&text, "iptables");
        fate(&chains[0], &chains, &[(5060, 5060), (10_000, 20_000)])
    }

    #[test]
    fn rules_that_accept_name_ports() {
        let none = [5060, 10_000, 20_000];
        assert_eq!(of("").unnamed, none);
        let rule = "-A INPUT -p udp -m multiport --dports 5060,10000:20000 -j ACCEPT\n";
        assert_eq!(of(rule).unnamed, [0; 0]);
        for other in [("ACCEPT", "LOG"), ("-p udp", "-p tcp"), ("INPUT", "FORWARD"), ("ACCEPT", "RETURN")] {
            assert_eq!(of(&rule.replace(other.0, other.1)).unnamed, none, "{other:?}");
        }
        assert_eq!(of("-A INPUT -s 10.0.0.1/32 -p udp -m udp --dport 5060 -j ACCEPT\n").unnamed, [10_000, 20_000]);
        let quoted = "-A INPUT -p udp -m comment --comment \"SIP -j DROP too\" --dport 5060 -j ACCEPT\n";
        assert_eq!(of(quoted).unnamed, [10_000, 20_000]);
        assert!(!of("-A INPUT -p all -j ACCEPT\n").is_shut);
    }

    #[test]
    fn chains_that_are_called_are_followed() {
        let called = "-A INPUT -i eth0 -j ours\n-A ours -p udp -m udp --dport 10000:20000 -j REJECT --reject-with x\n";
        assert_eq!(of(called).dropped, [10_000, 20_000]);
        assert_eq!(of(&called.replace("-i eth0", "! -s 10.0.0.0/8")).dropped, [0; 0]);
    }
}
