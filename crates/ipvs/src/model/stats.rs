//! Counters and rates of a service or a server.

/// What the kernel counts: totals since creation (or the last zero) and estimated rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Since creation, or since the counters were zeroed.
    pub total: Totals,
    /// Estimated over about the last two to eight seconds (`ip_vs_est.c`).
    pub rate: Rates,
}

/// Totals. 64 bits wide, except from kernels that report the old 32-bit attributes only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; stays 0 under direct routing and tunnelling, where answers do not pass.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// Rates, a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Connections a second.
    pub connections: u64,
    /// Packets a second from clients.
    pub packets_in: u64,
    /// Packets a second to clients.
    pub packets_out: u64,
    /// Bytes a second from clients.
    pub bytes_in: u64,
    /// Bytes a second to clients.
    pub bytes_out: u64,
}
