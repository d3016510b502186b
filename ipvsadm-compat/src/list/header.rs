//! The lines above the rows, and standalone lines.

use std::io::{self, Write};

use ipvs::{DaemonRole, Info, SyncDaemon};

use crate::args::View;

/// The first line of a full list.
pub(super) fn version(info: &Info, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "IP Virtual Server version {} (size={})",
        info.version, info.connection_table_size
    )
}

/// The two lines of column titles, including trailing blanks.
pub(super) fn title(view: View, out: &mut dyn Write) -> io::Result<()> {
    let (service, server) = match view {
        View::Plain => (
            "Prot LocalAddress:Port Scheduler Flags",
            "           Forward Weight ActiveConn InActConn",
        ),
        View::TunInfo => (
            "Prot LocalAddress:Port Scheduler Flags",
            "           Forward TunnelInfo    Weight ActiveConn InActConn",
        ),
        View::Stats => (
            "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes",
            "",
        ),
        View::Rate => (
            "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS",
            "",
        ),
        View::Thresholds => (
            "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn ",
            "",
        ),
        View::PersistentConn => (
            "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn ",
            "",
        ),
    };
    writeln!(out, "{service}\n  -> RemoteAddress:Port{server}")
}

/// A sync daemon; zero values are left out.
pub(super) fn daemon(daemon: &SyncDaemon, out: &mut dyn Write) -> io::Result<()> {
    let role = match daemon.role {
        DaemonRole::Master => "master",
        DaemonRole::Backup => "backup",
    };
    write!(out, "{role} sync daemon (mcast=")?;
    out.write_all(daemon.interface.as_bytes())?;
    write!(out, ", syncid={}", daemon.sync_id)?;
    if daemon.max_length != 0 {
        write!(out, ", maxlen={}", daemon.max_length)?;
    }
    if let Some(group) = daemon.group {
        write!(out, ", group={group}")?;
    }
    if daemon.port != 0 {
        write!(out, ", port={}", daemon.port)?;
    }
    if daemon.ttl != 0 {
        write!(out, ", ttl={}", daemon.ttl)?;
    }
    writeln!(out, ")")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs::{Name, SyncId};

    #[test]
    fn daemons() {
        let mut text = Vec::new();
        let full = SyncDaemon {
            max_length: 1472,
            group: Some(SyncDaemon::DEFAULT_GROUP.into()),
            port: 8848,
            ttl: 1,
            ..SyncDaemon::new(DaemonRole::Master, Name::from_static("d0"), SyncId(10))
        };
        daemon(&full, &mut text).unwrap();
        let bare = SyncDaemon::new(DaemonRole::Backup, Name::from_static("d0"), SyncId(0));
        daemon(&bare, &mut text).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "master sync daemon (mcast=d0, syncid=10, maxlen=1472, group=224.0.0.81, port=8848, \
             ttl=1)\nbackup sync daemon (mcast=d0, syncid=0)\n"
        );
    }
}
