//! The rules of RFC 4568 for `a=crypto`, one by one.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use proptest::prelude::*;

use super::*;
use crate::seed::{Random, Seed};

const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const OTHER: &str = "NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj";
const SHA1_80: &str = "AES_CM_128_HMAC_SHA1_80";

fn key_of(suite: Suite) -> MasterKey {
    MasterKey::draw(suite, &mut Random::new(Seed([3; 32])))
}

/// A line with these fields behind its key, and these parameters.
fn line(fields: &str, parameters: &str) -> Result<Crypto, CryptoError> {
    Crypto::parse(&format!("1 {SHA1_80} inline:{KEY}{fields} {parameters}"))
}

#[test]
fn the_example_of_rfc_4568_is_read() {
    let crypto = Crypto::parse(&format!("1 {SHA1_80} inline:{KEY}|2^20|1:32")).unwrap();
    assert_eq!((crypto.tag, crypto.suite, crypto.encryption), (1, Suite::AesCm128HmacSha1_80, Encryption::default()));
    let [key] = crypto.keys.as_slice() else { panic!("{crypto:?}") };
    assert_eq!(key.key.octets(), b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#");
    assert_eq!((key.key.key().len(), key.key.salt().len(), key.lifetime), (16, 14, Some(1 << 20)));
    assert_eq!(key.mki.as_ref().unwrap().octets().len(), 32);
    assert_eq!(crypto.encode(), format!("1 {SHA1_80} inline:{KEY}|2^20|1:32"));
}

#[test]
fn every_suite_wants_its_own_length_of_key() {
    let lengths = [44, 46, 38, 28, 30, 46, 38, 30];
    for (suite, length) in Suite::ALL.into_iter().zip(lengths) {
        let key = key_of(suite);
        assert_eq!(key.octets().len(), length, "{suite}");
        let text = key.to_base64();
        let crypto = Crypto::parse(&format!("1 {suite} inline:{}", *text)).unwrap();
        assert_eq!(crypto.keys[0].key, key);
        for wrong in [format!("{}A", &text[..text.len() - 4]), format!("AAAA{}", *text), "".into()] {
            assert_eq!(Crypto::parse(&format!("1 {suite} inline:{wrong}")), Err(CryptoError::Key), "{suite} {wrong}");
        }
        assert_eq!(MasterKey::new(suite, &key.octets()[1..]), None);
    }
}

#[test]
fn padding_may_be_missing_or_too_much() {
    for suite in [Suite::AesCm256HmacSha1_80, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm, Suite::AesCm192HmacSha1_80] {
        let key = key_of(suite);
        let text = key.to_base64();
        let bare = text.trim_end_matches('=');
        assert!(text.len() > bare.len() && text.len().is_multiple_of(4));
        for padding in ["", "=", "==", "===="] {
            assert_eq!(MasterKey::from_base64(suite, &format!("{bare}{padding}")).as_ref(), Some(&key));
        }
        assert_eq!(MasterKey::from_base64(suite, &format!("=={bare}")), None);
        assert_eq!(MasterKey::from_base64(suite, &format!("{bare} ")), None);
    }
}

#[test]
fn suites_are_known_by_their_names_old_and_new_in_any_case() {
    for suite in Suite::ALL {
        assert_eq!(Suite::from_name(&suite.name().to_ascii_lowercase()), Some(suite));
        assert_eq!(serde_json::to_string(&suite).unwrap(), format!("\"{suite}\""));
    }
    let old = "AES_CM_256_HMAC_SHA1_80";
    let offered = format!("7 {old} inline:{}", *key_of(Suite::AesCm256HmacSha1_80).to_base64());
    let crypto = Crypto::parse(&offered).unwrap();
    assert_eq!(crypto.suite, Suite::AesCm256HmacSha1_80);
    let ours = MasterKey::draw(crypto.suite, &mut Random::new(Seed([8; 32])));
    let wanted = format!("7 {old} inline:{}", *ours.to_base64());
    assert_eq!(crypto.answer(ours).unwrap().encode(), wanted, "an answer repeats the name");
    for unknown in ["F8_128_HMAC_SHA1_80", "NULL_HMAC_SHA1_80", "AES_CM_128"] {
        assert_eq!(Crypto::parse(&format!("1 {unknown} inline:{KEY}")), Err(CryptoError::Suite));
    }
}

#[test]
fn a_lifetime_is_a_power_of_two_or_a_decimal_number_up_to_the_maximum() {
    for (text, packets) in
        [("2^31", 1 << 31), ("2^48", 1 << 48), ("2^0", 1), ("1000", 1000), ("281474976710656", 1 << 48)]
    {
        assert_eq!(line(&format!("|{text}"), "").unwrap().keys[0].lifetime, Some(packets), "{text}");
    }
    for text in
        ["2^49", "02^20", "2^020", "2^", "2^64", "2^4294967328", "0", "01000", "281474976710657", "", "x", "-1", "+5"]
    {
        assert_eq!(line(&format!("|{text}"), ""), Err(CryptoError::Lifetime), "{text}");
    }
    assert_eq!(line("|2^20|2^20", ""), Err(CryptoError::Lifetime));
    assert_eq!(line("", "").unwrap().keys[0].lifetime, None);
}

#[test]
fn an_mki_is_a_big_endian_number_of_its_length() {
    let octets = |text: &str| line(&format!("|{text}"), "").unwrap().keys[0].mki.clone().unwrap();
    assert_eq!(octets("1066:4").octets(), [0, 0, 4, 42]);
    assert_eq!(octets("255:1").octets(), [255]);
    assert_eq!(octets("1:128").octets().len(), 128);
    for text in ["1066:4", "0:1", "340282366920938463463374607431768211455:16"] {
        assert_eq!(octets(text).to_string(), text);
    }
    for text in ["1066:1", "1:0", "1:129", "1:", ":1", "01:4", "1:04", "1:4:4", "a:1", "-1:4", "1:99999999999999999999"]
    {
        assert_eq!(line(&format!("|{text}"), ""), Err(CryptoError::Mki), "{text}");
    }
    assert_eq!(line("|1:4|2^20", ""), Err(CryptoError::Mki), "the MKI stands last");
    assert_eq!(line(&format!("|{}:128", "9".repeat(309)), ""), Err(CryptoError::Mki));
    assert_eq!(line(&format!("|1{}:128", "0".repeat(308)), "").unwrap().keys.len(), 1);
}

#[test]
fn several_keys_need_an_mki_each_of_one_length() {
    let two = |first: &str, second: &str| line(&format!("{first};inline:{OTHER}{second}"), "");
    let crypto = two("|2^20|1:4", "|2^30|2:4").unwrap();
    assert_eq!(crypto.keys.len(), 2);
    assert_eq!(crypto.encode(), format!("1 {SHA1_80} inline:{KEY}|2^20|1:4;inline:{OTHER}|2^30|2:4"));
    for (first, second) in [("|1:4", ""), ("", "|1:4"), ("", ""), ("|1:4", "|2:2")] {
        assert_eq!(two(first, second), Err(CryptoError::KeyWithoutMki));
    }
    assert_eq!(two("|1:4", "|1:4"), Err(CryptoError::Mki));
    let many = |count: usize| (1..count).map(|n| format!(";inline:{OTHER}|{n}:2")).collect::<String>();
    assert_eq!(line(&format!("|900:2{}", many(MAX_KEYS)), "").unwrap().keys.len(), MAX_KEYS);
    assert_eq!(line(&format!("|900:2{}", many(MAX_KEYS + 1)), ""), Err(CryptoError::TooManyKeys));
    assert_eq!(line(";uri:x", ""), Err(CryptoError::KeyMethod));
}

#[test]
fn no_session_parameter_is_passed_over_in_silence() {
    let said = |parameters: &str| line("", parameters).map(|crypto| crypto.encryption);
    let clear = Encryption { srtp: false, srtcp: false };
    assert_eq!(said("UNENCRYPTED_SRTP unencrypted_srtcp"), Ok(clear));
    assert_eq!(said("UNENCRYPTED_SRTCP"), Ok(Encryption { srtp: true, srtcp: false }));
    for accepted in ["WSH=128", "WSH=64", "FEC_ORDER=FEC_SRTP", "-FOO", "-FOO=1 WSH=4096", "\t "] {
        assert_eq!(said(accepted), Ok(Encryption::default()), "{accepted}");
    }
    let refused = [
        ("UNAUTHENTICATED_SRTP", CryptoError::Unauthenticated),
        ("KDR=1", CryptoError::KeyDerivationRate),
        ("WSH=64 KDR=24", CryptoError::KeyDerivationRate),
        ("FEC_ORDER=SRTP_FEC", CryptoError::ErrorCorrection),
        (&format!("FEC_KEY=inline:{OTHER}"), CryptoError::ErrorCorrection),
        ("FOO", CryptoError::UnknownParameter),
        ("FOO=1", CryptoError::UnknownParameter),
        ("KDR=25", CryptoError::Parameter),
        ("KDR=01", CryptoError::Parameter),
        ("KDR", CryptoError::Parameter),
        ("WSH=064", CryptoError::Parameter),
        ("WSH=", CryptoError::Parameter),
        ("FEC_ORDER=NONE", CryptoError::Parameter),
        ("UNENCRYPTED_SRTP=1", CryptoError::Parameter),
    ];
    for (parameters, error) in refused {
        assert_eq!(said(parameters), Err(error), "{parameters}");
    }
}

#[test]
fn a_tag_is_a_number_of_up_to_nine_digits() {
    let tagged = |tag: &str| Crypto::parse(&format!("{tag} {SHA1_80} inline:{KEY}")).map(|crypto| crypto.tag);
    assert_eq!(tagged("0"), Ok(0));
    assert_eq!(tagged("999999999"), Ok(999_999_999));
    for tag in ["1000000000", "01", "x", "-1"] {
        assert_eq!(tagged(tag), Err(CryptoError::Tag), "{tag}");
    }
    for short in ["", "1", "1 AES_CM_128_HMAC_SHA1_80", "1 AES_CM_128_HMAC_SHA1_80 inline"] {
        assert_eq!(Crypto::parse(short), Err(CryptoError::Incomplete), "{short}");
    }
}

/// A line under each suite, tags from 1.
fn offer(suites: &[Suite]) -> Vec<String> {
    suites.iter().zip(1..).map(|(suite, tag)| Crypto::offer(tag, key_of(*suite).into()).encode()).collect()
}

#[test]
fn the_first_valid_line_is_chosen_where_we_prefer_none() {
    let mut offered = offer(&[Suite::AesCm128HmacSha1_32, Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80]);
    let policy = CryptoPolicy::default();
    assert_eq!(choose(&offered, &policy).unwrap().tag, 1);
    offered[0].push_str(" UNAUTHENTICATED_SRTP");
    assert_eq!(choose(&offered, &policy).unwrap().tag, 2);
    offered[1].push_str(" NEW_THING");
    assert_eq!(choose(&offered, &policy).unwrap().tag, 3);
    offered[2].push_str(" UNENCRYPTED_SRTCP");
    assert_eq!(choose(&offered, &policy), None);
    assert_eq!(policy.judge(&offered[2]), Err(CryptoError::Unencrypted));
    let agreeing = CryptoPolicy { unencrypted: true, ..policy };
    assert_eq!(choose(&offered, &agreeing).unwrap().tag, 3);
    assert_eq!(choose::<&str>(&[], &agreeing), None);
}

#[test]
fn our_preference_and_minimum_rule() {
    let offered = offer(&[Suite::AesCm128HmacSha1_32, Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm]);
    let preference = [Suite::AeadAes128Gcm, Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80].to_vec();
    let policy = CryptoPolicy { preference, ..CryptoPolicy::default() };
    assert_eq!(choose(&offered, &policy).unwrap().tag, 3);
    assert_eq!(choose(&offered[..2], &policy).unwrap().tag, 2);
    assert_eq!(choose(&offered[..1], &policy), None);
    assert_eq!(policy.judge(&offered[0]), Err(CryptoError::NotAllowed));
    let strong = |minimum| CryptoPolicy { minimum, ..CryptoPolicy::default() };
    assert_eq!(choose(&offered, &strong(Strength::Bits128)).unwrap().tag, 2);
    assert_eq!(choose(&offered, &strong(Strength::Bits256)).unwrap().tag, 3);
    assert_eq!(strong(Strength::Bits192).judge(&offered[1]), Err(CryptoError::TooWeak));
    assert!(Suite::ALL.is_sorted_by_key(|suite| core::cmp::Reverse(suite.strength())));
}

#[test]
fn of_lines_with_one_tag_only_the_first_counts_and_of_too_many_the_first_ones() {
    let mut offered = offer(&[Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm]);
    offered[0] = offered[0].replace(SHA1_80, "UNHEARD_OF");
    offered[1] = offered[1].replacen('2', "1", 1);
    assert_eq!(choose(&offered, &CryptoPolicy::default()), None);
    let many = offer(&[Suite::AesCm128HmacSha1_32; MAX_LINES]);
    let all: Vec<_> = many.iter().map(String::as_str).chain([offered[1].as_str()]).collect();
    let policy = CryptoPolicy { minimum: Strength::Bits256, ..CryptoPolicy::default() };
    assert_eq!(choose(&all, &policy), None);
    assert_eq!(choose(&all[1..], &policy).unwrap().suite, Suite::AeadAes256Gcm);
}

#[test]
fn an_answer_has_tag_and_suite_of_the_offer_a_key_of_its_own_and_what_was_agreed() {
    let offered = line("|2^20|1:4", "UNENCRYPTED_SRTCP WSH=128 -EXTRA").unwrap();
    let ours = MasterKey::from_base64(Suite::AesCm128HmacSha1_80, OTHER).unwrap();
    let answer = offered.answer(ours.clone()).unwrap();
    assert_eq!(answer.encode(), format!("1 {SHA1_80} inline:{OTHER} UNENCRYPTED_SRTCP"));
    assert_eq!(Crypto::parse(&answer.encode()), Ok(answer));
    assert_eq!(offered.answer(offered.keys[0].key.clone()), None, "never the offer's key");
    assert_eq!(offered.answer(key_of(Suite::AesCm128HmacSha1_32)), None);
    assert_ne!(ours, key_of(Suite::AesCm128HmacSha1_80));
}

#[test]
fn keys_are_drawn_from_the_seed_and_are_not_printed() {
    let mut random = Random::new(Seed([5; 32]));
    let first = MasterKey::draw(Suite::AesCm256HmacSha1_80, &mut random);
    let second = MasterKey::draw(Suite::AesCm256HmacSha1_80, &mut random);
    assert_ne!(first, second);
    assert_eq!(first, MasterKey::draw(Suite::AesCm256HmacSha1_80, &mut Random::new(Seed([5; 32]))));
    assert!(first.octets().windows(4).all(|four| four != [0; 4]), "all of it is drawn");
    let crypto = Crypto::offer(1, first.clone().into());
    let shown = format!("{crypto:?}");
    assert!(!shown.contains(first.to_base64().as_str()) && shown.contains("MasterKey(AES_256_CM_HMAC_SHA1_80, ..)"));
}

proptest! {
    #[test]
    fn whatever_is_read_can_be_written_and_read_again(text in "[0-9]{1,3} AES_CM_128_HMAC_SHA1_(80|32) inline:[A-Za-z0-9+/]{40}(\\|2\\^[0-9]{1,2})?(\\|[0-9]{1,5}:[0-9]{1,3})?( UNENCRYPTED_SRTC?P)?( WSH=[0-9]{1,4})?") {
        if let Ok(crypto) = Crypto::parse(&text) {
            prop_assert_eq!(Crypto::parse(&crypto.encode()), Ok(crypto));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,120}", fields in "[0-9:|^;=a-z]{0,40}") {
        let _ = Crypto::parse(&text);
        let _ = line(&fields, &text);
        let _ = choose(&[text], &CryptoPolicy::default());
    }
}
