//! S3 and what speaks like it, by rust-s3.
//!
//! What that crate does by itself is not asked of it: it retries parts alone, chooses how much memory it takes by what is free,
//! and gives a failed upload up. Single steps are ours to repeat; what carries octets is sent by `put`.

mod put;
mod versions;

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use object_store::RetryConfig;
use object_store::aws::{AmazonS3Builder, AwsCredentialProvider};
use s3::command::Multipart;
use s3::creds::Credentials;
use s3::error::S3Error;
use s3::serde_types::Part as PartAnswer;
use s3::{Bucket, Region};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use self::put::Put;
use self::versions::Versions;
use super::store::blocking;
use super::{Checksum, ErrorKind, Found, Part, Removed, Step, Sums, Target, TargetError, content_type, patience};
use crate::archive::recordings::hexadecimal;
use crate::wall;

/// Of versions that are removed, a thousand each.
const MAX_PAGES: u32 = 100;

/// A bucket, and how objects are put into it.
#[derive(Clone, Default)]
pub struct S3Settings {
    /// Its name.
    pub bucket: String,
    /// Its region.
    pub region: Option<String>,
    /// A server other than Amazon's, as a URL.
    pub endpoint: Option<String>,
    /// The bucket stands in the path.
    pub path_style: bool,
    /// Headers for what is put there: encryption, class, lock.
    pub headers: Vec<(&'static str, String)>,
    /// Objects are locked for so many days.
    pub lock_days: u32,
    /// Key id, secret key and token; none: the usual variables, files and the machine's role.
    pub credentials: Option<(String, Zeroizing<String>, Option<Zeroizing<String>>)>,
    /// The section of the credentials file.
    pub profile: Option<String>,
}

/// A bucket of S3.
pub struct S3Target {
    settings: S3Settings,
    /// Made when it is needed first: files are read for it.
    opened: OnceCell<Opened>,
}

/// A bucket, and who asks.
struct Opened {
    bucket: Box<Bucket>,
    /// What gives credentials that change: a role of this machine's, a token of a cluster's.
    machine: Option<AwsCredentialProvider>,
}

impl std::fmt::Debug for S3Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Target").field("bucket", &self.settings.bucket).finish_non_exhaustive()
    }
}

impl S3Target {
    /// The bucket of `settings`; nobody is asked yet.
    pub fn new(settings: S3Settings) -> Self {
        // The crate's own retries know nothing of what the outbox has planned.
        s3::set_retries(0);
        Self { settings, opened: OnceCell::new() }
    }

    /// The bucket for one request that carries `bytes`, with further headers.
    async fn request(&self, bytes: u64, headers: HeaderMap) -> Result<Bucket, TargetError> {
        let open = || async {
            let settings = self.settings.clone();
            tokio::task::spawn_blocking(move || open(&settings))
                .await
                .map_err(|error| TargetError::new(ErrorKind::Settings, error.to_string()))?
        };
        let Opened { bucket, machine } = self.opened.get_or_try_init(open).await?;
        let bucket = bucket.with_extra_headers(headers).map_err(|error| self.error(&error))?;
        let mut bucket = *bucket.with_request_timeout(patience(bytes)).map_err(|error| self.error(&error))?;
        if let Some(machine) = machine {
            // It remembers them for as long as they hold.
            bucket.set_credentials(of_machine(machine).await?);
        }
        Ok(bucket)
    }

    /// Headers of an object as a whole.
    fn object_headers(&self, sha256: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            // What is no header value was refused with the configuration.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        for (name, value) in &self.settings.headers {
            set(name, value);
        }
        if self.settings.lock_days > 0 {
            set("x-amz-object-lock-retain-until-date", &days_from_now(self.settings.lock_days));
        }
        set("x-amz-meta-siprec-sha256", sha256);
        headers
    }

    /// Removes an object of a server without versions.
    async fn erase_only(&self, bucket: &Bucket, key: &str) -> Result<Removed, TargetError> {
        let there = match bucket.head_object(key).await {
            Ok(_) => 1,
            Err(S3Error::HttpFailWithBody(404, _)) => 0,
            Err(error) => return Err(self.error(&error)),
        };
        bucket.delete_object(key).await.map_err(|error| self.error(&error))?;
        Ok(Removed::whole(there))
    }

    /// Without the key: parties may be named in it, and errors get into the log.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the crate may have others in its next version")]
    fn error(&self, error: &S3Error) -> TargetError {
        let (kind, words) = match error {
            S3Error::HttpFailWithBody(status, body) => refusal(*status, body),
            S3Error::Reqwest(error) => (ErrorKind::Unreachable, causes(error)),
            S3Error::Credentials(error) => (ErrorKind::Denied, format!("no credentials: {error}")),
            error => (ErrorKind::Refused, error.to_string()),
        };
        TargetError::new(kind, format!("s3://{}: {words}", self.settings.bucket))
    }
}

