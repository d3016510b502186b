//! Lists can wait for milliseconds, checks cannot.

/// By how much the threads here are nicer than others.
const NICER: i32 = 10;

/// Lets other threads go first, from the calling thread and those that it starts from now on: on Linux,
/// a thread has a niceness of its own.
pub(super) fn give_way() {
    if let Err(error) = rustix::process::nice(NICER) {
        tracing::debug!("cannot lower the priority of discovery: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn a_thread_gives_way_and_so_do_those_that_it_starts() {
        let niceness = || getpriority_process(None).unwrap();
        let before = niceness();
        let nicer = thread::spawn(move || {
            give_way();
            [niceness(), thread::spawn(niceness).join().unwrap()]
        });
        let expected = (before + NICER).min(19);
        assert_eq!(nicer.join().unwrap(), [expected; 2]);
        assert_eq!(niceness(), before, "other threads stay as they are");
    }
}
