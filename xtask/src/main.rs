//! The developer's steps that need more than a shell script.

mod docs;
mod header;
mod msrv;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask header           write include/armoriq.h
       cargo xtask header --check   fail, with the differences, when include/armoriq.h is out of date
       cargo xtask msrv             fail when a dependency needs a newer Rust than ours says it does";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["header"] => header::write(),
        ["header", "--check"] => header::check(),
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
