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
    TooLarge "too-large" Error "A file, or what it expands to, is larger than can be meant.";
    NotUtf8 "not-utf8" Error "A file is not UTF-8.";
    Syntax "syntax" Error "The text is not TOML, or not JSON.";
    DuplicateKey "duplicate-key" Error "A JSON object has a key twice.";
    IncludePattern "include-pattern" Error "An `include` is not a pattern of paths.";
    IncludeTwice "include-twice" Error "A file is included twice, or includes itself.";
    IncludeEmpty "include-empty" Warning "An `include` matches no file.";
    EmptyFile "empty-file" Error "A file says nothing.";
    NotHere "not-here" Error "A key that only the root file may have stands in an included one.";
    NoVersion "no-version" Warning "The root file does not say `version = 1`.";
    Version "version" Error "The file is of a version that this program does not know.";
    VariableMissing "variable-missing" Error "An environment variable is not set and has no default.";
    VariableSyntax "variable-syntax" Error "A `${` has no `}`, or no name.";
    // Keys and values.
    UnknownKey "unknown-key" Error "A key that means nothing there.";
    MissingKey "missing-key" Error "A key that must be there is not.";
    WrongType "wrong-type" Error "A value of the wrong type.";
    UnknownWord "unknown-word" Error "A word that is none of those that can stand there.";
    BadTime "bad-time" Error "A time that cannot be read.";
    OutOfRange "out-of-range" Error "A number outside its range.";
    BadAddress "bad-address" Error "An address that cannot be read.";
    BadListen "bad-listen" Error "A listen address that cannot be read.";
    BadPort "bad-port" Error "A port, or a range of ports, that is none.";
    BadName "bad-name" Error "A name that cannot be used.";
    BadMask "bad-mask" Error "A persistence mask that cannot be read.";
    BadRange "bad-range" Error "A range that cannot be read, or that is empty.";
    BadRegex "bad-regex" Error "A regular expression that cannot be read.";
    BadHex "bad-hex" Error "Hexadecimal digits that cannot be read.";
    BadRequest "bad-request" Error "A part of a request that no request can have.";
    BadPath "bad-path" Error "A path that cannot be used.";
    BadCommand "bad-command" Error "A command that cannot be run.";
    EitherOr "either-or" Error "Two keys of which only one can stand.";
    // How the parts fit together.
    DuplicateName "duplicate-name" Error "Two services, pools or servers have one name.";
    DuplicateListen "duplicate-listen" Error "Two services listen on the same address.";
    DuplicateServer "duplicate-server" Error "A service has the same real server twice.";
    DuplicateDaemon "duplicate-daemon" Error "Two sync daemons have one role.";
    UnknownPool "unknown-pool" Error "A service names a pool that is not there.";
    UnusedPool "unused-pool" Warning "No service uses a pool.";
    PoolAndServers "pool-and-servers" Error "A service has a pool and servers of its own.";
    NoServer "no-server" Error "A listen address is left without a real server.";
    OtherFamily "other-family" Error "A real server's address family is none that the service listens on.";
    UnusedServer "unused-server" Warning "No service that uses the pool takes this server.";
    CheckPace "check-pace" Error "A check's times do not go together.";
    CheckPort "check-port" Error "A check has no port to go to.";
    CheckSource "check-source" Error "A check's source address that it cannot have.";
    CheckThrough "check-through" Error "A check through the forwarding path where none leads.";
    CheckMark "check-mark" Error "A firewall mark that is kept for checks.";
    TwoWeights "two-weights" Error "Two checks of a server would both set its weight.";
    TooFewServers "too-few-servers" Error "More servers are to be well than a service has.";
    DampingHold "damping-hold" Error "The longest hold is shorter than the first.";
    // Rejected or silently ignored by the kernel.
    NotUnicast "not-unicast" Error "A real server's address is not unicast.";
    OnePacket "one-packet" Error "One-packet scheduling of something else than UDP.";
    ServerPort "server-port" Error "A real server's port differs where packets keep the service's.";
    SchedulerFlag "scheduler-flag" Error "A scheduler does not have that flag.";
    ZeroPort "zero-port" Error "A service of all ports is not persistent.";
    MixedWithSync "mixed-with-sync" Error "A sync daemon beside a server of the other address family.";
    Thresholds "thresholds" Error "The lower connection threshold is above the upper one.";
    TunnelPort "tunnel-port" Error "A GUE tunnel has no port.";
    TunnelOption "tunnel-option" Error "A tunnel option that its type does not have.";
    SyncGroup "sync-group" Error "A sync group is not a multicast address.";
    // Works but causes trouble, or is unusual.
    UnknownScheduler "unknown-scheduler" Warning "A scheduler that this version does not know.";
    UnknownEngine "unknown-engine" Warning "A persistence engine that this version does not know.";
    NoScheduler "no-scheduler" Warning "A service without scheduler refuses every new connection.";
    OddFlag "odd-flag" Warning "A flag that the service's scheduler ignores.";
    OddForward "odd-forward" Warning "A forwarding method of the kernel's own.";
    OddTunnel "odd-tunnel" Warning "Tunnel settings that the kernel keeps and does not use.";
    OddMask "odd-mask" Warning "A persistence mask whose bits are not contiguous.";
    OddListen "odd-listen" Warning "A listen address that is not unicast.";
    OddSysctl "odd-sysctl" Warning "A switch that is neither on nor off.";
    LinkLocal "link-local" Warning "A real server's address is link-local.";
    LongTimeout "long-timeout" Warning "A time that not every kernel can keep.";
    IdlePersistence "idle-persistence" Warning "Persistence settings that the kernel keeps and does not use.";
    EngineProtocol "engine-protocol" Warning "The persistence engine sees UDP only.";
    QuiescentPersistence "quiescent-persistence" Warning "Persistent clients stay with a server of weight 0.";
    UdpNoDest "udp-nodest" Warning "UDP clients of a deleted server are not moved.";
    HashFallback "hash-fallback" Warning "A hash scheduler without fallback refuses the clients of an unusable server.";
    DhDrain "dh-drain" Warning "A server under `dh` cannot be drained.";
    ZeroWeights "zero-weights" Warning "All servers of a service have weight 0.";
    IgnoredWeight "ignored-weight" Warning "A scheduler does not look at weights that differ.";
    LongCheck "long-check" Warning "A check may take longer than its interval.";
    HairTrigger "hair-trigger" Warning "One answer changes a server's state, and nothing damps it.";
    MovingWeight "moving-weight" Warning "A weight that moves, under a scheduler that suffers from it or ignores it.";
    FailRemoves "fail-removes" Warning "A server that is down is removed where draining does harm.";
    SorryIdle "sorry-idle" Warning "The sorry servers never join.";
    NoCheck "no-check" Warning "Without a check no server is ever down.";
    SilentCheck "silent-check" Warning "A check that takes silence for an answer.";
    HarmfulCheck "harmful-check" Warning "A check that its server takes for an attack.";
    IdleCheck "idle-check" Warning "A check that is never made.";
    FileMissing "file-missing" Warning "A file that a check needs is not on this machine.";
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
