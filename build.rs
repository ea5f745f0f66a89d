//! Link arguments of the shared library. Everything else about the build is in `Cargo.toml`.

/// The major number of the ABI (`ARMORIQ_ABI_VERSION >> 16`). It is the only version in the library's soname, so that
/// a program goes on finding the library until the ABI breaks, and never finds one that it was not built for.
const ABI_MAJOR: u32 = 0;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    for argument in link_arguments(&target) {
        println!("cargo:rustc-cdylib-link-arg=-Wl,{argument}");
    }
}

fn link_arguments(target_os: &str) -> Vec<String> {
    match target_os {
        // nodelete: the library's threads and thread-local destructors must not outlive its code after a dlclose.
        // relro, now: nothing is writable that the loader has resolved.
        "linux" | "freebsd" | "netbsd" | "openbsd" | "dragonfly" => {
            vec![format!("-soname,libarmoriq.so.{ABI_MAJOR}"), "-z,nodelete".into(), "-z,relro".into(), "-z,now".into()]
        }
        "macos" => vec![format!("-install_name,@rpath/libarmoriq.{ABI_MAJOR}.dylib")],
        _ => Vec::new(),
    }
}
