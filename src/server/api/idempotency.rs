//! `Idempotency-Key`: a POST that is sent again, since nobody knows whether it was heard, is done once and answered as it was.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::asked::MAX_BODY;
use super::guard::Caller;
use super::problem::Problem;

/// Answers are remembered for so long, and so many.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
const MAX_ANSWERS: usize = 4_096;
/// Of one caller, who cannot push out what others are to be answered again.
const MAX_OF_ONE: usize = 1_024;
/// Of all answers together.
const MAX_OCTETS: usize = 32 << 20;
const MAX_KEY: usize = 255;

/// Answers that were given.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    by_key: BTreeMap<Key, Entry>,
    oldest: VecDeque<(Instant, Key)>,
    /// Of all answers.
    octets: usize,
}

impl Known {
    /// Forgets the oldest of those that `which` means.
    fn forget_oldest(&mut self, which: impl Fn(&Key) -> bool) {
        let place = self.oldest.iter().position(|(_, key)| which(key));
        if let Some((_, key)) = place.and_then(|place| self.oldest.remove(place)) {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Key) {
        let answer = self.by_key.remove(key).and_then(|entry| entry.answer);
        self.octets -= answer.map_or(0, |(_, _, body)| body.len());
    }
}

/// Who asked, and their key.
type Key = (String, String);

#[derive(Debug)]
struct Entry {
    /// Of path, query and body.
    digest: [u8; 32],
    /// None while it is being done.
    answer: Option<(StatusCode, HeaderMap, Bytes)>,
}

/// What is to be done about a request.
enum Verdict {
    Do,
    Again(Response),
    Refuse(Problem),
}

impl Answers {
    fn look(&self, key: &Key, digest: [u8; 32], now: Instant) -> Verdict {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while known.oldest.front().is_some_and(|(at, _)| now.duration_since(*at) > REMEMBERED)
            || known.oldest.len() >= MAX_ANSWERS
        {
            known.forget_oldest(|_| true);
        }
        match known.by_key.get(key) {
            Some(entry) if entry.digest != digest => Verdict::Refuse(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Idempotency-Key: another request had this key: take a new one for each",
            )),
            Some(Entry { answer: Some((status, headers, body)), .. }) => {
                Verdict::Again((*status, headers.clone(), body.clone()).into_response())
            }
            Some(_) => Verdict::Refuse(Problem::conflict(
                "Idempotency-Key: the first request with it is being done: ask again",
            )),
            None => {
                if known.oldest.iter().filter(|(_, other)| other.0 == key.0).count() >= MAX_OF_ONE {
                    known.forget_oldest(|other| other.0 == key.0);
                }
                known.by_key.insert(key.clone(), Entry { digest, answer: None });
                known.oldest.push_back((now, key.clone()));
                Verdict::Do
            }
        }
    }

    /// Nothing came of it: it may be tried again.
    fn forget(&self, key: &Key) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.by_key.get(key).is_some_and(|entry| entry.answer.is_none()) {
            known.by_key.remove(key);
            known.oldest.retain(|(_, other)| other != key);
        }
    }

    /// What came of it; what failed at our end may be tried again.
    fn keep(&self, key: &Key, answer: (StatusCode, HeaderMap, Bytes)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.0.is_server_error() {
            known.by_key.remove(key);
            known.oldest.retain(|(_, other)| other != key);
            return;
        }
        let length = answer.2.len();
        if let Some(entry) = known.by_key.get_mut(key) {
            entry.answer = Some(answer);
            known.octets += length;
        }
        while known.octets > MAX_OCTETS {
            known.forget_oldest(|_| true);
        }
    }
}

/// A request that is being done; without an answer nothing came of it.
struct Doing(Answers, Key);

impl Drop for Doing {
    fn drop(&mut self) {
        self.0.forget(&self.1);
    }
}

