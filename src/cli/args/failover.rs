//! `director failover`.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use super::operator::Why;
use super::section::{SectionStatus, Undo};
use super::{Form, time};

#[derive(Debug, ClapArgs)]
#[command(
    disable_help_subcommand = true,
    after_help = "Examples:\n  director failover\n  director failover switchover front --wait && apt upgrade\n  director failover auto front"
)]
pub(crate) struct Failover {
    #[command(subcommand)]
    pub(crate) verb: Option<FailoverVerb>,
    /// Of the sections, without a verb.
    #[command(flatten)]
    form: Form,
}

impl Failover {
    /// What to show, if nothing is to be done.
    pub(crate) fn status(&self) -> Option<SectionStatus> {
        match &self.verb {
            None => Some(SectionStatus {
                section: None,
                form: self.form,
            }),
            Some(FailoverVerb::Status(status)) => Some(SectionStatus {
                section: status.section.clone(),
                form: if self.form.is_json() {
                    self.form
                } else {
                    status.form
                },
            }),
            Some(_) => None,
        }
    }

    /// Whether it is to print JSON although it does something, which only says so in words.
    pub(crate) fn is_too_much(&self) -> bool {
        self.form.is_json() && self.status().is_none()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum FailoverVerb {
    /// Show the role, its reason, the peer and the adverts of each section (default).
    #[command(after_help = "Example:\n  director failover status front --json")]
    Status(SectionStatus),
    /// Move the addresses to the other director without losing a packet.
    ///
    /// Where the section is active, this is `yield`; where it is backup, `claim`.
    #[command(after_help = "Example:\n  director failover switchover front --wait")]
    Switchover(Move),
    /// Hand over, and from now on claim only if no other director does.
    ///
    /// The addresses stay until the other director's advert is heard. If none comes, this director
    /// stays active.
    #[command(after_help = "Example:\n  director failover yield --reason 'kernel update' --for 2h")]
    Yield(Yield),
    /// Take over from the other director, whatever the priorities and `preempt` say.
    #[command(after_help = "Example:\n  director failover claim front --wait")]
    Claim(Move),
    /// End a yield or a claim: the priorities decide again.
    #[command(after_help = "Example:\n  director failover auto front")]
    Auto(Undo),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Yield {
    #[command(flatten)]
    pub(crate) of: Move,
    /// Do nothing unless systemd is stopping director's unit and will not start it again. For the
    /// unit's `ExecStop=`.
    #[arg(long)]
    pub(crate) unless_restart: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Move {
    /// Section of the service file; all sections without it.
    #[arg(value_name = "NAME")]
    pub(crate) section: Option<String>,
    #[command(flatten)]
    pub(crate) why: Why,
    /// Wait until the addresses have moved.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Stop waiting after this time.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30s", requires = "wait")]
    pub(crate) timeout: Duration,
}
