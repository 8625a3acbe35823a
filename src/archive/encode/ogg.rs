//! Ogg pages (RFC 3533) of one logical stream: packets in, pages out, each when it is full or its time is.

/// Segments of a page's table.
const MAX_SEGMENTS: usize = 255;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// Puts packets on pages. No packet is longer than a page holds.
#[derive(Debug)]
pub(super) struct Pages {
    serial: u32,
    number: u32,
    segments: Vec<u8>,
    body: Vec<u8>,
    /// Of the last packet on the page.
    granule: u64,
}

impl Pages {
    pub(super) fn new(serial: u32) -> Self {
        Self { serial, number: 0, segments: Vec::new(), body: Vec::new(), granule: 0 }
    }

    /// Adds a packet at whose end `granule` is reached; what does not fit goes onto the next page.
    pub(super) fn packet(&mut self, packet: &[u8], granule: u64, out: &mut Vec<u8>) {
        if self.segments.len() + packet.len() / 255 + 1 > MAX_SEGMENTS {
            self.end_page(false, out);
        }
        self.segments.extend((0..packet.len() / 255).map(|_| 255));
        self.segments.push(u8::try_from(packet.len() % 255).unwrap_or(0));
        self.body.extend_from_slice(packet);
        self.granule = granule;
    }

    /// Ends the page, if there is anything on it or it is the `last`.
    pub(super) fn end_page(&mut self, last: bool, out: &mut Vec<u8>) {
        if self.segments.is_empty() && !last {
            return;
        }
        let start = out.len();
        let kind = if self.number == 0 { FIRST } else { 0 } | if last { LAST } else { 0 };
        out.extend(b"OggS\0");
        out.push(kind);
        out.extend(self.granule.to_le_bytes());
        out.extend(self.serial.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out.extend([0; 4]);
        out.push(u8::try_from(self.segments.len()).unwrap_or(u8::MAX));
        out.append(&mut self.segments);
        out.append(&mut self.body);
        let crc = out.get(start..).map_or(0, crc32).to_le_bytes();
        if let Some(place) = out.get_mut(start + 22..start + 26) {
            place.copy_from_slice(&crc);
        }
        self.number = self.number.wrapping_add(1);
    }
}

/// Polynomial 0x04c11db7, unreflected, from zero.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut crc = (index as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 };
                bit += 1;
            }
            table[index] = crc;
            index += 1;
        }
        table
    };
    bytes.iter().fold(0_u32, |crc, &byte| crc << 8 ^ TABLE[usize::from((crc >> 24) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_of_255_octets_ends_with_an_empty_segment() {
        let (mut pages, mut out) = (Pages::new(7), Vec::new());
        pages.packet(&[1; 255], 5, &mut out);
        pages.end_page(true, &mut out);
        assert_eq!(&out[..6], b"OggS\0\x06");
        assert_eq!((out[6], &out[26..29]), (5, &[2, 255, 0][..]));
        assert_eq!(out.len(), 29 + 255);
    }

    #[test]
    fn what_does_not_fit_begins_a_page() {
        let (mut pages, mut out) = (Pages::new(7), Vec::new());
        for n in 0..256 {
            pages.packet(&[0; 10], n, &mut out);
        }
        assert_eq!((out.len(), out[6]), (27 + 255 * 11, 254));
        pages.end_page(true, &mut out);
        assert_eq!(out[27 + 255 * 11 + 18], 1, "page number");
    }
}
