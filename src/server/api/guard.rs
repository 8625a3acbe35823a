//! Who asks, and whether they may: every request passes here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;
use tokio::sync::watch;

use super::auth::{self, Identity, Reason, Refusal, Scope};
use super::problem::Problem;
use super::recordings;
use super::state::Served;
use crate::archive::audit::Origin;
use crate::archive::notes::Tag;
use crate::config::{Loaded, Permission};
use crate::wall;

/// What a route asks of who uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it tells nothing of calls.
    Nothing,
    /// This permission.
    One(Permission),
}

use Need::{Nothing, One};
use Permission::{Delete, Export, Manage, Read, Write};

/// Routes that are about recordings.
const LIST: &str = "/api/v1/recordings";
const ONE: &str = "/api/v1/recordings/{id}";
const BELOW: &str = "/api/v1/recordings/{id}/";

/// What each route asks. What is not here is done for nobody.
pub(super) const NEEDS: &[(Method, &str, Need)] = &[
    (Method::GET, "/healthz", Nothing),
    (Method::GET, "/readyz", Nothing),
    (Method::GET, "/", Nothing),
    (Method::GET, "/docs", Nothing),
    (Method::GET, "/metrics", One(Read)),
    (Method::GET, "/api/v1/openapi.json", Nothing),
    (Method::GET, "/api/v1/recordings", One(Read)),
    (Method::POST, "/api/v1/recordings/start", One(Write)),
    (Method::POST, "/api/v1/recordings/stop", One(Write)),
    (Method::GET, "/api/v1/recordings/{id}", One(Read)),
    (Method::PATCH, "/api/v1/recordings/{id}", One(Write)),
    (Method::DELETE, "/api/v1/recordings/{id}", One(Delete)),
    (Method::GET, "/api/v1/recordings/{id}/audio", One(Read)),
    (Method::GET, "/api/v1/recordings/{id}/metadata", One(Read)),
    (Method::GET, "/api/v1/recordings/{id}/proof", One(Read)),
    (Method::GET, "/api/v1/recordings/{id}/peaks", One(Read)),
    (Method::GET, "/api/v1/recordings/{id}/journal", One(Export)),
    (Method::GET, "/api/v1/sessions", One(Read)),
    (Method::GET, "/api/v1/sessions/{id}", One(Read)),
    (Method::PATCH, "/api/v1/sessions/{id}", One(Write)),
    (Method::GET, "/api/v1/sessions/{id}/sip", One(Manage)),
    (Method::POST, "/api/v1/sessions/pause", One(Write)),
    (Method::POST, "/api/v1/sessions/resume", One(Write)),
    (Method::POST, "/api/v1/sessions/stop", One(Write)),
    (Method::POST, "/api/v1/sessions/{id}/pause", One(Write)),
    (Method::POST, "/api/v1/sessions/{id}/resume", One(Write)),
    (Method::POST, "/api/v1/sessions/{id}/stop", One(Write)),
    (Method::GET, "/ws/events", One(Read)),
    (Method::GET, "/ws/stream", One(Read)),
    (Method::GET, "/api/v1/events", One(Read)),
    (Method::GET, "/api/v1/alarms", One(Read)),
    (Method::POST, "/api/v1/alarms/{id}/acknowledge", One(Write)),
    (Method::GET, "/api/v1/webhooks", One(Manage)),
    (Method::POST, "/api/v1/webhooks/{name}/retry", One(Manage)),
    (Method::GET, "/api/v1/unfinished", One(Manage)),
    (Method::POST, "/api/v1/unfinished/retry", One(Manage)),
    (Method::GET, "/api/v1/config", One(Manage)),
    (Method::GET, "/api/v1/peers", One(Manage)),
    (Method::GET, "/api/v1/audit", One(Manage)),
];

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// As the audit log has them.
    who: String,
    from: SocketAddr,
    /// What they may do with what this request is about.
    permissions: Vec<Permission>,
    /// With which recordings they may do it, where the request is about many.
    scope: Scope,
    /// Until when it is proven who they are.
    expires: Option<Wall>,
    /// By which they were judged, and what came after it.
    judged_by: Arc<Loaded>,
    rules: watch::Receiver<Arc<Loaded>>,
}

