//! What every route needs: strict JSON bodies, API keys, errors as JSON, one log line for a request.

use std::sync::Arc;
use std::time::Instant;

use armoriq::json::{self, canonical, sha256_hex};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Router, body::Bytes};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::app::{AgentRefusal, App};
use crate::state::replies::{NoReply, ReplyKey};
use crate::state::storage::StorageError;

/// Adds what all routes have, whatever they are about.
pub fn finish(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(json::MAX_BYTES))
        .layer(middleware::from_fn(log))
        .with_state(app)
}

async fn not_found(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("Cannot {method} {}", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("Cannot {method} {}", uri.path()))
}

/// One line for a request. Headers and query are left out: they may hold secrets.
async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    tracing::info!("{method} {path} {} {milliseconds:.1}ms", response.status().as_u16());
    response
}

/// A refusal: a status and a JSON object that says why.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    body: Value,
    headers: Vec<(HeaderName, &'static str)>,
}

impl Problem {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self::with_body(status, json!({ "message": message }))
    }

    pub fn with_body(status: StatusCode, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The token was revoked: its holder learns of it from a header.
    pub fn revoked(reason: &str, body: Value) -> Self {
        let mut problem = Self::with_body(StatusCode::UNAUTHORIZED, body);
        problem.body["revocationReason"] = json!(reason);
        problem.headers.push((HeaderName::from_static("x-armoriq-revoked"), "true"));
        problem
    }
}

impl From<AgentRefusal> for Problem {
    fn from(refusal: AgentRefusal) -> Self {
        Self::new(StatusCode::FORBIDDEN, refusal.to_string())
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        tracing::error!("{error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The control plane cannot write its data")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = reply(self.status, &self.body);
        for (name, value) in self.headers {
            response.headers_mut().insert(name, header::HeaderValue::from_static(value));
        }
        response
    }
}

pub fn reply(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The id of the API key that the request has, from `X-API-Key` or else `Authorization: Bearer`.
pub struct ApiKey(pub String);

impl FromRequestParts<Arc<App>> for ApiKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let refuse = |message: &str| Problem::new(StatusCode::UNAUTHORIZED, message);
        let headers = &parts.headers;
        let key = match header(headers, "x-api-key") {
            Some(key) => key,
            None => header(headers, "authorization")
                .and_then(bearer)
                .ok_or_else(|| refuse("An API key is required, in X-API-Key or as a bearer token"))?,
        };
        app.key_id(key).map(|id| Self(id.to_owned())).ok_or_else(|| refuse("Invalid API key"))
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, key) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// A header's text; `None` also where it is empty.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// The query, as a `T`.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// A JSON object as the body, read strictly.
pub struct Body {
    members: Map<String, Value>,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        Self::parse(&bytes)
    }
}

fn unreadable(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 16 MiB"),
        status => Problem::new(status, "The body could not be read"),
    }
}

impl Body {
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        match json::parse_bytes(bytes) {
            Ok(Value::Object(members)) => Ok(Self { members }),
            Ok(_) => Err(Problem::bad_request("The body must be a JSON object")),
            Err(error) => Err(Problem::bad_request(format!("The body is not valid JSON: {error}"))),
        }
    }

    /// A member; a null is as good as none.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::bad_request(format!("{name} must be a string"))),
        }
    }

    /// A text that must be there and not be empty.
    pub fn required_text(&self, name: &str) -> Result<&str, Problem> {
        self.text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Problem::bad_request(format!("{name} must be a string that is not empty")))
    }

    /// A finite number that must be there.
    pub fn required_number(&self, name: &str) -> Result<f64, Problem> {
        match self.get(name) {
            Some(Value::Number(number)) if json::as_double(number).is_finite() => Ok(json::as_double(number)),
            _ => Err(Problem::bad_request(format!("{name} must be a number"))),
        }
    }

    /// A length of time that must be there.
    pub fn required_seconds(&self, name: &str) -> Result<f64, Problem> {
        match self.required_number(name)? {
            seconds if seconds > 0.0 => Ok(seconds),
            _ => Err(Problem::bad_request(format!("{name} must be a number of seconds above 0"))),
        }
    }

    /// An object, `{}` where there is none.
    pub fn object(&self, name: &str) -> Result<Value, Problem> {
        match self.get(name) {
            None => Ok(json!({})),
            Some(object @ Value::Object(_)) => Ok(object.clone()),
            Some(_) => Err(Problem::bad_request(format!("{name} must be an object"))),
        }
    }

    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The SHA-256 of what the body says.
    fn digest(&self) -> String {
        sha256_hex(canonical(&Value::Object(self.members.clone())))
    }
}

/// Answers, or repeats the answer of before to a request with the same `Idempotency-Key`.
pub fn once(
    app: &App,
    api_key: &ApiKey,
    endpoint: &'static str,
    headers: &HeaderMap,
    body: &Body,
    answer: impl FnOnce() -> Result<(StatusCode, Value), Problem>,
) -> Result<Response, Problem> {
    let Some(key) = header(headers, "idempotency-key") else {
        return answer().map(|(status, body)| reply(status, &body));
    };
    let key = ReplyKey { api_key: api_key.0.clone(), endpoint: endpoint.to_owned(), key: key.to_owned() };
    match app.store.replies.once(key, body.digest(), answer) {
        Ok(answer) => answer.map(|(status, body)| reply(status, &body)),
        Err(NoReply::KeyReused) => {
            let message = "The Idempotency-Key was used before for another request";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message))
        }
        Err(NoReply::Storage(error)) => Err(error.into()),
    }
}

pub type AppState = State<Arc<App>>;
