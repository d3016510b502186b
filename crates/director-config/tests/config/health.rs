//! The health settings of a service file, as the daemon gets them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use director_config::state::health::{
    CheckKind, Combine, Damping, Expect, Initial, OnFail, ServiceWatch, Threshold, Watch,
    WeightFrom,
};
use director_config::state::{DesiredServer, Servers, Share};
use director_config::{self as config, Environment, Memory, Style};
use ipvs::{ServerKey, ServiceKey};

fn load(text: &str) -> Watch {
    let files = Memory::from_iter([("a.toml", text)]);
    let outcome = config::load_from(Path::new("a.toml"), &files, &Environment::default());
    assert_eq!(outcome.errors(), 0, "{}", outcome.render(Style::Plain));
    let desired = outcome.desired.unwrap();
    let watch = outcome.watch.unwrap();
    let keys: Vec<_> = desired.services.keys().collect();
    assert_eq!(watch.services.keys().collect::<Vec<_>>(), keys);
    watch
}

fn service<'w>(watch: &'w Watch, listen: &str) -> &'w Arc<ServiceWatch> {
    let shown = |key: &ServiceKey| key.to_string() == listen;
    let found = watch.services.iter().find(|(key, _)| shown(key));
    found.unwrap_or_else(|| panic!("no {listen}")).1
}

fn server(text: &str) -> ServerKey {
    let address: std::net::SocketAddr = text.parse().unwrap();
    ServerKey::new(address.ip(), address.port())
}

#[test]
fn what_says_nothing_has_the_defaults() {
    let watch = load(
        "version = 1\n[service.a]\nlisten = \"tcp://192.0.2.1:80\"\nservers = [\"10.0.0.1\"]\n",
    );
    let expected = ServiceWatch {
        damping: Some(Damping::default()),
        ..ServiceWatch::default()
    };
    assert_eq!(**service(&watch, "tcp://192.0.2.1:80"), expected);
    assert_eq!(watch.run, Watch::default().run);
}

#[test]
fn a_check_inherits_key_by_key() {
    let watch = load(
        r#"
        version = 1
        [defaults]
        damping = { changes = 9, hold = "5m" }
        [defaults.check]
        type = "http"
        path = "/healthz"
        port = 8080
        interval = "10s"
        fall = 5
        [pool.app]
        servers = ["10.0.0.1", { address = "10.0.0.2", check = { port = 81 } }, { address = "10.0.0.3", check = false }]
        [service.plain]
        listen = "tcp://192.0.2.1:80"
        pool = "app"
        [service.host]
        listen = "tcp://192.0.2.1:81"
        pool = "app"
        check = { host = "www.example.org", fall = 1 }
        damping = { hold = "2m" }
        [service.secure]
        listen = "tcp://192.0.2.1:82"
        pool = "app"
        check = { type = "https", tls = { name = "a.example" } }
        [service.other]
        listen = "tcp://192.0.2.1:83"
        pool = "app"
        check = { type = "tcp", interval = "4s" }
        damping = false
        [service.none]
        listen = "tcp://192.0.2.1:84"
        pool = "app"
        check = false
        "#,
    );
    let checks = |listen| service(&watch, listen).checks.clone();
    let plain = checks("tcp://192.0.2.1:80");
    let CheckKind::Http(http) = &plain[0].kind else {
        panic!("{plain:?}")
    };
    assert_eq!(http.path, "/healthz");
    assert_eq!(plain[0].at.port, Some(8080));
    assert_eq!(plain[0].pace.interval, Duration::from_secs(10));
    assert_eq!(plain[0].pace.fast_interval, Duration::from_secs(5));
    assert_eq!(plain[0].pace.timeout, Duration::from_secs(2));
    assert_eq!((plain[0].pace.rise, plain[0].pace.fall), (2, 5));

    let host = checks("tcp://192.0.2.1:81");
    let CheckKind::Http(http) = &host[0].kind else {
        panic!("{host:?}")
    };
    assert_eq!(http.path, "/healthz");
    assert_eq!(http.host.as_deref(), Some("www.example.org"));
    assert_eq!((host[0].pace.rise, host[0].pace.fall), (2, 1));

    let secure = checks("tcp://192.0.2.1:82");
    let CheckKind::Http(http) = &secure[0].kind else {
        panic!("{secure:?}")
    };
    assert_eq!(http.path, "/healthz");
    assert_eq!(
        http.tls.as_ref().unwrap().name.as_deref(),
        Some("a.example")
    );

    // From another type only the pace is inherited.
    let other = checks("tcp://192.0.2.1:83");
    assert!(matches!(other[0].kind, CheckKind::Tcp(_)));
    assert_eq!(other[0].at.port, None);
    assert_eq!(other[0].pace.fall, 5);
    assert_eq!(other[0].pace.interval, Duration::from_secs(4));
    assert!(checks("tcp://192.0.2.1:84").is_empty());

    // A server's own check inherits from the service's.
    let own = &service(&watch, "tcp://192.0.2.1:81").servers;
    assert_eq!(own.len(), 2);
    let second = own[&server("10.0.0.2:81")].checks.as_ref().unwrap();
    let CheckKind::Http(http) = &second[0].kind else {
        panic!("{second:?}")
    };
    assert_eq!(http.host.as_deref(), Some("www.example.org"));
    assert_eq!(second[0].at.port, Some(81));
    assert_eq!(own[&server("10.0.0.3:81")].checks.as_deref(), Some(&[][..]));

    let damping = |listen| service(&watch, listen).damping;
    let inherited = damping("tcp://192.0.2.1:81").unwrap();
    assert_eq!(inherited.changes, 9);
    assert_eq!(inherited.hold, Duration::from_secs(120));
    assert_eq!(damping("tcp://192.0.2.1:83"), None);
}

