//! `type = "etcd"`, as Debian's etcd answers.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use super::{SERVICE, file, pool, refused, said, verb};
use crate::daemon::Daemon;
use crate::lab::{Host, Lan, Process, eventually};

pub(crate) const PORT: u16 = 2379;
const TLS_PORT: u16 = 2378;

/// etcd with one member, on the director's own machine.
pub(crate) struct Etcd<'h> {
    host: &'h Host,
    directory: tempfile::TempDir,
    options: Vec<String>,
    port: u16,
    process: Process,
    token: Option<String>,
    _alone: MutexGuard<'static, ()>,
}

/// etcd reserves 128 MiB for its log, and directories of tests are in the lab's memory.
static ONE: Mutex<()> = Mutex::new(());

impl<'h> Etcd<'h> {
    pub(crate) fn start(host: &'h Host) -> Self {
        Self::start_with(host, &[])
    }

    fn start_with(host: &'h Host, options: &[String]) -> Self {
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().unwrap();
        let process = launch(host, &directory, PORT, options);
        let etcd = Self {
            host,
            directory,
            options: options.to_vec(),
            port: PORT,
            process,
            token: None,
            _alone: alone,
        };
        etcd.wait();
        etcd
    }

    fn wait(&self) {
        eventually("etcd answers", || {
            self.attempt("kv/range", &json!({ "key": "YQ==" }))
        });
    }

    pub(crate) fn stop(&mut self) {
        self.process.signal(Signal::SIGKILL);
        eventually("etcd is dead", || self.process.ended());
    }

    /// Until [`Etcd::thaw`], it takes connections and does not answer.
    pub(super) fn freeze(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    pub(super) fn thaw(&self) {
        self.process.signal(Signal::SIGCONT);
        self.wait();
    }

    /// How far the store is.
    pub(super) fn revision(&self) -> u64 {
        let answer = self.ask("kv/range", &json!({ "key": "YQ==" }));
        let revision = answer["header"]["revision"].as_str().unwrap();
        revision.parse().unwrap()
    }

    pub(crate) fn restart(&mut self) {
        self.restart_on(PORT);
    }

    /// A port that the director does not know is a network that is cut.
    fn restart_on(&mut self, port: u16) {
        self.port = port;
        self.process = launch(self.host, &self.directory, port, &self.options);
        self.wait();
    }

    pub(super) fn lose_data(&mut self) {
        fs::remove_dir_all(self.directory.path().join("data")).unwrap();
    }

    pub(crate) fn put(&self, key: &str, value: &str) {
        self.ask(
            "kv/put",
            &json!({ "key": encode(key), "value": encode(value) }),
        );
    }

    pub(crate) fn delete(&self, key: &str) {
        self.ask("kv/deleterange", &json!({ "key": encode(key) }));
    }

    /// Asks; whatever the answer is, it is one.
    #[track_caller]
    pub(crate) fn ask(&self, path: &str, body: &Value) -> Value {
        let answer = self.attempt(path, body).expect("etcd answers");
        assert!(answer.get("error").is_none(), "{path}: {answer}");
        answer
    }

    fn attempt(&self, path: &str, body: &Value) -> Option<Value> {
        let body = body.to_string();
        let token = self.token.iter();
        let token: String = token
            .map(|token| format!("authorization: {token}\r\n"))
            .collect();
        let request = format!(
            "POST /v3/{path} HTTP/1.0\r\nhost: etcd\r\n{token}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.host.enter(|| {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            stream.write_all(request.as_bytes()).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            Some(answer)
        })?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }
}

fn launch(host: &Host, directory: &tempfile::TempDir, port: u16, options: &[String]) -> Process {
    let mut command = Command::new("/usr/bin/etcd");
    let urls = match options.is_empty() {
        true => format!("http://127.0.0.1:{port}"),
        false => format!("http://127.0.0.1:{port},https://127.0.0.1:{TLS_PORT}"),
    };
    command
        .arg("--data-dir")
        .arg(directory.path().join("data"))
        .args([
            "--listen-client-urls",
            &urls,
            "--advertise-client-urls",
            &urls,
        ])
        .args([
            "--listen-peer-urls",
            "http://127.0.0.1:2380",
            "--log-level",
            "error",
        ])
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    host.spawn_command(command)
}

pub(crate) fn encode(text: &str) -> String {
    STANDARD.encode(text)
}

pub(super) fn source(more: &str) -> String {
    format!(
        "discover = {{ type = \"etcd\", url = \"http://127.0.0.1:{PORT}\", prefix = \"/app\"{more} }}\n\
         max_removed = 100000\n"
    )
}

pub(super) fn recovers(daemon: &Daemon<'_>) {
    daemon.becomes("nothing is refused", &true, || {
        pool(daemon)["refused"].is_null()
    });
}

