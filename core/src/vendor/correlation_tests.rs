//! Ids out of messages and metadata of each vendor's kind.

use super::*;
use crate::metadata::parse;
use crate::time::Wall;
use alloc::format;

fn request(headers: &str) -> Message {
    let text = format!("INVITE sip:srs@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n{headers}\r\n\r\n");
    Message::parse_datagram(text.as_bytes()).unwrap()
}

fn of_headers(headers: &str) -> CallIds {
    let mut ids = CallIds::default();
    ids.message(&request(headers));
    ids
}

fn snapshot(elements: &str) -> Snapshot {
    let text = format!(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1' xmlns:x='urn:x'><datamode>complete</datamode>{elements}</recording>"
    );
    let mut snapshot = Snapshot::default();
    snapshot.apply(&parse("application/rs-metadata+xml", text.as_bytes()).document.unwrap(), Wall(1));
    snapshot
}

fn of_metadata(elements: &str) -> CallIds {
    let mut ids = CallIds::default();
    ids.snapshot(&snapshot(elements), None);
    ids
}

fn pairs(ids: &CallIds) -> Vec<(&str, &str)> {
    ids.iter().collect()
}

#[test]
fn ids_come_out_of_header_fields() {
    for (header, field, value) in [
        ("User-to-User: 00FA080001000758A20EFA;encoding=hex", "ucid", "00001000071487015674"),
        ("X-Avaya-UCID: UCID-1", "ucid", "UCID-1"),
        ("cisco-guid: 2432917800-1464078823-2314850559-1455670872", "cisco_guid", "91036128574411e789f9d0ff56c3c658"),
        ("X-BroadWorks-Correlation-Info: 7f4a@h:1", "broadworks_tracking", "7f4a@h:1"),
        ("X-Genesys-CallUUID: 4BOKLLA3VH66", "genesys_uuid", "4BOKLLA3VH66"),
        ("P-Charging-Vector: icid-value=\"1234bc98\";icid-generated-at=h", "icid", "1234bc98"),
        ("Session-ID: ab30317f1a784dc48ff824d0d3715d86", "sip_session_id", "ab30317f1a784dc48ff824d0d3715d86"),
    ] {
        assert_eq!(pairs(&of_headers(header)), [(field, value)], "{header}");
    }
    assert!(
        of_headers("User-to-User: 48656c6c6f;encoding=hex\r\nSession-ID: 00000000000000000000000000000000").is_empty()
    );
}

#[test]
fn two_dialogs_of_a_built_in_bridge_share_their_ids() {
    let end = |which: &str| {
        of_headers(&format!(
            "From: <sip:7000@h;{which};x-refci=27298698;x-nearenddevice=SEP1;x-farendrefci=27298699;x-farendguid=91036128574411E789F9D0FF56C3C658>;tag=1"
        ))
    };
    let (near, far) = (end("x-nearend"), end("x-farend"));
    assert_eq!(near, far);
    assert_eq!(near.get("cisco_refci"), ["27298698", "27298699"]);
    assert_eq!(near.get("cisco_guid"), ["91036128574411e789f9d0ff56c3c658"]);
}

#[test]
fn ids_come_out_of_extension_data() {
    for (extension, field, value) in [
        ("<x:ucid>00FA080001000758A20EFA;encoding=hex</x:ucid>", "ucid", "00001000071487015674"),
        ("<AvayaUCID xmlns='urn:y'> FA080001000758A20EFA</AvayaUCID>", "ucid", "00001000071487015674"),
        ("<GenesysUUID xmlns='urn:y'>4BOKLLA3</GenesysUUID>", "genesys_uuid", "4BOKLLA3"),
        ("<b xmlns='urn:y'><extTrackingID>1142208:1</extTrackingID></b>", "broadworks_tracking", "1142208:1"),
        ("<x:header label='X-Genesys-CallUUID'><value>4BOK</value></x:header>", "genesys_uuid", "4BOK"),
        ("<x:header label='Cisco-Guid'>1-2-3-4</x:header>", "cisco_guid", "00000001000000020000000300000004"),
        ("<callData xmlns='urn:c'><gcid>241</gcid></callData>", "ribbon_gcid", "241"),
        ("<x:callsid>cs-1</x:callsid>", "jambonz_call_sid", "cs-1"),
        ("<metaswitchRecordingMetadata><a><b>+1555</b></a></metaswitchRecordingMetadata>", "metaswitch", "+1555"),
    ] {
        for around in [
            format!("<session session_id='s'><extensiondata>{extension}</extensiondata></session>"),
            format!(
                "<session session_id='s'/><participant participant_id='p'><extensiondata>{extension}</extensiondata></participant>"
            ),
            format!("<session session_id='s'/><extensiondata parent='s'>{extension}</extensiondata>"),
            format!(
                "<group group_id='g'><extensiondata>{extension}</extensiondata></group><session session_id='s'><group-ref>g</group-ref></session>"
            ),
        ] {
            assert_eq!(of_metadata(&around).get(field), [value], "{around}");
        }
    }
    let header = "<x:header label='X-Other'><value>4BOK</value></x:header><x:note>1</x:note>";
    assert!(of_metadata(&format!("<extensiondata>{header}</extensiondata>")).is_empty());
}

#[test]
fn groups_sessions_and_sequences() {
    let ids = of_metadata(
        "<group group_id='g'/><session session_id='00FA080001000758A20EFA'><group-ref>g</group-ref>\
         <sipSessionID>58cc@h;remote=2026-1</sipSessionID></session>\
         <netsapiensExtension xmlns='urn:n'><groupSeq>1</groupSeq><xferredGroupID>c@h</xferredGroupID></netsapiensExtension>",
    );
    assert_eq!(ids.get("group"), ["g", "c@h"]);
    assert_eq!(ids.get("sip_session_id"), ["58cc@h", "2026-1"]);
    assert_eq!(ids.get("ucid"), ["00001000071487015674"]);
    assert_eq!(ids.get("group_sequence"), ["1"]);
    assert!(links("group") && links("ucid") && !links("group_sequence") && links("of a later siprec"));
    assert!(!is_searched("group_sequence") && is_searched("of a later siprec"));
    // Any two calls of a subscriber have the same numbers.
    assert!(is_searched("metaswitch") && !links("metaswitch"));
}

#[test]
fn a_session_has_its_own_ids_only() {
    let snapshot = snapshot(
        "<session session_id='a'><extensiondata><x:ucid>A</x:ucid></extensiondata></session>\
         <session session_id='b'><extensiondata><x:ucid>B</x:ucid></extensiondata></session>\
         <extensiondata parent='b'><x:callsid>of b</x:callsid></extensiondata>\
         <extensiondata parent='elsewhere'><x:recordingid>of all</x:recordingid></extensiondata>",
    );
    let mut ids = CallIds::default();
    ids.snapshot(&snapshot, Some("a"));
    assert_eq!(pairs(&ids), [("jambonz_recording", "of all"), ("ucid", "A")]);
}

#[test]
fn values_are_bounded_and_stand_once() {
    let mut ids = CallIds::default();
    for n in 0..100 {
        ids.add("ucid", format!("{n}"));
        ids.add("ucid", "0".to_string());
    }
    assert_eq!(ids.get("ucid").len(), MAX_VALUES);
    let json = serde_json::to_string(&ids).unwrap();
    assert!(json.starts_with("{\"ucid\":[\"0\",\"1\","), "{json}");
    assert_eq!(serde_json::from_str::<CallIds>(&json).unwrap(), ids);
}
