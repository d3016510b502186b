//! Which options are valid with which command.

use crate::errors::Stop;

/// A command as messages name it, in the order of the table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    AddService,
    EditService,
    DeleteService,
    Flush,
    List,
    AddServer,
    DeleteServer,
    EditServer,
    Set,
    StartDaemon,
    StopDaemon,
    Restore,
    Save,
    Zero,
}

impl Verb {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AddService => "add-service",
            Self::EditService => "edit-service",
            Self::DeleteService => "delete-service",
            Self::Flush => "flush",
            Self::List => "list",
            Self::AddServer => "add-server",
            Self::DeleteServer => "delete-server",
            Self::EditServer => "edit-server",
            Self::Set => "set",
            Self::StartDaemon => "start-daemon",
            Self::StopDaemon => "stop-daemon",
            Self::Restore => "restore",
            Self::Save => "save",
            Self::Zero => "zero",
        }
    }
}

/// An option as messages name it. Several options (`-t`, `-u`, `-f`) may share one slot.
///
/// In the order of the checks: the first invalid option is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    Server,
    Forward,
    Weight,
    UpperThreshold,
    LowerThreshold,
    McastInterface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    Nosort,
    SyncId,
    Exact,
    OnePacket,
    Engine,
    SchedFlags,
    McastGroup,
    McastPort,
    McastTtl,
    SyncMaxlen,
    TunInfo,
    TunType,
    TunPort,
    TunNocsum,
    TunCsum,
    TunRemcsum,
}

use Slot::{
    Connection, Daemon, Engine, Exact, Forward, LowerThreshold, McastGroup, McastInterface,
    McastPort, McastTtl, Netmask, Nosort, Numeric, OnePacket, Persistent, PersistentConn, Rate,
    SchedFlags, Scheduler, Server, Service, Stats, SyncId, SyncMaxlen, Thresholds, Timeout,
    TunCsum, TunInfo, TunNocsum, TunPort, TunRemcsum, TunType, UpperThreshold, Weight,
};

impl Slot {
    const ALL: [Self; 34] = [
        Numeric,
        Connection,
        Service,
        Scheduler,
        Persistent,
        Netmask,
        Server,
        Forward,
        Weight,
        UpperThreshold,
        LowerThreshold,
        McastInterface,
        Timeout,
        Daemon,
        Stats,
        Rate,
        Thresholds,
        PersistentConn,
        Nosort,
        SyncId,
        Exact,
        OnePacket,
        Engine,
        SchedFlags,
        McastGroup,
        McastPort,
        McastTtl,
        SyncMaxlen,
        TunInfo,
        TunType,
        TunPort,
        TunNocsum,
        TunCsum,
        TunRemcsum,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Numeric => "numeric",
            Connection => "connection",
            Service => "service-address",
            Scheduler => "scheduler",
            Persistent => "persistent",
            Netmask => "netmask",
            Server => "real-server",
            Forward => "forwarding-method",
            Weight => "weight",
            UpperThreshold => "u-threshold",
            LowerThreshold => "l-threshold",
            McastInterface => "mcast-interface",
            Timeout => "timeout",
            Daemon => "daemon",
            Stats => "stats",
            Rate => "rate",
            Thresholds => "thresholds",
            PersistentConn => "persistent-conn",
            Nosort => "nosort",
            SyncId => "syncid",
            Exact => "exact",
            OnePacket => "ops",
            Engine => "pe",
            SchedFlags => "sched-flags",
            McastGroup => "mcast-group",
            McastPort => "mcast-port",
            McastTtl => "mcast-ttl",
            SyncMaxlen => "sync-maxlen",
            TunInfo => "tun-info",
            TunType => "tun-type",
            TunPort => "tun-port",
            TunNocsum => "tun-nocsum",
            TunCsum => "tun-csum",
            TunRemcsum => "tun-remcsum",
        }
    }
}

/// A set of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Slots(u64);

impl Slots {
    const fn of(slots: &[Slot]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < slots.len() {
            bits |= 1 << slots[index] as u32;
            index += 1;
        }
        Self(bits)
    }

