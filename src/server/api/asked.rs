//! What a request asks for, read with answers that say what is wrong.

use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// A longer body is refused. What is asked for is small; nobody sends us audio.
pub(super) const MAX_BODY: usize = 64 << 10;

/// The query, as `T`.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(asked) = Query::<T>::from_request_parts(parts, state).await.map_err(|refused| {
            Problem::bad_request(refused.body_text().replace("Failed to deserialize query string: ", "the query: "))
        })?;
        Ok(Self(asked))
    }
}

/// A JSON body, as `T`; none, or `null`, is as good as `{}`.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = json_type(request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()));
        let octets = axum::body::Bytes::from_request(request, state).await.map_err(|refused| {
            let status = axum::response::IntoResponse::into_response(refused).status();
            Problem::new(status, format!("the body cannot be read: {MAX_BODY} octets at most"))
        })?;
        let text: &[u8] = if matches!(octets.trim_ascii(), b"" | b"null") { b"{}" } else { &octets };
        if !octets.is_empty() && !is_json {
            let status = axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "the body has to be JSON: send Content-Type: application/json"));
        }
        read(text).map(Self)
    }
}

/// A JSON object as `T`, or what is wrong with it. An array would be read as the fields in their order.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    if text.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(Problem::bad_request("the body: it has to be an object: {\"name\": value}"));
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (field, why) = (error.path().to_string(), error.inner());
        // What is wrong with the whole has no name.
        if [".", "?"].contains(&field.as_str()) { why.to_string() } else { format!("{field}: {why}") }
    });
    let whole = read.and_then(|read| json.end().map(|()| read).map_err(|error| error.to_string()));
    whole.map_err(|why| Problem::bad_request(format!("the body: {why}")))
}

/// Whether a Content-Type is JSON's; one that is not said is taken for it.
fn json_type(said: Option<&str>) -> bool {
    let essence = said.map(|said| said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    essence.is_none_or(|essence| essence == "application/json" || essence.ends_with("+json"))
}

/// The id that the path names.
#[derive(Debug)]
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = Path::<String>::from_request_parts(parts, state).await;
        let Ok(Path(text)) = named else { return Err(Problem::bad_request("the path is no UTF-8")) };
        let id = text
            .parse()
            .map_err(|_| Problem::not_found("there is nothing of that id: ids are UUIDs, as lists show them"));
        id.map(Self)
    }
}

/// A filter without a value is a variable that somebody forgot to set, and would mean everything.
pub(super) fn with_values(filters: &[(&str, &Option<String>)]) -> Result<(), Problem> {
    match filters.iter().find(|(_, value)| value.as_ref().is_some_and(|value| value.chars().all(|c| c == ' '))) {
        Some((name, _)) => Err(Problem::bad_request(format!("{name}: it has no value: leave it out, or give one"))),
        None => Ok(()),
    }
}
