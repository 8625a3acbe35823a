//! RFC 3711 appendix B, RFC 6188 7, RFC 7714 16 and 17.

use alloc::vec;
use alloc::vec::Vec;

use super::hex;
use crate::sdp::crypto::{Encryption, MasterKey, Suite};
use crate::srtp::cipher::{Cipher, Place};
use crate::srtp::derivation::{Aes, Protocol, SessionKeys, pseudo_random};
use crate::srtp::keys::Key;
use crate::srtp::{KeyUse, Receiver, Sender};

/// The keystream of a session key at the counter that a suite makes of SSRC 0, index 0 and the vectors' salt.
fn keystream(key: &str, blocks: usize) -> Vec<u8> {
    let mut stream = vec![0; blocks * 16];
    let iv = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000").try_into().unwrap();
    Aes::new(&hex(key)).unwrap().apply_keystream(iv, &mut stream);
    stream
}

#[test]
fn counter_mode_makes_the_keystreams_of_rfc_3711_and_rfc_6188() {
    let cases = [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab 41e95b3bb0a2e8dd477901e4fca894c0",
            "ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae 6a2cc3787889374fbeb4c81b17ba6c44",
        ),
        (
            "eab234764e517b2d3d160d587d8c8621 9740f65f99b6bcf7",
            "35096cba4610028dc1b57503804ce37c 5de986291dcce161d5165ec4568f5c9a 474a40c77894bc17180202272a4c264d",
            "d108d1a31a00bad6367ec23eb044b415 c8f57129fdeb970b59f917b257662d4c a5dab625811034e8cebdfeb6dc158dd3",
        ),
        (
            "57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98",
            "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31",
            "cea518c90fd91ced9cbb18c078a54711 3dbc4814f4da5f00a08772b63c6a046d 6eb246913062a16891433e97dd01a57f",
        ),
    ];
    for (key, first, last) in cases {
        let stream = keystream(key, 0xff02);
        assert_eq!(stream[..48], hex(first), "{key}");
        assert_eq!(stream[0xfeff * 16..], hex(last), "{key}");
    }
}

#[test]
fn the_derivations_of_rfc_3711_and_rfc_6188_come_out() {
    let cases = [
        (
            Suite::AesCm128HmacSha1_80,
            "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6",
            "C61E7A93744F39EE10734AFE3FF7A087",
            "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA4",
            "30CBBC08863D8C85D49DB34A9AE1",
        ),
        (
            Suite::AesCm192HmacSha1_80,
            "73edc66c4fa15776fb57f9505c171365 50ffda71f3e8e5f1 c8522f3acd4ce86d5add78edbb11",
            "31874736a8f1143870c26e4857d8a5b2 c4a354407faadabb",
            "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb",
            "2372b82d639b6d8503a47adc0a6c",
        ),
        (
            Suite::AesCm256HmacSha1_80,
            "f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2",
            "5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
            "fa31791685ca444a9e07c6c64e93",
        ),
    ];
    for (suite, master, key, auth, salt) in cases {
        let master = MasterKey::new(suite, &hex(master)).unwrap();
        let session = SessionKeys::derive(&master, Protocol::Srtp).unwrap();
        assert_eq!(session.key(), hex(key), "{suite}");
        assert_eq!(session.auth.to_vec(), hex(auth), "{suite}");
        assert_eq!(session.salt.to_vec(), hex(salt), "{suite}");
    }
}

#[test]
fn the_whole_authentication_key_of_rfc_3711_b_3_comes_out() {
    let aes = Aes::new(&hex("E1F97A0D3E018BE0D64FA32C06DE4139")).unwrap();
    let mut key = [0; 94];
    pseudo_random(&aes, &hex("0EC675AD498AFEEBB6960B3AABE6"), 1, &mut key);
    let wanted = "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE E049646C43D9327AD175578EF7227098
        6371C10C9A369AC2F94A8C5FBCDDDC25 6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2";
    assert_eq!(key.to_vec(), hex(wanted));
}

