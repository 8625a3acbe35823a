//! A PUT of which the digests are known already.
//!
//! rust-s3's own copies the content and hashes it three times (SHA-256 for a header and for the signature, MD5), on the threads
//! that all uploads share. So the crate is asked for a PUT of nothing; what tells of the content is put in place of that, and
//! signed again by the crate's own rules.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, DATE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use s3::Bucket;
use s3::command::{Command, Multipart};
use s3::error::S3Error;
use s3::request::Request as _;
use s3::request::tokio_backend::ReqwestRequest;
use s3::signing;

use super::super::Sums;
use crate::archive::recordings::hexadecimal;

const MD5: HeaderName = HeaderName::from_static("content-md5");
const SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// An object, or a part of one.
#[derive(Debug)]
pub(super) struct Put<'a> {
    pub key: &'a str,
    /// Which part, of which upload.
    pub part: Option<Multipart<'a>>,
    pub content: Bytes,
    /// Of the content.
    pub sums: Sums,
    pub content_type: &'a str,
    pub headers: HeaderMap,
}

impl Put<'_> {
    /// Sends it; the entity tag that is the answer.
    pub(super) async fn send(self, bucket: &Bucket) -> Result<String, S3Error> {
        let request = self.of_nothing(bucket).await?;
        let (url, headers) = (request.url()?, self.headers(&request).await?);
        let mut sending = bucket.http_client().put(url).headers(headers).body(self.content);
        if let Some(patience) = bucket.request_timeout {
            sending = sending.timeout(patience);
        }
        let answer = sending.send().await?;
        if !answer.status().is_success() {
            return Err(S3Error::HttpFailWithBody(answer.status().as_u16(), answer.text().await?));
        }
        let tag = answer.headers().get(ETAG).map(HeaderValue::to_str).transpose()?;
        Ok(tag.unwrap_or_default().to_owned())
    }

    /// The same request without its content.
    async fn of_nothing<'r>(&'r self, bucket: &'r Bucket) -> Result<ReqwestRequest<'r>, S3Error> {
        let command = Command::PutObject {
            content: &[],
            content_type: self.content_type,
            custom_headers: Some(self.headers.clone()),
            multipart: self.part.clone(),
        };
        ReqwestRequest::new(bucket, self.key, command).await
    }

    /// Its headers, signed (Amazon S3 API Reference, "Signature calculations for the Authorization header").
    async fn headers(&self, request: &ReqwestRequest<'_>) -> Result<HeaderMap, S3Error> {
        let mut headers = request.headers().await?;
        let sha256 = hexadecimal(&self.sums.sha256);
        headers.insert(CONTENT_LENGTH, self.content.len().into());
        headers.insert(MD5, STANDARD.encode(self.sums.md5).parse()?);
        headers.insert(SHA256, sha256.parse()?);
        // What the signature is not of.
        let (signature, date) = (headers.remove(AUTHORIZATION), headers.remove(DATE));
        if signature.is_some() {
            let canonical = signing::canonical_request("PUT", &request.url()?, &headers, &sha256)?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, &request.signing_key().await?);
            let signature = hmac::sign(&key, request.string_to_sign(&canonical)?.as_bytes());
            let authorization = signing::authorization_header(
                &request.bucket.access_key().await?.unwrap_or_default(),
                &request.datetime,
                &request.bucket.region,
                &signing::signed_header_string(&headers),
                &hexadecimal(signature.as_ref()),
            )?;
            headers.insert(AUTHORIZATION, authorization.parse()?);
        }
        headers.extend(date.map(|date| (DATE, date)));
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};
    use s3::Region;
    use s3::creds::Credentials;
    use sha2::Sha256;

    use super::*;

    const CONTENT: &[u8] = b"what somebody said";

    fn put<'a>(key: &'a str, part: Option<(u32, &'a str)>, headers: HeaderMap) -> Put<'a> {
        Put {
            key,
            part: part.map(|(number, upload)| Multipart::new(number, upload)),
            content: Bytes::from_static(CONTENT),
            sums: Sums { md5: Md5::digest(CONTENT).into(), sha256: Sha256::digest(CONTENT).into() },
            content_type: "audio/wav",
            headers,
        }
    }

    /// Our headers, and the crate's own for the same content at the same second.
    async fn both(bucket: &Bucket, put: &Put<'_>) -> (HeaderMap, HeaderMap) {
        let mut request = put.of_nothing(bucket).await.unwrap();
        let ours = put.headers(&request).await.unwrap();
        if let Command::PutObject { content, .. } = &mut request.command {
            *content = CONTENT;
        }
        (ours, request.headers().await.unwrap())
    }

    #[tokio::test]
    async fn it_is_signed_as_the_crate_signs_what_it_hashes_itself() {
        let credentials = |token| Credentials::new(Some("AKIDEXAMPLE"), Some("secret"), None, token, None).unwrap();
        let lock = HeaderName::from_static("x-amz-object-lock-mode");
        let meta = HeaderName::from_static("x-amz-meta-siprec-sha256");
        let headers = HeaderMap::from_iter([
            (lock, HeaderValue::from_static("COMPLIANCE")),
            (meta, HeaderValue::from_static("5a")),
        ]);
        let here = Region::Custom { region: "eu-1".to_owned(), endpoint: "http://127.0.0.1:9000/s3".to_owned() };
        for (region, token, path_style) in
            [(Region::EuCentral1, None, false), (Region::EuCentral1, Some("token"), true), (here, None, true)]
        {
            let bucket = Bucket::new("recs", region, credentials(token)).unwrap();
            let bucket = if path_style { bucket.with_path_style() } else { bucket };
            for part in [None, Some((7, "an+upload/with=signs"))] {
                let put = put("2026/03/09/a call & more é.wav", part, headers.clone());
                let (ours, its) = both(&bucket, &put).await;
                assert_eq!(ours, its, "{part:?}");
                assert!(ours.contains_key(AUTHORIZATION));
            }
        }
    }

    #[tokio::test]
    async fn who_has_no_credentials_signs_nothing() {
        let bucket = Bucket::new("recs", Region::EuCentral1, Credentials::anonymous().unwrap()).unwrap();
        let put = put("key", None, HeaderMap::new());
        let (ours, its) = both(&bucket, &put).await;
        assert_eq!(ours, its);
        assert!(!ours.contains_key(AUTHORIZATION));
    }
}
