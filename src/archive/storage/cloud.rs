//! Azure Blob Storage and Google Cloud Storage, by object_store.
//!
//! Neither tells a checksum through that crate, so what is stored is read back once. Nor does it know of versions, which erasing
//! does: that is [`azure`]'s and [`google`]'s.

mod azure;
mod google;
mod rest;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutOptions, RetryConfig,
};
use zeroize::Zeroizing;

use self::azure::Azure;
use self::google::Google;
use self::rest::Rest;
use super::store::PART_BYTES;
use super::{Checksum, ErrorKind, Found, Part, Removed, Step, Sums, Target, TargetError, content_type, patience};

/// A container of Azure.
#[derive(Clone, Default)]
pub struct AzureSettings {
    /// The storage account.
    pub account: String,
    /// The container.
    pub container: String,
    /// A server other than Azure's, as a URL that ends with the account.
    pub endpoint: Option<String>,
    /// The account's key.
    pub access_key: Option<Zeroizing<String>>,
    /// A shared access signature.
    pub sas: Option<Zeroizing<String>>,
}

/// A bucket of Google's.
#[derive(Clone, Default)]
pub struct GcsSettings {
    /// Its name.
    pub bucket: String,
    /// A server other than Google's, as a URL.
    pub endpoint: Option<String>,
    /// The JSON of a service account.
    pub service_account: Option<Zeroizing<String>>,
}

/// Google's own server, where the settings name no other.
const GOOGLE: &str = "https://storage.googleapis.com";

/// What object_store makes of the settings.
trait Store: ObjectStore + MultipartStore {}
impl<T: ObjectStore + MultipartStore> Store for T {}

/// A container or bucket.
#[derive(Debug)]
pub struct CloudTarget {
    url: String,
    store: Arc<dyn Store>,
    rest: Special,
}

/// What the crate has no call for.
#[derive(Debug)]
enum Special {
    /// Answers for parts are told to be of no one upload here: parts that are not used expire by themselves.
    Azure(Azure),
    Google(Google),
}

/// Requests are single: the outbox repeats them.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn client(endpoint: Option<&String>) -> ClientOptions {
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    ClientOptions::new()
        .with_timeout(patience(PART_BYTES))
        .with_connect_timeout(Duration::from_secs(10))
        .with_allow_http(plain)
}

impl CloudTarget {
    /// A container of Azure; nobody is asked yet.
    ///
    /// # Errors
    /// Settings that cannot be right: a key that is no base64, an endpoint that is no URL.
    pub fn azure(settings: &AzureSettings) -> Result<Self, TargetError> {
        let mut builder = MicrosoftAzureBuilder::from_env()
            .with_account(&settings.account)
            .with_container_name(&settings.container)
            .with_client_options(client(settings.endpoint.as_ref()))
            .with_retry(once());
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
        }
        if let Some(key) = &settings.access_key {
            builder = builder.with_access_key(key.as_str());
        }
        if let Some(sas) = &settings.sas {
            builder = builder.with_config(AzureConfigKey::SasKey, sas.trim_start_matches('?'));
        }
        let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
        let server = endpoint.clone().unwrap_or_else(|| format!("https://{}.blob.core.windows.net", settings.account));
        let store = builder.build().map_err(|error| settings_error(&error))?;
        let url = format!("az://{}/{}", settings.account, settings.container);
        let rest = Azure {
            rest: Rest::new(endpoint.as_ref(), &url)?,
            account: settings.account.clone(),
            url: format!("{}/{}", server.trim_end_matches('/'), settings.container),
            credentials: Arc::clone(store.credentials()),
        };
        Ok(Self { url, store: Arc::new(store), rest: Special::Azure(rest) })
    }

    /// A bucket of Google's; nobody is asked yet.
    ///
    /// # Errors
    /// Settings that cannot be right: a service account that is no JSON, an endpoint that is no URL.
    pub fn gcs(settings: &GcsSettings) -> Result<Self, TargetError> {
        let mut builder = GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(&settings.bucket)
            .with_client_options(client(settings.endpoint.as_ref()))
            .with_retry(once());
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_base_url(endpoint.trim_end_matches('/'));
        }
        if let Some(account) = &settings.service_account {
            builder = builder.with_service_account_key(account.as_str());
        }
        let endpoint = builder.get_config_value(&GoogleConfigKey::BaseUrl);
        let server = endpoint.clone().unwrap_or_else(|| GOOGLE.to_owned());
        let store = builder.build().map_err(|error| settings_error(&error))?;
        let url = format!("gs://{}", settings.bucket);
        let rest = Google {
            rest: Rest::new(endpoint.as_ref(), &url)?,
            url: server.trim_end_matches('/').to_owned(),
            bucket: settings.bucket.clone(),
            credentials: Arc::clone(store.credentials()),
        };
        Ok(Self { url, store: Arc::new(store), rest: Special::Google(rest) })
    }

    fn path(&self, key: &str) -> Result<Path, TargetError> {
        Path::parse(key).map_err(|error| {
            TargetError::new(ErrorKind::Refused, format!("{}: a key that it cannot have: {error}", self.url))
        })
    }

    /// Without the key: parties may be named in it, and errors get into the log.
    fn error(&self, error: &Error) -> TargetError {
        let all = causes(error);
        TargetError::new(kind(error, &all), format!("{}: {}", self.url, words(error, &all)))
    }
}

