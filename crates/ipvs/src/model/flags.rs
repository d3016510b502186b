//! The flag word of a virtual service.

bitflags::bitflags! {
    /// `IP_VS_SVC_F_*` of the uapi header, as far as users can set them.
    ///
    /// The kernel's own bit `IP_VS_SVC_F_HASHED` (0x2) is neither sent nor shown: it only says that
    /// the service is in the hash table, as every visible service is. Unnamed bits are preserved.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct ServiceFlags: u32 {
        /// A client stays with its real server for the persistence timeout.
        const PERSISTENT = 0x0001;
        /// Each UDP datagram is scheduled separately. The kernel accepts the flag for every
        /// protocol but applies it to UDP only (`ip_vs_schedule`).
        const ONE_PACKET = 0x0004;
        /// The scheduler's first flag; its meaning depends on the scheduler.
        const SCHED_1 = 0x0008;
        /// The scheduler's second flag.
        const SCHED_2 = 0x0010;
        /// The scheduler's third flag.
        const SCHED_3 = 0x0020;
        /// `sh`: clients of an unusable server go to another one. The same bit as `SCHED_1`.
        const SH_FALLBACK = 0x0008;
        /// `sh`: also hash the source port. The same bit as `SCHED_2`.
        const SH_PORT = 0x0010;
        /// `mh`: clients of an unusable server go to another one. The same bit as `SCHED_1`.
        const MH_FALLBACK = 0x0008;
        /// `mh`: also hash the source port. The same bit as `SCHED_2`.
        const MH_PORT = 0x0010;
        const _ = !0;
    }
}

impl ServiceFlags {
    /// `IP_VS_SVC_F_HASHED`, the kernel's own bit.
    pub(crate) const HASHED: u32 = 0x0002;

    /// The flags of a word from the kernel, without the kernel's own bit.
    #[must_use]
    pub const fn from_kernel(word: u32) -> Self {
        Self::from_bits_retain(word & !Self::HASHED)
    }
}
