//! How loud samples are, in dB of full scale (a square wave of the largest samples).

/// Louder than this is talk, dB of full scale: 20 dB under ordinary speech, over the noise of lines and rooms.
pub const TALK_DBFS: i16 = -45;
/// From here on a sample is clipped: G.711's loudest codes.
pub const CLIPPED: u16 = 32_000;
/// No louder than this is nothing at all, dB of full scale: codes of G.711 have no zero, and A-law's least is -72 dB.
pub const NOTHING_DBFS: i16 = -66;
/// Mean square of full scale, a square wave.
const FULL_SCALE: u64 = 1 << 30;
/// What is quieter is silence to the last bit.
const LEAST_DBFS: i16 = -96;

/// The mean square of a level in dB of full scale.
pub(crate) fn mean_square(dbfs: i16) -> u64 {
    (0..-dbfs).fold(FULL_SCALE << 20, |square, _| quieter(square)) >> 20
}

/// 1 dB less.
fn quieter(square: u64) -> u64 {
    // 10 ^ -0.1.
    (u128::from(square) * 794_328_235 / 1_000_000_000).try_into().unwrap_or(0)
}

/// The level of a mean square, dB of full scale to the nearest; none of zero.
pub fn dbfs(mean_square: u64) -> Option<i16> {
    if mean_square == 0 {
        return None;
    }
    // 10 ^ -0.05: from here on the next dB is nearer.
    let mut step = ((FULL_SCALE << 20) / 1_000_000) * 891_251;
    let mut level = 0;
    while mean_square << 20 < step && level > LEAST_DBFS {
        step = quieter(step);
        level -= 1;
    }
    Some(level)
}
