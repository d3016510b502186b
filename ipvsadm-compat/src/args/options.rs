//! The options: their spellings, and their names in messages.

/// An option. Commands come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opt {
    AddService,
    EditService,
    DeleteService,
    Clear,
    Restore,
    Save,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    Zero,
    Set,
    StartDaemon,
    StopDaemon,
    Help,
    Version,

    Tcp,
    Udp,
    Sctp,
    Fwmark,
    Ipv6,
    Scheduler,
    Persistent,
    Netmask,
    Engine,
    OnePacket,
    SchedFlags,
    RealServer,
    Gatewaying,
    Ipip,
    Masquerading,
    Weight,
    UpperThreshold,
    LowerThreshold,
    TunType,
    TunPort,
    TunNocsum,
    TunCsum,
    TunRemcsum,
    Numeric,
    Connection,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    TunInfo,
    Nosort,
    Sort,
    Exact,
    SyncId,
    SyncMaxlen,
    McastInterface,
    McastGroup,
    McastPort,
    McastTtl,
}

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Value,
    Maybe,
}

/// One spelling of an option.
#[derive(Debug)]
pub(crate) struct Spelling {
    pub(crate) long: &'static str,
    pub(crate) short: Option<u8>,
    pub(crate) takes: Takes,
    pub(crate) option: Opt,
}

const fn both(long: &'static str, short: u8, takes: Takes, option: Opt) -> Spelling {
    Spelling {
        long,
        short: Some(short),
        takes,
        option,
    }
}

const fn long(long: &'static str, takes: Takes, option: Opt) -> Spelling {
    Spelling {
        long,
        short: None,
        takes,
        option,
    }
}

use Takes::{Maybe, Nothing, Value};

pub(crate) const TABLE: [Spelling; 58] = [
    both("add-service", b'A', Nothing, Opt::AddService),
    both("edit-service", b'E', Nothing, Opt::EditService),
    both("delete-service", b'D', Nothing, Opt::DeleteService),
    both("clear", b'C', Nothing, Opt::Clear),
    both("restore", b'R', Nothing, Opt::Restore),
    both("save", b'S', Nothing, Opt::Save),
    both("add-server", b'a', Nothing, Opt::AddServer),
    both("edit-server", b'e', Nothing, Opt::EditServer),
    both("delete-server", b'd', Nothing, Opt::DeleteServer),
    both("list", b'L', Nothing, Opt::List),
    both("list", b'l', Nothing, Opt::List),
    both("zero", b'Z', Nothing, Opt::Zero),
    long("set", Nothing, Opt::Set),
    long("start-daemon", Value, Opt::StartDaemon),
    long("stop-daemon", Value, Opt::StopDaemon),
    both("help", b'h', Nothing, Opt::Help),
    both("version", b'v', Nothing, Opt::Version),
    both("tcp-service", b't', Value, Opt::Tcp),
    both("udp-service", b'u', Value, Opt::Udp),
    long("sctp-service", Value, Opt::Sctp),
    both("fwmark-service", b'f', Value, Opt::Fwmark),
    both("ipv6", b'6', Nothing, Opt::Ipv6),
    both("scheduler", b's', Value, Opt::Scheduler),
    both("persistent", b'p', Maybe, Opt::Persistent),
    both("netmask", b'M', Value, Opt::Netmask),
    long("pe", Value, Opt::Engine),
    both("ops", b'o', Nothing, Opt::OnePacket),
    both("sched-flags", b'b', Value, Opt::SchedFlags),
    both("real-server", b'r', Value, Opt::RealServer),
    both("gatewaying", b'g', Nothing, Opt::Gatewaying),
    both("ipip", b'i', Nothing, Opt::Ipip),
    both("masquerading", b'm', Nothing, Opt::Masquerading),
    both("weight", b'w', Value, Opt::Weight),
    both("u-threshold", b'x', Value, Opt::UpperThreshold),
    both("l-threshold", b'y', Value, Opt::LowerThreshold),
    long("tun-type", Value, Opt::TunType),
    long("tun-port", Value, Opt::TunPort),
    long("tun-nocsum", Nothing, Opt::TunNocsum),
    long("tun-csum", Nothing, Opt::TunCsum),
    long("tun-remcsum", Nothing, Opt::TunRemcsum),
    both("numeric", b'n', Nothing, Opt::Numeric),
    both("connection", b'c', Nothing, Opt::Connection),
    long("timeout", Nothing, Opt::Timeout),
    long("daemon", Nothing, Opt::Daemon),
    long("stats", Nothing, Opt::Stats),
    long("rate", Nothing, Opt::Rate),
    long("thresholds", Nothing, Opt::Thresholds),
    long("persistent-conn", Nothing, Opt::PersistentConn),
    long("tun-info", Nothing, Opt::TunInfo),
    long("nosort", Nothing, Opt::Nosort),
    long("sort", Nothing, Opt::Sort),
    both("exact", b'X', Nothing, Opt::Exact),
    long("syncid", Value, Opt::SyncId),
    long("sync-maxlen", Value, Opt::SyncMaxlen),
    long("mcast-interface", Value, Opt::McastInterface),
    long("mcast-group", Value, Opt::McastGroup),
    long("mcast-port", Value, Opt::McastPort),
    long("mcast-ttl", Value, Opt::McastTtl),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_is_there_twice() {
        for (index, spelling) in TABLE.iter().enumerate() {
            for other in &TABLE[index + 1..] {
                let both_list = spelling.option == Opt::List && other.option == Opt::List;
                assert!(spelling.long != other.long || both_list, "{}", other.long);
                assert!(spelling.short.is_none() || spelling.short != other.short);
            }
        }
    }
}