    pub(crate) const fn has(self, slot: Slot) -> bool {
        self.0 & (1 << slot as u32) != 0
    }

    pub(crate) fn has_any(self, slots: &[Slot]) -> bool {
        self.0 & Self::of(slots).0 != 0
    }

    /// Adds a slot; an option cannot be given twice.
    pub(crate) fn insert(&mut self, slot: Slot) -> Result<(), Stop> {
        if self.has(slot) {
            let name = slot.name();
            return Err(Stop::usage(format!("multiple '{name}' options specified")));
        }
        self.0 |= Self::of(&[slot]).0;
        Ok(())
    }
}

/// The rules of a command or a tunnel type for the options.
struct Rule {
    required: Slots,
    allowed: Slots,
    /// At most one of these is allowed.
    exclusive: Slots,
}

const NONE: Slots = Slots::of(&[]);

const fn rule(required: &[Slot], allowed: &[Slot]) -> Rule {
    Rule {
        required: Slots::of(required),
        allowed: Slots::of(allowed),
        exclusive: NONE,
    }
}

const fn command_rule(verb: Verb) -> Rule {
    match verb {
        Verb::AddService | Verb::EditService => rule(
            &[Service],
            &[
                Scheduler, Persistent, Netmask, OnePacket, Engine, SchedFlags,
            ],
        ),
        Verb::DeleteService => rule(&[Service], &[]),
        Verb::Flush | Verb::Restore | Verb::Set => rule(&[], &[]),
        Verb::List => Rule {
            exclusive: Slots::of(&[Connection, Service, Timeout, Daemon]),
            ..rule(
                &[],
                &[
                    Numeric,
                    Stats,
                    Rate,
                    Thresholds,
                    PersistentConn,
                    Nosort,
                    SyncId,
                    Exact,
                    TunInfo,
                ],
            )
        },
        Verb::AddServer | Verb::EditServer => rule(
            &[Service, Server],
            &[
                Forward,
                Weight,
                UpperThreshold,
                LowerThreshold,
                TunType,
                TunPort,
                TunNocsum,
                TunCsum,
                TunRemcsum,
            ],
        ),
        Verb::DeleteServer => rule(&[Service, Server], &[]),
        Verb::StartDaemon => rule(
            &[],
            &[
                McastInterface,
                SyncId,
                McastGroup,
                McastPort,
                McastTtl,
                SyncMaxlen,
            ],
        ),
        Verb::StopDaemon => rule(&[], &[SyncId]),
        Verb::Save => rule(&[], &[Numeric]),
        Verb::Zero => rule(&[], &[Service]),
    }
}

/// The options that depend on the tunnel type.
const TUNNEL: [Slot; 4] = [TunPort, TunNocsum, TunCsum, TunRemcsum];

/// All tunnel options.
pub(crate) const TUNNEL_ONLY: [Slot; 5] = [TunType, TunPort, TunNocsum, TunCsum, TunRemcsum];

fn tunnel_rule(kind: &str) -> Rule {
    match kind {
        "gue" => Rule {
            exclusive: Slots::of(&[TunNocsum, TunCsum, TunRemcsum]),
            ..rule(&[TunPort], &[])
        },
        "gre" => Rule {
            exclusive: Slots::of(&[TunNocsum, TunCsum]),
            ..rule(&[], &[])
        },
        _ => rule(&[], &[]),
    }
}

/// Checks the options of a command.
pub(crate) fn check(verb: Verb, given: Slots) -> Result<(), Stop> {
    let what = format!("'{}' command", verb.name());
    check_rule(&command_rule(verb), &Slot::ALL, given, &what)
}

/// Checks the options of a tunnel type: `ipip`, `gue` or `gre`.
pub(crate) fn check_tunnel(kind: &str, given: Slots) -> Result<(), Stop> {
    let what = format!("'{kind}' tunnel type");
    check_rule(&tunnel_rule(kind), &TUNNEL, given, &what)
}