impl Caller {
    /// For the audit log.
    pub(super) fn origin(&self) -> Origin {
        Origin { who: self.who.clone(), from: self.from.ip().to_string() }
    }

    pub(super) fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// Refuses with 403 who has not this permission: where it depends on what is asked.
    pub(super) fn must(&self, permission: Permission, what: &str) -> Result<(), Problem> {
        self.may(permission).then_some(()).ok_or_else(|| Problem::new(StatusCode::FORBIDDEN, lacks(permission, what)))
    }

    /// Comes when it is no longer proven who they are, or `auth` was changed: what goes on and on ends then, and who comes back
    /// is judged anew.
    pub(super) async fn expiry(&self) {
        let until = async {
            match self.expires {
                Some(expires) => {
                    let left = u64::try_from(expires.nanos_since(wall::now())).unwrap_or(0);
                    tokio::time::sleep(Duration::from_nanos(left)).await;
                }
                None => std::future::pending().await,
            }
        };
        let mut rules = self.rules.clone();
        let changed = async {
            // A server that stops ends everything by itself.
            if rules.wait_for(|now| now.config.auth != self.judged_by.config.auth).await.is_err() {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = until => {}
            () = changed => {}
        }
    }

    /// Of a list, only recordings with one of these tags are for them; none: all are.
    pub(super) fn tags(&self) -> Option<Vec<Tag>> {
        match &self.scope {
            Scope::Everything => None,
            Scope::Tagged(tags) => Some(tags.iter().cloned().collect()),
            Scope::Nothing => Some(Vec::new()),
        }
    }
}

fn lacks(permission: Permission, what: &str) -> String {
    format!("{what} needs the permission `{}`, which your roles do not give", permission.as_str())
}

/// Why a request goes no further.
enum Stop {
    /// It is not for its sender, who is known or not.
    Refused(Refusal, Option<String>),
    /// It is for nobody.
    Wrong(Problem),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, None)
    }
}

/// Lets a request through, or says why not.
pub(super) async fn guard(
    State(served): State<Arc<Served>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    named: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let config = served.configuration.now();
    let (mut parts, body) = request.into_parts();
    let (origin, asked) = auth::page(&parts, &config.config.api.cors);
    let id = named.ok().and_then(|named| named.iter().find(|(name, _)| *name == "id")?.1.parse().ok());
    let mut response = match asked {
        Some(answer) => answer,
        None => match admit(&served, &config, (from, &parts), id).await {
            Ok(caller) => {
                parts.extensions.insert(caller);
                if let Some(uri) = auth::without_token(&parts.uri) {
                    parts.uri = uri;
                }
                next.run(Request::from_parts(parts, body)).await
            }
            Err(Stop::Refused(refusal, known)) => {
                served.auth.refused(&refusal, known.as_deref(), from);
                refusal.into_response()
            }
            Err(Stop::Wrong(problem)) => problem.into_response(),
        },
    };
    auth::show_page(origin, &mut response);
    secure(&mut response);
    response
}

