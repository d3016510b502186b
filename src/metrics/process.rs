//! The families about the director itself.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike;

use super::text::{Family, Text, labels};
use super::{announce, discovery, failover, peer};
use crate::check::Statistics;
use crate::control::meters::Reading;
use crate::control::snapshot::Snapshot;

/// What an exposition says of the director.
pub(super) struct Director {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) meters: Reading,
    pub(super) checks: Statistics,
    pub(super) buckets: Option<u32>,
    /// The entries of the connection table.
    pub(super) entries: u64,
}

impl Director {
    pub(super) fn write(&self, text: &mut Text) {
        self.build(text);
        self.files(text);
        self.tables(text);
        self.checks(text);
        self.events(text);
        failover::write(&self.snapshot, text);
        peer::write(&self.snapshot, text);
        announce::write(&self.snapshot, text);
        discovery::write(&self.snapshot, text);
        process(text, self.snapshot.started);
    }

    fn build(&self, text: &mut Text) {
        let family = Family::gauge("director_build_info", "1; the labels name the version.");
        text.family(&family);
        let version: &str = env!("CARGO_PKG_VERSION");
        text.sample(&family, &labels(&[("version", &version)]), 1);
    }

    fn files(&self, text: &mut Text) {
        let family = Family::counter(
            "director_reloads",
            "Service files read, the first one included, by what became of them.",
        );
        text.family(&family);
        let results = [
            ("in_force", self.meters.loads),
            ("rejected", self.meters.rejections),
        ];
        for (result, number) in results {
            text.sample(&family, &labels(&[("result", &result)]), number);
        }
        gauge(
            text,
            "director_reload_rejected",
            "1 while the newest service file is rejected, and an older one stays in force.",
            u8::from(self.snapshot.rejected.is_some()),
        );
        date(
            text,
            "director_last_reload_timestamp_seconds",
            "When the service file in force came into force.",
            self.snapshot.loaded,
        );
        gauge(
            text,
            "director_last_reload_duration_seconds",
            "From the order to read the service file in force until it was in force.",
            self.meters.load_time.as_secs_f64(),
        );
    }

    fn tables(&self, text: &mut Text) {
        counter(
            text,
            "director_reconciles",
            "Comparisons of the kernel's tables with what they should be.",
            self.meters.reconciles,
        );
        counter(
            text,
            "director_reconcile_duration_seconds",
            "The time that these comparisons took.",
            self.meters.reconcile_time.as_secs_f64(),
        );
        date(
            text,
            "director_in_sync_timestamp_seconds",
            "When a comparison last found no difference.",
            self.snapshot.reconciled,
        );
        counter(
            text,
            "director_drift_repairs",
            "Services or settings that another program changed and director repaired.",
            self.meters.repairs,
        );
        gauge(
            text,
            "director_trouble",
            "1 while the kernel, the disk or a thread keeps director from its work.",
            u8::from(self.snapshot.trouble.is_some()),
        );
        let family = Family::counter(
            "director_kernel_operations",
            "Changes sent to the kernel, by outcome.",
        );
        text.family(&family);
        let outcomes = [("done", self.meters.done), ("refused", self.meters.refused)];
        for (outcome, number) in outcomes {
            text.sample(&family, &labels(&[("outcome", &outcome)]), number);
        }
        gauge(
            text,
            "director_foreign_services",
            "Services in the kernel that director does not own.",
            self.snapshot.foreign.len(),
        );
        gauge(
            text,
            "director_connection_table_entries",
            "Entries of the kernel's connection table for all services, templates included.",
            self.entries,
        );
        if let Some(buckets) = self.buckets {
            gauge(
                text,
                "director_connection_table_buckets",
                "Hash buckets of the kernel's connection table; entries may be more.",
                buckets,
            );
        }
    }

    fn checks(&self, text: &mut Text) {
        let checks = &self.checks;
        gauge(
            text,
            "director_checks",
            "Checks, each of one server.",
            checks.targets,
        );
        gauge(
            text,
            "director_checks_under_way",
            "Checks that run now.",
            checks.under_way,
        );
        let family = Family::counter(
            "director_check_results",
            "Checks that ended, by type and result; `not_asked`: this machine lacked something.",
        );
        text.family(&family);
        for (kind, results) in &checks.by_kind {
            let results = [
                ("passed", results.passed),
                ("failed", results.failed),
                ("not_asked", results.not_asked),
            ];
            for (result, number) in results {
                text.sample(
                    &family,
                    &labels(&[("type", kind), ("result", &result)]),
                    number,
                );
            }
        }
        let family = Family::histogram(
            "director_check_lateness_seconds",
            "How late checks started, against the time when they were due.",
        );
        text.family(&family);
        let late = &checks.lateness;
        let buckets: Vec<(f64, u64)> = late
            .up_to
            .iter()
            .map(|(bound, number)| (bound.as_secs_f64(), *number))
            .collect();
        text.histogram(&family, &buckets, late.count, late.sum.as_secs_f64());
    }

    fn events(&self, text: &mut Text) {
        let family = Family::counter("director_events", "Events by kind.");
        text.family(&family);
        for (kind, number) in &self.meters.events {
            text.sample(&family, &labels(&[("kind", &kind.word())]), number);
        }
    }
}

fn gauge(text: &mut Text, name: &'static str, help: &'static str, value: impl std::fmt::Display) {
    let family = Family::gauge(name, help);
    text.family(&family);
    text.sample(&family, "", value);
}

fn counter(text: &mut Text, name: &'static str, help: &'static str, value: impl std::fmt::Display) {
    let family = Family::counter(name, help);
    text.family(&family);
    text.sample(&family, "", value);
}

/// A time; absent if there is none yet.
fn date(text: &mut Text, name: &'static str, help: &'static str, date: Option<SystemTime>) {
    let since = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
    if let Some(since) = since {
        // Milliseconds: a float of seconds since 1970 has no room for more than microseconds.
        let since = format!("{}.{:03}", since.as_secs(), since.subsec_millis());
        gauge(text, name, help, since);
    }
}

/// The standard families of a process. What procfs does not tell is left out.
fn process(text: &mut Text, started: Option<SystemTime>) {
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        let time = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        counter(
            text,
            "process_cpu_seconds",
            "Processor time, user and system.",
            time.as_secs_f64(),
        );
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // One of them reads the directory.
        let open = entries.count().saturating_sub(1);
        gauge(text, "process_open_fds", "Open file descriptors.", open);
    }
    if let Ok((most, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        gauge(
            text,
            "process_max_fds",
            "The limit of open file descriptors.",
            most,
        );
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let memory = [
        ("VmSize:", "process_virtual_memory_bytes", "Virtual memory."),
        (
            "VmRSS:",
            "process_resident_memory_bytes",
            "Resident memory.",
        ),
    ];
    for (field_name, name, help) in memory {
        if let Some(kilobytes) = field(field_name) {
            gauge(text, name, help, kilobytes * 1024);
        }
    }
    if let Some(threads) = field("Threads:") {
        gauge(text, "process_threads", "Threads.", threads);
    }
    date(
        text,
        "process_start_time_seconds",
        "When the process started.",
        started,
    );
}
