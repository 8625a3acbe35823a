//! IP addresses: those that shared a prefix share one of the same length afterwards, and each stays in its class.
//!
//! The way of Xu, Fan, Ammar and Moon ("Prefix-preserving IP address anonymization", 2002): each bit is turned over or not by
//! a keyed function of the bits before it, so the whole is a permutation.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::keyed::Keyed;

/// How often an address that leaves its class is turned over again. A permutation comes back to the class some time.
const MAX_WALK: usize = 64;

/// Leading bits that make an address what it is, and stay: of IPv4.
const CLASSES_V4: [(Ipv4Addr, u8); 9] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The same of IPv6: NAT64, documentation, global, unique local, link-local, multicast.
const CLASSES_V6: [(Ipv6Addr, u8); 6] = [
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 16),
];

/// Whether every machine has this address, so that it tells of none.
pub(super) fn is_everybodys(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_unspecified()
        || address == IpAddr::V4(Ipv4Addr::LOCALHOST)
        || address == IpAddr::V6(Ipv6Addr::LOCALHOST)
        || address == IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// The address that stands for `address`; `round` chooses among permutations.
pub(super) fn turned(keyed: &Keyed, round: u8, address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    if is_everybodys(address) {
        return address;
    }
    match address {
        IpAddr::V4(v4) => {
            let class = class_v4(v4);
            let mut turned = v4;
            for _ in 0..MAX_WALK {
                let bits = turn(keyed, &[4, round], u128::from(turned.to_bits()) << 96, class.map_or(0, |c| c.1), 32);
                turned = Ipv4Addr::from_bits(u32::try_from(bits >> 96).unwrap_or(0));
                if class_v4(turned) == class && !is_everybodys(turned.into()) {
                    break;
                }
            }
            turned.into()
        }
        IpAddr::V6(v6) => {
            let class = class_v6(v6);
            let mut turned = v6;
            for _ in 0..MAX_WALK {
                turned = Ipv6Addr::from_bits(turn(keyed, &[6, round], turned.to_bits(), class.map_or(0, |c| c.1), 128));
                if class_v6(turned) == class {
                    break;
                }
            }
            turned.into()
        }
    }
}

fn class_v4(address: Ipv4Addr) -> Option<(Ipv4Addr, u8)> {
    let shared = |class: &Ipv4Addr| (class.to_bits() ^ address.to_bits()).leading_zeros();
    CLASSES_V4.into_iter().find(|(class, bits)| shared(class) >= u32::from(*bits))
}

fn class_v6(address: Ipv6Addr) -> Option<(Ipv6Addr, u8)> {
    let shared = |class: &Ipv6Addr| (class.to_bits() ^ address.to_bits()).leading_zeros();
    CLASSES_V6.into_iter().find(|(class, bits)| shared(class) >= u32::from(*bits))
}

/// The bits from `from` to `to`, the first being the highest, each turned over or not.
fn turn(keyed: &Keyed, label: &[u8; 2], bits: u128, from: u8, to: u8) -> u128 {
    let mut out = bits;
    for at in from..to {
        let before = if at == 0 { 0 } else { bits >> (128 - u32::from(at)) };
        let flip = keyed.octets(b"address", &[&label[..], &[at], &before.to_be_bytes()])[0] & 1;
        out ^= u128::from(flip) << (127 - u32::from(at));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use alloc::collections::BTreeSet;

    fn of(text: &str) -> IpAddr {
        turned(&Keyed::new(Seed([7; 32])), 0, text.parse().unwrap())
    }

    #[test]
    fn addresses_stay_in_their_class_and_those_of_a_net_stay_together() {
        for (address, class, bits) in [
            ("10.1.2.3", "10.0.0.0", 8),
            ("172.20.1.1", "172.16.0.0", 12),
            ("192.168.7.9", "192.168.0.0", 16),
            ("127.168.50.10", "127.0.0.0", 8),
            ("239.1.1.1", "224.0.0.0", 4),
        ] {
            let (IpAddr::V4(turned), IpAddr::V4(class)) = (of(address), class.parse().unwrap()) else { panic!() };
            assert!((turned.to_bits() ^ class.to_bits()).leading_zeros() >= bits, "{address} became {turned}");
            assert_ne!(turned.to_string(), address);
        }
        let (IpAddr::V4(a), IpAddr::V4(b)) = (of("198.51.100.7"), of("198.51.100.9")) else { panic!() };
        assert_eq!((a.to_bits() ^ b.to_bits()).leading_zeros(), 28);
        for public in 0..=255_u8 {
            let IpAddr::V4(turned) = of(&alloc::format!("{public}.77.1.2")) else { panic!() };
            assert_eq!(class_v4(turned), class_v4(Ipv4Addr::new(public, 77, 1, 2)), "{turned}");
        }
        assert!(matches!(of("fe80::1"), IpAddr::V6(v6) if v6.is_unicast_link_local()));
        assert!(matches!(of("fd12::1"), IpAddr::V6(v6) if v6.is_unique_local()));
    }

    #[test]
    fn no_two_become_one_and_those_of_everybody_stay() {
        let all: BTreeSet<IpAddr> = (0..=255_u8).map(|n| of(&alloc::format!("192.168.3.{n}"))).collect();
        assert_eq!(all.len(), 256);
        for address in ["127.0.0.1", "0.0.0.0", "::1", "::", "255.255.255.255"] {
            assert_eq!(of(address).to_string(), address);
        }
        assert_eq!(of("::ffff:10.1.2.3"), of("10.1.2.3"));
    }

    use alloc::string::ToString;
}
