//! A verdict goes first: while a thousand operations are left, its operation is sent immediately,
//! and only one slice of bounded size is done between two looks at the inbox.

use ipvs::{Operation, ServiceKey};

use super::scenarios::{THREE, WEB, running};
use super::*;

const SERVICES: u16 = 200;
/// The number of servers of each, for a thousand operations in all.
const SERVERS: u16 = 4;

/// The most kernel requests of one slice, reading and writing: for sixteen services each its entry,
/// its list of servers, itself and its servers.
const SLICE: usize = 16 * (3 + SERVERS as usize);

/// [`THREE`], which is checked and may change as often as it likes, and many services without
/// checks.
fn crowded(weight: u32) -> String {
    let mut file = format!("{THREE}damping = false\n");
    let servers: Vec<String> = (1..=SERVERS)
        .map(|last| format!("{{ address = \"10.9.0.{last}\", weight = {weight} }}"))
        .collect();
    let servers = servers.join(", ");
    for port in 1..=SERVICES {
        let listen = format!("listen = \"tcp://192.0.2.99:{port}\"\ncheck = []\n");
        file += &format!("[service.s{port}]\n{listen}servers = [{servers}]\n");
    }
    file
}

/// Server 12 of [`WEB`], with one verdict after the other.
struct Urgent {
    target: TargetId,
    up: bool,
    given: usize,
}

impl Urgent {
    fn of(sim: &Sim) -> Self {
        let address: IpAddr = [10, 0, 0, 12].into();
        let mut checks = sim.checks.iter();
        let found = checks.find(|(_, checked)| checked.target.address == address);
        Self {
            target: *found.expect("it is checked").0,
            up: true,
            given: 0,
        }
    }

    /// The next verdict: the very next request to the kernel is its operation.
    #[track_caller]
    fn judge(&mut self, sim: &mut Sim) {
        self.up = !self.up;
        self.given += 1;
        sim.kernel.clear_log();
        let verdict = if self.up { Verdict::Up } else { Verdict::Down };
        sim.handle(Input::Finding(Finding::Judged {
            target: self.target,
            verdict,
            cut_off: false,
            reason: Arc::from("so it is"),
        }));
        let log = sim.kernel.log();
        let web: ServiceKey = WEB.parse().unwrap();
        let [ipvs::Request::Operation(Operation::UpdateServer(key, server))] = &log[..] else {
            panic!("one operation and nothing else: {log:?}");
        };
        assert_eq!(*key, web);
        assert_eq!(server.weight.get(), u32::from(self.up));
    }

    /// Does the remaining work, slice by slice, with a verdict between any two; returns the number
    /// of slices with kernel requests, and of their operations.
    #[track_caller]
    fn between_slices(&mut self, sim: &mut Sim) -> (usize, usize) {
        let (mut slices, mut operations) = (0, 0);
        for _ in 0..64 {
            if !sim.core.has_work() {
                break;
            }
            sim.kernel.clear_log();
            sim.core.work(&mut sim.client, sim.now);
            let asked = sim.kernel.log().len();
            assert!(asked <= SLICE, "{asked} requests in one slice");
            operations += sim.sent().values().sum::<usize>();
            // The worker has its own socket.
            sim.deliver();
            // Beside that there is only the snapshot, which each verdict changes.
            if asked > 0 || sim.core.is_reloading() {
                self.judge(sim);
            }
            slices += usize::from(asked > 0);
        }
        (slices, operations)
    }
}

#[test]
fn a_verdict_does_not_wait_for_a_reconcile() {
    let mut sim = running(&crowded(1));
    sim.seconds(5);
    let mut urgent = Urgent::of(&sim);
    for port in 1..=SERVICES {
        sim.meddle(Operation::DeleteService(ServiceKey::tcp(
            [192, 0, 2, 99],
            port,
        )));
    }
    let end = sim.now.boot.after(Duration::from_secs(10));
    let (mut slices, mut operations) = (0, 0);
    while sim.now.boot < end {
        sim.step();
        let (more, sent) = urgent.between_slices(&mut sim);
        (slices, operations) = (slices + more, operations + sent);
    }
    let all = usize::from(SERVICES * (1 + SERVERS));
    assert_eq!(operations, all, "all of it is mended");
    assert!(slices >= all / SLICE, "{slices}");
    assert_eq!(sim.kernel.services().len(), usize::from(SERVICES) + 1);
}

#[test]
fn a_verdict_does_not_wait_for_a_reload() {
    let mut sim = running(&crowded(1));
    sim.seconds(5);
    let mut urgent = Urgent::of(&sim);
    // The worker takes a while for the file, and then for the transaction.
    sim.pace = Duration::from_secs(1);
    sim.edit(&crowded(2));
    let loaded = sim.events("loaded").len();
    let (mut slices, mut waited) = (0, 0);
    while sim.events("loaded").len() == loaded || sim.core.has_work() {
        sim.step();
        urgent.judge(&mut sim);
        waited += 1;
        slices += urgent.between_slices(&mut sim).0;
        assert!(waited < 10_000, "it does not end");
    }
    assert!(waited >= 200, "two jobs of a second each: {waited} steps");
    // All changed services are examined once more, in sixteens.
    assert!(slices >= usize::from(SERVICES) / 16, "{slices}");
    assert_eq!(sim.weights("tcp://192.0.2.99:200").matches("=2").count(), 4);
    assert!(urgent.given > waited);
}
