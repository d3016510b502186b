//! The codes of diagnostics. They are stable: scripts and editors may rely on them.

use std::fmt;

/// The severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but something needs attention.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $summary:literal;)*) => {
        /// The kind of a mistake or warning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $summary] $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code in print: words joined by hyphens.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The code of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().find(|code| code.name() == name).copied()
            }

            /// The severity unless the service says `as_is = true`.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// A sentence that explains the code.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary,)* }
            }
        }
    };
}

codes! {
    // The files.
    Unreadable "unreadable" Error "A file cannot be read.";
    NotShown "not-shown" Error "More mistakes, or warnings, than are shown.";
    TooLarge "too-large" Error "A file, or its expansion, is too large.";
    NotUtf8 "not-utf8" Error "A file is not UTF-8.";
    Syntax "syntax" Error "The text is not TOML, or not JSON.";
    DuplicateKey "duplicate-key" Error "A JSON object has a duplicate key.";
    IncludePattern "include-pattern" Error "An `include` is not a pattern of paths.";
    IncludeTwice "include-twice" Error "A file is included twice, or includes itself.";
    IncludeEmpty "include-empty" Warning "An `include` matches no file.";
    EmptyFile "empty-file" Error "A file is empty.";
    NotHere "not-here" Error "An included file has a key that is allowed in the root file only.";
    NoVersion "no-version" Warning "The root file does not have `version = 1`.";
    Version "version" Error "This program does not know the file's version.";
    VariableMissing "variable-missing" Error "An environment variable is not set and has no default.";
    VariableSyntax "variable-syntax" Error "A `${` has no `}`, or no name.";
    // Keys and values.
    UnknownKey "unknown-key" Error "A key that is not known in this place.";
    MissingKey "missing-key" Error "A required key is missing.";
    WrongType "wrong-type" Error "A value of the wrong type.";
    UnknownWord "unknown-word" Error "A word that is not one of those allowed.";
    BadTime "bad-time" Error "An invalid time.";
    OutOfRange "out-of-range" Error "A number outside its range.";
    BadAddress "bad-address" Error "An invalid address.";
    BadListen "bad-listen" Error "An invalid listen address.";
    BadPort "bad-port" Error "An invalid port, or range of ports.";
    BadName "bad-name" Error "An invalid name.";
    BadMask "bad-mask" Error "An invalid persistence mask.";
    BadRange "bad-range" Error "An invalid or empty range.";
    BadRegex "bad-regex" Error "An invalid regular expression.";
    BadHex "bad-hex" Error "Invalid hexadecimal digits.";
    BadRequest "bad-request" Error "An invalid part of a request.";
    BadPath "bad-path" Error "An invalid path.";
    BadCommand "bad-command" Error "An invalid command.";
    EitherOr "either-or" Error "Two keys that exclude each other.";
    // How the parts fit together.
    DuplicateName "duplicate-name" Error "Two services, pools or servers have one name.";
    DuplicateListen "duplicate-listen" Error "Two services listen on the same address.";
    DuplicateServer "duplicate-server" Error "A service has the same real server twice.";
    DuplicateDaemon "duplicate-daemon" Error "Two sync daemons have one role.";
    UnknownPool "unknown-pool" Error "A service names a pool that does not exist.";
    UnusedPool "unused-pool" Warning "No service uses a pool.";
    PoolAndServers "pool-and-servers" Error "A service has a pool and servers of its own.";
    NoServer "no-server" Error "A listen address has no real server.";
    OtherFamily "other-family" Error "The service does not listen on a real server's address \
                 family.";
    UnusedServer "unused-server" Warning "No service of the pool can use this server.";
    CheckPace "check-pace" Error "A check's times do not fit together.";
    CheckPort "check-port" Error "A check has no port.";
    CheckSource "check-source" Error "A source address that the check cannot use.";
    CheckThrough "check-through" Error "A check through a forwarding path that does not exist.";
    CheckMark "check-mark" Error "A firewall mark that is reserved for checks.";
    TwoWeights "two-weights" Error "Two checks of a server set its weight.";
    TooFewServers "too-few-servers" Error "A setting needs more servers than the service has.";
    DampingHold "damping-hold" Error "The longest hold is shorter than the first.";
    UnknownService "unknown-service" Error "A section names a service that does not exist.";
    UnknownSection "unknown-section" Error "A machine section has values for a section that does not exist.";
    UnknownMachine "unknown-machine" Error "No machine section has the name of the machine.";
    DuplicateRouter "duplicate-router" Error "Two virtual routers have one id on one interface.";
    DuplicateAddress "duplicate-address" Error "Two sections hold one address.";
    FailoverVersion "failover-version" Error "A setting that the version of VRRP does not have.";
    FailoverPeer "failover-peer" Error "A peer or a source that a virtual router cannot use.";
    OwnerPriority "owner-priority" Error "A setting that lowers the priority of an address owner.";
    SyncBackupOnly "sync-backup-only" Error "A director with both sync daemons does not forward under `backup_only`.";
    SyncRelay "sync-relay" Error "The relay of connections lacks peers, or has a setting that it cannot work with.";
    // Rejected or silently ignored by the kernel.
    NotUnicast "not-unicast" Error "A real server's address is not unicast.";
    OnePacket "one-packet" Error "One-packet scheduling for another protocol than UDP.";
    ServerPort "server-port" Error "A real server's port differs, but packets keep the service's.";
    SchedulerFlag "scheduler-flag" Error "A scheduler does not have that flag.";
    ZeroPort "zero-port" Error "A service for all ports is not persistent.";
    MixedWithSync "mixed-with-sync" Error "A sync daemon together with a server of the other \
                   address family.";
    Thresholds "thresholds" Error "The lower connection threshold is above the upper one.";
    TunnelPort "tunnel-port" Error "A GUE tunnel has no port.";
    TunnelOption "tunnel-option" Error "A tunnel option that its type does not have.";
    SyncGroup "sync-group" Error "A sync group is not a multicast address.";
    // Works but causes trouble, or is unusual.
    UnknownScheduler "unknown-scheduler" Error "A scheduler that this version does not know.";
    UnknownEngine "unknown-engine" Error "A persistence engine that this version does not know.";
    NoScheduler "no-scheduler" Warning "A service without a scheduler refuses every new \
                 connection.";
    OddFlag "odd-flag" Warning "A flag that the service's scheduler ignores.";
    OddForward "odd-forward" Warning "A forwarding method for the kernel's internal use.";
    OddTunnel "odd-tunnel" Warning "Tunnel settings that the kernel stores without using them.";
    OddMask "odd-mask" Warning "A persistence mask whose bits are not contiguous.";
    OddListen "odd-listen" Warning "A listen address that is not unicast.";
    OddSysctl "odd-sysctl" Warning "A switch that is neither on nor off.";
    LinkLocal "link-local" Warning "A real server's address is link-local.";
    LongTimeout "long-timeout" Warning "A time that not every kernel supports.";
    IdlePersistence "idle-persistence" Warning "Persistence settings that the kernel stores \
                     without using them.";
    EngineProtocol "engine-protocol" Warning "The persistence engine sees UDP only.";
    StickyPorts "sticky-ports" Warning "A client may get different servers on two ports.";
    CheckTls "check-tls" Warning "A check without TLS on a port of TLS, or the reverse.";
    QuiescentPersistence "quiescent-persistence" Warning "Persistent clients stay with a server of weight 0.";
    UdpNoDest "udp-nodest" Warning "UDP clients of a deleted server are not moved.";
    HashFallback "hash-fallback" Warning "A hash scheduler without fallback refuses the clients of an unusable server.";
    DhDrain "dh-drain" Warning "A server under `dh` cannot be drained.";
    ZeroWeights "zero-weights" Warning "All servers of a service have weight 0.";
    IgnoredWeight "ignored-weight" Warning "A scheduler ignores weights that differ.";
    LongCheck "long-check" Warning "A check may take longer than its interval.";
    HairTrigger "hair-trigger" Warning "One result changes a server's state, without damping.";
    MovingWeight "moving-weight" Warning "A dynamic weight under a scheduler that suffers from it \
                  or ignores it.";
    FailRemoves "fail-removes" Warning "A server that is down is removed where draining does harm.";
    SorryIdle "sorry-idle" Warning "The sorry servers never join.";
    QuorumKeeps "quorum-keeps" Warning "A quorum together with servers that stay in, up or down.";
    NoCheck "no-check" Warning "Without a check, no server is ever down.";
    SilentCheck "silent-check" Warning "A check that counts silence as success.";
    HarmfulCheck "harmful-check" Warning "A check that its server treats as an attack.";
    IdleCheck "idle-check" Warning "A check that is never made.";
    FailoverSteps "failover-steps" Warning "Steps that lower a priority further than its floor.";
    PeerSync "peer-sync" Warning "No backup sync daemon takes the connections of peers.";
    PeerUnmoved "peer-unmoved" Warning "Connections that no other director can get.";
    IdleAddress "idle-address" Warning "No service listens on the addresses of a section.";
    UncoveredListen "uncovered-listen" Warning "A service listens on an address that no section holds.";
    UnusedAllow "unused-allow" Warning "`allow` names a warning that does not occur.";
    FileMissing "file-missing" Warning "A file or program that the service file needs is not on this machine.";
}

impl Code {
    /// Whether `allow` can name it: it is a warning, at least of a service with `as_is = true` or of
    /// an included file.
    #[must_use]
    pub const fn may_be_allowed(self) -> bool {
        matches!(self.severity(), Severity::Warning)
            || matches!(
                self,
                Self::CheckMark
                    | Self::EmptyFile
                    | Self::NoServer
                    | Self::OnePacket
                    | Self::ServerPort
                    | Self::TunnelOption
                    | Self::UnknownWord
                    | Self::ZeroPort
            )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
