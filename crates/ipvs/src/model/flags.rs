//! The flag word of a virtual service.

bitflags::bitflags! {
    /// `IP_VS_SVC_F_*` of the uapi header, as the user may set them.
    ///
    /// The kernel's own bit `IP_VS_SVC_F_HASHED` (0x2) is neither sent nor shown: it says only
    /// that the service stands in the hash table, which every service that can be seen does.
    /// Bits that have no name here are kept as they are.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct ServiceFlags: u32 {
        /// A client stays with its real server for the persistence time.
        const PERSISTENT = 0x0001;
        /// Each UDP datagram is scheduled alone. The kernel accepts it for every protocol and
        /// heeds it for UDP (`ip_vs_schedule`).
        const ONE_PACKET = 0x0004;
        /// The scheduler's first flag, whatever it means to it.
        const SCHED_1 = 0x0008;
        /// The scheduler's second flag.
        const SCHED_2 = 0x0010;
        /// The scheduler's third flag.
        const SCHED_3 = 0x0020;
        /// `sh`: a client whose server is unusable goes to another. The same bit as `SCHED_1`.
        const SH_FALLBACK = 0x0008;
        /// `sh`: hash the source port too. The same bit as `SCHED_2`.
        const SH_PORT = 0x0010;
        /// `mh`: a client whose server is unusable goes to another. The same bit as `SCHED_1`.
        const MH_FALLBACK = 0x0008;
        /// `mh`: hash the source port too. The same bit as `SCHED_2`.
        const MH_PORT = 0x0010;
        const _ = !0;
    }
}

impl ServiceFlags {
    /// `IP_VS_SVC_F_HASHED`, the kernel's own bit.
    pub(crate) const HASHED: u32 = 0x0002;

    /// The flags in a word from the kernel, without the kernel's own bit.
    #[must_use]
    pub const fn from_kernel(word: u32) -> Self {
        Self::from_bits_retain(word & !Self::HASHED)
    }
}
