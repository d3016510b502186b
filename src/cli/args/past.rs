//! The verbs that look back.

use clap::Args as ClapArgs;

use super::Form;
use crate::cli::clock::moment;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director history --since 1h\n  director history web app2 --since yesterday\n  director history web --since 13:00 --until 13:10 --format json"
)]
pub(crate) struct History {
    /// Only this service: a name in the file, or a listen address.
    #[arg(value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// Only this server: a name in the file, or an address.
    #[arg(value_name = "SERVER")]
    pub(crate) server: Option<String>,
    /// Only what happened since this time: `10m`, `2h`, `7d` ago, `13:00`, `2026-11-21 13:00`,
    /// `yesterday`. Times are local unless they have a zone (`Z`, `+01:00`).
    #[arg(long, short = 'S', value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<u64>,
    /// Only what happened until this time.
    #[arg(long, short = 'U', value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<u64>,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  director diff --from 14:00\n  director diff --from '2026-11-21 13:00' --to '2026-11-21 14:00'"
)]
pub(crate) struct Diff {
    /// The earlier time: `10m`, `2h`, `7d` ago, `13:00`, `2026-11-21 13:00`, `yesterday`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) from: u64,
    /// The later time. [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) to: Option<u64>,
    #[command(flatten)]
    pub(crate) form: Form,
}
