//! `type = "dns"`, as bind answers.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use super::{SERVICE, file, pool, refused};
use crate::daemon::Daemon;
use crate::lab::{Lan, Process, eventually};

/// bind with one zone, on the director's own machine.
struct Bind {
    directory: tempfile::TempDir,
    process: Process,
    serial: u32,
}

const PORT: u16 = 5353;

impl Bind {
    fn start(net: &Lan, records: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().display().to_string();
        let config = format!(
            "options {{ directory \"{at}\"; pid-file \"{at}/pid\"; listen-on port {PORT} {{ 127.0.0.1; }};\n\
             listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; minimal-responses yes;\n\
             session-keyfile \"{at}/session.key\"; }};\ncontrols {{ }};\n\
             zone \"example.org\" {{ type primary; file \"zone\"; notify no; }};\n"
        );
        fs::write(directory.path().join("named.conf"), config).unwrap();
        write_zone(&directory, 1, records);
        let process = launch(net, &directory);
        Self {
            directory,
            process,
            serial: 1,
        }
    }

    /// Serves these records from now on.
    fn serve(&mut self, records: &str) {
        self.serial += 1;
        write_zone(&self.directory, self.serial, records);
        self.process.signal(Signal::SIGHUP);
    }

    fn stop(&mut self) {
        self.process.signal(Signal::SIGKILL);
        eventually("bind is dead", || self.process.ended());
    }

    fn restart(&mut self, net: &Lan) {
        self.process = launch(net, &self.directory);
    }
}

fn launch(net: &Lan, directory: &tempfile::TempDir) -> Process {
    let mut command = Command::new("/usr/sbin/named");
    command.args(["-f", "-n", "1", "-c"]);
    command.arg(directory.path().join("named.conf"));
    net.director.spawn_command(command)
}

fn write_zone(directory: &tempfile::TempDir, serial: u32, records: &str) {
    let zone = format!(
        "$TTL 1\n@ IN SOA ns hostmaster {serial} 60 60 600 1\n@ IN NS ns\nns IN A 127.0.0.1\n{records}\n"
    );
    fs::write(directory.path().join("zone.new"), zone).unwrap();
    fs::rename(
        directory.path().join("zone.new"),
        directory.path().join("zone"),
    )
    .unwrap();
}

fn source(name: &str, record: &str) -> String {
    format!(
        "discover = {{ type = \"dns\", name = \"{name}\", record = \"{record}\", \
         resolvers = [\"127.0.0.1:{PORT}\"], min_ttl = \"500ms\" }}\n"
    )
}

#[test]
#[ignore = "needs the lab"]
fn the_addresses_of_a_name_are_the_servers() {
    let net = Lan::nat().real_servers(3).build();
    let mut bind = Bind::start(&net, "app A 10.2.0.11\napp A 10.2.0.12");
    let daemon = Daemon::start(&net.director, &file(&source("app.example.org", "a")));
    daemon.weights(SERVICE, "1=1 2=1");
    bind.serve("app A 10.2.0.12\napp A 10.2.0.13");
    daemon.weights(SERVICE, "2=1 3=1");
    // Behind an alias.
    bind.serve("app CNAME real\nreal A 10.2.0.11\nreal A 10.2.0.12");
    daemon.weights(SERVICE, "1=1 2=1");
}

#[test]
#[ignore = "needs the lab"]
fn a_name_that_is_gone_empty_or_not_answered_changes_nothing() {
    let net = Lan::nat().real_servers(3).build();
    let mut bind = Bind::start(&net, "app A 10.2.0.11\napp A 10.2.0.12");
    let daemon = Daemon::start(&net.director, &file(&source("app.example.org", "a")));
    daemon.weights(SERVICE, "1=1 2=1");
    bind.serve("other A 10.2.0.13");
    refused(&daemon, "NXDOMAIN");
    daemon.weights(SERVICE, "1=1 2=1");
    bind.serve("app TXT nothing");
    refused(&daemon, "an empty list: 2 servers stay");
    daemon.weights(SERVICE, "1=1 2=1");
    // A zone that bind cannot read.
    bind.serve("app A not-an-address");
    bind.stop();
    bind.restart(&net);
    refused(&daemon, "SERVFAIL");
    bind.stop();
    refused(&daemon, "127.0.0.1:5353");
    daemon.weights(SERVICE, "1=1 2=1");
    bind.serial += 1;
    write_zone(
        &bind.directory,
        bind.serial,
        "app A 10.2.0.13\napp A 10.2.0.12",
    );
    bind.restart(&net);
    daemon.weights(SERVICE, "2=1 3=1");
    daemon.becomes("nothing is refused", &true, || {
        pool(&daemon)["refused"].is_null()
    });
}

#[test]
#[ignore = "needs the lab"]
fn srv_records_have_ports_weights_and_priorities() {
    let net = Lan::nat().real_servers(3).build();
    let records = "_http._tcp SRV 0 30 80 a\n_http._tcp SRV 0 0 80 b\n_http._tcp SRV 10 5 80 c\n\
                   a A 10.2.0.11\nb A 10.2.0.12\nc A 10.2.0.13";
    let mut bind = Bind::start(&net, records);
    let daemon = Daemon::start(
        &net.director,
        &file(&source("_http._tcp.example.org", "srv")),
    );
    // The third one is a backup server: it is not needed.
    daemon.weights(SERVICE, "1=30 2=1");
    daemon.becomes("the third one is a backup server", &true, || {
        let service = daemon.get("/v1/services/web").unwrap();
        service.to_string().contains("\"backup\"")
    });
    // One name without an address: half a list is none.
    bind.serve("_http._tcp SRV 0 30 80 a\n_http._tcp SRV 0 1 80 d\na A 10.2.0.11");
    refused(&daemon, "d.example.org");
    daemon.weights(SERVICE, "1=30 2=1");
    bind.serve("_http._tcp SRV 0 7 80 a\na A 10.2.0.11");
    // In steps: 24, 20, 16, ...
    daemon.weights(SERVICE, "1=7");
}

#[test]
#[ignore = "needs the lab"]
fn an_answer_too_long_for_a_datagram_comes_over_tcp() {
    let net = Lan::nat().real_servers(1).build();
    let records: String = (1..=90)
        .map(|host| format!("app A 10.2.1.{host}\n"))
        .collect();
    let _bind = Bind::start(&net, &records);
    let daemon = Daemon::start(&net.director, &file(&source("app.example.org", "a")));
    daemon.becomes("all servers are there", &serde_json::json!(90), || {
        pool(&daemon)["servers"].clone()
    });
}
