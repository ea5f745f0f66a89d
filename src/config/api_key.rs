use secrecy::{ExposeSecret, SecretString};

use super::credentials::Credentials;
use super::endpoints;
use super::environment::Environment;
use super::options::ClientOptions;
use super::origin::Origin;
use super::words;
use crate::error::{Error, Result};

/// What API keys start with.
pub const PREFIXES: [&str; 3] = ["ak_live_", "ak_claw_", "ak_test_"];

/// Finds the API key: the option, `ARMORIQ_API_KEY`, then the login that is saved for the backend.
pub(super) fn resolve(options: &ClientOptions, environment: &Environment) -> Result<SecretString> {
    let given = match &options.api_key {
        Some(key) => Some(key.clone()),
        None => environment.var("ARMORIQ_API_KEY").map(SecretString::from),
    };
    let key = match given {
        Some(key) => key,
        None => saved(options, environment)?,
    };
    let backend = endpoints::backend(options, environment, Some(key.expose_secret()));
    validate(key.expose_secret(), endpoints::dashboard(&backend, environment))?;
    Ok(key)
}

/// Refuses what cannot be an API key. The key itself is in no message.
///
/// A key goes into a request header, so besides the prefix it must be visible ASCII: the line end that comes with a
/// key read from a file is the mistake that this catches.
pub fn validate(key: &str, dashboard: &str) -> Result<()> {
    let problem = if !PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        "API keys must start with 'ak_live_', 'ak_claw_', or 'ak_test_'."
    } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        "API keys have no spaces, line ends or other characters outside visible ASCII."
    } else {
        return Ok(());
    };
    Err(Error::configuration(format!(
        "Invalid API key format. {problem} Get your API key from {dashboard}/dashboard/api/keys"
    )))
}

fn saved(options: &ClientOptions, environment: &Environment) -> Result<SecretString> {
    let credentials = Credentials::load(environment);
    match environment.var("ARMORIQ_PROFILE") {
        Some(name) => named(name, &credentials, options, environment),
        None => saved_for_backend(&credentials, options, environment),
    }
}

/// The key of the profile that `ARMORIQ_PROFILE` names. It must have been saved for the backend that it selects: a key
/// is never sent to a service other than its own.
fn named(
    name: &str,
    credentials: &Credentials,
    options: &ClientOptions,
    environment: &Environment,
) -> Result<SecretString> {
    let named = format!("ARMORIQ_PROFILE names {}", words::shown(name));
    let Some(profile) = credentials.profile(name) else {
        let path = credentials.path();
        return Err(Error::configuration(format!("{named}, which is not saved in {path}.")));
    };
    let backend = endpoints::backend(options, environment, Some(profile.api_key.expose_secret()));
    if Origin::parse(&backend).as_ref() == Some(&profile.origin) {
        return Ok(profile.api_key.clone());
    }
    let (origin, backend) = (&profile.origin, words::shown(&backend));
    Err(Error::configuration(format!("{named}, which was saved for {origin}, not {backend}.")))
}

fn saved_for_backend(
    credentials: &Credentials,
    options: &ClientOptions,
    environment: &Environment,
) -> Result<SecretString> {
    let backend = endpoints::backend(options, environment, None);
    let refusal = match Origin::parse(&backend) {
        None => format!("{} is not an http or https URL.", words::shown(&backend)),
        Some(origin) => {
            let name = origin.profile_name(product(options, environment));
            let selects = |key: &SecretString| {
                let backend = endpoints::backend(options, environment, Some(key.expose_secret()));
                Origin::parse(&backend)
            };
            let profile = credentials
                .profile(&name)
                .filter(|profile| selects(&profile.api_key).is_some_and(|selected| selected == profile.origin));
            match profile {
                Some(profile) => return Ok(profile.api_key.clone()),
                None => format!("No profile {} is saved in {}.", words::shown(&name), credentials.path()),
            }
        }
    };
    let dashboard = endpoints::dashboard(&backend, environment);
    Err(Error::configuration(format!(
        "API key is required for Customer SDK. Set ARMORIQ_API_KEY environment variable or pass api_key parameter. \
         {refusal} Get your API key from {dashboard}/dashboard/api/keys"
    )))
}

/// The product whose saved login is meant; empty for none in particular.
pub(super) fn product<'a>(options: &'a ClientOptions, environment: &'a Environment) -> &'a str {
    options.product.as_deref().or_else(|| environment.var("ARMORIQ_PRODUCT")).unwrap_or_default().trim()
}