#[test]
fn equal_checks_are_one() {
    let mut text = "version = 1\n[defaults]\ncheck = \"tcp\"\n".to_owned();
    for port in 1..=50 {
        let own = if port % 2 == 0 {
            "check = { type = \"tcp\" }\n"
        } else {
            ""
        };
        text += &format!(
            "[service.s{port}]\nlisten = \"tcp://192.0.2.1:{port}\"\nservers = [\"10.0.0.1\"]\n{own}"
        );
    }
    let watch = load(&text);
    let all: Vec<_> = watch.services.values().collect();
    assert_eq!(all.len(), 50);
    for pair in all.windows(2) {
        assert!(Arc::ptr_eq(&pair[0].checks[0], &pair[1].checks[0]));
    }
}

#[test]
fn the_ports_of_a_range_share_what_is_the_same() {
    let watch = load(
        r#"
        version = 1
        [service.a]
        listen = "tcp://192.0.2.1:8000-8099"
        servers = ["10.0.0.1"]
        check = "tcp"
        "#,
    );
    let all: Vec<_> = watch.services.values().collect();
    assert_eq!(all.len(), 100);
    assert!(all.windows(2).all(|pair| Arc::ptr_eq(pair[0], pair[1])));
}

#[test]
fn backup_and_sorry_servers_stand_under_the_addresses_of_their_family() {
    let watch = load(
        r#"
        version = 1
        [defaults]
        check = "ping"
        sorry = ["10.0.0.99", "2001:db8::99"]
        [service.a]
        listen = ["tcp://192.0.2.1:80", "tcp://[2001:db8::1]:80"]
        servers = [{ address = ["10.0.0.1", "2001:db8::11"], initial = "up" }]
        backup = ["10.0.0.21", { address = "2001:db8::21", weight = 7, check = "tcp" }]
        backup_below = "50%"
        min_healthy = 0
        "#,
    );
    let v4 = service(&watch, "tcp://192.0.2.1:80");
    let v6 = service(&watch, "tcp://[2001:db8::1]:80");
    let keys = |servers: &Servers<DesiredServer>| servers.keys().copied().collect::<Vec<_>>();
    assert_eq!(keys(&v4.backup), [server("10.0.0.21:80")]);
    assert_eq!(keys(&v4.sorry), [server("10.0.0.99:80")]);
    assert_eq!(keys(&v6.backup), [server("[2001:db8::21]:80")]);
    assert_eq!(keys(&v6.sorry), [server("[2001:db8::99]:80")]);
    let spare = &v6.backup[&server("[2001:db8::21]:80")];
    assert_eq!(spare.server.weight.get(), 7);
    assert_eq!(
        v4.servers[&server("10.0.0.1:80")].initial,
        Some(Initial::Up)
    );
    let own = &v6.servers[&server("[2001:db8::21]:80")];
    assert_eq!(own.checks.as_ref().unwrap()[0].kind.name(), "tcp");
    assert_eq!(v4.backup_below, Some(Threshold::Part(Share::percent(50))));
    assert_eq!(v4.min_healthy, Some(Threshold::Count(0)));
}

