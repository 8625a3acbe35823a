//! Dialogs (RFC 3261 12): what both sides agreed on, to make requests of and to know them by. Kept in checkpoints, so
//! that a call survives us.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::address::Parts;
use super::check::Rejection;
use super::message::Message;
use super::uri::{NameAddr, Uri};
use super::{Method, Transport};

/// A peer-to-peer relationship that survives its INVITE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// Their tag; RFC 2543 knew peers without (RFC 3261 12.1.1).
    pub remote_tag: Option<String>,
    /// From in our requests, its tag included.
    pub local_uri: String,
    /// To in our requests, its tag included.
    pub remote_uri: String,
    /// Their Contact: the Request-URI of our requests.
    pub remote_target: String,
    /// The proxies that want to stay in the path, nearest first.
    pub route_set: Vec<String>,
    /// CSeq of our last request; 0 before the first.
    pub local_cseq: u32,
    /// CSeq of theirs.
    pub remote_cseq: Option<u32>,
    /// Whether our Contact has to be `sips`: the Request-URI was, or the nearest Record-Route, or without one the
    /// Contact (RFC 3261 12.1.1).
    pub secure: bool,
}

impl Dialog {
    /// The dialog that our 2xx to an INVITE makes (RFC 3261 12.1.1). `local_tag` goes into that 2xx.
    pub fn accept(invite: &Message, local_tag: String) -> Self {
        let remote_uri = invite.header("From").unwrap_or("").to_owned();
        let route_set: Vec<String> = invite.record_route().into_iter().map(ToOwned::to_owned).collect();
        let nearest = route_set.first().map(String::as_str).or_else(|| invite.headers_all("Contact").next());
        let nearest_is_sips = nearest.is_some_and(|value| is_sips(Parts::of(value).uri));
        let mut dialog = Self {
            call_id: invite.call_id().unwrap_or("").to_owned(),
            remote_tag: invite.from_tag().map(ToOwned::to_owned),
            local_uri: with_tag(invite.header("To").unwrap_or(""), &local_tag),
            local_tag,
            remote_target: String::new(),
            remote_uri,
            route_set,
            local_cseq: 0,
            remote_cseq: invite.cseq().map(|cseq| cseq.number),
            secure: nearest_is_sips || invite.uri().is_some_and(is_sips),
        };
        dialog.refresh_target(invite);
        if dialog.remote_target.is_empty() {
            // Without a Contact that can be read, the caller itself is all we know.
            let caller = NameAddr::parse(&dialog.remote_uri).map(|from| from.uri.to_string());
            dialog.remote_target = caller.unwrap_or_default();
        }
        dialog
    }

    /// The dialog that a peer's 2xx to our INVITE makes (RFC 3261 12.1.2).
    pub fn established(invite: &Message, response: &Message) -> Self {
        let route_set: Vec<String> = response.record_route().into_iter().rev().map(ToOwned::to_owned).collect();
        let mut dialog = Self {
            call_id: response.call_id().unwrap_or("").to_owned(),
            local_tag: response.from_tag().unwrap_or("").to_owned(),
            remote_tag: response.to_tag().map(ToOwned::to_owned),
            local_uri: response.header("From").unwrap_or("").to_owned(),
            remote_uri: response.header("To").unwrap_or("").to_owned(),
            remote_target: invite.uri().unwrap_or("").to_owned(),
            route_set,
            local_cseq: invite.cseq().map_or(0, |cseq| cseq.number),
            remote_cseq: None,
            secure: false,
        };
        dialog.refresh_target(response);
        dialog
    }

    /// The dialog that an INVITE of ours to `uri` may make. Until its 2xx has come ([`Dialog::confirm`]) it makes that
    /// INVITE and nothing else.
    pub fn calling(call_id: String, local_tag: String, from: &str, uri: &str) -> Self {
        Self {
            call_id,
            local_uri: with_tag(from, &local_tag),
            local_tag,
            remote_tag: None,
            remote_uri: format!("<{uri}>"),
            remote_target: uri.to_owned(),
            route_set: Vec::new(),
            local_cseq: 0,
            remote_cseq: None,
            // RFC 3261 8.1.1.8, 12.1.2: whom we call by `sips` gets `sips` of us.
            secure: is_sips(uri),
        }
    }

    /// The 2xx to our INVITE: tag, route and target of its sender (RFC 3261 12.1.2).
    pub fn confirm(&mut self, response: &Message) {
        self.remote_tag = response.to_tag().map(ToOwned::to_owned);
        self.remote_uri = response.header("To").unwrap_or("").to_owned();
        self.route_set = response.record_route().into_iter().rev().map(ToOwned::to_owned).collect();
        self.refresh_target(response);
    }

    /// Whether a message of the peer's is of this dialog: Call-ID and both tags (RFC 3261 12.2.2).
    pub fn matches(&self, message: &Message) -> bool {
        let (local, remote) = if message.is_request() {
            (message.to_tag(), message.from_tag())
        } else {
            (message.from_tag(), message.to_tag())
        };
        message.call_id() == Some(&self.call_id)
            && local == Some(&self.local_tag)
            && remote == self.remote_tag.as_deref()
    }

