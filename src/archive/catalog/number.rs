//! Telephone numbers as people search for them: digits only, without `+`, `00` or a trunk zero.

/// Shorter than this, digits say too little to be taken for a number.
const MIN_DIGITS: usize = 2;

/// The number in an address of record (`sip:+49 171 234@host;user=phone`, `tel:+1-555-1234`), or in what somebody
/// typed (`0171/234`); none if it holds anything but digits and what is written between them.
pub fn number_of(address: &str) -> Option<String> {
    let rest = match address.split_once(':') {
        Some((scheme, rest)) if ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => rest,
        Some(_) => return None,
        None => address,
    };
    let user = rest.split(['@', ';', '?']).next().unwrap_or(rest).trim();
    if user.parse::<core::net::Ipv4Addr>().is_ok() {
        return None;
    }
    let mut digits = String::with_capacity(user.len());
    for c in user.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '+' | '-' | '.' | ' ' | '(' | ')' | '/' => {}
            _ => return None,
        }
    }
    let number = digits.trim_start_matches('0');
    (number.len() >= MIN_DIGITS).then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        for text in ["sip:+49171234@10.0.0.1;user=phone", "tel:+49-171-234", "0049 171 234", "SIPS:(49) 171.234@x"] {
            assert_eq!(number_of(text).as_deref(), Some("49171234"), "{text}");
        }
        assert_eq!(number_of("0171/234").as_deref(), Some("171234"));
    }

    #[test]
    fn a_name_is_not_a_number() {
        for text in ["sip:alice@10.0.0.1", "alice", "", "sip:@10.0.0.1", "0", "sip:agent7@x", "urn:1234"] {
            assert_eq!(number_of(text), None, "{text}");
        }
    }

    #[test]
    fn an_ip_address_is_a_host_not_a_number() {
        assert_eq!(number_of("sip:10.0.0.1"), None);
    }
}