async fn admit(
    served: &Arc<Served>,
    loaded: &Arc<Loaded>,
    (from, request): (SocketAddr, &Parts),
    id: Option<RecordingId>,
) -> Result<Caller, Stop> {
    let config = &loaded.config;
    let nobody = || Caller::new("anybody".to_owned(), from, (Vec::new(), Scope::Nothing), (None, served, loaded));
    let whitelist = &config.auth.ip_whitelist;
    if !whitelist.is_empty() && !whitelist.iter().any(|network| network.contains(from.ip())) {
        return Err(Refusal::new(Reason::Address, "the API is not for this address (auth.ip_whitelist)").into());
    }
    let rate = config.api.rate_limit;
    let Some(route) = request.extensions.get::<MatchedPath>().map(MatchedPath::as_str) else {
        // Routed to nothing: the fallback says so.
        served.auth.count_open(from, rate)?;
        return Ok(nobody());
    };
    let permission = match need(&request.method, route) {
        Some(One(permission)) => permission,
        open => {
            served.auth.count_open(from, rate)?;
            let wrong = || {
                let text = "this is not done to this path: GET /api/v1/openapi.json lists what is";
                Stop::Wrong(Problem::new(StatusCode::METHOD_NOT_ALLOWED, text))
            };
            return open.map(|_| nobody()).ok_or_else(wrong);
        }
    };
    let identity = match served.auth.identify(request, route, &config.auth).await {
        Ok(identity) => identity,
        // Who guesses is slowed down; who knows is not, though they come from one address.
        Err(refusal) => return Err(served.auth.count_stranger(from, rate).err().unwrap_or(refusal).into()),
    };
    let allowed = async {
        served.auth.count_caller(&identity, from, rate)?;
        identity.refuse_other_sites(request, config)?;
        narrow(served, &identity, permission, route, id).await
    };
    match allowed.await {
        Ok(may) => {
            served.auth.came(&identity, from);
            Ok(Caller::new(identity.who, from, may, (identity.expires, served, loaded)))
        }
        Err(Stop::Refused(refusal, _)) => Err(Stop::Refused(refusal, Some(identity.who))),
        Err(wrong @ Stop::Wrong(_)) => Err(wrong),
    }
}

impl Caller {
    fn new(
        who: String,
        from: SocketAddr,
        (permissions, scope): (Vec<Permission>, Scope),
        (expires, served, judged_by): (Option<Wall>, &Served, &Arc<Loaded>),
    ) -> Self {
        let (judged_by, rules) = (Arc::clone(judged_by), served.configuration.changes());
        Self { who, from, permissions, scope, expires, judged_by, rules }
    }
}

/// What an identity may do with what a request is about. Who has a permission for some tags only has it for recordings with one
/// of these, and for nothing else: not for what is being recorded, whose tags are not settled yet, nor for the server.
async fn narrow(
    served: &Arc<Served>,
    identity: &Identity,
    permission: Permission,
    route: &str,
    id: Option<RecordingId>,
) -> Result<(Vec<Permission>, Scope), Stop> {
    let grants = &identity.grants;
    let refused = |text| Err(Refusal::new(Reason::Permission, text).into());
    match grants.scope(permission) {
        Scope::Everything => Ok((grants.permissions(|scope| *scope == Scope::Everything), Scope::Everything)),
        Scope::Nothing => refused(lacks(permission, "this")),
        tagged @ Scope::Tagged(_) if route == LIST => Ok((vec![permission], tagged.clone())),
        Scope::Tagged(_) if route == ONE || route.starts_with(BELOW) => {
            // The handler says what is wrong with an id that is none.
            let Some(id) = id else { return Ok((Vec::new(), Scope::Nothing)) };
            let row = recordings::row(served, id).await.map_err(Stop::Wrong)?;
            let permissions = grants.permissions(|scope| scope.holds(&row.tags));
            match permissions.contains(&permission) {
                true => Ok((permissions, Scope::Nothing)),
                false if permissions.contains(&Read) => refused(lacks(permission, "this recording")),
                // As if it were not there: who may not see it need not know of it.
                false => Err(Stop::Wrong(recordings::missing())),
            }
        }
        Scope::Tagged(_) => refused("your roles are for recordings with some tags, and for nothing else".to_owned()),
    }
}

/// What a route asks; none of one that is not in the table.
pub(super) fn need(method: &Method, route: &str) -> Option<Need> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    NEEDS.iter().find(|(known, at, _)| known == method && *at == route).map(|(_, _, need)| *need)
}

/// Header fields that keep browsers from doing more with an answer than it is for.
fn secure(response: &mut Response) {
    const FIELDS: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    let headers = response.headers_mut();
    for (name, value) in FIELDS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