/// Does a request once, where it has a key: to its end, whether or not its client is still there.
pub(super) async fn once(State(answers): State<Answers>, request: Request, next: Next) -> Response {
    let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap_or_default().to_owned());
    let caller = request.extensions().get::<Caller>().map(|caller| caller.origin().who);
    let (Some(key), Some(who), &Method::POST) = (key, caller, request.method()) else { return next.run(request).await };
    if key.is_empty() || key.len() > MAX_KEY {
        return Problem::bad_request(format!("Idempotency-Key: 1 to {MAX_KEY} visible characters")).into_response();
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body: {MAX_BODY} octets at most"))
            .into_response();
    };
    let digest = Sha256::new().chain_update(parts.uri.to_string()).chain_update([0]).chain_update(&body).finalize();
    let key = (who, key);
    match answers.look(&key, digest.into(), Instant::now()) {
        Verdict::Again(answer) => return answer,
        Verdict::Refuse(problem) => return problem.into_response(),
        Verdict::Do => {}
    }
    let doing = Doing(answers, key);
    let done = tokio::spawn(async move {
        let (parts, body) = next.run(Request::from_parts(parts, Body::from(body))).await.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        doing.0.keep(&doing.1, (parts.status, parts.headers.clone(), body.clone()));
        Response::from_parts(parts, Body::from(body))
    });
    done.await.unwrap_or_else(|error| Problem::unavailable("this request came to nothing", &error).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("ann".to_owned(), name.to_owned())
    }

    #[test]
    fn a_request_is_done_once_and_answered_again() {
        let (answers, now) = (Answers::default(), Instant::now());
        assert!(matches!(answers.look(&key("a"), [1; 32], now), Verdict::Do));
        assert!(matches!(answers.look(&key("a"), [1; 32], now), Verdict::Refuse(problem) if problem.status() == 409));
        answers.keep(&key("a"), (StatusCode::CREATED, HeaderMap::new(), Bytes::from_static(b"x")));
        assert!(matches!(answers.look(&key("a"), [1; 32], now), Verdict::Again(answer) if answer.status() == 201));
        assert!(matches!(answers.look(&key("a"), [2; 32], now), Verdict::Refuse(problem) if problem.status() == 422));
        let tomorrow = now + REMEMBERED + Duration::from_secs(1);
        assert!(matches!(answers.look(&key("a"), [2; 32], tomorrow), Verdict::Do));
    }

    #[test]
    fn what_failed_at_our_end_may_be_tried_again_and_memory_is_bounded() {
        let (answers, now) = (Answers::default(), Instant::now());
        answers.look(&key("a"), [1; 32], now);
        answers.keep(&key("a"), (StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new(), Bytes::new()));
        assert!(matches!(answers.look(&key("a"), [1; 32], now), Verdict::Do));
        drop(Doing(answers.clone(), key("a")));
        assert!(matches!(answers.look(&key("a"), [1; 32], now), Verdict::Do), "nothing came of it");
        for n in 0..2 * MAX_ANSWERS {
            answers.look(&(format!("user {}", n % 8), n.to_string()), [1; 32], now);
        }
        let known = answers.0.lock().unwrap();
        assert_eq!((known.by_key.len(), known.oldest.len()), (MAX_ANSWERS, MAX_ANSWERS));
    }

    #[test]
    fn nobody_pushes_out_what_others_are_answered_and_octets_are_bounded() {
        let (answers, now) = (Answers::default(), Instant::now());
        let kept = |answers: &Answers| {
            let known = answers.0.lock().unwrap();
            (known.by_key.len(), known.octets)
        };
        answers.look(&key("a"), [1; 32], now);
        answers.keep(&key("a"), (StatusCode::OK, HeaderMap::new(), Bytes::from_static(b"x")));
        for n in 0..2 * MAX_OF_ONE {
            answers.look(&("bob".to_owned(), n.to_string()), [1; 32], now);
        }
        assert_eq!(kept(&answers), (MAX_OF_ONE + 1, 1));
        for n in 0..3 {
            let key = key(&n.to_string());
            answers.look(&key, [1; 32], now);
            answers.keep(&key, (StatusCode::OK, HeaderMap::new(), Bytes::from(vec![0; MAX_OCTETS / 2])));
        }
        assert_eq!(kept(&answers).1, MAX_OCTETS, "the newest two");
    }
}
