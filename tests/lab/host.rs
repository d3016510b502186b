//! One host of the network: a namespace, its addresses, and operations in it.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    process::Command,
};

use super::{
    ask::{Ask, Connection},
    netns::Netns,
    program::{self, Outcome, Process},
    serve::Server,
    traffic::{Failure, Family, Protocol},
    wire::Wire,
};

/// A host. The module's documentation describes its use.
#[derive(Debug)]
pub(crate) struct Host {
    name: String,
    netns: Netns,
    addresses: Vec<IpAddr>,
}

impl Host {
    pub(super) fn new(name: &str, netns: Netns, addresses: Vec<IpAddr>) -> Self {
        Self {
            name: name.to_owned(),
            netns,
            addresses,
        }
    }

    /// `director`, `real1`, ...
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The namespace.
    pub(crate) fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Its first address of a family.
    #[track_caller]
    pub(crate) fn address(&self, family: Family) -> IpAddr {
        let first = self.addresses(family).into_iter().next();
        first.unwrap_or_else(|| panic!("{} has no {family:?} address", self.name))
    }

    /// All its addresses of a family in the order drawn; virtual ones come last.
    pub(crate) fn addresses(&self, family: Family) -> Vec<IpAddr> {
        let wanted = |address: &IpAddr| address.is_ipv4() == (family == Family::V4);
        self.addresses.iter().copied().filter(wanted).collect()
    }

