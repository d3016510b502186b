//! What keeps the adverts on time on a loaded machine: a real-time priority, and memory that is
//! never swapped out.

use nix::sys::resource::{Resource, getrlimit};
use rustix::mm::{MlockAllFlags, mlockall};
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use thread_priority::{ThreadPriority, ThreadPriorityValue};

/// Above ordinary work, below the kernel's own threads (50).
const PRIORITY: u8 = 20;

/// Gives the calling thread a real-time priority (`SCHED_RR`).
///
/// # Errors
/// Why the kernel refuses: usually neither `CAP_SYS_NICE` nor `RLIMIT_RTPRIO`.
pub(super) fn prioritise() -> Result<(), String> {
    let value = ThreadPriorityValue::try_from(PRIORITY)?;
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(value),
        policy,
    )
    .map_err(|error| format!("{error}"))
}

/// Keeps the memory of the process from being swapped out.
///
/// Pages are locked when they are first touched (`MCL_ONFAULT`), so that large reservations cost
/// nothing. With a limit, `MCL_FUTURE` would make later allocations fail, so only without one.
///
/// # Errors
/// Why it is not locked.
pub(super) fn lock_memory() -> Result<(), String> {
    let unlimited = nix::libc::RLIM_INFINITY;
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((soft, _)) if soft == unlimited => {}
        Ok((soft, _)) => return Err(format!("RLIMIT_MEMLOCK is {soft} bytes, not unlimited")),
        Err(error) => return Err(error.to_string()),
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
        .map_err(|error| error.to_string())
}
