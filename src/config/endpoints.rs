use super::environment::Environment;
use super::options::ClientOptions;
use super::origin::Origin;
use crate::error::{Error, Result};

/// Keys of this kind belong to ArmorClaw, which has a backend of its own.
const CLAW_PREFIX: &str = "ak_claw_";

/// The services of one known environment.
struct Row {
    backend: &'static str,
    proxy: &'static str,
    iap: &'static str,
    /// Where people manage API keys.
    dashboard: Option<&'static str>,
}

const PRODUCTION: Row = Row {
    backend: "https://api.armoriq.ai",
    proxy: "https://proxy.armoriq.ai",
    iap: "https://iap.armoriq.ai",
    dashboard: Some("https://platform.armoriq.ai"),
};
const STAGING: Row = Row {
    backend: "https://staging-api.armoriq.ai",
    proxy: "https://cloud-run-proxy.armoriq.io",
    iap: "https://iap-staging.armoriq.ai",
    dashboard: Some("https://dev.armoriq.io"),
};
const LOCAL: Row = Row {
    backend: "http://127.0.0.1:3000",
    proxy: "http://127.0.0.1:3001",
    iap: "http://127.0.0.1:8080",
    dashboard: Some("http://localhost:5173"),
};
const CLAW: Row = Row {
    backend: "https://api.armorclaw.io",
    proxy: "https://proxy.armorclaw.io",
    iap: "https://iap.armorclaw.io",
    dashboard: None,
};
const CLAW_LOCAL: Row = Row {
    backend: "http://127.0.0.1:8081",
    proxy: "http://127.0.0.1:3001",
    iap: "http://127.0.0.1:8080",
    dashboard: None,
};

/// In the order in which a backend is looked up.
const ROWS: [&Row; 5] = [&PRODUCTION, &STAGING, &LOCAL, &CLAW, &CLAW_LOCAL];

/// The environment that `ARMORIQ_ENV` names; production where it names none.
fn active(environment: &Environment) -> &'static Row {
    match environment.trimmed("ARMORIQ_ENV").map(str::to_lowercase).as_deref() {
        Some("staging") => &STAGING,
        Some("local") => &LOCAL,
        _ => &PRODUCTION,
    }
}

/// The known environment whose backend this is, letter for letter.
fn paired(backend: &str) -> Option<&'static Row> {
    ROWS.into_iter().find(|row| row.backend == backend)
}

/// The backend for a client with this key; without one, as for any key that is not ArmorClaw's.
pub(super) fn backend(options: &ClientOptions, environment: &Environment, api_key: Option<&str>) -> String {
    let chosen = options
        .backend_endpoint
        .as_deref()
        .or_else(|| environment.trimmed("ARMORIQ_BACKEND_URL"))
        .or_else(|| environment.trimmed("BACKEND_ENDPOINT"));
    let backend = chosen.unwrap_or_else(|| {
        let is_claw = api_key.is_some_and(|key| key.starts_with(CLAW_PREFIX));
        let row = match (is_claw, options.use_production.unwrap_or(true)) {
            (true, true) => &CLAW,
            (true, false) => &CLAW_LOCAL,
            (false, true) => active(environment),
            (false, false) => &LOCAL,
        };
        row.backend
    });
    backend.trim_end_matches('/').to_owned()
}

/// The dashboard to send people to for a key.
pub(super) fn dashboard(backend: &str, environment: &Environment) -> &'static str {
    let own = paired(backend).and_then(|row| row.dashboard);
    own.or(active(environment).dashboard).unwrap_or_default()
}

/// Where the services are. IAP and proxy may be unknown until they are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub backend: String,
    pub iap: Option<String>,
    pub proxy: Option<String>,
}

impl Endpoints {
    pub fn resolve(options: &ClientOptions, environment: &Environment, api_key: &str) -> Result<Self> {
        let backend = backend(options, environment, Some(api_key));
        checked("backend", &backend)?;
        let row = paired(&backend);
        let service = |name, option: &Option<String>, variable, paired: Option<&str>| {
            let chosen = option.as_deref().or_else(|| environment.var(variable)).or(paired);
            chosen.map(|url| checked(name, url)).transpose()
        };
        let iap = service("IAP", &options.iap_endpoint, "IAP_ENDPOINT", row.map(|row| row.iap))?;
        let proxy = service("proxy", &options.proxy_endpoint, "PROXY_ENDPOINT", row.map(|row| row.proxy))?;
        Ok(Self { backend, iap, proxy })
    }

    pub fn iap(&self) -> Result<&str> {
        self.iap.as_deref().ok_or_else(|| self.unset("IAP", "IAP_ENDPOINT", "iap_endpoint"))
    }

    pub fn proxy(&self) -> Result<&str> {
        self.proxy.as_deref().ok_or_else(|| self.unset("proxy", "PROXY_ENDPOINT", "proxy_endpoint"))
    }

    fn unset(&self, service: &str, variable: &str, option: &str) -> Error {
        Error::configuration(format!(
            "No ArmorIQ {service} endpoint is set for the backend {}, which is not a known ArmorIQ environment. \
             Set {variable} or pass {option}= to ArmorIQClient.",
            self.backend
        ))
    }
}

/// The URL without trailing slashes, when requests can be sent to paths below it.
///
/// A user name or password in it would replace the API key in the `Authorization` header, and a query would swallow the
/// path, so both are refused here, where the mistake was made, and not with the first request.
pub(super) fn checked(service: &str, url: &str) -> Result<String> {
    let url = url.trim_end_matches('/');
    let usable = Origin::parse(url).is_some() && !url.contains(['?', '#']) && url::Url::parse(url).is_ok();
    if usable {
        return Ok(url.to_owned());
    }
    Err(Error::configuration(format!(
        "The {service} endpoint is not an http or https URL without user name, password, query and fragment."
    )))
}
