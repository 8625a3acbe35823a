//! Google Cloud Storage where object_store has no call: each generation of an object, by the JSON API, and parts of which no object
//! was made, by the XML API.
//!
//! A generation that is deleted by its number is gone, unless the bucket has soft delete (new buckets do, of seven days): then it is
//! kept until its `hardDeleteTime`, and nobody can delete it before ("Objects: delete").

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use object_store::gcp::GcpCredentialProvider;
use roxmltree::Document;
use serde::Deserialize;

use super::super::element::child_text;
use super::super::{ErrorKind, Kept, Removed, TargetError};
use super::rest::{Answer, Rest, encoded};
use crate::archive::selection::date_time;

/// Pages of a list, of up to 1000 objects each.
const MAX_PAGES: u32 = 1000;

/// A bucket, by its REST APIs.
#[derive(Debug)]
pub(super) struct Google {
    pub(super) rest: Rest,
    /// The server.
    pub(super) url: String,
    pub(super) bucket: String,
    pub(super) credentials: GcpCredentialProvider,
}

/// A page of "Objects: list".
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    items: Vec<Generation>,
    next_page_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Generation {
    name: String,
    generation: String,
    /// When it goes, of one that is soft-deleted; RFC 3339.
    hard_delete_time: Option<String>,
}

impl Google {
    /// Removes all generations of an object; what soft delete keeps of them.
    pub(super) async fn erase(&self, key: &str) -> Result<Removed, TargetError> {
        let there = self.list(key, "versions").await?;
        for found in &there {
            let url = format!("{}?generation={}", self.object(key), encoded(&found.generation, b""));
            let answer = self.ask(Method::DELETE, &url).await?;
            if !answer.is_good() && !answer.is_not_found() {
                return Err(self.rest.refusal(&answer));
            }
        }
        // What is said to be gone is looked for: lists are of what is there now ("Consistency").
        let left = if there.is_empty() { 0 } else { self.list(key, "versions").await?.len() };
        if left > 0 {
            let words = format!(
                "{left} generations of an object that was deleted are there still: who writes it, or keeps it?"
            );
            return Err(self.rest.error(ErrorKind::Refused, &words));
        }
        let kept = match self.list(key, "softDeleted").await {
            Ok(kept) => kept_of(&kept),
            // Another right than that to list (storage.objects.restore), or no such thing in this bucket.
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Refused) => {
                let why = format!("{}; storage.objects.list and storage.objects.restore are needed", error.what);
                Kept { unknown: Some(why), ..Kept::default() }
            }
            Err(error) => return Err(error),
        };
        Ok(Removed { objects: u32::try_from(there.len()).unwrap_or(u32::MAX), kept })
    }

    /// Objects of several parts that were begun and not completed.
    pub(super) async fn unfinished(&self, key: &str) -> Result<Vec<String>, TargetError> {
        let url = format!("{}/{}?uploads&prefix={}", self.url, self.bucket, encoded(key, b""));
        let answer = self.ask(Method::GET, &url).await?;
        match answer.status {
            200..=299 => {}
            // Not every server of that kind can say.
            404 | 405 | 501 => return Ok(Vec::new()),
            _ => return Err(self.rest.refusal(&answer)),
        }
        let text = String::from_utf8_lossy(&answer.body);
        uploads(&text, key).map_err(|why| self.rest.error(ErrorKind::Refused, &why.to_string()))
    }

    /// Generations of one object; `which` of them.
    async fn list(&self, key: &str, which: &str) -> Result<Vec<Generation>, TargetError> {
        let bucket = encoded(&self.bucket, b"");
        let first = format!("{}/storage/v1/b/{bucket}/o?{which}=true&prefix={}", self.url, encoded(key, b""));
        let (mut found, mut url) = (Vec::new(), first.clone());
        for _ in 0..MAX_PAGES {
            let answer = self.ask(Method::GET, &url).await?;
            if !answer.is_good() {
                return Err(self.rest.refusal(&answer));
            }
            let page: Page = serde_json::from_slice(&answer.body)
                .map_err(|error| self.rest.error(ErrorKind::Refused, &format!("a list that is none: {error}")))?;
            found.extend(page.items.into_iter().filter(|item| item.name == key));
            match page.next_page_token {
                Some(next) if !next.is_empty() => url = format!("{first}&pageToken={}", encoded(&next, b"")),
                Some(_) | None => return Ok(found),
            }
        }
        Err(self.rest.error(ErrorKind::Refused, "a list of an object's generations has no end"))
    }

    fn object(&self, key: &str) -> String {
        format!("{}/storage/v1/b/{}/o/{}", self.url, encoded(&self.bucket, b""), encoded(key, b""))
    }

    async fn ask(&self, method: Method, url: &str) -> Result<Answer, TargetError> {
        let mut request = self.rest.request(method, url)?;
        let denied = |error: &dyn std::error::Error| self.rest.error(ErrorKind::Denied, &error.to_string());
        let credential = self.credentials.get_credential().await.map_err(|error| denied(&error))?;
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {}", credential.bearer)).map_err(|error| denied(&error))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        self.rest.send(request).await
    }
}

fn kept_of(generations: &[Generation]) -> Kept {
    let until = generations.iter().filter_map(|kept| date_time(kept.hard_delete_time.as_deref()?)).max();
    Kept { copies: u32::try_from(generations.len()).unwrap_or(u32::MAX), until, unknown: None }
}

/// The uploads of `key` in an answer to "List multipart uploads".
fn uploads(text: &str, key: &str) -> Result<Vec<String>, roxmltree::Error> {
    let document = Document::parse(text)?;
    let all = document.descendants().filter(|node| node.tag_name().name() == "Upload");
    let of_key = all.filter(|upload| child_text(*upload, "Key") == Some(key));
    Ok(of_key.map(|upload| child_text(upload, "UploadId").unwrap_or_default().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use siprec_core::time::Wall;

    #[test]
    fn soft_deleted_generations_are_kept_until_the_last_goes() {
        // As "Objects" documents it; more is left out.
        let listed = r#"{"kind": "storage#objects", "nextPageToken": "CgZhYg==", "items": [
            {"kind": "storage#object", "name": "a/b.wav", "generation": "1764500000000001", "size": "3",
             "softDeleteTime": "2026-11-30T10:00:00.123Z", "hardDeleteTime": "2026-12-07T10:00:00.123Z"},
            {"name": "a/b.wav", "generation": "1764500000000002", "hardDeleteTime": "2026-12-08T10:00:00Z"}]}"#;
        let page: Page = serde_json::from_str(listed).unwrap();
        assert_eq!(page.next_page_token.as_deref(), Some("CgZhYg=="));
        let kept = kept_of(&page.items);
        assert_eq!((kept.copies, kept.until.map(Wall::rfc3339).as_deref()), (2, Some("2026-12-08T10:00:00.000Z")));
        let none: Page = serde_json::from_str(r#"{"kind": "storage#objects"}"#).unwrap();
        assert!(kept_of(&none.items).is_nothing());
    }

    #[test]
    fn parts_of_which_no_object_was_made_are_told_by_their_key() {
        let listed = r#"<?xml version='1.0' encoding='UTF-8'?>
            <ListMultipartUploadsResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Bucket>recs</Bucket>
            <Upload><Key>a&amp;b.wav</Key><UploadId>ABg1</UploadId></Upload>
            <Upload><Key>a&amp;b.wav.sealed</Key><UploadId>ABg2</UploadId></Upload></ListMultipartUploadsResult>"#;
        assert_eq!(uploads(listed, "a&b.wav").unwrap(), ["ABg1"]);
    }
}
