//! What object_store has no call for: a provider's own requests, sent by that crate's HTTP client.

use std::error::Error as _;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method};
use object_store::client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};

use super::super::{ErrorKind, TargetError};
use super::{client, code_and_message};

/// Of unreserved characters (RFC 3986, 2.3) alone nothing is made.
const UNRESERVED: &[u8] = b"-._~";

/// Sends requests to one bucket or container.
#[derive(Debug)]
pub(super) struct Rest {
    client: HttpClient,
    /// The bucket, as errors name it.
    place: String,
}

/// What a server said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Nothing is there.
    pub(super) fn is_not_found(&self) -> bool {
        self.status == 404
    }
}

impl Rest {
    pub(super) fn new(endpoint: Option<&String>, place: &str) -> Result<Self, TargetError> {
        let client = ReqwestConnector::default().connect(&client(endpoint));
        let client = client.map_err(|error| TargetError::new(ErrorKind::Settings, error.to_string()))?;
        Ok(Self { client, place: place.to_owned() })
    }

    /// Without a body.
    pub(super) fn request(&self, method: Method, url: &str) -> Result<HttpRequest, TargetError> {
        let is_sending = method == Method::PUT;
        let request = http::Request::builder().method(method).uri(url).body(HttpRequestBody::empty());
        let mut request = request.map_err(|error| self.error(ErrorKind::Settings, &error.to_string()))?;
        if is_sending {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(request)
    }

    pub(super) async fn send(&self, request: HttpRequest) -> Result<Answer, TargetError> {
        // The error's own words have the URL in it, and with it the key.
        let failed = |error: object_store::client::HttpError| {
            let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            let words = if words.contains("://") { "it does not answer".to_owned() } else { words };
            self.error(ErrorKind::Unreachable, &words)
        };
        let answer = self.client.execute(request).await.map_err(failed)?;
        let status = answer.status().as_u16();
        let body = answer.into_body().bytes().await.map_err(failed)?;
        Ok(Answer { status, body })
    }

    /// Why an answer is no good one.
    pub(super) fn refusal(&self, answer: &Answer) -> TargetError {
        let text = String::from_utf8_lossy(&answer.body);
        let (code, message) = said(&text);
        let is_of = |codes: &[&str]| codes.contains(&code.as_str());
        let kind = match answer.status {
            404 if is_of(&["ContainerNotFound", "NoSuchBucket", "notFound"]) => ErrorKind::NoBucket,
            408 | 429 | 500..=506 | 508..=599 => ErrorKind::Busy,
            507 => ErrorKind::Full,
            401 | 403 => ErrorKind::Denied,
            _ => ErrorKind::Refused,
        };
        let words = [code, message].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
        let status = answer.status;
        self.error(kind, &if words.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {words}") })
    }

    pub(super) fn error(&self, kind: ErrorKind, words: &str) -> TargetError {
        TargetError::new(kind, format!("{}: {words}", self.place))
    }
}

/// The code and the message of a refusal: Azure's in XML, Google's in JSON.
fn said(text: &str) -> (String, String) {
    if let Some((code, message)) = code_and_message(text) {
        return (code, message);
    }
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let word = |pointer| json.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    (word("/error/errors/0/reason"), word("/error/message"))
}

/// Percent-encoded, but for what may stand there as it is.
pub(super) fn encoded(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || UNRESERVED.contains(&octet) || kept.contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            encoded.push_str(&format!("%{octet:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &'static str) -> TargetError {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let rest = Rest::new(None, "gs://recs").unwrap();
        rest.refusal(&Answer { status, body: Bytes::from_static(body.as_bytes()) })
    }

    #[test]
    fn a_refusal_says_whose_fault_it_is() {
        let denied = r#"{"error": {"code": 403, "message": "No storage.objects.restore access.",
            "errors": [{"message": "-", "domain": "global", "reason": "forbidden"}]}}"#;
        let error = refusal(403, denied);
        assert_eq!(error.kind, ErrorKind::Denied);
        assert_eq!(error.what, "gs://recs: HTTP 403: forbidden, No storage.objects.restore access.");
        let locked = "<?xml version=\"1.0\"?><Error><Code>BlobImmutableDueToPolicy</Code><Message>It is immutable.\n\
                      RequestId:1</Message></Error>";
        let error = refusal(409, locked);
        assert_eq!(error.kind, ErrorKind::Refused);
        assert_eq!(error.what, "gs://recs: HTTP 409: BlobImmutableDueToPolicy, It is immutable.");
        assert_eq!(refusal(404, "<Error><Code>ContainerNotFound</Code></Error>").kind, ErrorKind::NoBucket);
        assert_eq!(refusal(503, "<html>").what, "gs://recs: HTTP 503");
    }

    #[test]
    fn keys_are_encoded_as_a_path_or_as_a_part_of_one() {
        assert_eq!(encoded("a/b +é&.wav", b"/"), "a/b%20%2B%C3%A9%26.wav");
        assert_eq!(encoded("a/b", b""), "a%2Fb");
    }
}
