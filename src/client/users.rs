//! Per-user scopes: one key, one email per request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::directory::json_of;
use super::{Call, Client, Params};
use crate::config::SessionOptions;
use crate::fork::PerProcess;
use crate::session::Session;
use crate::{Error, Result};

/// How many users' contexts are remembered at the most.
const CACHED_USERS: usize = 10_000;

/// The scope of one end user. Making one is cheap; make one per request.
#[derive(Clone)]
pub struct UserScope {
    client: Client,
    email: Arc<str>,
}

impl UserScope {
    pub(super) fn new(client: Client, email: &str) -> Result<Self> {
        Ok(Self { client, email: normalised(email)?.into() })
    }

    /// The user's membership and policies, as the service tells them. Remembered for a while.
    pub fn resolve(&self) -> Result<Value> {
        self.client.run(self.client.user_context(&self.email))
    }

    /// Starts a session in which every call is this user's.
    pub fn start_session(&self, options: SessionOptions) -> Result<Session> {
        self.client.open()?;
        Ok(Session::new(self.client.clone(), Some(self.email.clone()), options))
    }
}

/// Emails are compared trimmed and in lower case.
fn normalised(email: &str) -> Result<String> {
    let email = email.trim().to_lowercase();
    if email.is_empty() { Err(Error::invalid_argument("email is empty")) } else { Ok(email) }
}

fn email_of(params: &Params<'_>) -> Result<String> {
    normalised(params.read(|reader| reader.required_text("user_email"))?)
}

/// What `resolve` learned lately.
pub(super) struct UserCache {
    time_to_live: Duration,
    users: PerProcess<Mutex<Users>>,
}

type Users = HashMap<String, (Instant, Value)>;

impl UserCache {
    pub(super) fn new(time_to_live: Duration) -> Self {
        Self { time_to_live, users: PerProcess::new() }
    }

    fn get(&self, email: &str) -> Option<Value> {
        let users = self.users.get();
        let users = users.lock().unwrap_or_else(PoisonError::into_inner);
        users.get(email).filter(|(at, _)| at.elapsed() < self.time_to_live).map(|(_, context)| context.clone())
    }

    fn remove(&self, email: &str) {
        self.users.get().lock().unwrap_or_else(PoisonError::into_inner).remove(email);
    }

    fn insert(&self, email: String, context: Value) {
        let users = self.users.get();
        let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= CACHED_USERS {
            users.retain(|_, (at, _)| at.elapsed() < self.time_to_live);
        }
        if users.len() >= CACHED_USERS {
            users.clear();
        }
        users.insert(email, (Instant::now(), context));
    }
}

impl Client {
    /// What the service tells of a user: their membership and policies. Remembered for a while.
    pub async fn resolve_user(&self, params: Params<'_>) -> Result<Value> {
        self.user_context(&email_of(&params)?).await
    }

    /// Forgets what the service told of a user.
    pub async fn invalidate_user(&self, params: Params<'_>) -> Result<Value> {
        self.0.users.remove(&email_of(&params)?);
        Ok(Value::Null)
    }

    async fn user_context(&self, email: &str) -> Result<Value> {
        if let Some(context) = self.0.users.get(email) {
            return Ok(context);
        }
        let body = json!({ "userEmail": email }).to_string();
        let response = Call::post(self.backend_url("/iap/sdk/resolve-user", &[]), body).send(self).await?;
        if !response.is_success() {
            let message = format!("sdk/resolve-user failed for {email}: {} {}", response.status(), response.text());
            return Err(Error::Configuration(message));
        }
        let context = json_of(&response, "sdk/resolve-user")?;
        self.0.users.insert(email.to_owned(), context.clone());
        Ok(context)
    }
}
