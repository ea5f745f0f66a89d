//! How options, environment, saved logins and `armoriq.yaml` make a configuration, and that no message shows a secret.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod client_options;
mod config_file;
mod precedence;
mod saved_logins;
mod secrets;
mod user_agent;

use std::path::{Path, PathBuf};
use std::time::Duration;

use armoriq::config::{ClientOptions, Config, Environment, MULTI_USER};
use armoriq::{Error, Result};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

const KEY: &str = "ak_live_topsecret0123456789";

fn options(options: &Value) -> Result<ClientOptions> {
    ClientOptions::from_json(options.as_object().unwrap())
}

fn resolve_with(given: &Value, variables: &[(&str, &str)], home: Option<PathBuf>) -> Result<Config> {
    Config::resolve(options(given)?, &Environment::new(variables.iter().copied(), home))
}

fn resolve(given: &Value, variables: &[(&str, &str)]) -> Result<Config> {
    resolve_with(given, variables, None)
}

fn with_key(more: &Value) -> Value {
    let mut options = json!({"api_key": KEY});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

fn configuration_error<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result.unwrap_err() {
        Error::Configuration(message) => message,
        other => panic!("{other:?}"),
    }
}

fn argument_error<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result.unwrap_err() {
        Error::InvalidArgument(message) => message,
        other => panic!("{other:?}"),
    }
}

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("armoriq-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}
