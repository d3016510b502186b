//! The in-memory kernel compared with the real one: the same random operations, the same answers,
//! and the same tables in the end. Tests above the library rely on it.

use std::time::{SystemTime, UNIX_EPOCH};

use ipvs::{
    Client, DaemonRole, Errno, Family, ForwardMethod, Fwmark, Name, Netmask, Operation, Server,
    ServerKey, Service, ServiceFlags, ServiceKey, SyncDaemon, SyncId, Timeouts, Tunnel,
    TunnelFlags, TunnelKind, Weight, fake::FakeKernel, transport::Transport,
};

use crate::library_rig::{configured, connect, inside};

/// Reproducible pseudorandom numbers (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

fn name(name: &str) -> Name {
    name.parse().expect("a name")
}

/// Few keys, so that operations collide.
fn service_key(dice: &mut Dice) -> ServiceKey {
    let v6 = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10];
    let mark = Fwmark::new(7).expect("it is not 0");
    dice.pick(&[
        ServiceKey::tcp([192, 0, 2, 10], 80),
        ServiceKey::udp([192, 0, 2, 10], 80),
        ServiceKey::tcp(v6, 80),
        ServiceKey::fwmark(Family::V4, mark),
        ServiceKey::fwmark(Family::V6, mark),
    ])
}

fn service(dice: &mut Dice) -> Service {
    let key = service_key(dice);
    let schedulers = ["rr", "wlc", "sh", "mh", "none", "nope", "a-name-of-16-by."];
    let netmask = match key.family() {
        Family::V4 => Netmask::V4(dice.pick(&[[255; 4], [255, 255, 0, 0], [0; 4]]).into()),
        Family::V6 => Netmask::V6(dice.pick(&[128, 64, 1, 0, 129])),
    };
    Service {
        key,
        scheduler: name(dice.pick(&schedulers)),
        flags: ServiceFlags::from_kernel(dice.pick(&[0, 1, 4, 0x18])),
        timeout: dice.pick(&[0, 300]),
        netmask,
        engine: dice
            .pick(&[None, None, None, Some("sip"), Some("nope")])
            .map(name),
    }
}

fn server_key(dice: &mut Dice) -> ServerKey {
    let v6 = |last| ServerKey::new([0x2001, 0xdb8, 1, 0, 0, 0, 0, last], 80);
    let keys = [
        ServerKey::new([10, 0, 0, 11], 80),
        ServerKey::new([10, 0, 0, 11], 81),
        ServerKey::new([10, 0, 0, 12], 80),
        ServerKey::new([0, 0, 0, 0], 80),
        ServerKey::new([224, 0, 0, 5], 80),
        ServerKey::new([255, 255, 255, 255], 80),
        v6(0x11),
        v6(0x12),
        ServerKey::new([0xff02, 0, 0, 0, 0, 0, 0, 5], 80),
    ];
    dice.pick(&keys)
}

fn server(dice: &mut Dice) -> Server {
    let tunnels = [
        Tunnel::IPIP,
        Tunnel::gre(TunnelFlags::CSUM),
        Tunnel::gue(6080, TunnelFlags::NONE),
        Tunnel::gue(0, TunnelFlags::NONE),
        Tunnel {
            kind: TunnelKind::Ipip,
            port: 9,
            flags: TunnelFlags::CSUM,
        },
    ];
    let methods = [
        ForwardMethod::Masquerade,
        ForwardMethod::DirectRoute,
        ForwardMethod::Tunnel,
        ForwardMethod::Tunnel,
    ];
    let (upper, lower) = dice.pick(&[(0, 0), (0, 0), (5, 4), (4, 5), (0, 1)]);
    Server::new(server_key(dice), dice.pick(&methods))
        .weight(Weight::new(dice.pick(&[0, 1, 100])).expect("it is small"))
        .thresholds(upper, lower)
        .tunnel(dice.pick(&tunnels))
}

fn daemon(dice: &mut Dice) -> SyncDaemon {
    let role = dice.pick(&[DaemonRole::Master, DaemonRole::Backup]);
    SyncDaemon {
        group: dice.pick(&[
            None,
            Some([224, 0, 1, 2].into()),
            Some([10, 0, 0, 9].into()),
        ]),
        ..SyncDaemon::new(role, name(dice.pick(&["d0", "d0", "nowhere"])), SyncId(1))
    }
}

fn operation(dice: &mut Dice) -> Operation {
    match dice.below(100) {
        0..20 => Operation::AddService(service(dice)),
        20..30 => Operation::UpdateService(service(dice)),
        30..34 => Operation::DeleteService(service_key(dice)),
        34..64 => Operation::AddServer(service_key(dice), server(dice)),
        64..79 => Operation::UpdateServer(service_key(dice), server(dice)),
        79..87 => Operation::DeleteServer(service_key(dice), server_key(dice)),
        87..89 => Operation::ZeroService(service_key(dice)),
        89 => Operation::ZeroAll,
        90 => Operation::Flush,
        91..93 => Operation::SetTimeouts(Timeouts {
            tcp: dice.pick(&[0, 100, i32::MAX.unsigned_abs()]),
            tcp_fin: dice.pick(&[0, 10]),
            udp: dice.pick(&[0, 30]),
        }),
        93..96 => Operation::StartDaemon(daemon(dice)),
        _ => Operation::StopDaemon(dice.pick(&[DaemonRole::Master, DaemonRole::Backup])),
    }
}

/// A new one each time, unless `IPVS_SEED` is set.
fn seed() -> u64 {
    if let Ok(seed) = std::env::var("IPVS_SEED") {
        return seed.parse().expect("IPVS_SEED is a number");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = now.expect("it is past 1970").as_micros();
    u64::try_from(micros).expect("64 bits of microseconds last long")
}

/// The errno of each operation that failed.
fn outcomes<T: Transport>(client: &mut Client<T>, operations: &[Operation]) -> Vec<Option<Errno>> {
    let report = client.execute(operations);
    (0..operations.len())
        .map(|index| {
            let error = report.error(index)?;
            let errno = error.errno();
            assert!(errno.is_some(), "{error}");
            errno
        })
        .collect()
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_in_memory_kernel_answers_as_the_real_one() {
    let seed = seed();
    println!("IPVS_SEED={seed} repeats this run");
    let mut dice = Dice(seed);
    for round in 0..40 {
        let operations: Vec<_> = (0..100).map(|_| operation(&mut dice)).collect();
        let kernel = FakeKernel::new();
        let mut fake = Client::over(kernel.clone()).expect("its module is loaded");
        let expected = outcomes(&mut fake, &operations);
        inside(|| {
            let mut real = connect();
            let found = outcomes(&mut real, &operations);
            for (index, operation) in operations.iter().enumerate() {
                assert_eq!(
                    found[index], expected[index],
                    "round {round}, operation {index}: {operation:?}"
                );
            }
            let table = |table: Result<_, ipvs::Error>| configured(&table.expect("it can be read"));
            assert_eq!(table(real.table()), table(fake.table()));
            let daemons = (real.daemons(), fake.daemons());
            assert_eq!(
                daemons.0.expect("they can be read"),
                daemons.1.expect("they can be read"),
            );
            let limits = real.timeouts().expect("they can be read");
            assert_eq!(limits, kernel.timeouts());
            for role in [DaemonRole::Master, DaemonRole::Backup] {
                let _ = real.stop_daemon(role);
            }
        });
    }
}
