//! What an SRS asks of an SRC: a full snapshot (RFC 7865 7, RFC 7866 9.2).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::write::escaped;

/// The body of an UPDATE that asks for a snapshot (type `application/rs-metadata`, disposition `recording-session`, no
/// SDP beside it: RFC 7866 9.2); `reason` is for people.
pub fn write_snapshot_request(reason: Option<&str>) -> Vec<u8> {
    let reason = reason.map_or_else(String::new, |reason| {
        format!("  <requestreason xml:lang=\"en\">{}</requestreason>\r\n", escaped(reason))
    });
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n";
    format!("{head}<requestsnapshot xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n{reason}</requestsnapshot>\r\n")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strict_parser_reads_the_request() {
        let body = String::from_utf8(write_snapshot_request(Some("after a <restart> & \u{1}more"))).unwrap();
        let document = roxmltree::Document::parse(&body).unwrap();
        let root = document.root_element();
        assert!(root.has_tag_name(("urn:ietf:params:xml:ns:recording:1", "requestsnapshot")));
        let reason = root.first_element_child().unwrap();
        assert_eq!(reason.text(), Some("after a <restart> &  more"));
        assert!(roxmltree::Document::parse(core::str::from_utf8(&write_snapshot_request(None)).unwrap()).is_ok());
    }
}