fn open(settings: &S3Settings) -> Result<Opened, TargetError> {
    let faulty = |what: String| TargetError::new(ErrorKind::Settings, what);
    let name = settings.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
    let region = match &settings.endpoint {
        Some(endpoint) => Region::Custom { region: name.clone(), endpoint: endpoint.trim_end_matches('/').to_owned() },
        None => name.parse().map_err(|error| faulty(format!("s3.region: {name} is no region: {error}")))?,
    };
    let given = settings.credentials.as_ref().map(|(id, secret, token)| {
        Credentials::new(Some(id), Some(secret), None, token.as_ref().map(|token| token.as_str()), None)
    });
    // Of the environment or the file, where there are any.
    let given = given.unwrap_or_else(|| Credentials::new(None, None, None, None, settings.profile.as_deref()));
    let (credentials, machine) = match given {
        Ok(credentials) => (credentials, None),
        Err(_) => {
            let builder = AmazonS3Builder::from_env()
                .with_bucket_name(&settings.bucket)
                .with_region(name)
                .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
            let machine = builder.build().map_err(|error| faulty(error.to_string()))?.credentials().clone();
            (Credentials::anonymous().map_err(|error| faulty(error.to_string()))?, Some(machine))
        }
    };
    let bucket = Bucket::new(&settings.bucket, region, credentials).map_err(|error| faulty(error.to_string()))?;
    let bucket = if settings.path_style { bucket.with_path_style() } else { bucket };
    Ok(Opened { bucket, machine })
}

async fn of_machine(machine: &AwsCredentialProvider) -> Result<Credentials, TargetError> {
    let none = || {
        let what = "no credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor the AWS credentials file, nor a role of \
                    this machine, nor s3.access_key and s3.secret_key";
        TargetError::new(ErrorKind::Denied, what)
    };
    let given = machine.get_credential().await.map_err(|_| none())?;
    Credentials::new(Some(&given.key_id), Some(&given.secret_key), None, given.token.as_deref(), None)
        .map_err(|_| none())
}

/// What a server's answer means, by its code where it gives one (S3 API Reference, "List of error codes").
fn refusal(status: u16, body: &str) -> (ErrorKind, String) {
    let code = element(body, "Code").unwrap_or_default();
    let message = element(body, "Message").unwrap_or_default();
    let kind = match (code, status) {
        ("NoSuchBucket", _) => ErrorKind::NoBucket,
        ("NoSuchUpload", _) => ErrorKind::NoUpload,
        ("RequestTimeTooSkewed", _) => ErrorKind::Clock,
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
        | (_, 301 | 307) => ErrorKind::Settings,
        ("QuotaExceeded" | "QuotaExceededException" | "XMinioStorageFull" | "InsufficientStorage", _) | (_, 507) => {
            ErrorKind::Full
        }
        ("RequestTimeout", _) | (_, 408 | 429 | 500..=599) => ErrorKind::Busy,
        (_, 401 | 403) => ErrorKind::Denied,
        _ => ErrorKind::Refused,
    };
    let words = [code, message].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
    (kind, if words.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {words}") })
}

/// The text of the first element of that name.
fn element<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0)
}

/// An error with all that it came from: its own words are "error sending request".
fn causes(error: &reqwest_of_s3::Error) -> String {
    let mut words = if error.is_timeout() { "no answer in time".to_owned() } else { String::new() };
    let mut cause = error.source();
    while let Some(error) = cause {
        if !words.is_empty() {
            words.push_str(": ");
        }
        words.push_str(&error.to_string());
        cause = error.source();
    }
    if words.is_empty() { error.to_string() } else { words }
}

