//! The sysctls of IPVS, `net.ipv4.vs.*`, and their values.
//!
//! Source: `vs_vars` in `net/netfilter/ipvs/ip_vs_ctl.c`. A kernel may lack some of them;
//! `/proc/sys/net/ipv4/vs` shows those that it has.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The values of a sysctl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SysctlKind {
    /// 0 or 1; the service file writes `false` and `true`.
    Flag,
    /// An integer within a range, both ends included.
    Number {
        /// The minimum.
        least: i64,
        /// The maximum.
        most: i64,
    },
    /// Two integers, as in `sync_threshold`: the first smaller than the second.
    Pair,
    /// Text that the kernel interprets.
    Text,
}

macro_rules! sysctls {
    ($($variant:ident $name:literal $kind:expr, $doc:literal;)*) => {
        /// One of the sysctls of IPVS.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Sysctl {
            $(#[doc = $doc] $variant,)*
        }

        impl Sysctl {
            /// All sysctls.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name of its file in `/proc/sys/net/ipv4/vs`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The kind of value.
            #[must_use]
            pub const fn kind(self) -> SysctlKind {
                match self { $(Self::$variant => $kind,)* }
            }

            /// What it does, in a sentence.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

const fn number(least: i64, most: i64) -> SysctlKind {
    SysctlKind::Number { least, most }
}

const INT: i64 = i32::MAX as i64;

sysctls! {
    AmDropRate "am_droprate" number(1, INT), "The drop rate of the modes 1 and 3 of `drop_packet`.";
    AmemThresh "amemthresh" number(0, INT), "The automatic defences start below this many pages of \
                free memory.";
    BackupOnly "backup_only" SysctlKind::Flag, "A backup only receives connections, without \
                scheduling any.";
    CacheBypass "cache_bypass" SysctlKind::Flag, "Without a usable cache server, packets go to their original destination.";
    ConnReuseMode "conn_reuse_mode" number(0, 3), "What happens when a client reuses a port: 0 the old server, 1 scheduled anew, 2 anew unless it is closing.";
    Conntrack "conntrack" SysctlKind::Flag, "IPVS connections are added to netfilter's connection \
               tracking.";
    DropEntry "drop_entry" number(0, 3), "Whether random connection entries are dropped when memory is short.";
    DropPacket "drop_packet" number(0, 3), "Whether packets of new connections are dropped when memory is short.";
    ExpireNodestConn "expire_nodest_conn" SysctlKind::Flag, "Connections of a deleted server end \
                      immediately instead of timing out.";
    ExpireQuiescentTemplate "expire_quiescent_template" SysctlKind::Flag, "Persistent clients leave a server of weight 0.";
    EstCpulist "est_cpulist" SysctlKind::Text, "The processors that the estimator threads may run on.";
    EstNice "est_nice" number(-20, 19), "The priority of the estimator threads.";
    IgnoreTunneled "ignore_tunneled" SysctlKind::Flag, "Tunnelled packets are not inspected.";
    NatIcmpSend "nat_icmp_send" SysctlKind::Flag, "NAT answers with ICMP errors where a connection is unknown.";
    PmtuDisc "pmtu_disc" SysctlKind::Flag, "Packets too long for a tunnel are refused, so that the sender learns the MTU.";
    RunEstimation "run_estimation" SysctlKind::Flag, "Rates are estimated.";
    ScheduleIcmp "schedule_icmp" SysctlKind::Flag, "ICMP errors are scheduled like the packets that they are about.";
    SecureTcp "secure_tcp" number(0, 3), "Whether stricter TCP states are used when memory is short.";
    SloppySctp "sloppy_sctp" SysctlKind::Flag, "An SCTP connection may start with any chunk, as after a fail-over.";
    SloppyTcp "sloppy_tcp" SysctlKind::Flag, "A TCP connection may start with any packet, as after a fail-over.";
    SnatReroute "snat_reroute" SysctlKind::Flag, "Replies of NAT services are rerouted by their \
                 new source address.";
    SyncPersistMode "sync_persist_mode" SysctlKind::Flag, "For persistent services, only templates \
                     are synchronised, not connections.";
    SyncPorts "sync_ports" number(1, 64), "The number of threads and ports of a sync daemon.";
    SyncQlenMax "sync_qlen_max" number(1, INT), "The most sync messages in the queue.";
    SyncRefreshPeriod "sync_refresh_period" number(0, INT), "Unchanged connections are \
                       synchronised again after this many seconds.";
    SyncRetries "sync_retries" number(0, 3), "How often a sync message is sent again.";
    SyncSockSize "sync_sock_size" number(0, INT), "The sync sockets' buffer size in bytes, 0 for the default.";
    SyncThreshold "sync_threshold" SysctlKind::Pair, "A connection is synchronised after the first number of packets, and again every second number.";
    SyncVersion "sync_version" number(0, 1), "The version of the sync protocol.";
}

impl Sysctl {
    /// The sysctl of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|sysctl| sysctl.name() == name)
    }
}

impl Sysctl {
    /// The first Linux version that has it, if current kernels may be older.
    #[must_use]
    pub const fn since(self) -> Option<&'static str> {
        match self {
            Self::EstCpulist | Self::EstNice => Some("6.2"),
            _ => None,
        }
    }

    /// The message that this kernel lacks it, and what it needs.
    #[must_use]
    pub fn lacking(self) -> String {
        let needs = match self.since() {
            Some(since) => format!("it needs Linux {since}"),
            None => "another kernel has it, or a network namespace owned by the host's user \
                 namespace"
                .to_owned(),
        };
        format!("{self} is declared, but this kernel does not have it, so it is not set; {needs}")
    }
}

/// Serializes as the name of its file.
impl Serialize for Sysctl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Sysctl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("no IPVS sysctl is named {name:?}")))
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net.ipv4.vs.{}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for sysctl in Sysctl::ALL {
            assert_eq!(Sysctl::named(sysctl.name()), Some(*sysctl));
        }
        assert_eq!(Sysctl::named("conntrac"), None);
    }
}
