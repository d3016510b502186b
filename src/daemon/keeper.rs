//! Keeps operators' settings on disk, on its own thread, so that the core does not wait for a disk.
//! It also checks that the state directory is still there, for the same reason.

use std::iter;
use std::net::IpAddr;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};
use serde::{Deserialize, Serialize};

use super::messages::{Input, Keep, Missing, Task};
use super::pulse::Pulse;
use crate::apply::{Ledger, Store, StoreError, Versioned};
use crate::control::Now;
use crate::control::operator::{HoldSetting, ServerSettings, Setting, Settings};
use crate::control::saved::SavedSections;
use crate::state::BootTime;
use crate::words::chain;

/// The file name.
pub(super) const FILE: &str = "operator.json";

/// [`Settings`] in their form on disk. They belong to the file's services and servers, not to an
/// incarnation: they survive a reboot.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// The boot from which `written_ms` and `ends_ms` count.
    #[serde(default)]
    boot: String,
    #[serde(default)]
    written_ms: u64,
    servers: Vec<OfServer>,
    disabled: Vec<OfMachine>,
    #[serde(default)]
    withdrawn: Vec<OfAnnouncement>,
    #[serde(default)]
    holds: Vec<OfSection>,
    #[serde(default)]
    sections: SavedSections,
}

#[derive(Debug, Serialize, Deserialize)]
struct OfServer {
    service: ServiceKey,
    server: ServerKey,
    #[serde(flatten)]
    set: ServerSettings,
}