fn settings_error(error: &Error) -> TargetError {
    TargetError::new(ErrorKind::Settings, causes(error))
}

/// An error's own words and those of what it came from that they do not repeat.
fn causes(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = error.source();
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What of it an operator needs: the server's code and message, or else the cause at the bottom. The rest tells of URLs.
fn words(error: &Error, all: &str) -> String {
    if let Some((code, message)) = code_and_message(all) {
        return format!("{code}, {message}");
    }
    let mut last = None;
    let mut cause = error.source();
    while let Some(error) = cause {
        last = Some(error.to_string()).filter(|words| !words.contains("://")).or(last);
        cause = error.source();
    }
    let words = last.unwrap_or_else(|| "it does not answer as expected".to_owned());
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a refusal in XML says.
fn code_and_message(all: &str) -> Option<(String, String)> {
    let element = |name: &str| Some(all.split_once(&format!("<{name}>"))?.1.split_once("</")?.0.trim());
    let (code, message) = (element("Code")?, element("Message").unwrap_or_default());
    // Azure appends ids and a time.
    let message = message.split("RequestId:").next().unwrap_or(message).trim();
    Some((code.to_owned(), message.to_owned()))
}

/// The crate keeps statuses and codes in words alone.
#[expect(clippy::wildcard_enum_match_arm, reason = "the crate may have others in its next version")]
fn kind(error: &Error, words: &str) -> ErrorKind {
    let says = |codes: &[&str]| codes.iter().any(|code| words.contains(code));
    match error {
        _ if says(&["ContainerNotFound", "NoSuchBucket", "The specified bucket does not exist"]) => ErrorKind::NoBucket,
        _ if says(&["NoSuchUpload", "InvalidBlockList"]) => ErrorKind::NoUpload,
        _ if says(&["RequestTimeTooSkewed", "time is too skewed"]) => ErrorKind::Clock,
        _ if says(&["507 ", "InsufficientStorage", "AccountIsFull", "QuotaExceeded"]) => ErrorKind::Full,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ErrorKind::Denied,
        _ if says(&["AuthenticationFailed", "InvalidAuthenticationInfo"]) => ErrorKind::Denied,
        _ if says(&["status code: 4"]) && !says(&["429 ", "408 "]) => ErrorKind::Refused,
        _ if says(&["408 ", "429 ", "500 ", "502 ", "503 ", "504 ", "ServerBusy", "5xx"]) => ErrorKind::Busy,
        Error::Generic { .. } | Error::JoinError { .. } => ErrorKind::Unreachable,
        _ => ErrorKind::Refused,
    }
}

impl Target for CloudTarget {
    fn url(&self, key: &str) -> String {
        format!("{}/{key}", self.url)
    }

    fn put<'a>(&'a self, key: &'a str, content: Bytes, _: Sums) -> Step<'a, Option<Checksum>> {
        Box::pin(async move {
            let attributes = Attributes::from_iter([(Attribute::ContentType, content_type(key))]);
            let options = PutOptions { attributes, ..PutOptions::default() };
            let path = self.path(key)?;
            let put = self.store.put_opts(&path, content.into(), options);
            put.await.map(|_| None).map_err(|error| self.error(&error))
        })
    }

    fn begin<'a>(&'a self, key: &'a str, _: &'a str) -> Step<'a, String> {
        Box::pin(async move {
            let begun = self.store.create_multipart(&self.path(key)?).await;
            begun.map_err(|error| self.error(&error))
        })
    }

    fn part<'a>(&'a self, key: &'a str, upload: &'a str, part: Part) -> Step<'a, String> {
        Box::pin(async move {
            let (path, upload) = (self.path(key)?, upload.to_owned());
            let sent = self.store.put_part(&path, &upload, part.number as usize, part.content.into());
            sent.await.map(|answer| answer.content_id).map_err(|error| self.error(&error))
        })
    }

    fn complete<'a>(&'a self, key: &'a str, upload: &'a str, parts: Vec<String>) -> Step<'a, ()> {
        Box::pin(async move {
            let parts = parts.into_iter().map(|content_id| PartId { content_id }).collect();
            let done = self.store.complete_multipart(&self.path(key)?, &upload.to_owned(), parts).await;
            done.map(drop).map_err(|error| self.error(&error))
        })
    }

    fn abort<'a>(&'a self, key: &'a str, upload: &'a str) -> Step<'a, ()> {
        Box::pin(async move {
            if matches!(self.rest, Special::Azure(_)) {
                return Ok(());
            }
            let gone = self.store.abort_multipart(&self.path(key)?, &upload.to_owned()).await;
            gone.map_err(|error| self.error(&error))
        })
    }

    fn unfinished<'a>(&'a self, key: &'a str) -> Step<'a, Vec<String>> {
        Box::pin(async move {
            match &self.rest {
                // It drops parts that nothing was made of within a week; `erase` does so at once.
                Special::Azure(_) => Ok(Vec::new()),
                Special::Google(google) => google.unfinished(key).await,
            }
        })
    }

    fn look<'a>(&'a self, key: &'a str) -> Step<'a, Option<Found>> {
        Box::pin(async move {
            match self.store.head(&self.path(key)?).await {
                Ok(found) => Ok(Some(Found { bytes: found.size, checksum: None })),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(self.error(&error)),
            }
        })
    }

    fn erase<'a>(&'a self, key: &'a str) -> Step<'a, Removed> {
        Box::pin(async move {
            match &self.rest {
                Special::Azure(azure) => azure.erase(key).await,
                Special::Google(google) => google.erase(key).await,
            }
        })
    }

    fn read<'a>(&'a self, key: &'a str, offset: u64, length: u64) -> Step<'a, Bytes> {
        Box::pin(async move {
            let read = self.store.get_range(&self.path(key)?, offset..offset + length).await;
            read.map_err(|error| self.error(&error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &str) -> (ErrorKind, String) {
        let inner: Box<dyn std::error::Error + Send + Sync> = words.to_owned().into();
        let error = Error::Generic { store: "GCS", source: inner };
        let all = causes(&error);
        (kind(&error, &all), super::words(&error, &all))
    }

    #[test]
    fn a_servers_words_say_whose_fault_it_is_and_no_url_gets_into_the_log() {
        let azure = "Error performing PUT http://h/a/recs/4930123.wav in 1ms - Server returned non-2xx status code: 404 Not Found: \
                     <Error><Code>ContainerNotFound</Code><Message>The container does not exist.\nRequestId:1</Message></Error>";
        assert_eq!(told(azure), (ErrorKind::NoBucket, "ContainerNotFound, The container does not exist.".to_owned()));
        let plain = "Server returned non-2xx status code: 400 Bad Request: {\"error\"}\n\n";
        let said = "Server returned non-2xx status code: 400 Bad Request: {\"error\"}".to_owned();
        assert_eq!(told(plain), (ErrorKind::Refused, said));
        assert_eq!(told("Server returned non-2xx status code: 503 Busy").0, ErrorKind::Busy);
        assert_eq!(told("Server returned non-2xx status code: 429 Slow").0, ErrorKind::Busy);
        assert_eq!(told("Connection refused (os error 111)").0, ErrorKind::Unreachable);
        assert_eq!(told("error sending request for http://h/4930123.wav").1, "it does not answer as expected");
    }
}