/// A sender and a receiver under the session keys of RFC 7714 16 and 17, to which no master key leads.
fn given(suite: Suite, encryption: Encryption) -> (Sender, Receiver) {
    let key: Vec<u8> = (0..32).take(suite.key_length()).collect();
    let keys = SessionKeys::given(suite, &key, b"Quid pro quo");
    let master = || {
        let mut at_work = Key::new(&super::key_of(suite, 0), KeyUse::default()).unwrap();
        at_work.srtp = Cipher::of_session(&keys, Protocol::Srtp).unwrap();
        at_work.srtcp = Cipher::of_session(&keys, Protocol::Srtcp).unwrap();
        at_work
    };
    (Sender::with_key(master(), encryption), Receiver::with_key(master(), encryption))
}

const GALLIA: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
    61727465 73207472 6573";
const REPORT: &str =
    "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef
    deadbeef deadbeef";

const TAGGED_128: &str =
    "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef
    deadbeef deadbeef 841dd968 3dd78ec9 2ae58790 125f62b3 000005d4";
const TAGGED_256: &str =
    "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef
    deadbeef deadbeef 91db4afb feee5a97 8fab4393 ed2615fe 000005d4";

#[test]
fn srtp_under_aes_gcm_is_that_of_rfc_7714_16() {
    let cases = [
        (
            Suite::AeadAes128Gcm,
            true,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf
            8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        ),
        (
            Suite::AeadAes256Gcm,
            true,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799
            b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        ),
        (
            Suite::AeadAes128Gcm,
            false,
            "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472
            65732249 3f82d2bc e397e9d7 9e3b19aa 4216",
        ),
        (
            Suite::AeadAes256Gcm,
            false,
            "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472
            6573a866 d5910f88 7463067c eefec452 15d4",
        ),
    ];
    for (suite, srtp, wanted) in cases {
        let (mut sender, mut receiver) = given(suite, Encryption { srtp, srtcp: true });
        let mut packet = hex(GALLIA);
        sender.protect(&mut packet).unwrap();
        assert_eq!(packet, hex(wanted), "{suite} {srtp}");
        let plain = receiver.unprotect(&mut packet).unwrap();
        assert_eq!((packet[..plain.length].to_vec(), plain.index), (hex(GALLIA), 0xf17b));
    }
}

#[test]
fn srtcp_under_aes_gcm_is_that_of_rfc_7714_17() {
    let cases = [
        (
            Suite::AeadAes128Gcm,
            true,
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded
            0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
        ),
        (
            Suite::AeadAes256Gcm,
            true,
            "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047
            6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
        ),
        (Suite::AeadAes128Gcm, false, TAGGED_128),
        (Suite::AeadAes256Gcm, false, TAGGED_256),
    ];
    for (suite, srtcp, wanted) in cases {
        let (sender, mut receiver) = given(suite, Encryption { srtp: true, srtcp });
        let mut sender = sender.at_report(0x5d4);
        let mut packet = hex(REPORT);
        sender.protect_report(&mut packet).unwrap();
        assert_eq!(packet, hex(wanted), "{suite} {srtcp}");
        let plain = receiver.unprotect_report(&mut packet).unwrap();
        assert_eq!((packet[..plain.length].to_vec(), plain.index), (hex(REPORT), 0x5d4));
        assert_eq!(plain.encrypted, srtcp);
    }
}

#[test]
fn a_place_goes_into_the_counter_as_rfc_3711_4_1_1_has_it() {
    // Index and SSRC at the salt of zeroes: the first block is AES of them alone.
    let keys = SessionKeys::given(Suite::AesCm128HmacSha1_80, &[7; 16], &[]);
    let cipher = Cipher::of_session(&keys, Protocol::Srtp).unwrap();
    let mut found = [0; 16];
    cipher.encrypt(Place { ssrc: 0x0102_0304, index: 0x0506_0708_090a }, &mut found);
    let mut wanted = [0; 16];
    let iv = hex("00000000 01020304 05060708090a 0000").try_into().unwrap();
    Aes::new(&[7; 16]).unwrap().apply_keystream(iv, &mut wanted);
    assert_eq!(found, wanted);
}
