//! Telephone events (RFC 4733): digits and the like as packets.

/// The event code that stands where a digit was masked: none is assigned to it.
pub const MASKED: u8 = 255;
/// Octets of an event (RFC 4733 2.3).
const EVENT_LENGTH: usize = 4;
/// The last code of a key; 16 is the hook's flash.
const LAST_KEY: u8 = 16;
/// Events that one packet tells of, the one at hand and those before it.
const MAX_EVENTS: usize = 5;

/// One event as a packet tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// Event code.
    pub event: u8,
    /// This packet tells of its end.
    pub end: bool,
    /// How long it has lasted, in the format's clock.
    pub duration: u16,
}

impl TelephoneEvent {
    /// The first event of a payload.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, high, low] = payload.first_chunk()?;
        Some(Self { event, end: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }

    /// The key that was pressed (RFC 4733 3.2); none for events that are no keys.
    pub fn digit(&self) -> Option<char> {
        match self.event {
            0..=9 => Some(char::from(b'0' + self.event)),
            10 => Some('*'),
            11 => Some('#'),
            12..=15 => Some(char::from(b'A' + self.event - 12)),
            _ => None,
        }
    }
}

/// Hides which events a payload tells of (RFC 4733 2.3, several: 2.5.1.4); that there were some, and when, remains.
pub fn mask(payload: &mut [u8]) {
    for event in payload.chunks_mut(EVENT_LENGTH) {
        if let Some(code) = event.first_mut() {
            *code = MASKED;
        }
    }
}

/// Whether a payload of a type that nobody has announced may be events: whole ones, a few of them, each of a key or of the
/// hook's flash, with the reserved bit clear (RFC 4733 2.3).
pub fn is_like_events(payload: &[u8]) -> bool {
    let (events, rest) = payload.as_chunks::<EVENT_LENGTH>();
    let is_one = |event: &[u8; EVENT_LENGTH]| event[0] <= LAST_KEY && event[1] & 0x40 == 0;
    rest.is_empty() && (1..=MAX_EVENTS).contains(&events.len()) && events.iter().all(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_rfc_4733_table_3() {
        let digit = |event| TelephoneEvent { event, end: false, duration: 0 }.digit();
        let keys: alloc::string::String = (0..=16).filter_map(digit).collect();
        assert_eq!(keys, "0123456789*#ABCD");
        let event = TelephoneEvent::parse(&[11, 0x8a, 0x03, 0x20, 1]).unwrap();
        assert_eq!(event, TelephoneEvent { event: 11, end: true, duration: 800 });
        assert_eq!(TelephoneEvent::parse(&[11, 0x8a, 0x03]), None);
    }

    #[test]
    fn what_looks_like_events_is_told_from_what_does_not() {
        assert!(is_like_events(&[5, 0x8a, 3, 0x20]) && is_like_events(&[5, 0x0a, 3, 0x20, 16, 0, 0, 80]));
        for other in [&[][..], &[5, 0x8a, 3], &[5, 0x4a, 3, 0x20], &[17, 0x0a, 3, 0x20], &[0; 160]] {
            assert!(!is_like_events(other), "{other:?}");
        }
    }

    #[test]
    fn masked_nothing_but_the_code_is_gone() {
        let mut payload = [5, 0x8a, 3, 0x20, 7, 0x0a, 0, 80];
        mask(&mut payload);
        assert_eq!(payload, [MASKED, 0x8a, 3, 0x20, MASKED, 0x0a, 0, 80]);
    }
}