#[derive(Debug, Serialize, Deserialize)]
struct OfMachine {
    address: IpAddr,
    #[serde(flatten)]
    set: Setting<()>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OfAnnouncement {
    section: String,
    #[serde(flatten)]
    set: Setting<()>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OfSection {
    section: String,
    #[serde(flatten)]
    hold: HoldSetting,
}

impl Versioned for Kept {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Kept {
    /// When a setting ends in this boot. Within the boot of the file, that is known. After a reboot
    /// only the calendar tells, which may be wrong: it can shorten the remaining time, but not
    /// lengthen it.
    fn revive<T>(&self, mut set: Setting<T>, boot: &str, now: Now) -> Setting<T> {
        let Some(until) = set.until else {
            set.ends = None;
            return set;
        };
        if self.boot == boot
            && let Some(ends) = set.ends
        {
            set.until = Some(now.calendar(ends));
            return set;
        }
        let written = BootTime(Duration::from_millis(self.written_ms));
        let longest = match set.ends {
            Some(ends) => written.until(ends),
            // A file of a director that counted by the calendar only.
            None => until.duration_since(set.at).unwrap_or_default(),
        };
        let left = until.duration_since(now.wall).unwrap_or_default();
        let ends = now.boot.after(left.min(longest));
        set.ends = Some(ends);
        set.until = Some(now.calendar(ends));
        set
    }
}

/// Operators' settings from earlier runs.
///
/// # Errors
/// [`StoreError`] if the file exists and cannot be read.
pub(super) fn read(store: &Store, boot: &str, now: Now) -> Result<Settings, StoreError> {
    let mut kept: Kept = store.read(FILE)?.unwrap_or_default();
    let servers = std::mem::take(&mut kept.servers);
    let disabled = std::mem::take(&mut kept.disabled);
    let withdrawn = std::mem::take(&mut kept.withdrawn).into_iter();
    let holds = std::mem::take(&mut kept.holds);
    let sections = std::mem::take(&mut kept.sections);
    let servers = servers.into_iter().map(|of| {
        let set = ServerSettings {
            drain: of.set.drain.map(|set| kept.revive(set, boot, now)),
            weight: of.set.weight.map(|set| kept.revive(set, boot, now)),
        };
        ((of.service, of.server), set)
    });
    let disabled = disabled.into_iter();
    let holds = holds.into_iter().map(|of| {
        let set = kept.revive(of.hold.set, boot, now);
        (of.section, HoldSetting { set, ..of.hold })
    });
    Ok(Settings {
        holds: holds.collect(),
        sections,
        servers: servers.collect(),
        disabled: disabled
            .map(|of| (of.address, kept.revive(of.set, boot, now)))
            .collect(),
        withdrawn: withdrawn
            .map(|of| (of.section, kept.revive(of.set, boot, now)))
            .collect(),
    })
}

pub(super) fn write(store: &Store, boot: &str, keep: &Keep) -> Result<(), StoreError> {
    let Keep { settings, at, .. } = keep;
    let servers = settings
        .servers
        .iter()
        .map(|((service, server), set)| OfServer {
            service: *service,
            server: *server,
            set: set.clone(),
        });
    let disabled = settings.disabled.iter().map(|(address, set)| OfMachine {
        address: *address,
        set: set.clone(),
    });
    let withdrawn = settings.withdrawn.iter();
    let withdrawn = withdrawn.map(|(section, set)| OfAnnouncement {
        section: section.clone(),
        set: set.clone(),
    });
    let holds = settings.holds.iter();
    let holds = holds.filter(|(_, hold)| !hold.until_restart);
    let holds = holds.map(|(section, hold)| OfSection {
        section: section.clone(),
        hold: hold.clone(),
    });
    let kept = Kept {
        version: 1,
        boot: boot.to_owned(),
        written_ms: u64::try_from(at.boot.0.as_millis()).unwrap_or(u64::MAX),
        servers: servers.collect(),
        disabled: disabled.collect(),
        withdrawn: withdrawn.collect(),
        holds: holds.collect(),
        sections: settings.sections.clone(),
    };
    store.write(FILE, &kept)
}

/// The files missing from the state directory.
pub(super) fn look(store: &Store) -> Missing {
    let is_gone = |file| store.path(file).try_exists().is_ok_and(|there| !there);
    Missing {
        ledger: is_gone(Ledger::FILE),
        settings: is_gone(FILE),
    }
}

/// Starts the thread. It ends when the sender is dropped, after an attempt to write the last
/// settings. `done` gets the result of each task.
pub(super) fn start(
    store: Store,
    boot: String,
    pulse: Pulse,
    done: impl Fn(Input) + Send + 'static,
) -> std::io::Result<(Sender<Task>, JoinHandle<()>)> {
    let (sender, tasks) = mpsc::channel::<Task>();
    let thread = thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(move || {
            let mut last = Ok(());
            while let Ok(task) = tasks.recv() {
                let (mut newest, mut look) = (None, false);
                for task in iter::once(task).chain(tasks.try_iter()) {
                    match task {
                        // Each task contains all settings: only the last one matters.
                        Task::Keep(keep) => newest = Some(keep),
                        Task::Look => look = true,
                    }
                }
                if let Some(newest) = newest {
                    pulse.begin("writing operators' settings to the state directory");
                    last = write(&store, &boot, &newest).map_err(|error| chain(&error));
                    pulse.end();
                    done(Input::Kept(newest.number, last.clone()));
                }
                if look {
                    pulse.begin("checking the state directory");
                    let missing = self::look(&store);
                    pulse.end();
                    done(Input::Missing(missing));
                }
            }
            if let Err(why) = last {
                tracing::error!(
                    "the last operators' settings are lost, because they are not on \
                                 disk: {why}"
                );
            }
        })?;
    Ok((sender, thread))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn now(boot: Duration, wall: Duration) -> Now {
        Now {
            boot: BootTime(boot),
            wall: SystemTime::UNIX_EPOCH + 400_000 * HOUR + wall,
        }
    }

    /// A maintenance of two hours, half an hour old, as the next director finds it.
    fn left(boot: &str, then: Now) -> Duration {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("state"));
        let set = now(HOUR, HOUR);
        let machine = IpAddr::from([10, 0, 0, 11]);
        let ends = set.boot.after(2 * HOUR);
        let maintenance = Setting {
            value: (),
            by: "anna".to_owned(),
            reason: None,
            at: set.wall,
            until: Some(set.calendar(ends)),
            ends: Some(ends),
        };
        let keep = Keep {
            number: 1,
            settings: Settings {
                disabled: [(machine, maintenance)].into(),
                ..Settings::default()
            },
            at: now(HOUR + HOUR / 2, HOUR + HOUR / 2),
        };
        write(&store, "first", &keep).unwrap();
        let read = read(&store, boot, then).unwrap();
        let set = &read.disabled[&machine];
        let left = then.boot.until(set.ends.unwrap());
        let shown = set.until.unwrap().duration_since(then.wall);
        assert_eq!(shown.unwrap_or_default(), left);
        left
    }

    #[test]
    fn within_a_boot_the_calendar_does_not_matter() {
        for wall in [Duration::ZERO, 2 * HOUR, 100 * HOUR] {
            assert_eq!(left("first", now(2 * HOUR, wall)), HOUR);
        }
    }

    #[test]
    fn after_a_reboot_the_calendar_shortens_what_was_left_and_never_lengthens_it() {
        // An hour and a half was left when it was written.
        for (wall, expected) in [
            (2 * HOUR, HOUR),
            (100 * HOUR, Duration::ZERO),
            (Duration::ZERO, HOUR + HOUR / 2),
        ] {
            let then = now(Duration::from_secs(20), wall);
            assert_eq!(left("second", then), expected);
        }
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("state"));
        store.make().unwrap();
        let text = r#"{"version":1,"servers":[],"disabled":[{"address":"10.0.0.11","value":null,"by":"anna","reason":null,"at":1440000000,"until":1440003600}]}"#;
        std::fs::write(store.path(FILE), text).unwrap();
        let then = now(HOUR, HOUR / 2);
        let read = read(&store, "first", then).unwrap();
        let set = &read.disabled[&IpAddr::from([10, 0, 0, 11])];
        assert_eq!(then.boot.until(set.ends.unwrap()), HOUR / 2);
    }
}
