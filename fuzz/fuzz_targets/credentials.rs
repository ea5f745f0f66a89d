//! The saved logins of ~/.armoriq/credentials.json: a key is believed only where all of its entry agrees.
//!
//! The configuration is resolved for a home that has this file, and for one that has none.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use armoriq::config::{ClientOptions, Config, Environment};
use armoriq::json::{self, Value};
use libfuzzer_sys::fuzz_target;

static HOME: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let home = folder.join(format!("armoriq-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(home.join(".armoriq")).expect("a folder");
    home
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(HOME.join(".armoriq/credentials.json"), bytes).expect("a file");
    let environment = Environment::new([] as [(&str, &str); 0], Some(HOME.clone()));
    let resolved = Config::resolve(ClientOptions::default(), &environment);
    let Ok(config) = resolved else { return };
    // Something was believed: then the file says all of this.
    let file = json::parse_bytes(bytes).expect("JSON");
    assert_eq!(file["version"].as_f64(), Some(2.0));
    let believed = file["profiles"].as_object().into_iter().flatten().any(|(name, entry)| {
        let last = file["loginHistory"][name]["events"].as_array().and_then(|events| events.last());
        last.is_some_and(|last| last["userId"].is_string() && last["userId"] == entry["userId"])
            && ["backend", "product", "apiKey", "email", "orgId", "savedAt"].iter().all(|key| entry[key].is_string())
            && !shown(&entry["apiKey"]).is_some_and(|key| format!("{config:?}").contains(key))
    });
    assert!(believed, "{config:?}");
});

/// A key that is long enough not to be in the text by chance.
fn shown(key: &Value) -> Option<&str> {
    key.as_str().filter(|key| key.len() > 8 && key.starts_with("ak_"))
}
