//! A real director behind the page, and a browser in front of it.

#[path = "../../web/driver.rs"]
#[allow(dead_code, reason = "the tests of the page use all of it")]
mod driver;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driver::Browser;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::lab::{Family, Lan, Process, Protocol, eventually, pace, paced};

const FILE: &str = r#"
version = 1
[defaults]
check = { type = "tcp", interval = "1s" }
[service.web]
listen = "tcp://10.1.0.100:80"
forward = "nat"
scheduler = "rr"
servers = [{ name = "one", address = "10.2.0.11" }, { name = "two", address = "10.2.0.12" },
           { name = "three", address = "10.2.0.13" }]
"#;

const PAGE: &str = "127.0.0.1:9180";
/// How long after the event the page may show it.
const SOON: Duration = Duration::from_secs(2);

/// `director web` beside its director.
fn page(daemon: &Daemon<'_>, net: &Lan) -> Process {
    let (program, view) = (env!("CARGO_BIN_EXE_director"), daemon.path("view.sock"));
    let line = format!("{program} web --view-socket {}", view.display());
    let process = net.director.spawn(&line);
    eventually("the page answers", || {
        net.director.enter(|| TcpStream::connect(PAGE).ok())
    });
    process
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

/// When the text was first on the page, in milliseconds since 1970, by the browser itself: asking it
/// takes longer than what is measured.
const WATCH: &str = "window.seen = null; const look = () => {
    if (window.seen === null && document.body.innerText.includes(TEXT)) window.seen = Date.now();
}; new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });";

fn all_are_up(daemon: &Daemon<'_>) {
    eventually("all are up", || {
        let status = daemon.get("/v1/status")?;
        (status["services"][0]["up"] == 3).then_some(())
    });
}

/// When the director said that a server is down, in milliseconds since 1970.
fn event(daemon: &Daemon<'_>) -> u64 {
    let lines = daemon.http("GET /v1/events?kind=server-down HTTP/1.0\r\n\r\n");
    let lines = lines.unwrap();
    let event: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    event["at_ms"].as_u64().unwrap()
}

/// What a viewer is answered.
fn viewed(daemon: &Daemon<'_>, path: &str) -> Value {
    let mut socket = UnixStream::connect(daemon.path("view.sock")).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
#[ignore = "needs the lab, and chromium"]
fn a_browser_shows_a_server_that_dies_what_was_before_and_who_is_connected() {
    if pace() > 1 {
        eprintln!("skipped: a browser takes too long on emulated processors");
        return;
    }
    let net = Lan::nat().real_servers(3).addresses(3).build();
    let mut servers = net.serve(Protocol::Tcp, 80);
    let daemon = Daemon::start(&net.director, FILE);
    let _page = page(&daemon, &net);
    all_are_up(&daemon);
    let client = net.client(1);
    let address = client.addresses(Family::V4)[1];
    let ask = client.ask(Protocol::Tcp, net.service(Family::V4, 80));
    let _held = ask.times(2).from([address]).connect_all().unwrap();
    net.director.enter(|| {
        let browser = Browser::open(1280, 800, false);
        browser.go(&format!("http://{PAGE}/"));
        browser.shows("3 of 3");
        let text = "three down: connection refused";
        browser.run(&WATCH.replace("TEXT", &format!("{text:?}")));
        let before = now();
        // The history has whole seconds.
        eventually("the next second", || (now() > before + 1).then_some(()));
        drop(servers.pop());
        browser.shows(text);
        browser.shows("2 of 3");
        let seen = browser.run("return window.seen").as_u64().unwrap();
        let late = seen.saturating_sub(event(&daemon));
        println!("on the page {late} ms after the event");
        assert!(Duration::from_millis(late) < paced(SOON), "{late} ms");

        browser.go(&format!("http://{PAGE}/history?at={before}&from={before}"));
        browser.shows("3 of 3");
        let after = now();
        let times = format!("at={after}&from={before}");
        browser.go(&format!("http://{PAGE}/history?{times}&show=difference"));
        browser.shows("10.2.0.13:80");
        browser.go(&format!("http://{PAGE}/history?{times}&show=changes"));
        browser.shows("server-down");

        browser.go(&format!("http://{PAGE}/connections?client={address}"));
        browser.shows("2 shown");
        browser.shows("ESTABLISHED");
        browser.go(&format!("http://{PAGE}/connections?of=web&why={address}"));
        browser.shows("scheduler rr");

        browser.go(&format!("http://{PAGE}/plan"));
        browser.shows("nothing to do");
        assert_eq!(browser.complaints(), [""; 0]);
    });
}

#[test]
#[ignore = "needs the lab"]
fn a_plan_of_the_running_director_is_what_a_reload_does_and_shows_no_secret() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Protocol::Tcp, 80);
    let daemon = Daemon::start(&net.director, FILE);
    let plan = || viewed(&daemon, "/v1/plan");
    all_are_up(&daemon);
    assert_eq!(plan()["changes"], false, "{}", plan());
    // A director that reads it, too, rejects it.
    let broken = FILE.replace("scheduler = \"rr\"", "scheduler = 7 # hunter2");
    daemon.write(&broken);
    let made = plan();
    assert_eq!(made["error"]["kind"], "mistakes", "{made}");
    assert_eq!(made["diagnostics"][0]["severity"], "error");
    assert!(!made.to_string().contains("hunter2"), "{made}");
    // A guard keeps it from being in force.
    daemon.write("version = 1\n");
    let made = plan();
    assert_eq!(made["changes"], true, "{made}");
    let steps = made["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["name"] == "web"), "{made}");
    assert_ne!(made["guards"], serde_json::json!([]), "{made}");
    assert_eq!(
        daemon.get("/v1/plan").unwrap()["changes"],
        true,
        "on both sockets"
    );
    // The machine lacks the address; the verb says the same.
    daemon.write(&FILE.replace("10.1.0.100", "10.1.0.199"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
    command
        .args(["plan", "services.toml", "--format", "json", "--socket"])
        .arg(daemon.path("control.sock"))
        .current_dir(daemon.path("."))
        .env("DIRECTOR_STATE_DIR", daemon.path("state"));
    let said = net.director.command(command, &[]);
    let said: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{said}"));
    let made = plan();
    assert_eq!(made["warnings"][0]["code"], "address-missing", "{made}");
    assert_eq!(made["warnings"], said["warnings"], "{made}");
}
