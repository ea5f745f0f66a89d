//! An armoriq.yaml: no text takes the reader down, and no message shows a key that is in the file.

#![no_main]

use armoriq::config::{API_KEY_PREFIXES, Config, ConfigFile, Environment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let environment = Environment::new([("FROM_ENVIRONMENT", "ak_live_0123456789abcdef")], None);
    let outcome = ConfigFile::parse(text)
        .and_then(|file| file.client_options(&environment))
        .and_then(|options| Config::resolve(options, &environment));
    let said = match &outcome {
        Ok(config) => format!("{config:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    let keys = API_KEY_PREFIXES
        .iter()
        .flat_map(|prefix| text.match_indices(prefix))
        .filter_map(|(at, _)| text.get(at..at + 16));
    for key in keys.filter(|key| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')) {
        assert!(!said.contains(key), "{key} in {said}");
    }
});