#[test]
fn every_part_of_the_example() {
    let text = std::fs::read_to_string("../../examples/health.toml").unwrap();
    let watch = load(&text);
    let shop = service(&watch, "tcp://192.0.2.10:80");
    assert_eq!(shop.combine, Combine::All);
    assert_eq!(shop.on_fail, OnFail::Drain);
    assert_eq!(shop.slow_start, Duration::from_secs(30));
    assert_eq!(shop.notify.len(), 2);
    assert_eq!(shop.notify[1].on.len(), 6);
    assert!(shop.checks[0].at.through);
    let CheckKind::Http(http) = &shop.checks[1].kind else {
        panic!("{shop:?}")
    };
    assert_eq!(http.status, [(200, 200), (204, 204)]);
    assert_eq!(http.body, Some(Expect::Matches("^(ok|busy)$".to_owned())));
    assert_eq!(
        http.headers,
        [("X-Check".to_owned(), "director".to_owned())]
    );
    let kinds: Vec<_> = [
        "tcp://192.0.2.14:9000",
        "tcp://192.0.2.15:7000",
        "udp://192.0.2.16:514",
    ]
    .into_iter()
    .flat_map(|listen| service(&watch, listen).checks.iter())
    .map(|check| check.kind.name())
    .collect();
    assert_eq!(kinds, ["tcp", "agent", "exec", "file", "tcp", "ping"]);
}

#[test]
fn headers_that_say_what_is_so_are_accepted() {
    let watch = load(
        r#"
version = 1
[service.web]
listen = "tcp://192.0.2.10:80"
servers = ["10.0.0.11"]

[service.web.check]
type = "http"
method = "POST"
headers = { "Content-Length" = "0", Connection = "Close", "X-Probe" = "yes" }
weight_header = "Content-Length"
"#,
    );
    let service = service(&watch, "tcp://192.0.2.10:80");
    let CheckKind::Http(http) = &service.checks[0].kind else {
        panic!("{service:?}");
    };
    let names: Vec<_> = http.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Content-Length", "Connection", "X-Probe"]);
    assert_eq!(
        http.weight,
        Some(WeightFrom::Header("Content-Length".into()))
    );
}

#[test]
fn bytes_are_sent_as_they_are_meant() {
    let watch = load(
        r#"
        version = 1
        [service.a]
        listen = "udp://192.0.2.1:53"
        servers = ["10.0.0.1"]
        check = { type = "udp", send_hex = "00 fF\t10", expect = "a\r\n" }
        "#,
    );
    let CheckKind::Udp(udp) = &service(&watch, "udp://192.0.2.1:53").checks[0].kind else {
        panic!()
    };
    assert_eq!(udp.send, [0, 255, 16]);
    assert_eq!(udp.expect, Some(Expect::Contains(b"a\r\n".to_vec())));
}

#[test]
fn json_says_the_same() {
    let load = |name: &str| {
        let path = Path::new("tests/config").join(name);
        config::load(&path, &Environment::default()).watch.unwrap()
    };
    assert_eq!(load("everything.toml"), load("everything.json"));
}
