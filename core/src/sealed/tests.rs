use super::*;
use alloc::vec;
use alloc::vec::Vec;
use zeroize::Zeroizing;

const SALT: [u8; 32] = [9; 32];

fn data_key() -> DataKey {
    DataKey::new(Zeroizing::new([7; KEY]))
}

/// Nonces 1, 2, 3 ...
fn nonces() -> impl FnMut() -> Option<[u8; NONCE]> {
    let mut count = 0_u8;
    move || {
        count += 1;
        Some([count; NONCE])
    }
}

/// A whole file of `parts`, each written by itself.
fn whole(parts: &[&[u8]]) -> Vec<u8> {
    let header = Header::new(Kind::Whole, SALT);
    let cipher: Aes256Gcm = data_key().cipher(&header);
    let (mut file, mut end, mut nonces) = (header.octets().to_vec(), End::EMPTY, nonces());
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        end = append(&cipher, end, part, last, &mut nonces, &mut file).unwrap();
        assert_eq!(end.position, file.len() as u64);
    }
    file
}

/// Reads a whole as strictly as the format allows.
fn read(file: &[u8]) -> Option<Vec<u8>> {
    let header = Header::read(file)?;
    let cipher: Aes256Gcm = data_key().cipher(&header);
    let (mut plain, mut end) = (Vec::new(), End::EMPTY);
    loop {
        let position = start(end.position);
        let gap = file.get(usize::try_from(end.position).ok()?..usize::try_from(position).ok()?)?;
        let mut rest = file.get(usize::try_from(position).ok()?..)?.to_vec();
        let chunk = Chunk::read(position, &rest)?;
        let content = open(&cipher, &chunk, rest.get_mut(HEAD..usize::try_from(chunk.size()).ok()?)?)?;
        if gap.iter().any(|octet| *octet != 0) || chunk.offset != end.plain {
            return None;
        }
        plain.extend_from_slice(content);
        end = chunk.end();
        if chunk.last {
            return (end.position == file.len() as u64).then_some(plain);
        }
    }
}

#[test]
fn whatever_is_sealed_in_whatever_pieces_is_read_again() {
    let plain: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(n) >> 5) as u8).collect();
    assert!(read(&whole(&[&[]])).unwrap().is_empty());
    for sizes in [[1, 65_399, 44, 65_492], [65_444, 65_492, 65_492, 1], [65_396, 1, 1, 1], [3, 65_348, 120_000, 7]] {
        let mut parts = Vec::new();
        let mut rest = plain.as_slice();
        for size in sizes {
            let (part, others) = rest.split_at(size.min(rest.len()));
            parts.push(part);
            rest = others;
        }
        parts.push(rest);
        parts.push(&[]);
        let file = whole(&parts);
        assert_eq!(read(&file).unwrap(), plain, "{sizes:?}");
        // Each block begins with a chunk that tells what is before it.
        for block in 1..file.len() / 65_536 {
            let position = (block * 65_536) as u64;
            let chunk = Chunk::read(position, &file[block * 65_536..]).unwrap();
            assert!(chunk.offset <= position - HEADER as u64 && chunk.offset <= MOST_CONTENT * block as u64);
        }
    }
}

#[test]
fn no_bit_can_be_changed_and_nothing_cut_off() {
    let file = whole(&[b"what was said", b"and what was answered", b""]);
    assert_eq!(read(&file).unwrap(), b"what was saidand what was answered");
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(&flipped), None, "bit {bit}");
    }
    for length in 0..file.len() {
        assert_eq!(read(&file[..length]), None, "cut at {length}");
    }
    let longer = [file.as_slice(), &[0]].concat();
    assert_eq!(read(&longer), None);
}

