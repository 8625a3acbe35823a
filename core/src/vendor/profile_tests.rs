//! Each vendor is known by what it sends, and nobody by what others send as well.

use super::*;
use alloc::string::ToString;

fn evidence(headers: &str, body: &str) -> Evidence {
    let text = format!("INVITE sip:srs@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n{headers}\r\n\r\n{body}");
    let mut evidence = Evidence::default();
    evidence.message(&Message::parse_datagram(text.as_bytes()).unwrap());
    evidence
}

fn vendor(evidence: &Evidence) -> Option<String> {
    evidence.profile().map(|profile| profile.vendor)
}

#[test]
fn a_vendor_shows_in_the_message() {
    for (headers, body, expected) in [
        ("Contact: <sip:acmeSrc@h>;+sip.src", "", "oracle"),
        ("User-to-User: 00FA080001000758A20EFA;encoding=hex", "", "avaya"),
        ("X-BroadWorks-Correlation-Info: x", "", "broadworks"),
        ("Organization: Metaswitch Networks", "", "metaswitch"),
        ("User-Agent: Cisco-SIPGateway/IOS-16.10.2", "", "cisco"),
        ("From: <sip:1@h;x-nearend;x-refci=1>;tag=2", "", "cisco"),
        ("X-Cisco-Recording-Participant: sip:1@h;media-index=\"0\"", "", "cisco"),
        ("X: y", "v=0\r\no=CiscoSystemsSIP-GW-UserAgent 1 2 IN IP4 h\r\ns=SIP Call\r\n", "cisco"),
        ("User-Agent: Mediant VE SBC/v.7.40A", "", "audiocodes"),
        ("Content-Type: multipart/mixed;boundary=sonus-content-delim", "", "ribbon"),
        ("Call-ID: B2B.160.7654401.1", "", "opensips"),
        ("X: y", "v=0\r\no=sems 1 2 IN IP4 h\r\ns=sems\r\n", "sems"),
        ("Content-Type: multipart/mixed;boundary=\"boundary_ac18f3\"", "", "jambonz"),
    ] {
        assert_eq!(vendor(&evidence(headers, body)).as_deref(), Some(expected), "{headers} {body}");
    }
}

#[test]
fn a_weak_sign_alone_names_nobody() {
    for headers in [
        "Content-Type: multipart/mixed;boundary=foobar",
        "Content-Type: multipart/mixed;boundary=uniqueBoundary",
        "Contact: <sip:src@h>;+sip.src",
        "Call-ID: B2B.x",
        "User-to-User: 4865;encoding=hex",
    ] {
        assert_eq!(vendor(&evidence(headers, "")), None, "{headers}");
    }
}

#[test]
fn signs_add_up_and_are_told() {
    let headers =
        "User-Agent: Mediant VE SBC/v.7.40A\u{7}.251\r\nContent-Type: multipart/mixed;boundary=boundary_ac173e";
    let profile = evidence(headers, "").profile().unwrap();
    assert_eq!(profile.confidence, 94);
    assert_eq!(profile.product, "Mediant VE SBC/v.7.40A.251");
    assert_eq!(profile.signs, ["User-Agent begins with Mediant", "the boundary begins with boundary_ac"]);
    assert_eq!(profile.to_string(), "audiocodes (Mediant VE SBC/v.7.40A.251, 94 %)");
}

#[test]
fn a_product_is_told_by_its_strongest_sign() {
    let webex =
        "Content-Type: multipart/mixed;boundary=UniqueBroadWorksBoundary\r\nFrom: <sip:a@x.bcld.webex.com>;tag=1";
    assert_eq!(evidence(webex, "").profile().unwrap().product, "Webex Calling");
    assert_eq!(evidence("X-BroadWorks-Correlation-Info: x", "").profile().unwrap().product, "Cisco BroadWorks");
}

#[test]
fn the_metadata_shows_a_vendor_too() {
    let snapshot = |elements: &str| {
        let text = format!(
            "<recording xmlns='urn:ietf:params:xml:ns:recording:1' xmlns:ac='http://AudioCodes'>{elements}</recording>"
        );
        let document = crate::metadata::parse("application/rs-metadata", text.as_bytes()).document.unwrap();
        let mut snapshot = Snapshot::default();
        snapshot.apply(&document, crate::time::Wall(1));
        snapshot
    };
    for (elements, expected) in [
        ("<session session_id='s'/>", "audiocodes"),
        (
            "<participant participant_id='p'><extensiondata xmlns:apkt='http://acmepacket.com/siprec/extensiondata'><apkt:callingParty>true</apkt:callingParty></extensiondata></participant>",
            "oracle",
        ),
        (
            "<session session_id='s'/><extensiondata xmlns:jb='http://jambonz.org/siprec'><jb:callsid>1</jb:callsid></extensiondata>",
            "jambonz",
        ),
        (
            "<session session_id='s'/><netsapiensExtension xmlns='http://schema.netsapiens.com/netsapiensSipRec'><groupSeq>0</groupSeq></netsapiensExtension>",
            "netsapiens",
        ),
        ("<participant participant_id='p'><nameID aor='sip:ASBCE@asbce.com'/></participant>", "avaya"),
        (
            "<session session_id='s'><extensiondata><metaswitchRecordingMetadata><n>1</n></metaswitchRecordingMetadata></extensiondata></session>",
            "metaswitch",
        ),
    ] {
        let mut evidence = Evidence::default();
        evidence.snapshot(&snapshot(elements));
        assert_eq!(vendor(&evidence).as_deref(), Some(expected), "{elements}");
    }
}

#[test]
fn shapes() {
    assert!(is_like("91036128-574411E7-89F9D0FF-56C3C658@h", "HHHHHHHH-HHHHHHHH-HHHHHHHH-HHHHHHHH@*"));
    assert!(is_like("12", "DD") && !is_like("123", "DD") && !is_like("1", "DD") && !is_like("1x", "DD"));
    assert!(Shape::Contains("acmepacket.com").fits("http://AcmePacket.com/x") && !Shape::Contains("abc").fits("ab"));
    assert!(Shape::Begins("é").fits("éa") && !Shape::Begins("éa").fits("é"));
}

#[test]
fn the_table_is_sound() {
    for vendor in VENDORS {
        assert!(vendor.signs.iter().all(|sign| (1..100).contains(&sign.weight)), "{}", vendor.name);
        assert!(vendor.signs.iter().any(|sign| sign.weight >= SURE_ENOUGH), "{} can never be named", vendor.name);
        assert_eq!(VENDORS.iter().filter(|other| other.name == vendor.name).count(), 1);
    }
}
