//! Counters and rates of a service or a server.

/// The kernel's counters: totals since creation (or the last zeroing) and estimated rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Totals since creation, or since the counters were zeroed.
    pub total: Totals,
    /// Rates estimated over about the last two to eight seconds (`ip_vs_est.c`).
    pub rate: Rates,
}

/// Totals. 64 bits wide, except from kernels that report only the old 32-bit attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; 0 under direct routing and tunnelling, where replies bypass the
    /// director.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// Rates per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Connections per second.
    pub connections: u64,
    /// Packets per second from clients.
    pub packets_in: u64,
    /// Packets per second to clients.
    pub packets_out: u64,
    /// Bytes per second from clients.
    pub bytes_in: u64,
    /// Bytes per second to clients.
    pub bytes_out: u64,
}
