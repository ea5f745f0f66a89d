//! `armoriq-local`: a local ArmorIQ control plane in one process.

mod app;
mod bundle;
mod check;
mod cli;
mod client;
mod clock;
mod config;
mod engine;
mod explain;
mod judge;
mod listener;
mod mcp;
mod merkle;
mod mint;
mod plan;
mod policy_file;
mod routes;
mod server;
mod signer;
mod state;
mod tree;

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, Init, Serve};
use config::{Config, DEFAULT_FILE, DEMO};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(arguments) => serve(&arguments).await,
        Command::Init(arguments) => init(&arguments),
        Command::Approvals(arguments) => client::approvals(&arguments).await,
        Command::Approve(arguments) => client::decide(&arguments, true).await,
        Command::Reject(arguments) => client::decide(&arguments, false).await,
        Command::Audit(arguments) => client::audit(&arguments).await,
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("armoriq-local: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &Serve) -> Result<(), String> {
    log_to_stderr();
    let addresses = arguments.addresses()?;
    let config = load(arguments.config.as_deref())?;
    for (agent, tool) in config.rules_without_a_tool() {
        tracing::warn!("the policy of {agent} has a rule for {tool}, but no MCP server has such a tool");
    }
    server::serve(config, addresses, arguments.data.as_deref()).await.map_err(|error| error.to_string())
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("ARMORIQ_LOCAL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}

fn load(path: Option<&Path>) -> Result<Config, String> {
    let default = Path::new(DEFAULT_FILE);
    let config = match path {
        Some(path) => Config::load(path),
        None if default.exists() => Config::load(default),
        None => Config::parse(DEMO, "the built-in demo"),
    };
    config.map_err(|error| error.to_string())
}

fn init(arguments: &Init) -> Result<(), String> {
    let file = arguments.file.display();
    let mut options = OpenOptions::new();
    options.write(true);
    match arguments.force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    options.open(&arguments.file).and_then(|mut opened| opened.write_all(DEMO.as_bytes())).map_err(
        |error| match error.kind() {
            ErrorKind::AlreadyExists => format!("{file} is there already: --force overwrites it"),
            _ => format!("{file} cannot be written: {error}"),
        },
    )?;
    println!("wrote {file}");
    Ok(())
}