fn check_rule(rule: &Rule, slots: &[Slot], given: Slots, what: &str) -> Result<(), Stop> {
    let mut chosen: Option<Slot> = None;
    for slot in slots.iter().copied() {
        let name = slot.name();
        if rule.required.has(slot) {
            if !given.has(slot) {
                let text = format!("You need to supply the '{name}' option for the {what}");
                return Err(Stop::usage(text));
            }
        } else if !given.has(slot) || rule.allowed.has(slot) {
        } else if rule.exclusive.has(slot) {
            if let Some(first) = chosen {
                let first = first.name();
                let text = format!(
                    "The option '{name}' conflicts with the '{first}' option in the {what}"
                );
                return Err(Stop::usage(text));
            }
            chosen = Some(slot);
        } else {
            let text = format!("Illegal '{name}' option with the {what}");
            return Err(Stop::usage(text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(verb: Verb, given: &[Slot]) -> Option<String> {
        check(verb, Slots::of(given))
            .err()
            .map(|stop| stop.to_string())
    }

    #[test]
    fn all_slots_stand_in_their_order() {
        assert!(Slot::ALL.is_sorted());
        for (index, slot) in Slot::ALL.into_iter().enumerate() {
            assert_eq!(slot as usize, index);
        }
    }

    #[test]
    fn the_first_column_that_is_wrong_is_reported() {
        let text = message(Verb::AddService, &[Weight, Numeric]).unwrap();
        assert_eq!(
            text,
            "Illegal 'numeric' option with the 'add-service' command"
        );
        let text = message(Verb::AddService, &[Weight]).unwrap();
        assert_eq!(
            text,
            "You need to supply the 'service-address' option for the 'add-service' command"
        );
        let text = message(Verb::AddServer, &[Service, Scheduler]).unwrap();
        assert_eq!(
            text,
            "Illegal 'scheduler' option with the 'add-server' command"
        );
    }

    #[test]
    fn a_list_is_of_one_thing() {
        let text = message(Verb::List, &[Daemon, Timeout, Connection]).unwrap();
        assert_eq!(
            text,
            "The option 'timeout' conflicts with the 'connection' option in the 'list' command"
        );
        assert_eq!(
            message(Verb::List, &[Connection, Numeric, SyncId, Exact]),
            None
        );
    }

    #[test]
    fn every_command_has_its_row() {
        assert_eq!(message(Verb::Save, &[Numeric]), None);
        assert_eq!(message(Verb::Zero, &[Service]), None);
        assert_eq!(message(Verb::Zero, &[]), None);
        assert_eq!(message(Verb::StopDaemon, &[SyncId]), None);
        assert_eq!(message(Verb::DeleteServer, &[Service, Server]), None);
        for verb in [Verb::Flush, Verb::Restore, Verb::Set] {
            let text = message(verb, &[Numeric]).unwrap();
            let name = verb.name();
            assert_eq!(
                text,
                format!("Illegal 'numeric' option with the '{name}' command")
            );
        }
    }

    #[test]
    fn tunnel_types() {
        let message = |kind, given: &[Slot]| {
            let stop = check_tunnel(kind, Slots::of(given)).err()?;
            Some(stop.to_string())
        };
        assert_eq!(message("ipip", &[TunType]), None);
        assert_eq!(
            message("ipip", &[TunCsum]).unwrap(),
            "Illegal 'tun-csum' option with the 'ipip' tunnel type"
        );
        assert_eq!(
            message("gue", &[]).unwrap(),
            "You need to supply the 'tun-port' option for the 'gue' tunnel type"
        );
        assert_eq!(
            message("gue", &[TunPort, TunNocsum, TunRemcsum]).unwrap(),
            "The option 'tun-remcsum' conflicts with the 'tun-nocsum' option in the 'gue' tunnel type"
        );
        assert_eq!(message("gre", &[TunCsum]), None);
        assert_eq!(
            message("gre", &[TunRemcsum]).unwrap(),
            "Illegal 'tun-remcsum' option with the 'gre' tunnel type"
        );
    }
}
