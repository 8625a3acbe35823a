//! What a machine's rules do with datagrams to our ports: chains, into which both nftables' and iptables' rules are read. A rule
//! here knows ports and interfaces; of what else it asks for (addresses, states, rates) it knows only that it does.

/// Rules are followed no further: chains that call one another can be far more than was written.
const MAX_RULES: usize = 100_000;
/// So deep the kernel lets chains call one another.
const MAX_DEPTH: usize = 16;

/// From the one to the other, both included.
pub(super) type Ports = (u16, u16);
pub(super) const ALL_PORTS: Ports = (0, u16::MAX);

/// A list of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// What rules call it by.
    pub(super) name: String,
    /// What people call it by.
    pub(super) told: String,
    /// What is done at its end, where all that comes in goes through it.
    pub(super) policy: Option<Policy>,
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Accept,
    Drop,
}

/// One rule, as far as it is about UDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// The ports that it is for; none if it names neither ports nor UDP.
    pub(super) ports: Option<Vec<Ports>>,
    /// It is for what comes by some interface.
    pub(super) by_interface: bool,
    /// It asks for more, which is not looked into.
    pub(super) asks_more: bool,
    pub(super) does: Does,
}

impl Rule {
    fn names(&self, port: u16) -> bool {
        self.ports.iter().flatten().any(|(from, to)| (*from..=*to).contains(&port))
    }

    /// No packet passes by it.
    fn is_for_all(&self) -> bool {
        self.ports.is_none() && !self.by_interface && !self.asks_more
    }

