//! A director with checks through the forwarding path, operated by hand instead of by the daemon.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use director::apply::{Kernel, Platform};
use director::check::through::{AcceptLocal, InterfaceReport, Through, Wish, lifetime};
use director::check::{Checks, Command, Record, Seen, Target, TargetId, Verdict};
use director::state::Share;
use director::state::health::{
    CheckAt, CheckKind, CheckSpec, Expect, Pace, RunSettings, TcpCheck, UdpCheck,
};
use ipvs::{ForwardMethod, Operation, Server, ServerKey, ServiceKey, Tunnel};

use crate::lab::{Family, Lan, Protocol, Tcp, Udp, eventually, paced_ms};

/// The port of all services.
pub(super) const PORT: u16 = 80;

/// The forwarding method of the servers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    pub(super) forward: ForwardMethod,
    pub(super) tunnel: Tunnel,
}

pub(super) const DR: Method = Method {
    forward: ForwardMethod::DirectRoute,
    tunnel: Tunnel::IPIP,
};

/// A network, its director, and the state that a daemon would have.
pub(super) struct Bench {
    pub(super) net: Lan,
    method: Method,
    pub(super) through: Through,
    accept: AcceptLocal,
    /// The targets so far, with their servers.
    targets: Vec<(Target, Server)>,
}

impl Bench {
    pub(super) fn new(net: Lan, method: Method) -> Self {
        Self {
            net,
            method,
            through: Through::new(&RunSettings::default(), Arc::default()),
            accept: AcceptLocal::default(),
            targets: Vec::new(),
        }
    }

    /// Drops all state in memory, as after a crash.
    pub(super) fn restart(&mut self) {
        self.through = Through::new(&RunSettings::default(), Arc::default());
        self.targets.clear();
    }

    /// Reads the private services, and makes them match the targets. Returns the operations.
    pub(super) fn reconcile(&mut self) -> Vec<Operation> {
        let (through, targets) = (&mut self.through, &self.targets);
        self.net.director.enter(|| {
            let mut kernel = Kernel::connect().unwrap();
            let observed = kernel.observe().unwrap();
            let wishes: Vec<_> = targets
                .iter()
                .map(|(target, server)| Wish::of(target, server).unwrap())
                .collect();
            let lifetime = lifetime(&observed.timeouts);
            let outcome = through.wanted(&wishes, &observed.private, lifetime, kernel.now());
            assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
            let report = kernel.execute(&outcome.operations);
            assert!(report.failures().is_empty(), "{:?}", report.failures());
            through.open(kernel.now());
            outcome.operations
        })
    }

    /// Enables the replies to come in.
    pub(super) fn prepare(&mut self) -> Vec<InterfaceReport> {
        let (accept, doors) = (&mut self.accept, self.through.passages().doors());
        self.net.director.enter(|| accept.prepare(doors))
    }

    /// Undoes [`prepare`](Self::prepare).
    pub(super) fn restore(&mut self) {
        let accept = &mut self.accept;
        self.net.director.enter(|| accept.restore());
    }

    /// A check of server `number` that expects its name.
    pub(super) fn target(
        &self,
        protocol: Protocol,
        family: Family,
        number: usize,
        way: Way,
    ) -> Target {
        let service = self.net.service(family, PORT);
        let server = self.net.server(family, number, PORT);
        let expect = Some(Expect::Contains(format!("real{number}\n").into_bytes()));
        let send = b"?\n".to_vec();
        let (kind, key) = match protocol {
            Tcp => (
                CheckKind::Tcp(TcpCheck { send, expect }),
                ServiceKey::tcp(service.ip(), PORT),
            ),
            Udp => (
                CheckKind::Udp(UdpCheck { send, expect }),
                ServiceKey::udp(service.ip(), PORT),
            ),
            other => panic!("no check speaks {other}"),
        };
        let pace = Pace {
            interval: paced_ms(100),
            fast_interval: paced_ms(100),
            timeout: paced_ms(600),
            jitter: Share::percent(0),
            ..Pace::default()
        };
        let through = way == Way::Through;
        let at = CheckAt {
            through,
            ..CheckAt::default()
        };
        Target {
            spec: Arc::new(CheckSpec { kind, pace, at }),
            address: server.ip(),
            port: PORT,
            service: through.then_some(key),
            server: (server.ip(), PORT),
            service_name: None,
            server_name: None,
        }
    }

    /// The declaration of a server with this address.
    pub(super) fn declared(&self, address: IpAddr) -> Server {
        Server::new(ServerKey::new(address, PORT), self.method.forward).tunnel(self.method.tunnel)
    }

    /// Opens the ways for these targets only.
    pub(super) fn open(&mut self, targets: &[Target]) {
        self.targets = targets
            .iter()
            .filter(|target| target.spec.at.through)
            .map(|target| (target.clone(), self.declared(target.server.0)))
            .collect();
    }

    /// Checks all these targets until each has `times` equal consecutive results, and returns the
    /// last state of each.
    pub(super) fn check(&self, targets: &[Target], times: u32) -> Vec<Seen> {
        let records: Vec<Arc<Record>> = targets.iter().map(|_| Arc::default()).collect();
        let passages = self.through.passages();
        let checks = self
            .net
            .director
            .enter(|| Checks::start_through(passages, |_| {}))
            .unwrap();
        let start = targets.iter().zip(&records).zip(0..);
        let commands = start.map(|((target, record), id)| Command::Start {
            id: TargetId(id),
            target: Arc::new(target.clone()),
            verdict: Verdict::Open,
            record: Arc::clone(record),
        });
        checks.send(commands.collect());
        eventually("all targets are checked", || {
            let seen: Vec<_> = records.iter().map(|record| record.seen()).collect();
            seen.iter().all(|seen| seen.streak >= times).then_some(seen)
        })
    }

    /// Checks each of three servers through the forwarding path, and returns which are up.
    #[track_caller]
    pub(super) fn well(&mut self, protocol: Protocol, family: Family) -> [bool; 3] {
        let targets = [1, 2, 3].map(|number| self.target(protocol, family, number, Way::Through));
        self.open(&targets);
        self.reconcile();
        self.prepare();
        let seen = self.check(&targets, 3);
        let well: Vec<bool> = seen.iter().map(|seen| seen.passed).collect();
        well.try_into()
            .unwrap_or_else(|_| panic!("three targets: {seen:?}"))
    }

    /// The private services of the director's kernel: the server's address by mark.
    pub(super) fn private(&self) -> BTreeMap<ServiceKey, Vec<IpAddr>> {
        let observed = self.net.director.enter(|| {
            let mut kernel = Kernel::connect().unwrap();
            kernel.observe().unwrap()
        });
        let servers = |service: &director::state::ObservedService| {
            service.servers.keys().map(|key| key.address).collect()
        };
        observed
            .private
            .iter()
            .map(|(key, service)| (*key, servers(service)))
            .collect()
    }
}

/// The way of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the virtual address.
    Through,
    /// To the server's own address.
    Direct,
}
