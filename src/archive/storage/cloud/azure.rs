//! Azure Blob Storage where object_store has no call: each version, snapshot and soft-deleted copy of a blob.
//!
//! A current version is removed as the blob itself, then is one of before, and can be removed as that ("Delete Blob", "Versioning on
//! delete operations"). With soft delete, what is removed is only marked; versions and snapshots can then be removed for good where
//! the account allows permanent delete, and all else stays until its days are over.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use object_store::azure::{AzureAuthorizer, AzureCredentialProvider};
use object_store::client::HttpRequest;
use roxmltree::Document;

use super::super::element::child_text;
use super::super::{ErrorKind, Kept, Removed, TargetError};
use super::rest::{Answer, Rest, encoded};
use crate::wall;

/// The first that lists soft-deleted versions as well, and removes them for good.
const VERSION: HeaderValue = HeaderValue::from_static("2020-10-02");
/// What is asked for of a blob; accounts with folders (hierarchical namespace) do not know versions.
const INCLUDE: [&str; 2] = ["snapshots,versions,deleted,uncommittedblobs", "snapshots,deleted,uncommittedblobs"];
/// Removing the blob brings its last version to light, no more: what is left after so many looks is being written.
const MAX_LOOKS: u32 = 5;
/// Pages of a list, of up to 5000 blobs each.
const MAX_PAGES: u32 = 200;
const DAY: Duration = Duration::from_secs(86_400);

/// A container, by its REST API.
#[derive(Debug)]
pub(super) struct Azure {
    pub(super) rest: Rest,
    pub(super) account: String,
    /// The container's URL.
    pub(super) url: String,
    pub(super) credentials: AzureCredentialProvider,
}

/// An entry of a list: a blob, or a state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    of: Of,
    is_deleted: bool,
    /// Days for which it is still kept, of one that is deleted.
    days: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Of {
    /// The blob as it is.
    Blob,
    /// A version of before.
    Version(String),
    Snapshot(String),
}

impl Of {
    /// The part of a query that names it; its values are those of this server.
    fn query(&self) -> String {
        match self {
            Self::Blob => String::new(),
            Self::Version(id) => format!("versionid={}", encoded(id, b"")),
            Self::Snapshot(time) => format!("snapshot={}", encoded(time, b"")),
        }
    }
}

impl Azure {
    /// Removes a blob with all versions, snapshots and parts that nothing was made of; what is kept of it.
    pub(super) async fn erase(&self, key: &str) -> Result<Removed, TargetError> {
        let mut objects = None;
        for _ in 0..MAX_LOOKS {
            let states = self.states(key).await?;
            let there: Vec<&Of> = states.iter().filter(|state| !state.is_deleted).map(|state| &state.of).collect();
            // What is a version later was the blob itself.
            let objects = *objects.get_or_insert(u32::try_from(there.len()).unwrap_or(u32::MAX));
            if there.is_empty() {
                return Ok(Removed { objects, kept: self.remove_for_good(key, states).await? });
            }
            for state in there {
                self.remove(key, state).await?;
            }
        }
        Err(self
            .rest
            .error(ErrorKind::Refused, "a blob that was removed is there again and again: who else writes it?"))
    }

    /// Removes a state of a blob, or marks it as deleted.
    async fn remove(&self, key: &str, of: &Of) -> Result<(), TargetError> {
        let mut answer = self.delete(key, of, "").await?;
        if answer.is_not_found() && *of == Of::Blob {
            // There are parts of it alone, which an empty blob takes the place of ("Put Blob").
            let mut put = self.rest.request(Method::PUT, &self.blob(key, ""))?;
            put.headers_mut().insert(HeaderName::from_static("x-ms-blob-type"), HeaderValue::from_static("BlockBlob"));
            let put = self.ask(put).await?;
            if !put.is_good() {
                return Err(self.rest.refusal(&put));
            }
            answer = self.delete(key, of, "").await?;
        }
        // It went with the blob, or by somebody else's hand.
        if answer.is_good() || answer.is_not_found() { Ok(()) } else { Err(self.rest.refusal(&answer)) }
    }

    /// Removes what is marked as deleted, where the account lets us; what it keeps.
    async fn remove_for_good(&self, key: &str, states: Vec<State>) -> Result<Kept, TargetError> {
        let (mut kept, mut is_allowed) = (Kept::default(), true);
        for state in states {
            if is_allowed && state.of != Of::Blob {
                let answer = self.delete(key, &state.of, "deletetype=permanent").await?;
                if answer.is_good() || answer.is_not_found() {
                    continue;
                }
                // 409 where the account does not have it on, 403 where we may not: soft delete keeps it, as its other copies.
                is_allowed = false;
            }
            kept.copies += 1;
            // The days are whole ones.
            let until = state.days.map(|days| wall::now().after(DAY.saturating_mul(days.saturating_add(1))));
            kept.until = kept.until.max(until);
        }
        Ok(kept)
    }

    async fn delete(&self, key: &str, of: &Of, how: &str) -> Result<Answer, TargetError> {
        let query = [&*of.query(), how].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
        let mut request = self.rest.request(Method::DELETE, &self.blob(key, &query))?;
        if *of == Of::Blob {
            let name = HeaderName::from_static("x-ms-delete-snapshots");
            request.headers_mut().insert(name, HeaderValue::from_static("include"));
        }
        self.ask(request).await
    }

    /// All states of a blob, deleted ones among them.
    async fn states(&self, key: &str) -> Result<Vec<State>, TargetError> {
        let [with_versions, without] = INCLUDE;
        let answer = self.list(key, with_versions).await;
        match answer {
            Err(refused) if matches!(refused.kind, ErrorKind::Refused) => {
                // What cannot be listed either way is told as it was refused first.
                self.list(key, without).await.map_err(|_| refused)
            }
            answer => answer,
        }
    }

