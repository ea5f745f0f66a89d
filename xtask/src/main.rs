//! The developer's steps that need more than a shell script.

mod abi;
mod docs;
mod header;
mod msrv;

use std::process::ExitCode;

use abi::Files;

const USAGE: &str = "\
usage: cargo xtask header           write include/armoriq.h
       cargo xtask header --check   fail, with the differences, when include/armoriq.h is out of date
       cargo xtask abi              write tests/abi/armoriq.json from include/armoriq.h, where its version allows that
       cargo xtask abi --check      fail, with what changed and what to do, when the ABI is not that of the snapshot
                                    (both take another header and another snapshot: HEADER SNAPSHOT)
       cargo xtask msrv             fail when a dependency needs a newer Rust than ours says it does";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["header"] => header::write(),
        ["header", "--check"] => header::check(),
        ["abi"] => Files::committed().write(),
        ["abi", "--check"] => Files::committed().check(),
        ["abi", "--check", header, snapshot] => Files::named(header, snapshot).check(),
        ["abi", header, snapshot] => Files::named(header, snapshot).write(),
        ["msrv"] => msrv::check(),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