fn days_from_now(days: u32) -> String {
    wall::now().after(Duration::from_secs(u64::from(days) * 86_400)).rfc3339()
}

/// MD5 as an entity tag has it: of the whole, or of the parts' digests with their number behind a hyphen.
fn checksum(tag: &str) -> Option<Checksum> {
    let tag = tag.trim_matches('"');
    let (digits, parts) = match tag.split_once('-') {
        Some((digits, parts)) => (digits, Some(parts.parse().ok()?)),
        None => (tag, None),
    };
    let octet = |index: usize| u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok();
    if digits.len() != 32 {
        return None;
    }
    let mut digest = [0; 16];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = octet(index)?;
    }
    Some(parts.map_or(Checksum::Md5(digest), |parts| Checksum::OfParts(digest, parts)))
}

impl Target for S3Target {
    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.settings.bucket)
    }

    fn put<'a>(&'a self, key: &'a str, content: Bytes, sums: Sums) -> Step<'a, Option<Checksum>> {
        Box::pin(async move {
            let bucket = self.request(content.len() as u64, HeaderMap::new()).await?;
            let headers = self.object_headers(&hexadecimal(&sums.sha256));
            let put = Put { key, part: None, content, sums, content_type: content_type(key), headers };
            put.send(&bucket).await.map(|tag| checksum(&tag)).map_err(|error| self.error(&error))
        })
    }

    fn begin<'a>(&'a self, key: &'a str, sha256: &'a str) -> Step<'a, String> {
        Box::pin(async move {
            let bucket = self.request(0, self.object_headers(sha256)).await?;
            let begun = bucket.initiate_multipart_upload(key, content_type(key)).await;
            begun.map(|begun| begun.upload_id).map_err(|error| self.error(&error))
        })
    }

    fn part<'a>(&'a self, key: &'a str, upload: &'a str, part: Part) -> Step<'a, String> {
        Box::pin(async move {
            let bucket = self.request(part.content.len() as u64, HeaderMap::new()).await?;
            let Part { number, content, md5, .. } = part;
            let octets = content.clone();
            let sha256 = blocking(move || Ok(Sha256::digest(&octets).into())).await;
            let sha256 = sha256.map_err(|error| TargetError::new(ErrorKind::Unreachable, error.to_string()))?;
            let part = Some(Multipart::new(number + 1, upload));
            let (sums, headers) = (Sums { md5, sha256 }, HeaderMap::new());
            let put = Put { key, part, content, sums, content_type: content_type(key), headers };
            put.send(&bucket).await.map_err(|error| self.error(&error))
        })
    }

    fn complete<'a>(&'a self, key: &'a str, upload: &'a str, parts: Vec<String>) -> Step<'a, ()> {
        Box::pin(async move {
            // A server may put large parts together before it answers.
            let bucket = self.request(64 << 20, HeaderMap::new()).await?;
            let numbered = |(part_number, etag)| PartAnswer { part_number, etag };
            let parts = (1..).zip(parts).map(numbered).collect();
            let done = bucket.complete_multipart_upload(key, upload, parts).await;
            done.map(drop).map_err(|error| self.error(&error))
        })
    }

    fn abort<'a>(&'a self, key: &'a str, upload: &'a str) -> Step<'a, ()> {
        Box::pin(async move {
            let bucket = self.request(0, HeaderMap::new()).await?;
            bucket.abort_upload(key, upload).await.map_err(|error| self.error(&error))
        })
    }

    fn unfinished<'a>(&'a self, key: &'a str) -> Step<'a, Vec<String>> {
        Box::pin(async move {
            let bucket = self.request(0, HeaderMap::new()).await?;
            let pages = match bucket.list_multiparts_uploads(Some(key), None).await {
                Ok(pages) => pages,
                // Not every server of that kind can say.
                Err(S3Error::HttpFailWithBody(405 | 501, _)) => return Ok(Vec::new()),
                Err(error) => return Err(self.error(&error)),
            };
            let uploads = pages.into_iter().flat_map(|page| page.uploads);
            Ok(uploads.filter(|upload| upload.key == key).map(|upload| upload.id).collect())
        })
    }

    fn look<'a>(&'a self, key: &'a str) -> Step<'a, Option<Found>> {
        Box::pin(async move {
            let bucket = self.request(0, HeaderMap::new()).await?;
            let head = match bucket.head_object(key).await {
                Ok((head, _)) => head,
                Err(S3Error::HttpFailWithBody(404, _)) => return Ok(None),
                Err(error) => return Err(self.error(&error)),
            };
            let bytes = head.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default();
            Ok(Some(Found { bytes, checksum: head.e_tag.as_deref().and_then(checksum) }))
        })
    }

    fn erase<'a>(&'a self, key: &'a str) -> Step<'a, Removed> {
        Box::pin(async move {
            let bucket = self.request(0, HeaderMap::new()).await?;
            let mut objects = 0;
            for _ in 0..MAX_PAGES {
                let versions = match Versions::of(&bucket, key).await {
                    Ok(versions) => versions,
                    // Not every server of that kind has versions.
                    Err(S3Error::HttpFailWithBody(405 | 501, _)) => return self.erase_only(&bucket, key).await,
                    Err(error) => return Err(self.error(&error)),
                };
                if versions.are_none() {
                    return Ok(Removed::whole(objects));
                }
                objects += u32::try_from(versions.contents.len()).unwrap_or(u32::MAX);
                let deleted = bucket.delete_objects(versions.objects(key)).await;
                if let Some(refused) = deleted.map_err(|error| self.error(&error))?.errors.first() {
                    let what = format!("s3://{}: {}: {}", self.settings.bucket, refused.code, refused.message);
                    return Err(TargetError::new(ErrorKind::Refused, what));
                }
            }
            let what = format!(
                "s3://{}: versions of an object that was removed are there again and again",
                self.settings.bucket
            );
            Err(TargetError::new(ErrorKind::Refused, what))
        })
    }

    fn read<'a>(&'a self, key: &'a str, offset: u64, length: u64) -> Step<'a, Bytes> {
        Box::pin(async move {
            let bucket = self.request(length, HeaderMap::new()).await?;
            let last = offset + length.max(1) - 1;
            let read = bucket.get_object_range(key, offset, Some(last)).await;
            read.map(|data| data.bytes().clone()).map_err(|error| self.error(&error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_is_a_checksum_where_it_is_an_md5() {
        let md5 = "000102030405060708090a0b0c0d0e0f";
        let digest = core::array::from_fn(|n| u8::try_from(n).unwrap());
        assert_eq!(checksum(&format!("\"{md5}\"")), Some(Checksum::Md5(digest)));
        assert_eq!(checksum(&format!("{md5}-12")), Some(Checksum::OfParts(digest, 12)));
        for other in
            ["\"0001\"", "", "\"x00102030405060708090a0b0c0d0e0f\"", "\"000102030405060708090a0b0c0d0e0f-x\"", "é"]
        {
            assert_eq!(checksum(other), None, "{other}");
        }
    }

    #[test]
    fn a_servers_code_says_whose_fault_it_is() {
        let answer = |code: &str| format!("<?xml?><Error><Code>{code}</Code><Message>why</Message></Error>");
        for (status, code, kind) in [
            (404, "NoSuchBucket", ErrorKind::NoBucket),
            (404, "NoSuchUpload", ErrorKind::NoUpload),
            (403, "RequestTimeTooSkewed", ErrorKind::Clock),
            (403, "SignatureDoesNotMatch", ErrorKind::Denied),
            (400, "RequestTimeout", ErrorKind::Busy),
            (503, "SlowDown", ErrorKind::Busy),
            (507, "", ErrorKind::Full),
            (301, "PermanentRedirect", ErrorKind::Settings),
            (400, "BadDigest", ErrorKind::Refused),
        ] {
            assert_eq!(refusal(status, &answer(code)).0, kind, "{code}");
        }
        assert_eq!(refusal(403, &answer("AccessDenied")).1, "HTTP 403: AccessDenied, why");
        assert_eq!(refusal(502, "<html>").1, "HTTP 502");
    }
}