    /// It drops a port for everybody, or for everybody behind an interface.
    fn shuts(&self) -> bool {
        self.does == Does::Drop && self.ports.is_some() && !self.asks_more
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Does {
    Accept,
    /// Dropped, or refused.
    Drop,
    /// Goes through the chain of that name.
    Call(String),
}

/// What a chain does with our ports.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// What no rule accepts is dropped.
    pub(super) is_shut: bool,
    /// Ports of ours that it drops since no rule names them.
    pub(super) unnamed: Vec<u16>,
    /// Ports of ours that a rule names to drop them.
    pub(super) dropped: Vec<u16>,
}

/// What comes of `ours` where they go through `entry`.
pub(super) fn fate(entry: &Chain, chains: &[Chain], ours: &[Ports]) -> Fate {
    let mut rules = Vec::new();
    follow(entry, chains, None, 0, &mut rules);
    let last = rules.iter().find(|rule| rule.is_for_all()).map(|rule| rule.does == Does::Drop);
    let is_shut = last.unwrap_or(entry.policy == Some(Policy::Drop));
    let mut fate = Fate { is_shut, ..Fate::default() };
    for &(first, last) in ours {
        for port in telling(&rules, first, last) {
            match decided(&rules, port) {
                Some(Does::Drop) => fate.dropped.push(port),
                None if is_shut && (port == first || port == last) => fate.unnamed.push(port),
                None | Some(Does::Accept | Does::Call(_)) => {}
            }
        }
    }
    fate
}

/// Ports that stand for the range: its ends, and where a rule begins to drop.
fn telling(rules: &[Rule], first: u16, last: u16) -> Vec<u16> {
    let shut = rules.iter().filter(|rule| rule.shuts()).flat_map(|rule| rule.ports.iter().flatten());
    let within = shut.filter(|(from, to)| *from <= last && *to >= first).map(|(from, _)| *from.max(&first));
    let mut ports: Vec<u16> = within.chain([first, last]).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// What the first rule says that names the port: what is asked for besides may be what the SBC fulfils, so it is enough to be
/// accepted, not to be dropped.
fn decided(rules: &[Rule], port: u16) -> Option<Does> {
    let before = rules.iter().take_while(|rule| !rule.is_for_all());
    let mut naming = before.filter(|rule| rule.names(port) && (rule.does == Does::Accept || rule.shuts()));
    naming.next().map(|rule| rule.does.clone())
}

/// All rules that `chain` leads through, in their order. `caller`: the rule that led here.
fn follow(chain: &Chain, chains: &[Chain], caller: Option<&Rule>, depth: usize, rules: &mut Vec<Rule>) {
    for rule in &chain.rules {
        if rules.len() >= MAX_RULES || depth > MAX_DEPTH {
            return;
        }
        let mut rule = rule.clone();
        if let Some(caller) = caller {
            rule.by_interface |= caller.by_interface;
            rule.asks_more |= caller.asks_more;
            rule.ports = rule.ports.or_else(|| caller.ports.clone());
        }
        match &rule.does {
            Does::Call(name) => {
                if let Some(called) = chains.iter().find(|chain| chain.name == *name) {
                    follow(called, chains, Some(&rule), depth + 1, rules);
                }
            }
            Does::Accept | Does::Drop => rules.push(rule),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(ports: Option<Ports>, does: Does) -> Rule {
        Rule { ports: ports.map(|ports| vec![ports]), by_interface: false, asks_more: false, does }
    }

    fn chain(name: &str, policy: Option<Policy>, rules: Vec<Rule>) -> Chain {
        Chain { name: name.into(), told: name.into(), policy, rules }
    }

    fn of(policy: Policy, rules: Vec<Rule>, others: &[Chain]) -> Fate {
        fate(&chain("input", Some(policy), rules), others, &[(5060, 5060), (10_000, 20_000)])
    }

    #[test]
    fn the_first_rule_that_names_a_port_decides() {
        let accept = rule(Some((10_000, 20_000)), Does::Accept);
        let drop = rule(Some((15_000, 15_001)), Does::Drop);
        assert_eq!(of(Policy::Accept, vec![drop.clone(), accept.clone()], &[]).dropped, [15_000]);
        let by_address = Rule { asks_more: true, ..accept };
        assert_eq!(of(Policy::Accept, vec![by_address, drop.clone()], &[]), Fate::default());
        let rate = Rule { asks_more: true, ..drop };
        assert_eq!(of(Policy::Accept, vec![rate], &[]), Fate::default());
    }

    #[test]
    fn both_ends_of_a_range_must_be_accepted() {
        let all = [rule(Some((5060, 5060)), Does::Accept), rule(Some((9000, 19_999)), Does::Accept)];
        let shut = of(Policy::Drop, all.to_vec(), &[]);
        assert!(shut.is_shut && shut.unnamed == [20_000], "{shut:?}");
        let whole = [all[0].clone(), rule(Some(ALL_PORTS), Does::Accept)];
        assert_eq!(of(Policy::Drop, whole.to_vec(), &[]).unnamed, [0; 0]);
    }

    #[test]
    fn a_rule_for_all_ends_a_chain() {
        let refused = of(Policy::Accept, vec![rule(None, Does::Drop), rule(Some(ALL_PORTS), Does::Accept)], &[]);
        assert!(refused.is_shut && refused.unnamed == [5060, 10_000, 20_000], "{refused:?}");
        assert!(!of(Policy::Drop, vec![rule(None, Does::Accept)], &[]).is_shut);
        let loopback = Rule { by_interface: true, ..rule(None, Does::Accept) };
        assert!(of(Policy::Drop, vec![loopback], &[]).is_shut);
    }

    #[test]
    fn rules_of_a_chain_that_is_called_hold_under_what_led_there() {
        let media = chain("media", None, vec![rule(None, Does::Drop)]);
        let call = |ports| rule(ports, Does::Call("media".into()));
        let dropped = of(Policy::Accept, vec![call(Some((10_000, 20_000)))], std::slice::from_ref(&media));
        assert_eq!(dropped.dropped, [10_000, 20_000]);
        let asked = Rule { asks_more: true, ..call(None) };
        assert_eq!(of(Policy::Accept, vec![asked], std::slice::from_ref(&media)), Fate::default());
        assert!(of(Policy::Accept, vec![call(None)], &[media]).is_shut);
    }

    #[test]
    fn chains_that_call_themselves_come_to_an_end() {
        let round = chain("round", None, vec![rule(None, Does::Call("round".into())); 2]);
        assert_eq!(of(Policy::Accept, vec![rule(None, Does::Call("round".into()))], &[round]), Fate::default());
    }
}
