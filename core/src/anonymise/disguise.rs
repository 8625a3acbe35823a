//! What stands for each original.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::addresses::{is_everybodys, turned};
use super::keyed::Keyed;
use super::originals::{Kind, Originals, canonical};
use super::sweep::{MIN_DIGITS, Sweep, Wanted};
use crate::seed::{Random, Seed};
use crate::vendor;

/// Draws before a number that is taken is counted up instead.
const DRAWS: usize = 64;
/// Permutations of addresses that are tried, for one that makes none of those in the run.
const ROUNDS: u8 = 32;

/// The originals of a run, and what stands for them.
#[derive(Debug)]
pub(super) struct Disguise {
    pub(super) keyed: Keyed,
    fakes: BTreeMap<(Kind, Vec<u8>), Vec<u8>>,
    round: u8,
    addresses: BTreeMap<IpAddr, IpAddr>,
    pub(super) sweep: Sweep,
}

impl Disguise {
    pub(super) fn new(originals: &Originals, seed: Seed) -> Self {
        let keyed = Keyed::new(seed);
        let round = best_round(&keyed, originals);
        let addresses: BTreeMap<IpAddr, IpAddr> =
            originals.addresses().map(|address| (address, turned(&keyed, round, address))).collect();
        let mut numbers = Numbers { originals, keyed: &keyed, taken: BTreeSet::new() };
        let (mut users, mut hosts, mut names, mut words) = (0_usize, 0_usize, 0_usize, 0_usize);
        let mut count = |kind: Kind| {
            let counter = match kind {
                Kind::Number | Kind::Name => &mut names,
                Kind::User => &mut users,
                Kind::Host => &mut hosts,
                Kind::Word => &mut words,
            };
            *counter += 1;
            *counter
        };
        let mut fakes = BTreeMap::new();
        let mut wanted = Wanted::default();
        for (kind, form) in originals.iter() {
            let fake = match kind {
                Kind::Number => numbers.draw(form),
                Kind::User => alloc::format!("user{}", count(kind)).into_bytes(),
                Kind::Host => host(form, &alloc::format!("host{}", count(kind))),
                Kind::Name => alloc::format!("Person {}", count(kind)).into_bytes(),
                Kind::Word => alloc::format!("Name{}", count(kind)).into_bytes(),
            };
            wanted.text(kind, form, &fake);
            fakes.insert((kind, form.to_vec()), fake);
        }
        for (address, fake) in addresses.iter().filter(|(address, _)| !is_everybodys(**address)) {
            wanted.address(*address, *fake);
        }
        Self { sweep: wanted.build(), keyed, fakes, round, addresses }
    }

    /// What stands for `text`. One that the first pass did not see is made up for itself.
    pub(super) fn of(&self, kind: Kind, text: &[u8]) -> Vec<u8> {
        let form = canonical(kind, text);
        if let Some(fake) = self.fakes.get(&(kind, form.clone())) {
            return fake.clone();
        }
        let mut random = self.keyed.random(b"late", &form);
        match kind {
            Kind::Number => draw(&form, &mut random),
            Kind::User | Kind::Word => alloc::format!("user{:08x}", random.next_u32()).into_bytes(),
            Kind::Host => host(&form, &alloc::format!("host{:08x}", random.next_u32())),
            Kind::Name => alloc::format!("Person {:08x}", random.next_u32()).into_bytes(),
        }
    }

    /// What stands for an address.
    pub(super) fn address(&self, address: IpAddr) -> IpAddr {
        let known = self.addresses.get(&address.to_canonical()).copied();
        known.unwrap_or_else(|| turned(&self.keyed, self.round, address))
    }
}

/// A name under `.example` (RFC 2606), or under the domain that tells a product.
fn host(form: &[u8], label: &str) -> Vec<u8> {
    let name = String::from_utf8_lossy(form);
    let domain = vendor::product_domain(&name).unwrap_or(".example");
    alloc::format!("{label}{domain}").into_bytes()
}

/// The permutation after which the fewest addresses are those of another one of the run.
fn best_round(keyed: &Keyed, originals: &Originals) -> u8 {
    let clashes = |round: &u8| {
        let others = originals.addresses().filter(|address| !is_everybodys(*address));
        others.filter(|address| originals.has_address(turned(keyed, *round, *address))).count()
    };
    let mut best = (usize::MAX, 0);
    for round in 0..ROUNDS {
        let clashing = clashes(&round);
        if clashing < best.0 {
            best = (clashing, round);
        }
        if clashing == 0 {
            break;
        }
    }
    best.1
}

/// Draws numbers, no two alike.
struct Numbers<'a> {
    originals: &'a Originals,
    keyed: &'a Keyed,
    taken: BTreeSet<Vec<u8>>,
}

impl Numbers<'_> {
    fn draw(&mut self, digits: &[u8]) -> Vec<u8> {
        let mut random = self.keyed.random(b"number", digits);
        let mut fake = draw(digits, &mut random);
        for _ in 0..DRAWS {
            if self.is_free(&fake) {
                break;
            }
            fake = draw(digits, &mut random);
        }
        // Short numbers may be used up: then one that is nobody else's fake, counted up.
        let all = 10_usize.saturating_pow(u32::try_from(digits.len()).unwrap_or(u32::MAX)).min(1000);
        for _ in 0..all {
            if !self.taken.contains(&fake) {
                break;
            }
            count_up(&mut fake);
        }
        self.taken.insert(fake.clone());
        fake
    }

    /// Whether nobody has it, and nobody's number stands in it.
    fn is_free(&self, fake: &[u8]) -> bool {
        let holds = |length: usize| fake.windows(length).any(|part| self.originals.has_number(part));
        !self.taken.contains(fake) && !self.originals.has_number(fake) && !(MIN_DIGITS..fake.len()).any(holds)
    }
}

/// As many digits; zeros at the beginning stay, as they tell trunk and international prefixes.
fn draw(digits: &[u8], random: &mut Random) -> Vec<u8> {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let mut fake = digits.to_vec();
    for (at, digit) in fake.iter_mut().enumerate().skip(zeros) {
        let (lowest, many) = if at == zeros { (1, 9) } else { (0, 10) };
        *digit = b'0' + lowest + u8::try_from(random.next_u64() % many).unwrap_or(0);
    }
    fake
}

fn count_up(digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_length_and_are_told_apart() {
        let mut originals = Originals::default();
        for number in 0..900_u32 {
            originals.note(Kind::Number, alloc::format!("{:03}", 100 + number).into_bytes());
            originals.note(Kind::Number, alloc::format!("00491705{number:04}").into_bytes());
        }
        let disguise = Disguise::new(&originals, Seed([1; 32]));
        let mut fakes = BTreeSet::new();
        for (kind, form) in originals.iter() {
            let fake = disguise.of(kind, form);
            assert_eq!(fake.len(), form.len());
            assert!(form.len() == 3 || fake.starts_with(b"00") && !originals.has_number(&fake));
            assert!(fakes.insert(fake), "two become one");
        }
    }

    #[test]
    fn another_seed_makes_other_numbers_and_the_same_seed_the_same() {
        let mut originals = Originals::default();
        originals.note(Kind::Number, b"4917055512".to_vec());
        let of = |seed| Disguise::new(&originals, Seed([seed; 32])).of(Kind::Number, b"+49 170/55512");
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