    /// Runs `work` inside, on a separate thread. A socket created there stays in the namespace and
    /// may be returned: for example `director.enter(ipvs::Client::new)`.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.netns.enter(work)
    }

    /// Runs a command line and returns its stdout. Words are split at blanks, without quoting; use
    /// [`Host::command`] for other cases.
    ///
    /// # Panics
    ///
    /// If it fails or takes longer than two minutes; the message includes its output.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        let outcome = self.attempt(line);
        assert!(outcome.success(), "on {}: {line}: {outcome}", self.name);
        outcome.stdout
    }

    /// Runs a command line and returns its result, even a failure.
    pub(crate) fn attempt(&self, line: &str) -> Outcome {
        self.command(words(line), b"")
    }

    /// Runs a command to its end with `input` on its stdin; returns its result, even a failure.
    pub(crate) fn command(&self, command: Command, input: &[u8]) -> Outcome {
        self.enter(|| program::complete(command, input))
    }

    /// Starts a command line in the background, with the test's own stdout and stderr.
    pub(crate) fn spawn(&self, line: &str) -> Process {
        self.spawn_command(words(line))
    }

    /// Starts a command in the background.
    pub(crate) fn spawn_command(&self, command: Command) -> Process {
        self.enter(|| Process::start(command))
    }

    /// Lines for `ip -batch`: `addr add 10.1.0.7/16 dev eth0`.
    #[track_caller]
    pub(crate) fn ip(&self, batch: &str) {
        let mut ip = Command::new("ip");
        ip.args(["-batch", "-"]);
        let outcome = self.command(ip, batch.as_bytes());
        assert!(
            outcome.success(),
            "on {}: ip -batch: {outcome}{batch}",
            self.name
        );
    }

    /// Runs lines for `ipvsadm -R`: `-A -t 10.1.0.100:80 -s rr`. Debian's program (the one in the
    /// path), so that the code under test does not configure the network.
    #[track_caller]
    pub(crate) fn ipvsadm(&self, lines: &str) {
        let outcome = self.command(words("ipvsadm -R"), lines.as_bytes());
        // Debian's program continues after a failed line, and only reports it.
        let clean = outcome.success() && outcome.stderr.is_empty();
        assert!(clean, "on {}: ipvsadm -R: {outcome}{lines}", self.name);
    }

    /// Sets a sysctl of the namespace: `net.ipv4.vs.expire_nodest_conn`.
    ///
    /// # Panics
    ///
    /// If the sysctl does not exist or rejects the value.
    #[track_caller]
    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        self.sysctls(&[(name, value)]);
    }

    /// Sets several in one go, which is cheaper.
    #[track_caller]
    pub(crate) fn sysctls(&self, settings: &[(&str, &str)]) {
        // procfs resolves /proc/sys/net for the calling task, hence inside.
        self.enter(|| {
            for (name, value) in settings {
                let path = sysctl_path(name);
                if let Err(error) = fs::write(&path, value) {
                    panic!("on {}: {name} = {value}: {error}", self.name);
                }
            }
        });
    }

    /// The value of a sysctl of the namespace, without the newline.
    #[track_caller]
    pub(crate) fn read_sysctl(&self, name: &str) -> String {
        let path = sysctl_path(name);
        match self.enter(|| fs::read_to_string(&path)) {
            Ok(value) => value.trim_end().to_owned(),
            Err(error) => panic!("on {}: {name}: {error}", self.name),
        }
    }

    /// A file of the namespace's `/proc/net`: `ip_vs_conn`.
    pub(crate) fn proc_net(&self, name: &str) -> io::Result<String> {
        // /proc/net itself belongs to the main thread.
        let path = format!("/proc/thread-self/net/{name}");
        self.enter(|| fs::read_to_string(path))
    }

    /// The number of packets that a device has received; 0 if it does not exist.
    pub(crate) fn packets_into(&self, device: &str) -> u64 {
        let table = self
            .proc_net("dev")
            .expect("every namespace has a table of devices");
        let row = table
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'));
        // After the colon: bytes, packets, ...
        row.and_then(|row| row.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0)
    }

    /// Captures incoming and outgoing packets from now on.
    ///
    /// # Panics
    ///
    /// Without the privilege for it.
    #[track_caller]
    pub(crate) fn tap(&self) -> Wire {
        self.enter(Wire::tap)
            .unwrap_or_else(|error| panic!("on {}: cannot listen: {error}", self.name))
    }

    /// Marks incoming packets that match (`-d 10.1.0.100 -p tcp -m multiport --dports 80,443`), for
    /// a firewall-mark service.
    #[track_caller]
    pub(crate) fn mark(&self, family: Family, matches: &str, mark: u32) {
        // nftables supports neither IPv4 nor IPv6 in Debian's User-Mode Linux.
        let program = match family {
            Family::V4 => "iptables-legacy",
            Family::V6 => "ip6tables-legacy",
        };
        self.run(&format!(
            "{program} -t mangle -A PREROUTING {matches} -j MARK --set-mark {mark}"
        ));
    }

    /// Serves a port on all its addresses, including virtual ones, until the server is dropped. It
    /// answers every line with this host's name.
    #[track_caller]
    pub(crate) fn serve(&self, protocol: Protocol, port: u16) -> Server {
        let all: Vec<SocketAddr> = self.addresses.iter().map(|ip| (*ip, port).into()).collect();
        self.serve_at(protocol, &all)
    }

    /// Serves only these addresses.
    #[track_caller]
    pub(crate) fn serve_at(&self, protocol: Protocol, addresses: &[SocketAddr]) -> Server {
        self.enter(|| Server::start(protocol, addresses, &self.name))
            .unwrap_or_else(|error| {
                panic!(
                    "on {}: cannot serve {protocol} {addresses:?}: {error}",
                    self.name
                )
            })
    }

    /// A single request from this host's first address: [`Ask`] has options, and [`Ask::run`] sends
    /// it.
    pub(crate) fn ask(&self, protocol: Protocol, service: SocketAddr) -> Ask<'_> {
        Ask::new(
            &self.netns,
            protocol,
            service,
            self.addresses(family_of(service)),
        )
    }

    /// Opens a connection (for UDP, a flow) from here that stays open until dropped.
    pub(crate) fn connect(
        &self,
        protocol: Protocol,
        service: SocketAddr,
    ) -> Result<Connection, Failure> {
        self.ask(protocol, service).connect()
    }
}

fn sysctl_path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

fn words(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().expect("a command line has a first word"));
    command.args(words);
    command
}

fn family_of(address: SocketAddr) -> Family {
    if address.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    }
}
