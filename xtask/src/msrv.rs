//! Whether the `rust-version` in `Cargo.toml` can be true: no package that is built may ask for a newer Rust.
//!
//! That our own code asks for none is for clippy's `incompatible_msrv`, and finally for a compiler of that version.

use std::process::Command;

use serde_json::Value;

type Version = (u64, u64, u64);

pub fn check() -> Result<String, String> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let ours = env!("CARGO_PKG_RUST_VERSION");
    let limit = parse(ours).ok_or_else(|| format!("rust-version {ours} is no version"))?;
    let mut silent = 0;
    let mut newer = Vec::new();
    for package in packages {
        let (name, version) = (text(package, "name"), text(package, "version"));
        match package["rust_version"].as_str() {
            None => silent += 1,
            Some(needed) if parse(needed).is_none_or(|needed| needed > limit) => {
                newer.push(format!("{name} {version} needs Rust {needed}"));
            }
            Some(_) => {}
        }
    }
    if newer.is_empty() {
        let said = packages.len() - silent;
        return Ok(format!("Rust {ours} is enough for the {said} packages that name a version; {silent} name none"));
    }
    Err(format!("rust-version = \"{ours}\" is not true:\n{}", newer.join("\n")))
}

fn metadata() -> Result<Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

fn text<'a>(package: &'a Value, member: &str) -> &'a str {
    package[member].as_str().unwrap_or("?")
}

fn parse(version: &str) -> Option<Version> {
    let mut parts = version.split('.').map(str::parse);
    let major = parts.next()?.ok()?;
    let minor = parts.next()?.ok()?;
    let patch = parts.next().unwrap_or(Ok(0)).ok()?;
    Some((major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(parse("1.100") > parse("1.89.2"));
        assert_eq!(parse("1.89"), parse("1.89.0"));
        assert_eq!(parse("stable"), None);
    }
}
