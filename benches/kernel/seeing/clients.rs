//! Who has the most connections, in a large table.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use director::peers::inject::backup;
use ipvs::Client;

use crate::director::Daemon;
use crate::lab::Netns;
use crate::measure::{Figure, Reach, medians, peak_memory, time};
use crate::{entries, namespace};

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(120);

const FILE: &str = "version = 1
sync = { role = \"backup\", interface = \"lo\" }
[service.web]
listen = \"tcp://192.0.2.10:80\"
forward = \"dr\"
scheduler = \"rr\"
servers = [\"10.0.0.21\", \"10.0.0.22\"]
";

pub(super) fn all(long: bool, figures: &mut Vec<Figure>) {
    let entries = if long { 1_000_000 } else { 100_000 };
    let net = namespace();
    let daemon = Daemon::start(&net, FILE);
    fill(&net, entries);
    let count = ["/usr/bin/wc", "-l", "/proc/net/ip_vs_conn"];
    let top = daemon.command("connections --top clients --format json");
    let top: Vec<_> = std::iter::once(top.get_program())
        .chain(top.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    // Debian's reads the file from its beginning for each page of it, and so does ours: minutes with a
    // million entries.
    let turns = if long { 1 } else { 3 };
    let [counted, ours] = medians(
        turns,
        [&mut || time(&net, &count, ""), &mut || time(&net, &top, "")],
    );
    let name = format!("connections, --top clients of {entries} entries / wc -l");
    figures.push(Figure::at_most(&name, ours, counted, 1.5));
    let name = format!("connections, --top clients of {entries} entries: peak KiB");
    let peak = peak_memory(&net, &top);
    figures.push(Figure::count(&name, peak, Reach::Below(30.0 * 1024.0)));
    daemon.stop();
}

/// Fills the table. What the backup daemon loses is sent again.
fn fill(net: &Netns, entries: u32) {
    let virtual_service = SocketAddr::from(([192, 0, 2, 10], 80));
    let servers = [21, 22].map(|last| SocketAddr::from(([10, 0, 0, last], 80)));
    let end = Instant::now() + PATIENCE;
    net.enter(|| {
        let mut client = Client::connect().unwrap();
        let daemons = loop {
            let daemons = client.daemons().unwrap();
            if backup(&daemons).is_some() {
                break daemons;
            }
            assert!(Instant::now() < end, "no backup daemon");
            thread::sleep(Duration::from_millis(100));
        };
        let daemon = backup(&daemons).unwrap();
        loop {
            entries::open(daemon, virtual_service, &servers, entries);
            thread::sleep(Duration::from_secs(2));
            let table = client.table().unwrap();
            let servers = table.services.iter().flat_map(|service| &service.servers);
            let there: u32 = servers.map(|server| server.active).sum();
            println!("{there} of {entries} connections are in the table");
            if there == entries {
                return;
            }
            assert!(Instant::now() < end, "the table does not get full");
        }
    });
}