    /// Whether a request is of this dialog but for a To tag that it left out, as some peers do in their BYE.
    pub fn matches_without_to_tag(&self, request: &Message) -> bool {
        request.to_tag().is_none()
            && request.call_id() == Some(&self.call_id)
            && request.from_tag() == self.remote_tag.as_deref()
    }

    /// Takes a request's place in the order, or refuses it for being out of order (RFC 3261 12.2.2). An ACK and a
    /// CANCEL have their INVITE's.
    pub fn check_cseq(&mut self, request: &Message) -> Result<(), Rejection> {
        if matches!(request.method(), Some(Method::Ack | Method::Cancel)) {
            return Ok(());
        }
        let Some(cseq) = request.cseq() else {
            return Err(Rejection::new(400, "Bad CSeq", "RFC 3261 20.16"));
        };
        if self.remote_cseq.is_some_and(|last| cseq.number < last) {
            return Err(Rejection::new(500, "CSeq Out of Order", "RFC 3261 12.2.2"));
        }
        self.remote_cseq = Some(cseq.number);
        Ok(())
    }

    /// Takes the Contact of a target refresh (INVITE, UPDATE, and the 2xx to ours) for the peer's address from now on
    /// (RFC 3261 12.2.1.2, 12.2.2). A Contact that cannot be read changes nothing.
    pub fn refresh_target(&mut self, message: &Message) {
        if let Some(contact) = message.contacts().into_iter().find(|contact| contact.uri.is_sip()) {
            self.remote_target = contact.uri.to_string();
        }
    }

    /// The next request of ours (RFC 3261 12.2.1.1), all but its Via and Contact. For an ACK see [`Dialog::ack`].
    pub fn request(&mut self, method: Method) -> Message {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.make(method, self.local_cseq)
    }

    /// The ACK of a 2xx to our INVITE with this CSeq (RFC 3261 13.2.2.4).
    pub fn ack(&self, cseq: u32) -> Message {
        self.make(Method::Ack, cseq)
    }

    fn make(&self, method: Method, cseq: u32) -> Message {
        let numbered = format!("{cseq} {method}");
        let mut request = match self.strict_router() {
            None => {
                let mut request = Message::request(method, self.remote_target.clone());
                for route in &self.route_set {
                    request.headers.push("Route", route.clone());
                }
                request
            }
            // It expects itself in the Request-URI, and the target at the end of the route (RFC 3261 12.2.1.1).
            Some(mut router) => {
                router.headers = None;
                router.params.remove("method");
                let mut request = Message::request(method, router.to_string());
                for route in self.route_set.iter().skip(1) {
                    request.headers.push("Route", route.clone());
                }
                request.headers.push("Route", format!("<{}>", self.remote_target));
                request
            }
        };
        request.headers.push("Max-Forwards", "70");
        request.headers.push("From", self.local_uri.clone());
        request.headers.push("To", self.remote_uri.clone());
        request.headers.push("Call-ID", self.call_id.clone());
        request.headers.push("CSeq", numbered);
        request
    }

    /// The nearest proxy, if it does not know loose routing.
    fn strict_router(&self) -> Option<Uri> {
        let first = NameAddr::parse(self.route_set.first()?).ok()?;
        (!first.uri.params.has("lr")).then_some(first.uri)
    }

    /// Where our requests go: the nearest proxy, else the peer itself (RFC 3261 8.1.2).
    pub fn next_hop(&self) -> Option<Uri> {
        match self.route_set.first() {
            Some(route) => NameAddr::parse(route).map(|route| route.uri).ok(),
            None => Uri::parse(&self.remote_target).ok(),
        }
    }

    /// What carries our requests, as [`Dialog::next_hop`] asks for it.
    pub fn transport(&self) -> Transport {
        self.next_hop().map_or(Transport::Udp, |hop| hop.transport())
    }
}

/// Whether a URI is of the scheme `sips`.
pub(crate) fn is_sips(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"))
}

