//! Debian's `ldirectord`, unchanged, on the drop-in `ipvsadm`: it reads the table from `-L -n` and
//! changes it with `-A`, `-a`, `-d`.
//!
//! ```text
//!   ldirectord ──► /usr/sbin/ipvsadm (the drop-in is mounted there) ──► the director's IPVS
//!       └── connects to real1, real2 each second
//! ```

use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use ipvs::{Client, ServiceKey};

use crate::ipvsadm::programs::{ours, replace, with_own_mounts};
use crate::lab::{Family::V4, Lan, Protocol::Tcp, eventually, paced_ms};

const CONFIGURATION: &str = "\
checktimeout=TIMEOUT
checkinterval=1
autoreload=no
quiescent=no
logfile=\"LOG\"
virtual=10.1.0.100:80
        real=10.2.0.11:80 masq 3
        real=10.2.0.12:80 masq
        protocol=tcp
        scheduler=wrr
        persistent=300
        netmask=255.255.255.0
        checktype=connect
";

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn ldirectord_works_on_it_unchanged() {
    let net = Lan::nat().real_servers(2).build();
    let mut client = net
        .director
        .enter(Client::connect)
        .expect("the lab has ip_vs");
    let directory = env::temp_dir().join(format!("ldirectord-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory can be made");
    let (file, log) = (directory.join("test.cf"), directory.join("log"));
    let text = CONFIGURATION
        .replace("LOG", &log.display().to_string())
        .replace("TIMEOUT", &paced_ms(2_000).as_secs().to_string());
    fs::write(&file, text).expect("a file can be written");

    let _first = net.real(1).serve(Tcp, 80);
    let second = net.real(2).serve(Tcp, 80);
    let mut ldirectord = with_own_mounts(|| {
        replace("/usr/sbin/ipvsadm", &ours());
        let mut command = Command::new("/usr/sbin/ldirectord");
        // Its foreground output is long; its log has the same.
        let quiet = || Stdio::null();
        command
            .arg("-d")
            .arg(&file)
            .arg("start")
            .stdout(quiet())
            .stderr(quiet());
        net.director.spawn_command(command)
    });
    let mut wait_for = |what: &str, hosts: &[&str]| {
        eventually(what, || {
            let ended = ldirectord.ended();
            assert!(
                ended.is_none(),
                "ldirectord ended with {ended:?}: {}",
                read(&log)
            );
            let servers = client.servers(&ServiceKey::tcp([10, 1, 0, 100], 80)).ok()?;
            let mut there: Vec<String> = servers
                .iter()
                .map(|entry| format!("{} {}", entry.server.key, entry.server.weight))
                .collect();
            there.sort();
            (there == hosts).then_some(())
        });
    };
    let both = ["10.2.0.11:80 3", "10.2.0.12:80 1"];
    wait_for("both servers are in the table", &both);
    drop(second);
    wait_for("the dead one is taken out", &both[..1]);
    let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(5).run();
    assert_eq!(answers.to_string(), "real1=5");
    let _second = net.real(2).serve(Tcp, 80);
    wait_for("it comes back", &both);

    let service = client
        .service(&ServiceKey::tcp([10, 1, 0, 100], 80))
        .expect("it can be read")
        .expect("it is there")
        .service;
    assert_eq!(
        (service.scheduler.as_str(), service.timeout),
        (Some("wrr"), 300)
    );
    assert_eq!(service.netmask.to_string(), "255.255.255.0");
    drop(ldirectord);
    let _ = fs::remove_dir_all(&directory);
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
