//! A server dies, and the page shows it.

#[path = "../../web/driver.rs"]
#[allow(dead_code, reason = "the tests of the page use all of it")]
mod driver;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driver::Browser;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::lab::{Lan, Process, Protocol, eventually};

const FILE: &str = r#"
version = 1
[defaults]
check = { type = "tcp", interval = "1s" }
[service.web]
listen = "tcp://10.1.0.100:80"
forward = "nat"
servers = [{ name = "one", address = "10.2.0.11", port = 80 }, "10.2.0.12:80", "10.2.0.13:80"]
"#;

const PAGE: &str = "127.0.0.1:9180";

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

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

#[test]
#[ignore = "needs the lab"]
fn a_server_that_dies_is_news_on_the_page() {
    let net = Lan::nat().real_servers(3).build();
    let mut servers = net.serve(Protocol::Tcp, 80);
    let daemon = Daemon::start(&net.director, FILE);
    let _page = page(&daemon, &net);
    let mut stream = net.director.enter(|| TcpStream::connect(PAGE).unwrap());
    stream
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    let request = "GET /api/stream?of=overview HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut name = String::new();
    let mut until = |wanted: &str, holds: &dyn Fn(&Value) -> bool| loop {
        let line = lines.next().expect("the stream goes on");
        if let Some(event) = line.strip_prefix("event: ") {
            event.clone_into(&mut name);
        } else if let Some(data) = line.strip_prefix("data: ") {
            let data: Value = serde_json::from_str(data).unwrap();
            if name == wanted && holds(&data) {
                return data;
            }
        }
    };
    until("services", &|data| data["rows"][0]["up"] == 3);
    drop(servers.pop());
    let event = until("event", &|event| event["kind"] == "server-down");
    let news = until("services", &|data| data["rows"][0]["up"] == 2);
    let late = now_ms() - event["at_ms"].as_u64().unwrap();
    println!("on the page {late} ms after the event");
    assert_eq!(
        news["rows"][0]["why"],
        "10.2.0.13:80 down: connection refused"
    );
    assert_eq!(news["rows"][0]["state"], "degraded");
}

#[test]
#[ignore = "needs the lab"]
fn a_browser_shows_a_server_that_dies_with_its_reason() {
    let net = Lan::nat().real_servers(3).build();
    let mut servers = net.serve(Protocol::Tcp, 80);
    let daemon = Daemon::start(&net.director, FILE);
    let _page = page(&daemon, &net);
    net.director.enter(|| {
        let browser = Browser::open(1280, 800, false);
        browser.go(&format!("http://{PAGE}/"));
        browser.shows("3 of 3");
        drop(servers.pop());
        browser.shows("10.2.0.13:80 down: connection refused");
        browser.shows("2 of 3");
        assert_eq!(browser.complaints(), [""; 0]);
    });
}
