//! Versions of an object, delete markers among them: what rust-s3 has no call for.
//!
//! The list itself is a request of the crate's for a list of objects, with `versions` in its query ("ListObjectVersions").

use roxmltree::Document;
use s3::Bucket;
use s3::command::Command;
use s3::error::S3Error;
use s3::request::Request as _;
use s3::request::tokio_backend::ReqwestRequest;
use s3::serde_types::ObjectIdentifier;

use super::super::element::child_text;

/// As many as S3 lists and deletes at once.
const PAGE: usize = 1000;

/// A page of an object's versions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Versions {
    /// With their content.
    pub(super) contents: Vec<String>,
    /// Marks that it was deleted.
    pub(super) markers: Vec<String>,
}

impl Versions {
    /// The first 1000 of `key`: of all keys that begin so, it is the first.
    pub(super) async fn of(bucket: &Bucket, key: &str) -> Result<Self, S3Error> {
        let mut bucket = bucket.clone();
        bucket.extra_query.insert("versions".to_owned(), String::new());
        let command =
            Command::ListObjects { prefix: key.to_owned(), delimiter: None, marker: None, max_keys: Some(PAGE) };
        let answer = ReqwestRequest::new(&bucket, "/", command).await?.response_data(false).await?;
        let text = String::from_utf8_lossy(answer.bytes());
        // No server's words: it answered with something that is no list.
        Self::parse(&text, key).map_err(|_| S3Error::HttpFailWithBody(answer.status_code(), "no list".to_owned()))
    }

    fn parse(text: &str, key: &str) -> Result<Self, roxmltree::Error> {
        let document = Document::parse(text)?;
        let version = |node: roxmltree::Node<'_, '_>| child_text(node, "VersionId").unwrap_or_default().to_owned();
        let mut versions = Self::default();
        for node in document.root_element().children().filter(|node| child_text(*node, "Key") == Some(key)) {
            match node.tag_name().name() {
                "Version" => versions.contents.push(version(node)),
                "DeleteMarker" => versions.markers.push(version(node)),
                _ => {}
            }
        }
        Ok(versions)
    }

    pub(super) fn are_none(&self) -> bool {
        self.contents.is_empty() && self.markers.is_empty()
    }

    /// As the crate deletes them: a bucket that never had versions calls its only one `null`.
    pub(super) fn objects(&self, key: &str) -> Vec<ObjectIdentifier> {
        let all = self.contents.iter().chain(&self.markers);
        all.map(|version| ObjectIdentifier::with_version(key, version)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_markers_of_one_key_are_told_apart() {
        let listed = r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>recs</Name><Prefix>a&amp;b</Prefix>
            <DeleteMarker><Key>a&amp;b</Key><VersionId>m1</VersionId><IsLatest>true</IsLatest></DeleteMarker>
            <Version><Key>a&amp;b</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest></Version>
            <Version><Key>a&amp;b</Key><VersionId>null</VersionId></Version>
            <Version><Key>a&amp;b.sig</Key><VersionId>v9</VersionId></Version></ListVersionsResult>"#;
        let versions = Versions::parse(listed, "a&b").unwrap();
        assert_eq!(versions, Versions { contents: vec!["v1".into(), "null".into()], markers: vec!["m1".into()] });
        assert_eq!(versions.objects("a&b").len(), 3);
        assert!(Versions::parse(listed, "a").unwrap().are_none());
    }
}