#[test]
fn chunks_cannot_change_places_or_files() {
    let file = whole(&[b"one!", b"two!", b"end"]);
    let size = HEAD + TAG + 4;
    let chunk = |n: usize| &file[HEADER + n * size..HEADER + (n + 1) * size];
    let last = &file[HEADER + 2 * size..];
    assert!(read(&[&file[..HEADER], chunk(0), chunk(1), last].concat()).is_some());
    for parts in [vec![chunk(1), chunk(0), last], vec![chunk(0), last], vec![chunk(0), chunk(0), chunk(1), last]] {
        assert_eq!(read(&[&file[..HEADER], &parts.concat()].concat()), None);
    }
    let other = Header::new(Kind::Whole, [8; 32]);
    assert_eq!(read(&[other.octets(), &file[HEADER..]].concat()), None, "another file's header");
    let stream = Header::new(Kind::Stream, SALT);
    assert_eq!(read(&[stream.octets(), &file[HEADER..]].concat()), None, "a whole is no stream");
}

#[test]
fn a_padding_that_is_not_zero_is_found() {
    let file = whole(&[&[1; 65_400], b"behind the gap", b""]);
    assert!(read(&file).is_some());
    let gap = HEADER + HEAD + TAG + 65_400..65_536;
    assert_eq!(gap.len(), 44);
    for at in gap {
        let mut changed = file.clone();
        changed[at] = 1;
        assert_eq!(read(&changed), None, "{at}");
    }
}

#[test]
fn only_the_master_key_that_wrapped_a_key_unwraps_it() {
    let (master, other) = (MasterKey::new(&[1; 32]), MasterKey::new(&[2; 32]));
    let file = master.wrap(&data_key(), [3; NONCE]).unwrap();
    assert_eq!(wrapped_by(&file), Some(master.id()));
    let header = Header::new(Kind::Stream, SALT);
    let sealed = |key: &DataKey| {
        let mut out = Vec::new();
        append(&key.cipher::<Aes256Gcm>(&header), End::EMPTY, b"x", false, nonces(), &mut out).unwrap();
        out
    };
    assert_eq!(sealed(&master.unwrap(&file).unwrap()), sealed(&data_key()));
    assert_eq!(other.unwrap(&file).unwrap_err(), BadKey::Other(master.id()));
    for bit in 0..file.len() * 8 {
        let mut flipped = file;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(master.unwrap(&flipped).is_err(), "bit {bit}");
    }
    assert_eq!(master.unwrap(&file[..79]).unwrap_err(), BadKey::Malformed);
    assert_eq!(master.unwrap(&[]).unwrap_err(), BadKey::Malformed);
    assert!(!alloc::format!("{master:?} {:?}", data_key()).contains("7, 7"));
}

/// Made by `testdata/sealing/vector.py`, which knows OpenSSL and the text of this module's documentation.
#[test]
fn another_program_by_the_same_text_makes_the_same_octets() {
    let key_file = include_bytes!("../../../testdata/sealing/data.key");
    let sealed = include_bytes!("../../../testdata/sealing/whole.sealed");
    let text = include_str!("../../../testdata/sealing/master.hex");
    let octets: [u8; KEY] = core::array::from_fn(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap());
    let master = MasterKey::new(&octets);
    let data_key = master.unwrap(key_file).unwrap();
    assert_eq!(master.wrap(&data_key, [0xa0; NONCE]).unwrap(), *key_file);

    let plain: Vec<u8> = (0..70_000_usize).map(|n| u8::try_from((n * 7 + n / 256) % 256).unwrap()).collect();
    let header = Header::new(Kind::Whole, core::array::from_fn(|n| 200 + u8::try_from(n).unwrap()));
    let cipher: Aes256Gcm = data_key.cipher(&header);
    let (mut file, mut nonces) = (header.octets().to_vec(), nonces());
    let end = append(&cipher, End::EMPTY, &plain[..65_400], false, &mut nonces, &mut file).unwrap();
    append(&cipher, end, &plain[65_400..], true, &mut nonces, &mut file).unwrap();
    assert!(file == *sealed);
}