    async fn list(&self, key: &str, include: &str) -> Result<Vec<State>, TargetError> {
        let (mut states, mut marker) = (Vec::new(), String::new());
        let of_key = format!("restype=container&comp=list&include={include}&prefix={}", encoded(key, b""));
        for _ in 0..MAX_PAGES {
            let more = if marker.is_empty() { String::new() } else { format!("&marker={}", encoded(&marker, b"")) };
            let answer = self.ask(self.rest.request(Method::GET, &format!("{}?{of_key}{more}", self.url))?).await?;
            if !answer.is_good() {
                return Err(self.rest.refusal(&answer));
            }
            let text = String::from_utf8_lossy(&answer.body);
            let page = page(&text, key);
            let (found, next) = page.map_err(|why| self.rest.error(ErrorKind::Refused, &why.to_string()))?;
            states.extend(found);
            marker = next;
            if marker.is_empty() {
                return Ok(states);
            }
        }
        Err(self.rest.error(ErrorKind::Refused, "a list of a blob's versions has no end"))
    }

    fn blob(&self, key: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/{}{mark}{query}", self.url, encoded(key, b"/"))
    }

    async fn ask(&self, mut request: HttpRequest) -> Result<Answer, TargetError> {
        let denied = |error: object_store::Error| self.rest.error(ErrorKind::Denied, &error.to_string());
        let credential = self.credentials.get_credential().await.map_err(denied)?;
        request.headers_mut().insert(HeaderName::from_static("x-ms-version"), VERSION);
        AzureAuthorizer::new(&credential, &self.account).try_authorize(&mut request).map_err(denied)?;
        self.rest.send(request).await
    }
}

/// A page of "List Blobs": the states of the blob `key`, and where the next page begins.
fn page(text: &str, key: &str) -> Result<(Vec<State>, String), roxmltree::Error> {
    let document = Document::parse(text.trim_start_matches('\u{feff}'))?;
    let root = document.root_element();
    let text = |node: roxmltree::Node<'_, '_>, name: &str| child_text(node, name).map(str::to_owned);
    let state = |blob: roxmltree::Node<'_, '_>| {
        let is_current = text(blob, "IsCurrentVersion").is_some_and(|said| said == "true");
        let of = match (text(blob, "Snapshot"), text(blob, "VersionId")) {
            (Some(time), _) => Of::Snapshot(time),
            (None, Some(id)) if !is_current => Of::Version(id),
            (None, _) => Of::Blob,
        };
        let properties = blob.children().find(|child| child.has_tag_name("Properties"));
        let days = properties.and_then(|properties| text(properties, "RemainingRetentionDays"));
        let is_deleted = text(blob, "Deleted").is_some_and(|said| said == "true");
        State { of, is_deleted, days: days.and_then(|days| days.parse().ok()) }
    };
    let blobs = root.descendants().filter(|node| node.has_tag_name("Blob"));
    let states = blobs.filter(|blob| text(*blob, "Name").is_some_and(|name| name == key)).map(state).collect();
    Ok((states, text(root, "NextMarker").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As "List Blobs" documents it: soft delete and versioning, which no emulator has.
    const LISTED: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ServiceEndpoint="https://acc.blob.core.windows.net/" ContainerName="recs">
  <Prefix>2026/a&amp;b.json</Prefix>
  <Blobs>
    <Blob><Name>2026/a&amp;b.json</Name><Snapshot>2026-11-30T08:00:00.1234567Z</Snapshot>
      <VersionId>2026-11-30T08:00:00.1234566Z</VersionId><Properties><Content-Length>3</Content-Length></Properties></Blob>
    <Blob><Name>2026/a&amp;b.json</Name><VersionId>2026-11-30T09:00:00.0000000Z</VersionId><Deleted>true</Deleted>
      <Properties><Content-Length>3</Content-Length><DeletedTime>Mon, 30 Nov 2026 10:00:00 GMT</DeletedTime>
      <RemainingRetentionDays>6</RemainingRetentionDays></Properties></Blob>
    <Blob><Name>2026/a&amp;b.json</Name><VersionId>2026-11-30T11:00:00.0000000Z</VersionId>
      <IsCurrentVersion>true</IsCurrentVersion><Properties /></Blob>
    <Blob><Name>2026/a&amp;b.json.sig</Name><Properties /></Blob>
  </Blobs>
  <NextMarker>2!92!MDAw</NextMarker>
</EnumerationResults>"#;

    #[test]
    fn a_list_tells_versions_snapshots_and_deleted_copies_of_one_blob() {
        let (states, next) = page(&format!("\u{feff}{LISTED}"), "2026/a&b.json").unwrap();
        let state = |of, is_deleted, days| State { of, is_deleted, days };
        assert_eq!(
            states,
            [
                state(Of::Snapshot("2026-11-30T08:00:00.1234567Z".into()), false, None),
                state(Of::Version("2026-11-30T09:00:00.0000000Z".into()), true, Some(6)),
                state(Of::Blob, false, None),
            ]
        );
        assert_eq!(next, "2!92!MDAw");
        assert_eq!(states[1].of.query(), "versionid=2026-11-30T09%3A00%3A00.0000000Z");
        let bare = "<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs><NextMarker/></EnumerationResults>";
        assert_eq!(page(bare, "a").unwrap(), (vec![state(Of::Blob, false, None)], String::new()));
        assert_eq!(page(bare, "b").unwrap().0, []);
        assert!(page("<html>", "a").is_err());
    }
}
