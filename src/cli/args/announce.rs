//! `director announce`.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use super::operator::Why;
use super::section::{SectionStatus, Undo};
use super::time;

#[derive(Debug, ClapArgs)]
#[command(
    disable_help_subcommand = true,
    after_help = "Examples:\n  director announce\n  director announce withdraw --reason 'kernel update' --for 2h --wait\n  director announce resume"
)]
pub(crate) struct Announce {
    #[command(subcommand)]
    pub(crate) verb: Option<AnnounceVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AnnounceVerb {
    /// Show the state of each section, its reason, and what is healthy (default).
    #[command(after_help = "Example:\n  director announce status front --format json")]
    Status(SectionStatus),
    /// Withdraw the addresses, whatever is healthy: routers send packets to other directors.
    ///
    /// This director goes on forwarding, for at least `linger`. The setting survives restarts, until
    /// `director announce resume` or the end of --for.
    #[command(
        after_help = "Example:\n  director announce withdraw front --reason 'kernel update' --wait"
    )]
    Withdraw(Withdraw),
    /// End a withdrawal, and forget what was damped: health decides again.
    #[command(after_help = "Example:\n  director announce resume front")]
    Resume(Undo),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Withdraw {
    /// Section of the service file; all sections without it.
    #[arg(value_name = "NAME")]
    pub(crate) section: Option<String>,
    #[command(flatten)]
    pub(crate) why: Why,
    /// Wait until the kernel has no address and no route of the section, so that the routing daemon
    /// withdraws it.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Stop waiting after this time.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30s", requires = "wait")]
    pub(crate) timeout: Duration,
}
