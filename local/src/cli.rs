//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::server::Addresses;

/// A local ArmorIQ control plane in one process: backend, proxy and IAP for development, tests and demos.
///
/// It keeps everything in memory, unless told where to keep it, and listens on this machine only. Without a subcommand it serves.
#[derive(Parser)]
#[command(name = "armoriq-local", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: Serve,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT (the default)
    Serve(Serve),
    /// Write a commented configuration file
    Init(Init),
    /// List the calls that wait for an approval
    Approvals(Approvals),
    /// Approve a held call
    Approve(Decide),
    /// Reject a held call
    Reject(Decide),
    /// Print what was decided and reported, one JSON object a line
    Audit(Audit),
    /// Print what is wrong with the policies of a file; fails where there are errors
    Check(Check),
    /// Print how a policy comes to its verdict about a call
    Explain(Explain),
}

#[derive(Args)]
pub struct Serve {
    /// The configuration [default: armoriq-local.yaml where it is there, else the demo that `init` writes]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where the backend listens [default: 127.0.0.1:3000]. The proxy then takes the next port and the IAP the one
    /// after it; with port 0 all three take free ports. One JSON line on stdout says which, when all are ready
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,

    /// Where the proxy listens [default: 127.0.0.1:3001, or see --listen]
    #[arg(long, value_name = "HOST:PORT")]
    pub proxy: Option<SocketAddr>,

    /// Where the IAP listens [default: 127.0.0.1:8080, or see --listen]
    #[arg(long, value_name = "HOST:PORT")]
    pub iap: Option<SocketAddr>,

    /// Keep everything in this directory, also over restarts [default: in memory, until the end]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Permit addresses that other machines can reach
    #[arg(long)]
    pub allow_remote: bool,
}

#[derive(Args)]
pub struct Init {
    /// The file to write
    #[arg(default_value = crate::config::DEFAULT_FILE)]
    pub file: PathBuf,

    /// Overwrite the file if it is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Args)]
pub struct Backend {
    /// The running control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    pub backend: String,
}

#[derive(Args)]
pub struct Approvals {
    /// Also those that were decided, that expired, and that were executed
    #[arg(long)]
    pub all: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub at: Backend,
}

#[derive(Args)]
pub struct Decide {
    /// The delegation's id, as `armoriq-local approvals` lists it
    pub id: String,

    /// The email of whoever decides
    #[arg(long = "as", value_name = "EMAIL")]
    pub decided_by: Option<String>,

    #[command(flatten)]
    pub at: Backend,
}

#[derive(Args)]
pub struct Check {
    /// A configuration, a policy bundle, or an armor.policy.v2 document, in YAML or JSON
    pub file: PathBuf,
}

#[derive(Args)]
pub struct Explain {
    /// A configuration, a policy bundle, or an armor.policy.v2 document, in YAML or JSON
    pub file: PathBuf,

    /// The agent's id or name, where the file has several
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,

    /// The tool that is called, with or without its server (`data-mcp__fetch_sales`)
    #[arg(long, value_name = "TOOL")]
    pub tool: String,

    /// The arguments, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub args: String,

    /// The email of the user for whom the agent acts
    #[arg(long, value_name = "EMAIL")]
    pub user: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Audit {
    /// Only the last N rows
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    #[command(flatten)]
    pub at: Backend,
}

impl Serve {
    /// Where to listen, or why not there.
    pub fn addresses(&self) -> Result<Addresses, String> {
        let with_port = |address: SocketAddr, port| SocketAddr::new(address.ip(), port);
        let backend = self.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3000)));
        let following = |offset: u16| match (self.listen.map(|address| address.port()), offset) {
            (None, 1) => Ok(3001),
            (None, _) => Ok(8080),
            (Some(0), _) => Ok(0),
            (Some(port), offset) => {
                port.checked_add(offset).ok_or_else(|| format!("there is no port after {port}: use --proxy and --iap"))
            }
        };
        let proxy = self.proxy.map_or_else(|| following(1).map(|port| with_port(backend, port)), Ok)?;
        let iap = self.iap.map_or_else(|| following(2).map(|port| with_port(backend, port)), Ok)?;
        let addresses = Addresses { backend, proxy, iap };
        let remote = [backend, proxy, iap].into_iter().find(|address| !address.ip().is_loopback());
        match remote {
            Some(address) if !self.allow_remote => {
                Err(format!("other machines could reach {address}: use a loopback address, or --allow-remote"))
            }
            _ => Ok(addresses),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(arguments: &[&str]) -> Result<[String; 3], String> {
        let cli = Cli::try_parse_from([&["armoriq-local"], arguments].concat()).unwrap();
        let Addresses { backend, proxy, iap } = cli.serve.addresses()?;
        Ok([backend, proxy, iap].map(|address| address.to_string()))
    }

    fn ports(backend: u16, proxy: u16, iap: u16) -> Result<[String; 3], String> {
        Ok([backend, proxy, iap].map(|port| format!("127.0.0.1:{port}")))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn listens_where_the_sdks_look_unless_told_otherwise() {
        assert_eq!(addresses(&[]), ports(3000, 3001, 8080));
        assert_eq!(addresses(&["--listen", "127.0.0.1:0"]), ports(0, 0, 0));
        assert_eq!(addresses(&["--listen", "127.0.0.1:4000"]), ports(4000, 4001, 4002));
        assert_eq!(addresses(&["--listen", "127.0.0.1:4000", "--iap", "127.0.0.1:9"]), ports(4000, 4001, 9));
        assert!(addresses(&["--listen", "127.0.0.1:65534"]).is_err());
    }

    #[test]
    fn other_machines_are_kept_out_unless_allowed() {
        assert!(addresses(&["--listen", "0.0.0.0:0"]).unwrap_err().contains("--allow-remote"));
        assert!(addresses(&["--proxy", "[::]:0"]).is_err());
        assert!(addresses(&["--listen", "0.0.0.0:0", "--allow-remote"]).is_ok());
        assert!(addresses(&["--listen", "[::1]:0"]).is_ok());
    }
}