fn with_tag(value: &str, tag: &str) -> String {
    format!("{value};tag={tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(extra: &str) -> Message {
        let text = format!(
            "INVITE sip:srs@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: \"A\" <sip:a@b>;tag=at\r\n\
             To: <sip:srs@b>\r\nCall-ID: id\r\nCSeq: 7 INVITE\r\n{extra}\r\n"
        );
        Message::parse_datagram(text.as_bytes()).unwrap()
    }

    fn dialog(extra: &str) -> Dialog {
        Dialog::accept(&invite(extra), "mine".into())
    }

    fn peers(method: &str, cseq: u32) -> Message {
        let text = format!(
            "{method} sip:me SIP/2.0\r\nFrom: <sip:a@b>;tag=at\r\nTo: <sip:srs@b>;tag=mine\r\nCall-ID: id\r\nCSeq: {cseq} {method}\r\n\r\n"
        );
        Message::parse_datagram(text.as_bytes()).unwrap()
    }

    #[test]
    fn our_requests_follow_the_route() {
        let extra = "Record-Route: <sip:p1:5070;lr;x=y>, <sip:p2;lr>\r\nContact: <sip:a@192.0.2.9:5080;transport=tcp>;+sip.src\r\n";
        let mut dialog = dialog(extra);
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri(), Some("sip:a@192.0.2.9:5080;transport=tcp"));
        assert!(bye.headers_all("Route").eq(["<sip:p1:5070;lr;x=y>", "<sip:p2;lr>"]));
        assert_eq!(
            (bye.header("From"), bye.header("To")),
            (Some("<sip:srs@b>;tag=mine"), Some("\"A\" <sip:a@b>;tag=at"))
        );
        assert_eq!((bye.header("CSeq"), bye.header("Max-Forwards")), (Some("1 BYE"), Some("70")));
        assert_eq!(dialog.request(Method::Update).header("CSeq"), Some("2 UPDATE"));
        assert_eq!(dialog.next_hop().map(|hop| hop.to_string()).as_deref(), Some("sip:p1:5070;lr;x=y"));
        assert_eq!(dialog.ack(2).header("CSeq"), Some("2 ACK"));
    }

    #[test]
    fn a_strict_router_gets_itself() {
        let mut dialog = dialog("Record-Route: <sip:p1?h=v>,<sip:p2;lr>\r\nContact: <sip:a@c>\r\n");
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri(), Some("sip:p1"));
        assert!(bye.headers_all("Route").eq(["<sip:p2;lr>", "<sip:a@c>"]));
    }

    #[test]
    fn the_target_is_refreshed_by_what_can_be_read() {
        let mut dialog = dialog("Contact: <sip:a@192.0.2.9:5080;+sip.src\r\n");
        assert_eq!(dialog.remote_target, "sip:a@192.0.2.9:5080;+sip.src");
        dialog.refresh_target(&invite("Contact: *\r\n"));
        dialog.refresh_target(&invite("Contact: <tel:1>\r\n"));
        assert_eq!(dialog.next_hop().and_then(|hop| hop.socket_addr()), "192.0.2.9:5080".parse().ok());
        dialog.refresh_target(&invite("Contact: <<sip:127.0.0.1:5060>;+sip.src>\r\n"));
        assert_eq!((dialog.remote_target.as_str(), dialog.transport()), ("sip:127.0.0.1:5060", Transport::Udp));
    }

    #[test]
    fn messages_are_known_by_call_id_and_tags() {
        let dialog = dialog("");
        assert!(dialog.matches(&peers("BYE", 8)));
        assert_eq!(dialog.remote_target, "sip:a@b", "without Contact, From");
        assert!(!dialog.matches(&invite("")) && dialog.matches_without_to_tag(&invite("")));
        let ours = Message::response(200, "OK", &dialog.clone().request(Method::Bye));
        assert!(dialog.matches(&ours));
        let mut other = peers("BYE", 8);
        other.headers.set("To", "<sip:srs@b>;tag=other");
        assert!(!dialog.matches(&other) && !dialog.matches_without_to_tag(&other));
    }

    #[test]
    fn an_older_sequence_number_is_out_of_order() {
        let mut dialog = dialog("");
        assert_eq!(dialog.check_cseq(&peers("BYE", 60)), Ok(()));
        assert_eq!(dialog.check_cseq(&peers("BYE", 60)), Ok(()), "again, not older");
        assert_eq!(dialog.check_cseq(&peers("BYE", 59)).map_err(|r| r.status), Err(500));
        assert_eq!(dialog.check_cseq(&peers("ACK", 7)), Ok(()));
        assert_eq!(dialog.remote_cseq, Some(60));
    }

    #[test]
    fn sips_asks_for_sips() {
        assert!(!dialog("").secure && dialog("Contact: <sips:a@c>\r\n").secure);
        assert!(!dialog("Record-Route: <sip:p;lr>\r\nContact: <sips:a@c>\r\n").secure);
        assert!(dialog("Record-Route: <SIPS:p;lr>,<sip:q;lr>\r\n").secure);
        let request = Message::request(Method::Invite, "sips:srs@b").with("CSeq", "1 INVITE");
        assert!(Dialog::accept(&request, "mine".into()).secure);
    }

    #[test]
    fn a_dialog_survives_json() {
        let dialog = dialog("Record-Route: <sip:p1;lr>\r\n");
        let text = serde_json::to_string(&dialog).unwrap();
        assert_eq!(serde_json::from_str::<Dialog>(&text).unwrap(), dialog);
    }

    #[test]
    fn both_ends_agree() {
        let request = invite("Contact: <sip:a@c>\r\n");
        let mut ok = Message::response(200, "OK", &request).with("Record-Route", "<sip:p1;lr>, <sip:p2;lr>");
        ok.set_to_tag("mine");
        ok.headers.push("Contact", "<sip:srs@d>");
        let mut caller = Dialog::established(&request, &ok);
        assert_eq!(caller.route_set, ["<sip:p2;lr>", "<sip:p1;lr>"]);
        let bye = caller.request(Method::Bye);
        assert_eq!((bye.uri(), bye.header("CSeq")), (Some("sip:srs@d"), Some("8 BYE")));
        assert!(dialog("").matches(&bye));
    }
}
