//! What the machine lacks, for people and for programs.

use std::fmt::{self, Write};
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::state::MachineCode;

/// The number of examples in a warning.
const SHOWN: usize = 3;

/// A setting of the machine that keeps declared services from working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Listen addresses that this machine does not have.
    AddressMissing(Examples),
    /// Addresses on interfaces that are not in use, or not yet.
    AddressUnready(Examples),
    /// Addresses that another machine has too, so that they are not used here.
    AddressTaken(Examples),
    /// Servers without a route.
    NoRoute(Examples),
    /// NAT servers whose replies are not forwarded.
    NotForwarded {
        /// The sysctl that would have to be 1.
        sysctl: String,
        /// The servers concerned.
        servers: Examples,
    },
    /// Servers whose checks leave from a virtual address, which these servers hold too.
    VirtualSource(Examples),
    /// The source check drops distant clients on the interface where they come in.
    SourceRefused {
        /// The interface's name.
        interface: String,
        /// The addresses on which services listen there.
        addresses: Examples,
    },
}

/// Items of one kind: their number, and the first few.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examples {
    /// The number of items.
    pub count: usize,
    /// Whether there are more that were not counted.
    pub more: bool,
    /// The first few, each with the name of one of its services.
    pub first: Vec<(IpAddr, String)>,
}

impl Examples {
    /// Adds one item.
    pub(super) fn add(&mut self, address: IpAddr, service: &str) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push((address, service.to_owned()));
        }
    }

    fn address(&self) -> String {
        let first = self.first.first();
        first.map_or_else(String::new, |(address, _)| address.to_string())
    }

    /// The first few, with their services.
    fn named(&self) -> String {
        let named = |(address, service): &(IpAddr, String)| format!("{address} ({service})");
        let named: Vec<_> = self.first.iter().map(named).collect();
        let rest = if self.count > self.first.len() {
            ", …"
        } else {
            ""
        };
        format!("{}{rest}", named.join(", "))
    }

    /// The sentence about one item by name, or about several with their number and examples.
    fn say(&self, of_one: &str, of_many: &str) -> String {
        if self.count == 1 {
            return format!("{} {of_one}", self.named());
        }
        let more = if self.more { "more than " } else { "" };
        format!("{more}{} {of_many}: {}", self.count, self.named())
    }
}

impl Warning {
    /// The code, which `allow` in the service file can name.
    #[must_use]
    pub const fn code(&self) -> MachineCode {
        match self {
            Self::AddressMissing(_) => MachineCode::AddressMissing,
            Self::AddressUnready(_) => MachineCode::AddressUnready,
            Self::AddressTaken(_) => MachineCode::AddressTaken,
            Self::NoRoute(_) => MachineCode::NoRoute,
            Self::NotForwarded { .. } => MachineCode::NotForwarded,
            Self::SourceRefused { .. } => MachineCode::SourceRefused,
            Self::VirtualSource(_) => MachineCode::VirtualSource,
        }
    }

    /// A fixed word for programs.
    #[must_use]
    pub fn kind(&self) -> String {
        self.code().name().replace('-', "_")
    }

    /// The items concerned.
    #[must_use]
    pub const fn examples(&self) -> &Examples {
        match self {
            Self::AddressMissing(examples)
            | Self::AddressUnready(examples)
            | Self::AddressTaken(examples)
            | Self::NoRoute(examples)
            | Self::VirtualSource(examples)
            | Self::NotForwarded {
                servers: examples, ..
            }
            | Self::SourceRefused {
                addresses: examples,
                ..
            } => examples,
        }
    }

    /// The consequence.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::AddressMissing(_) => "IPVS only balances packets that the machine would receive \
                                        itself"
                .into(),
            Self::AddressUnready(_) => {
                "its interface is down, or duplicate address detection is not done".into()
            }
            Self::AddressTaken(_) => "duplicate address detection found it elsewhere on the \
                                      network, so this machine receives nothing for it"
                .into(),
            Self::NoRoute(_) => "connections to such a server fail".into(),
            Self::VirtualSource(_) => "the server holds that address too, and answers itself, so \
                                       the check never passes"
                .into(),
            Self::NotForwarded { .. } => "replies come back to the director, which must forward \
                                          them to the client"
                .into(),
            Self::SourceRefused { interface, .. } => format!(
                "the reply to a client beyond its networks would not leave through {interface}, so \
                 the kernel drops the client's packets as forged"
            ),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        let address = self.examples().address();
        let bits = if address.contains(':') { 128 } else { 32 };
        match self {
            Self::AddressMissing(_) => format!(
                "`ip address add {address}/{bits} dev lo`, or `ip route add local` for a whole \
                 network; not on a standby director"
            ),
            Self::AddressUnready(_) => {
                format!("`ip address show to {address}` shows where it is, and which of the two")
            }
            Self::AddressTaken(_) => format!(
                "remove {address} from the other machine; if both need it, as under `dr`, the \
                 servers hold it on lo"
            ),
            Self::NoRoute(_) => format!("`ip route get {address}` shows what the kernel would do"),
            Self::NotForwarded { sysctl, .. } => {
                format!("`sysctl -w {sysctl}=1`, and in /etc/sysctl.d to keep it")
            }
            Self::VirtualSource(_) => {
                "give this machine an address of its own in that family, such as one in \
                     the servers' network; or set `source` in the check"
                    .into()
            }
            Self::SourceRefused { interface, .. } => format!(
                "`sysctl -w net.ipv4.conf.{interface}.rp_filter=2`, or a route to the clients \
                 by {interface}"
            ),
        }
    }

    /// The warning as text of three lines, ending in a newline.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let mut text = String::new();
        let title = if colour {
            "\x1b[1;33mwarning\x1b[0m"
        } else {
            "warning"
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{title}[{}]: {self}", self.code());
        let _ = writeln!(text, "  = note: {}", self.reason());
        let _ = writeln!(text, "  = help: {}", self.help());
        text
    }

    /// The warning for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let examples = self.examples();
        let first = examples.first.iter().map(
            |(address, service)| json!({ "address": address.to_string(), "service": service }),
        );
        json!({
            "code": self.code().name(),
            "kind": self.kind(),
            "count": examples.count,
            "more": examples.more,
            "examples": first.collect::<Vec<_>>(),
            "text": self.to_string(),
            "reason": self.reason(),
            "help": self.help(),
        })
    }
}

/// The problem and its items.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::AddressMissing(addresses) => addresses.say(
                "is not an address of this machine",
                "listen addresses are not addresses of this machine",
            ),
            Self::AddressUnready(addresses) => {
                addresses.say("is not in use yet", "listen addresses are not in use yet")
            }
            Self::AddressTaken(addresses) => addresses.say(
                "is used by another machine",
                "listen addresses are used by other machines",
            ),
            Self::NoRoute(servers) if servers.count == 1 => {
                format!("no route to {}", servers.named())
            }
            Self::NoRoute(servers) => servers.say("", "servers have no route"),
            Self::VirtualSource(servers) => servers.say(
                "is checked from a virtual address",
                "servers are checked from a virtual address",
            ),
            Self::NotForwarded { sysctl, servers } => {
                let servers = servers.say("uses `nat`", "servers use `nat`");
                format!("{sysctl} is 0, and {servers}")
            }
            Self::SourceRefused {
                interface,
                addresses,
            } => {
                let addresses = if addresses.count == 1 {
                    addresses.named()
                } else {
                    addresses.say("", "addresses")
                };
                format!("rp_filter is strict on {interface}, where clients of {addresses} come in")
            }
        };
        f.write_str(&text)
    }
}
