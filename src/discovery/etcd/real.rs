//! Debian's etcd on the loopback interface: what a store does to those who ask it for long.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::*;
use crate::discovery::fixtures::source;
use crate::discovery::http::{Http, Question};
use crate::discovery::rules::shown;
use crate::state::discovery::Source;

/// The longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store of its own; it ends with this.
struct Store {
    directory: tempfile::TempDir,
    process: Child,
    port: u16,
    token: Option<String>,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A port that is free now.
fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

impl Store {
    fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let (client, peer) = (
            format!("http://127.0.0.1:{port}"),
            format!("http://127.0.0.1:{}", free_port()),
        );
        let process = Command::new("/usr/bin/etcd")
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            .args(["--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")])
            .args(["--log-level", "error"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Debian's etcd-server is installed: scripts/deps test");
        let store = Self {
            directory,
            process,
            port,
            token: None,
        };
        let is_there = || {
            store
                .post("/v3/kv/range", &json!({ "key": "YQ==" }))
                .is_ok()
        };
        eventually("etcd answers", is_there);
        store
    }

    /// What it answers, or its error.
    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.post_as(self.token.as_deref(), path, body)
    }

    fn post_as(&self, token: Option<&str>, path: &str, body: &Value) -> Result<Value, String> {
        let Source::Etcd(source) = source(&self.keys("")) else {
            panic!("another source");
        };
        let token = token.map(|token| ("authorization", token.to_owned()));
        let reply = Http::new(&source.servers)?.ask(
            &Question {
                method: hyper::Method::POST,
                path: path.to_owned(),
                headers: token.into_iter().collect(),
                body: body.to_string().into(),
            },
            Duration::from_secs(10),
        )?;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        match reply.status == hyper::StatusCode::OK {
            true => serde_json::from_str(&text).map_err(|error| format!("{error}: {text}")),
            false => Err(text),
        }
    }

    fn done(&self, path: &str, body: &Value) -> Value {
        self.post(path, body).unwrap()
    }

    fn put(&self, key: &str, value: &str) {
        let (key, value) = (encode(key.as_bytes()), encode(value.as_bytes()));
        self.done("/v3/kv/put", &json!({ "key": key, "value": value }));
    }

    fn log_in(&self, user: &str) -> String {
        let body = json!({ "name": user, "password": "secret" });
        let reply = self.done("/v3/auth/authenticate", &body);
        reply["token"].as_str().unwrap().to_owned()
    }

    /// The keys of `discover`.
    fn keys(&self, more: &str) -> String {
        let port = self.port;
        format!("type = \"etcd\", url = \"http://127.0.0.1:{port}\", prefix = \"/app\"{more}")
    }

    fn asker(&self, more: &str) -> Etcd {
        match source(&self.keys(more)) {
            Source::Etcd(source) => Etcd::new(&source),
            other => panic!("{other:?}"),
        }
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The servers of the next answer.
fn servers(etcd: &mut Etcd) -> Vec<String> {
    match etcd.ask().answer {
        Answer::Servers(servers) => servers.iter().map(|(place, _)| shown(*place)).collect(),
        Answer::Failed(why) => vec![why],
    }
}

#[test]
fn a_watch_from_a_revision_that_is_compacted_is_followed_by_a_list() {
    let store = Store::start(&[]);
    store.put("/app/a", "10.0.0.1");
    let mut etcd = store.asker("");
    assert_eq!(servers(&mut etcd), ["10.0.0.1"]);
    let seen = etcd.store.unwrap().revision;
    // What happens while no watch is open is not seen, and then forgotten.
    etcd.watch = None;
    store.put("/app/b", "10.0.0.2");
    let deleted = json!({ "key": encode(b"/app/a") });
    let deleted = store.done("/v3/kv/deleterange", &deleted);
    let body = json!({ "revision": deleted["header"]["revision"], "physical": true });
    store.done("/v3/kv/compaction", &body);
    let create = json!({
        "key": encode(b"/app/"), "range_end": encode(b"/app0"),
        "start_revision": (seen + 1).to_string(),
    });
    let create = json!({ "create_request": create });
    let mut watch = etcd.session.open("/v3/watch", &create).unwrap();
    let why = etcd.wait(&mut watch).unwrap_err();
    assert!(why.contains("is compacted"), "{why}");
    etcd.watch = Some(etcd.session.open("/v3/watch", &create).unwrap());
    assert_eq!(servers(&mut etcd), ["10.0.0.2"]);
    // The new watch brings what comes next.
    store.put("/app/c", "10.0.0.3");
    assert_eq!(servers(&mut etcd), ["10.0.0.2", "10.0.0.3"]);
}

#[test]
fn a_token_whose_time_is_over_is_replaced_and_the_list_goes_on() {
    let mut store = Store::start(&["--auth-token-ttl", "1", "--bcrypt-cost", "4"]);
    store.put("/app/a", "10.0.0.1");
    for user in ["root", "director"] {
        let account = json!({ "name": user, "password": "secret" });
        store.done("/v3/auth/user/add", &account);
    }
    store.done("/v3/auth/role/add", &json!({ "name": "reader" }));
    let may = json!({ "permType": "READ", "key": encode(b"/app/"), "range_end": encode(b"/app0") });
    let grant = json!({ "name": "reader", "perm": may });
    store.done("/v3/auth/role/grant", &grant);
    for (user, role) in [("root", "root"), ("director", "reader")] {
        store.done(
            "/v3/auth/user/grant",
            &json!({ "user": user, "role": role }),
        );
    }
    store.done("/v3/auth/enable", &json!({}));
    let password = store.directory.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    let login = format!(
        ", user = \"director\", password_file = \"{}\"",
        password.display()
    );
    let mut etcd = store.asker(&login);
    assert_eq!(servers(&mut etcd), ["10.0.0.1"]);
    // Each use of a token prolongs it: these are as old as the asker's last use or younger, and each is
    // used once.
    let younger: Vec<String> = (0..100).map(|_| store.log_in("director")).collect();
    let mut younger = younger.iter();
    let range = json!({ "key": encode(b"/app/a") });
    eventually("a token expires", || {
        let token = younger.next().expect("a token that was not used");
        let asked = store.post_as(Some(token), "/v3/kv/range", &range);
        asked.is_err_and(|why| why.contains("invalid auth token"))
    });
    store.token = Some(store.log_in("root"));
    store.put("/app/b", "10.0.0.2");
    // The watch was lost with the connection: the next question needs a token.
    etcd.watch = None;
    assert_eq!(servers(&mut etcd), ["10.0.0.1", "10.0.0.2"]);
    // Without the right password there is no new token: then the list has no answer, but an error.
    fs::write(&password, "wrong\n").unwrap();
    store.token = Some(store.log_in("root"));
    let younger: Vec<String> = (0..100).map(|_| store.log_in("director")).collect();
    let mut younger = younger.iter();
    eventually("the next token expires", || {
        let token = younger.next().expect("a token that was not used");
        store.post_as(Some(token), "/v3/kv/range", &range).is_err()
    });
    etcd.watch = None;
    let why = servers(&mut etcd).concat();
    assert!(why.contains("cannot log in"), "{why}");
}
