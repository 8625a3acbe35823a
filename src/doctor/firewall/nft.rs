//! Rules as `nft --json list ruleset` tells them (libnftables-json(5)).

use serde_json::Value;

use super::chains::{ALL_PORTS, Chain, Does, Policy, Ports, Rule};

/// What a part of a rule tells.
enum Part {
    Ports(Vec<Ports>),
    /// UDP, whatever the port.
    Udp,
    /// Another protocol: the rule is not about us.
    Foreign,
    Interface,
    /// An address, a state, a rate ...
    More,
    /// It counts or logs.
    Nothing,
    Does(Does),
    /// A port leads to what is done.
    Map(Vec<(Vec<Ports>, Does)>),
}

/// The chains of all tables. Tables with parts that only iptables understands are left out in the families that it has told itself.
pub(super) fn chains(text: &str, told_by_iptables: &[&str]) -> Vec<Chain> {
    let Ok(parsed) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    let entries = parsed.get("nftables").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rules: Vec<&Value> = entries.iter().filter_map(|entry| entry.get("rule")).collect();
    let opaque: Vec<String> = rules.iter().filter(|rule| parts(rule).iter().any(is_opaque)).map(|r| table(r)).collect();
    let sets: Vec<&Value> = entries.iter().filter_map(|entry| entry.get("set")).collect();
    let told = entries.iter().filter_map(|entry| entry.get("chain"));
    told.filter(|chain| !told_by_iptables.contains(&word(chain, "family")) || !opaque.contains(&table(chain)))
        .map(|chain| {
            let own = format!("{} {}", table(chain), word(chain, "name"));
            let of_chain = rules.iter().filter(|rule| format!("{} {}", table(rule), word(rule, "chain")) == own);
            let rules = of_chain.flat_map(|rule| read(rule, &sets)).collect();
            Chain { name: own.clone(), told: own, policy: policy(chain), rules }
        })
        .collect()
}

fn word<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn table(entry: &Value) -> String {
    format!("{} {}", word(entry, "family"), word(entry, "table"))
}

