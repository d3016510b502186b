//! Files of `track`: a thread of its own looks for them, as a file system can hang.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::state::failover::TrackFile;

/// The time between two looks.
const PACE: Duration = Duration::from_millis(500);

/// Looks for the files that are named last, until the sender is gone; tells what changed.
pub(super) fn watch(orders: &Receiver<Vec<TrackFile>>, tell: impl Fn(Vec<TrackFile>)) {
    let mut files: Vec<TrackFile> = Vec::new();
    let mut before: Option<Vec<TrackFile>> = None;
    loop {
        // Without files it waits for the next order.
        let order = if files.is_empty() {
            orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            orders.recv_timeout(PACE)
        };
        match order {
            Ok(wanted) => (files, before) = (wanted, None),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let mut there: BTreeMap<PathBuf, bool> = BTreeMap::new();
        let failing = files.iter().filter(|file| {
            let exists = there
                .entry(file.path.clone())
                .or_insert_with(|| file.path.symlink_metadata().is_ok());
            *exists != file.missing
        });
        let failing: Vec<TrackFile> = failing.cloned().collect();
        if before.as_ref() != Some(&failing) {
            tell(failing.clone());
            before = Some(failing);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_file_fails_by_its_presence_or_its_absence() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, missing| TrackFile {
            path: directory.path().join(name),
            missing,
        };
        std::fs::write(directory.path().join("there"), "").unwrap();
        let wanted = [
            file("there", false),
            file("there", true),
            file("absent", false),
            file("absent", true),
        ];
        let (orders, todo) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let thread =
            thread::spawn(move || watch(&todo, move |failing| tell.send(failing).unwrap()));
        orders.send(wanted.to_vec()).unwrap();
        let first = told.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(first, [wanted[0].clone(), wanted[3].clone()]);
        std::fs::write(directory.path().join("absent"), "").unwrap();
        let second = told.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(second, [wanted[0].clone(), wanted[2].clone()]);
        drop(orders);
        thread.join().unwrap();
    }
}
