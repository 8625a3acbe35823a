//! temporary
pub(super) struct Packet<'a> { pub payload_type: u8, pub sequence: u16, pub timestamp: u32, pub ssrc: u32, pub payload: &'a [u8] }
impl<'a> Packet<'a> {
    pub(super) fn parse(b: &'a [u8]) -> Result<Self, ()> {
        let h: &[u8; 12] = b.first_chunk().ok_or(())?;
        if h[0] >> 6 != 2 { return Err(()); }
        Ok(Self { payload_type: h[1] & 0x7f, sequence: u16::from_be_bytes([h[2], h[3]]), timestamp: u32::from_be_bytes([h[4], h[5], h[6], h[7]]), ssrc: u32::from_be_bytes([h[8], h[9], h[10], h[11]]), payload: &b[12..] })
    }
}
