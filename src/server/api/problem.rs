//! What went wrong, as RFC 9457 has it: `application/problem+json`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A problem document (RFC 9457). Its type is `about:blank`: the status says what kind of problem it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The status' phrase.
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request, and what to do.
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl ToString) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem");
        Self { title, status: status.as_u16(), detail: detail.to_string() }
    }

    /// The request is wrong.
    pub(super) fn bad_request(detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// There is no such thing.
    pub(super) fn not_found(detail: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Not as things are.
    pub(super) fn conflict(detail: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// Something that the server relies on does not do its part: the cause is for the log, the caller is told `what`.
    pub(super) fn unavailable(what: &str, cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "the API: {what}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{what}: the server's log says why"))
    }

    /// The status.
    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}
