//! What a page gets, and when.

use serde_json::{Value, json};

use director::control::snapshot::Snapshot;

use super::fake::{self, snapshot};
use super::raw::Live;
use super::site::{eventually, site};

const SERVICE: &str = "?service=tcp%3A%2F%2F192.0.2.10%3A80";

fn open(site: &super::site::Site, query: &str) -> Live {
    let (status, live) = Live::open(site.address, query, "");
    assert_eq!(status, 200);
    live
}

fn row<'a>(data: &'a Value, key: &str, name: &str) -> &'a Value {
    let rows = data["rows"].as_array().unwrap().iter();
    rows.into_iter()
        .find(|row| row[key] == name)
        .unwrap_or_else(|| panic!("{name}: {data}"))
}

#[test]
fn the_overview_has_services_and_no_servers_but_the_worst_reason() {
    let site = site();
    let mut live = open(&site, "?of=overview");
    let services = live.until("services", |data| data["full"] == true);
    let web = row(&services, "key", "tcp://192.0.2.10:80");
    assert_eq!(web["state"], "degraded");
    assert_eq!(web["declared"], 7);
    assert_eq!(web["why"], "app4 down: connection refused");
    assert!(web.get("servers").is_none());
    let flows = live.until("flows", |data| {
        data["rows"]["tcp://192.0.2.10:80"].is_array()
    });
    assert_eq!(
        flows["rows"]["tcp://192.0.2.10:80"],
        json!([56, 23, 23_000])
    );
}

#[test]
fn a_server_that_goes_down_is_news_and_the_others_are_not() {
    let site = site();
    let mut overview = open(&site, "?of=overview");
    let mut service = open(&site, SERVICE);
    overview.until("services", |data| data["full"] == true);
    let whole = service.until("service", |data| data["full"] == true);
    assert_eq!(whole["head"]["name"], "web");
    assert_eq!(
        row(&whole, "address", "10.0.0.13:80")["drain"]["by"],
        "root (alice)"
    );
    assert_eq!(
        row(&whole, "address", "10.0.0.11:80")["flow"],
        json!([27, 11, 11_000])
    );
    site.takes_down("status 500");
    let event = overview.until("event", |_| true);
    assert_eq!(event["text"], "down: status 500");
    let news = overview.until("services", |_| true);
    assert_eq!(news["full"], false);
    assert_eq!(news["rows"].as_array().unwrap().len(), 1, "{news}");
    assert_eq!(row(&news, "name", "web")["why"], "app1 down: status 500");
    let is_down = |data: &Value| data["rows"][0]["state"] == "down";
    let news = service.until("service", is_down);
    assert_eq!(news["rows"].as_array().unwrap().len(), 1, "{news}");
    let server = row(&news, "address", "10.0.0.11:80");
    assert_eq!(server["reason"], "status 500");
    assert_eq!(server["checks"][0]["streak"], 3);
    assert_eq!(server["weight_set"]["by"], "bob");
}

#[test]
fn a_page_that_was_cut_off_goes_on_where_it_was() {
    let site = site();
    let mut first = open(&site, "?of=overview");
    first.until("services", |data| data["full"] == true);
    let id = first.id.clone();
    drop(first);
    site.takes_down("status 500");
    let head = format!("Last-Event-ID: {id}\r\n");
    let (_, mut again) = Live::open(site.address, "?of=overview", &head);
    let news = again.until("services", |_| true);
    assert_eq!(news["full"], false, "{news}");
    for strange in ["1-1", "x", "99999999999999999999-1"] {
        let head = format!("Last-Event-ID: {strange}\r\n");
        let (_, mut new) = Live::open(site.address, "?of=overview", &head);
        assert_eq!(new.until("services", |_| true)["full"], true);
    }
}

#[test]
fn a_director_that_is_gone_is_said_to_be_silent_since_and_one_that_comes_back_is_read() {
    let mut site = super::site::site_of(Snapshot::default(), &[]);
    let mut live = open(&site, "");
    let beat = live.until("beat", |data| data["at"].is_number());
    assert!(beat["why"].is_null());
    site.running.viewer.take();
    let beat = live.until("beat", |data| data["why"].is_string());
    assert!(beat["at"].is_number(), "when it last answered: {beat}");
    assert!(
        beat["why"]
            .as_str()
            .unwrap()
            .contains("no director is running"),
        "{beat}"
    );
    site.running.fake.published.publish(snapshot());
    site.running.viewer = Some(fake::serve_view_at(
        &site.running.view(),
        &site.running.fake,
    ));
    live.until("head", |data| data["file"] == "/etc/director/services.toml");
    live.until("beat", |data| data["why"].is_null());
}

#[test]
fn while_no_page_is_open_nothing_is_read_and_ten_pages_read_as_much_as_one() {
    let site = site();
    let read = || *site.running.fake.tables.lock().unwrap();
    assert_eq!(read(), 0);
    let mut pages: Vec<_> = (0..10).map(|_| open(&site, "?of=overview")).collect();
    for _ in 0..3 {
        pages[0].until("flows", |_| true);
    }
    let after_three = read();
    assert!((3..=6).contains(&after_three), "{after_three}");
    drop(pages);
    // It lingers for a while, and then stops.
    let mut last = (read(), std::time::Instant::now());
    eventually("nothing is read any more", || {
        let now = read();
        if now != last.0 {
            last = (now, std::time::Instant::now());
        }
        (last.1.elapsed().as_secs() >= 4).then_some(())
    });
}

#[test]
fn a_service_that_is_not_there_is_said_to_be_missing() {
    let site = site();
    let mut live = open(&site, "?service=udp%3A%2F%2F192.0.2.77%3A53");
    let news = live.until("service", |_| true);
    assert!(
        news["absent"]
            .as_str()
            .unwrap()
            .contains("udp://192.0.2.77:53"),
        "{news}"
    );
    for query in [
        "?service=x",
        "?of=x",
        "?of=overview&service=tcp%3A%2F%2F192.0.2.10%3A80",
    ] {
        assert_eq!(
            site.get(&format!("/api/stream{query}")).status,
            400,
            "{query}"
        );
    }
}

#[test]
fn past_events_are_filtered_by_the_director() {
    let site = site();
    let texts = |query: &str| {
        let answer = site.get(&format!("/api/events{query}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let events = answer.json();
        let texts = events.as_array().unwrap().iter();
        texts
            .map(|event| event["text"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts("").len(), 3);
    assert_eq!(texts("?last=1"), ["drained by root (alice): kernel update"]);
    assert_eq!(
        texts("?server=10.0.0.14&kind=server-down"),
        ["down: connection refused"]
    );
    assert_eq!(texts("?service=web&kind=drift"), [""; 0]);
    let wrong = site.get("/api/events?kind=x");
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("server-down")
    );
}

#[test]
fn metrics_are_those_of_the_view_socket() {
    let site = site();
    let plain = site.get("/metrics?service=web");
    assert_eq!(plain.status, 200);
    assert!(
        plain
            .body
            .contains("director_service_healthy_servers{service=\"web\""),
        "{}",
        plain.body
    );
    assert!(
        plain
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let head = "Accept: application/openmetrics-text; version=1.0.0\r\nAccept-Encoding: gzip\r\n";
    let other = site.ask("GET", "/metrics", head, "");
    assert_eq!(other.header("content-encoding"), Some("gzip"));
    assert!(
        other
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    assert_eq!(site.get("/metrics?x=y").status, 400);
}

#[test]
fn a_signal_ends_it_while_pages_are_open() {
    let site = site();
    let _live = open(&site, "?of=overview");
    assert_eq!(site.stop(), Some(0));
}
