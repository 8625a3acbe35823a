//! What tells transactions apart (RFC 3261 17.2.3, 8.2.2.2).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use crate::long_key::LongKey;
use crate::sip::Method;
use crate::sip::message::Message;
use crate::sip::uri::Via;
use crate::text::push_number;

/// Names a server transaction: branch, sent-by and method; or what RFC 2543 had, for who makes no branches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatchKey(LongKey);

impl MatchKey {
    /// Of a request, by the Via it came with. An ACK has the key of its INVITE.
    pub(super) fn of(request: &Message, via: &Via) -> Option<Self> {
        let method = request.method()?;
        Some(Self::under(request, via, if *method == Method::Ack { &Method::Invite } else { method }))
    }

    /// Of the INVITE that a CANCEL is about.
    pub(super) fn of_cancelled(cancel: &Message, via: &Via) -> Self {
        Self::under(cancel, via, &Method::Invite)
    }

    fn under(request: &Message, via: &Via, method: &Method) -> Self {
        let host = via.host.to_ascii_lowercase();
        let port = via.port.unwrap_or(0);
        let key = match via.rfc3261_branch() {
            Some(branch) => {
                let mut key = String::with_capacity(branch.len() + host.len() + 24);
                for piece in [branch, "\n", &*host, ":"] {
                    key.push_str(piece);
                }
                push_number(&mut key, u64::from(port));
                key.push('\n');
                key.push_str(method.as_str());
                key
            }
            // To's tag is left out: an ACK has the one of our response, and else the rest suffices.
            None => format!(
                "\n{}\n{host}:{port}\n{method}\n{}\n{}\n{}\n{}",
                via.branch().unwrap_or(""),
                request.from_tag().unwrap_or(""),
                request.call_id().unwrap_or(""),
                request.cseq().map_or(0, |cseq| cseq.number),
                request.uri().unwrap_or(""),
            ),
        };
        Self(key.into())
    }
}

/// Names a request whatever way it came: From tag, Call-ID, CSeq (RFC 3261 8.2.2.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MergeKey(LongKey);

impl MergeKey {
    /// Of a request outside a dialog; within one there is nothing to merge.
    pub(super) fn of(request: &Message) -> Option<Self> {
        let method = request.method()?;
        if matches!(method, Method::Ack | Method::Cancel) || request.to_tag().is_some() {
            return None;
        }
        let (call_id, from_tag, cseq) = (request.call_id()?, request.from_tag()?, request.cseq()?);
        let mut key = String::with_capacity(from_tag.len() + call_id.len() + 24);
        for piece in [from_tag, "\n", call_id, "\n"] {
            key.push_str(piece);
        }
        push_number(&mut key, u64::from(cseq.number));
        key.push('\n');
        key.push_str(method.as_str());
        Some(Self(key.into()))
    }
}

/// Names a dialog for its ACKs: Call-ID and From tag. The To tag is compared where the ACK has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DialogKey {
    call_id: LongKey,
    from_tag: String,
}

impl DialogKey {
    pub(super) fn of(request: &Message) -> Option<Self> {
        let call_id = LongKey::of(request.call_id()?);
        Some(Self { call_id, from_tag: request.from_tag().unwrap_or("").to_owned() })
    }

    pub(super) fn call_id(&self) -> &str {
        self.call_id.text()
    }
}