fn parts(rule: &Value) -> &[Value] {
    rule.get("expr").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A part that only iptables understands.
fn is_opaque(part: &Value) -> bool {
    part.get("xt").is_some()
}

fn policy(chain: &Value) -> Option<Policy> {
    let through_it =
        ["input", "prerouting", "ingress"].contains(&word(chain, "hook")) && word(chain, "type") == "filter";
    through_it.then(|| if word(chain, "policy") == "drop" { Policy::Drop } else { Policy::Accept })
}

/// A rule is one of ours, or several if it is a map.
fn read(rule: &Value, sets: &[&Value]) -> Vec<Rule> {
    let table = table(rule);
    let mut read = Rule { ports: None, by_interface: false, asks_more: false, does: Does::Accept };
    for part in parts(rule) {
        match understood(part, &table, sets) {
            Part::Ports(ports) => read.ports = Some(ports),
            Part::Udp => read.ports = read.ports.or_else(|| Some(vec![ALL_PORTS])),
            Part::Foreign => return Vec::new(),
            Part::Interface => read.by_interface = true,
            Part::More => read.asks_more = true,
            Part::Nothing => {}
            Part::Does(does) => return vec![Rule { does, ..read }],
            Part::Map(map) => {
                let of = |(ports, does)| Rule { ports: Some(ports), does, ..read.clone() };
                return map.into_iter().map(of).collect();
            }
        }
    }
    Vec::new()
}

fn understood(part: &Value, table: &str, sets: &[&Value]) -> Part {
    if let Some(does) = does(part, table) {
        return Part::Does(does);
    }
    if let Some(asked) = part.get("match") {
        return matched(asked, table, sets);
    }
    if let Some(map) = part.get("vmap") {
        return mapped(map, table);
    }
    if ["counter", "log", "mangle", "notrack"].iter().any(|key| part.get(key).is_some()) {
        return Part::Nothing;
    }
    if part.pointer("/xt/name").and_then(Value::as_str) == Some("REJECT") {
        return Part::Does(Does::Drop);
    }
    Part::More
}

fn does(part: &Value, table: &str) -> Option<Does> {
    let has = |key: &str| part.get(key);
    if has("accept").is_some() {
        return Some(Does::Accept);
    }
    if has("drop").is_some() || has("reject").is_some() {
        return Some(Does::Drop);
    }
    let target = has("jump").or_else(|| has("goto"))?.get("target")?.as_str()?;
    Some(Does::Call(format!("{table} {target}")))
}

fn matched(asked: &Value, table: &str, sets: &[&Value]) -> Part {
    let (Some(left), Some(right)) = (asked.get("left"), asked.get("right")) else { return Part::More };
    let equal = ["==", "in"].contains(&word(asked, "op"));
    let payload = left.get("payload").unwrap_or(&Value::Null);
    match (word(payload, "protocol"), word(payload, "field")) {
        ("udp" | "th", "dport") if equal => return Part::Ports(ports(right, table, sets)),
        ("tcp" | "icmp" | "icmpv6" | "sctp", _) => return Part::Foreign,
        ("ip", "protocol") | ("ip6", "nexthdr") if equal => return protocol(right),
        _ => {}
    }
    match left.get("meta").map(|meta| word(meta, "key")) {
        Some("l4proto") if equal => protocol(right),
        Some("iif" | "iifname") => Part::Interface,
        _ => Part::More,
    }
}

/// `"udp"`, or a set of such.
fn protocol(right: &Value) -> Part {
    let is_udp = |value: &Value| value == "udp" || value == 17;
    let among = right.get("set").and_then(Value::as_array).is_some_and(|set| set.iter().any(is_udp));
    if among || is_udp(right) { Part::Udp } else { Part::Foreign }
}

/// A port, a range, a set of such, or a set's name.
fn ports(right: &Value, table: &str, sets: &[&Value]) -> Vec<Ports> {
    let of = |members: Option<&Value>| -> Vec<Ports> {
        members.and_then(Value::as_array).into_iter().flatten().filter_map(range).collect()
    };
    if let Some(name) = right.as_str().and_then(|text| text.strip_prefix('@')) {
        let set = sets.iter().find(|set| self::table(set) == table && word(set, "name") == name);
        return of(set.and_then(|set| set.get("elem")));
    }
    match right.get("set") {
        Some(set) => of(Some(set)),
        None => range(right).into_iter().collect(),
    }
}

/// `5060`, or `{"range": [10000, 20000]}`.
fn range(value: &Value) -> Option<Ports> {
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    let bounds = value.get("range").and_then(Value::as_array);
    match bounds.map(Vec::as_slice) {
        Some([from, to]) => Some((port(from)?, port(to)?)),
        Some(_) => None,
        None => port(value).map(|port| (port, port)),
    }
}

/// `udp dport vmap { 5060 : accept, 10000-20000 : jump media }`.
fn mapped(map: &Value, table: &str) -> Part {
    let key = map.pointer("/key/payload").unwrap_or(&Value::Null);
    if !(["udp", "th"].contains(&word(key, "protocol")) && word(key, "field") == "dport") {
        return Part::More;
    }
    let members = map.pointer("/data/set").and_then(Value::as_array).into_iter().flatten();
    let member = |pair: &Value| Some((vec![range(pair.get(0)?)?], does(pair.get(1)?, table)?));
    Part::Map(members.filter_map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::super::chains::{Fate, fate};
    use super::*;

    const OURS: [Ports; 2] = [(5060, 5060), (10_000, 20_000)];
    const CHAIN: &str = r#"{"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter",
        "hook": "input", "policy": "drop"}}"#;

    /// A rule of the chain above.
    fn rule(parts: &str) -> String {
        format!(r#"{{"rule": {{"family": "inet", "table": "filter", "chain": "input", "expr": [{parts}]}}}}"#)
    }

    fn accept(right: &str) -> String {
        rule(&format!(
            r#"{{"match": {{"op": "==", "left": {{"payload": {{"protocol": "udp", "field": "dport"}}}}, "right": {right}}}}},
               {{"accept": null}}"#
        ))
    }

    fn of(entries: &[String]) -> Fate {
        let chains = chains(&format!(r#"{{"nftables": [{}]}}"#, entries.join(",")), &[]);
        fate(&chains[0], &chains, &OURS)
    }

    #[test]
    fn ports_ranges_and_sets_are_read() {
        assert_eq!(of(&[CHAIN.into(), accept("5060")]).unnamed, [10_000, 20_000]);
        assert_eq!(of(&[CHAIN.into(), accept("5060"), accept(r#"{"range": [10000, 20000]}"#)]).unnamed, [0; 0]);
        assert_eq!(of(&[CHAIN.into(), accept(r#"{"set": [5060, {"range": [9000, 20000]}]}"#)]).unnamed, [0; 0]);
        let set = r#"{"set": {"family": "inet", "table": "filter", "name": "ours", "elem": [5060, {"range": [9000, 20000]}]}}"#;
        assert_eq!(of(&[CHAIN.into(), set.into(), accept(r#""@ours""#)]).unnamed, [0; 0]);
        assert_eq!(of(&[CHAIN.into(), accept(r#""@others""#)]).unnamed, [5060, 10_000, 20_000]);
        let deep = format!("{}5060{}", r#"{"set": ["#.repeat(50), "]}".repeat(50));
        assert_eq!(of(&[CHAIN.into(), accept(&deep)]).unnamed, [5060, 10_000, 20_000]);
    }

    #[test]
    fn rules_for_other_protocols_are_not_about_us() {
        let tcp = accept(r#"{"range": [1, 65535]}"#).replace("udp", "tcp");
        assert_eq!(of(&[CHAIN.into(), tcp]).unnamed, [5060, 10_000, 20_000]);
        let protocol = |right: &str| {
            rule(&format!(
                r#"{{"match": {{"op": "==", "left": {{"meta": {{"key": "l4proto"}}}}, "right": {right}}}}}, {{"accept": null}}"#
            ))
        };
        assert_eq!(of(&[CHAIN.into(), protocol(r#""sctp""#)]).unnamed, [5060, 10_000, 20_000]);
        assert_eq!(of(&[CHAIN.into(), protocol(r#"{"set": ["tcp", "udp"]}"#)]).unnamed, [0; 0]);
    }

    #[test]
    fn maps_are_rules() {
        let map = rule(
            r#"{"vmap": {"key": {"payload": {"protocol": "udp", "field": "dport"}}, "data": {"set": [
               [5060, {"accept": null}], [{"range": [10000, 20000]}, {"drop": null}]]}}}"#,
        );
        let fate = of(&[CHAIN.into(), map]);
        assert_eq!((fate.unnamed, fate.dropped), (Vec::new(), vec![10_000, 20_000]));
    }

    #[test]
    fn what_is_no_rule_set_has_no_chains() {
        for text in ["", "{}", "[]", r#"{"nftables": [{"chain": 1}, 2]}"#] {
            assert!(chains(text, &[]).iter().all(|chain| chain.policy.is_none()), "{text}");
        }
    }
}
