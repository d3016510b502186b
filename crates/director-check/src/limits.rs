//! The number of checks for which this process has descriptors.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The most concurrent checks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) programs: usize,
    /// How many connections may be held open, out of `connections`.
    pub(super) held: usize,
}

impl Limits {
    /// Raises the soft limit as far as possible, and computes the limits from the available
    /// descriptors.
    pub(super) fn raise() -> io::Result<Self> {
        // Not to a hard limit of a thousand million: programs that close every possible descriptor
        // would take minutes.
        const ENOUGH: u64 = 65_536;
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let wanted = hard.min(ENOUGH);
        let limit = if soft < wanted {
            setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
            wanted
        } else {
            soft.min(ENOUGH)
        };
        let all = usize::try_from(limit).unwrap_or(usize::MAX);
        // A program takes its pipe, its pidfd, and briefly those of its start.
        let programs = (all / 64).clamp(4, 256);
        let others = all / 8 + programs * 6;
        let connections = all.saturating_sub(others).max(16);
        Ok(Self {
            connections,
            programs,
            // The rest is for all other checks.
            held: connections - connections / 4,
        })
    }
}