#[test]
#[ignore = "needs the lab"]
fn servers_come_and_go_with_keys() {
    let net = Lan::nat().real_servers(3).build();
    let etcd = Etcd::start(&net.director);
    etcd.put("/app/a", "10.2.0.11");
    etcd.put("/app/10.2.0.12", "");
    etcd.put("/app2/a", "10.2.0.13");
    etcd.put("/app", "not a server");
    let daemon = Daemon::start(&net.director, &file(&source("")));
    // The first list is there before anything is in force.
    assert!(daemon.log().contains("3 changes made"), "{}", daemon.log());
    daemon.weights(SERVICE, "1=1 2=1");
    etcd.put(
        "/app/c",
        r#"{"address": "10.2.0.13", "port": 80, "weight": 3}"#,
    );
    daemon.weights(SERVICE, "1=1 2=1 3=3");
    etcd.put("/app/c", r#"{"address": "10.2.0.13:80", "weight": 7}"#);
    daemon.weights(SERVICE, "1=1 2=1 3=7");
    etcd.put("/app/10.2.0.12", r#"{"weight": 4}"#);
    daemon.weights(SERVICE, "1=1 2=4 3=7");
    etcd.delete("/app/c");
    daemon.weights(SERVICE, "1=1 2=4");
    let asked = verb(
        &net.director,
        &daemon,
        &["discover", "app", "services.toml"],
    );
    assert_eq!(said(&asked), "10.2.0.12 weight 4\n10.2.0.11\n2 servers\n");
}

#[test]
#[ignore = "needs the lab"]
fn keys_that_are_no_servers_and_an_emptied_prefix_change_nothing() {
    let net = Lan::nat().real_servers(3).build();
    let etcd = Etcd::start(&net.director);
    etcd.put("/app/a", "\"10.2.0.11:80\"");
    etcd.put("/app/b", "10.2.0.12");
    let daemon = Daemon::start(&net.director, &file(&source("")));
    daemon.weights(SERVICE, "1=1 2=1");
    etcd.put("/app/config/color", "blue");
    refused(
        &daemon,
        "the key `/app/config/color`: `blue` is not an address",
    );
    etcd.put("/app/c", "10.2.0.13");
    etcd.put("/app/config/size", "{\"large\": true}");
    refused(&daemon, "and 1 more key");
    daemon.weights(SERVICE, "1=1 2=1");
    etcd.delete("/app/config/color");
    etcd.delete("/app/config/size");
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    recovers(&daemon);
    for (value, words) in [
        ("224.0.0.1", "224.0.0.1: not a unicast address"),
        ("10.2.0.12", "10.2.0.12 twice"),
        ("10.2.0.14:0", "port 0 is none"),
        ("web4.example.org", "`web4.example.org` is not an address"),
    ] {
        etcd.put("/app/d", value);
        refused(&daemon, words);
        daemon.weights(SERVICE, "1=1 2=1 3=1");
    }
    etcd.delete("/app/d");
    recovers(&daemon);
    etcd.ask(
        "kv/deleterange",
        &json!({ "key": encode("/app/"), "range_end": encode("/app0") }),
    );
    refused(&daemon, "an empty list: 3 servers stay");
    daemon.weights(SERVICE, "1=1 2=1 3=1");
    etcd.put("/app/b", "10.2.0.12");
    etcd.put("/app/c", "10.2.0.13");
    daemon.weights(SERVICE, "2=1 3=1");
}

#[test]
#[ignore = "needs the lab"]
fn a_store_that_is_killed_compacted_or_wiped_takes_no_server_away() {
    let net = Lan::nat().real_servers(3).build();
    let mut etcd = Etcd::start(&net.director);
    etcd.put("/app/a", "10.2.0.11");
    etcd.put("/app/b", "10.2.0.12");
    let daemon = Daemon::start(&net.director, &file(&source("")));
    daemon.weights(SERVICE, "1=1 2=1");
    etcd.stop();
    refused(&daemon, "connection refused");
    daemon.weights(SERVICE, "1=1 2=1");
    // While the director cannot reach it, it changes and forgets how.
    etcd.restart_on(2377);
    etcd.put("/app/c", "10.2.0.13");
    etcd.delete("/app/a");
    let revision = etcd.ask("kv/range", &json!({ "key": "YQ==" }))["header"]["revision"].clone();
    etcd.ask(
        "kv/compaction",
        &json!({ "revision": revision, "physical": true }),
    );
    etcd.stop();
    etcd.restart();
    daemon.weights(SERVICE, "2=1 3=1");
    recovers(&daemon);
    etcd.stop();
    etcd.lose_data();
    etcd.restart();
    refused(&daemon, "its list counts after 60s");
    etcd.put("/app/a", "10.2.0.11");
    daemon.weights(SERVICE, "2=1 3=1");
}

#[test]
#[ignore = "needs the lab"]
fn a_user_logs_in_and_again_when_the_token_no_longer_counts() {
    let net = Lan::nat().real_servers(3).build();
    let mut etcd = Etcd::start(&net.director);
    etcd.put("/app/a", "10.2.0.11");
    for user in ["root", "director"] {
        etcd.ask(
            "auth/user/add",
            &json!({ "name": user, "password": "secret" }),
        );
    }
    etcd.ask("auth/role/add", &json!({ "name": "reader" }));
    let may = json!({ "permType": "READ", "key": encode("/app/"), "range_end": encode("/app0") });
    etcd.ask("auth/role/grant", &json!({ "name": "reader", "perm": may }));
    etcd.ask(
        "auth/user/grant",
        &json!({ "user": "root", "role": "root" }),
    );
    etcd.ask(
        "auth/user/grant",
        &json!({ "user": "director", "role": "reader" }),
    );
    etcd.ask("auth/enable", &json!({}));
    let mut daemon = Daemon::idle(&net.director, "version = 1\n");
    let password = daemon.path("password");
    fs::write(&password, "wrong\n").unwrap();
    let login = format!(
        ", user = \"director\", password_file = \"{}\"",
        password.display()
    );
    daemon.write(&file(&source(&login)));
    daemon.launch();
    refused(&daemon, "cannot log in");
    // Read again for each attempt.
    fs::write(&password, "secret\n").unwrap();
    daemon.weights(SERVICE, "1=1");
    recovers(&daemon);
    // Tokens are in memory only.
    etcd.stop();
    etcd.restart();
    let log_in = json!({ "name": "root", "password": "secret" });
    let token = etcd.ask("auth/authenticate", &log_in)["token"].clone();
    etcd.token = Some(token.as_str().unwrap().to_owned());
    etcd.put("/app/b", "10.2.0.12");
    daemon.weights(SERVICE, "1=1 2=1");
    recovers(&daemon);
    // Without the right to read, the list stays.
    etcd.ask(
        "auth/user/revoke",
        &json!({ "name": "director", "role": "reader" }),
    );
    etcd.stop();
    etcd.restart();
    refused(&daemon, "permission denied");
    daemon.weights(SERVICE, "1=1 2=1");
}

/// Authorities and what they signed, in files.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let all = Self(tempfile::tempdir().unwrap());
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca =
            CertifiedIssuer::self_signed(params.clone(), KeyPair::generate().unwrap()).unwrap();
        let other = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        all.write("ca.pem", &ca.pem());
        all.write("other.pem", &other.pem());
        for name in ["server", "client"] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            all.write(
                &format!("{name}.pem"),
                &params.signed_by(&key, &ca).unwrap().pem(),
            );
            all.write(&format!("{name}.key"), &key.serialize_pem());
        }
        all
    }

    fn write(&self, name: &str, pem: &str) {
        fs::write(self.path(name), pem).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

#[test]
#[ignore = "needs the lab"]
fn over_tls_both_sides_are_verified() {
    let net = Lan::nat().real_servers(2).build();
    let all = Certificates::new();
    let options = [
        format!("--cert-file={}", all.text("server.pem")),
        format!("--key-file={}", all.text("server.key")),
        format!("--trusted-ca-file={}", all.text("ca.pem")),
        "--client-cert-auth".to_owned(),
    ];
    let etcd = Etcd::start_with(&net.director, &options);
    etcd.put("/app/a", "10.2.0.11");
    let over_tls = |tls: &str| {
        let url = format!("url = \"https://127.0.0.1:{TLS_PORT}\", tls = {{ {tls} }}");
        let plain = format!("url = \"http://127.0.0.1:{PORT}\"");
        file(&source("").replace(&plain, &url))
    };
    let (ca, other) = (all.text("ca.pem"), all.text("other.pem"));
    let daemon = Daemon::start(&net.director, &over_tls(&format!("ca = \"{other}\"")));
    refused(&daemon, "certificate:");
    daemon.write(&over_tls(&format!("ca = \"{ca}\"")));
    refused(&daemon, "requires a client certificate");
    let (certificate, key) = (all.text("client.pem"), all.text("client.key"));
    daemon.write(&over_tls(&format!(
        "ca = \"{ca}\", certificate = \"{certificate}\", key = \"{key}\""
    )));
    daemon.weights(SERVICE, "1=1");
    recovers(&daemon);
    etcd.put("/app/b", "10.2.0.12");
    daemon.weights(SERVICE, "1=1 2=1");
}

#[test]
#[ignore = "needs the lab"]
fn two_thousand_keys_are_servers_and_too_many_are_refused() {
    let net = Lan::nat().real_servers(1).build();
    let etcd = Etcd::start(&net.director);
    // As many operations as a transaction may have.
    let hosts: Vec<u32> = (0..2000).collect();
    for hosts in hosts.chunks(100) {
        let puts = hosts.iter().map(|host| {
            let key = format!("/app/{host}");
            let address = format!("10.9.{}.{}", host / 250, 1 + host % 250);
            json!({ "request_put": { "key": encode(&key), "value": encode(&address) } })
        });
        etcd.ask("kv/txn", &json!({ "success": puts.collect::<Vec<_>>() }));
    }
    let daemon = Daemon::start(
        &net.director,
        &file(&format!("{}max_servers = 2000", source(""))),
    );
    daemon.becomes("all servers are there", &json!(2000), || {
        pool(&daemon)["servers"].clone()
    });
    etcd.put("/app/more", "10.2.0.11");
    refused(&daemon, "a list of 2001 servers, and `max_servers` is 2000");
    etcd.delete("/app/1999");
    daemon.becomes("the other one is there", &true, || {
        let status = pool(&daemon);
        status["servers"] == json!(2000) && status["refused"].is_null()
    });
}
