//! What was, who is connected, and what a reload would change: by hand, and in a browser.

use std::sync::Arc;

use director::control::Now;
use director::control::discovery::PoolStatus;
use director::control::event::{Event, EventKind};
use director::control::snapshot::{ServerState, Snapshot};
use director::history::Recorder;
use director::state::BootTime;
use director::state::health::HistoryLimits;
use ipvs::{Connection, Connections};
use serde_json::{Value, json};

use super::browser::{is_content, open, path};
use super::fake::{self, NOON, snapshot};
use super::site::{Site, eventually, site, site_of};

const WEB: &str = "tcp%3A%2F%2F192.0.2.10%3A80";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const HOSTILE: &str = "<script>document.title='owned'</script>\u{202e}txt";
const SHOWN: &str = "<script>document.title='owned'</script>\u{fffd}txt";

/// With connections, too.
pub(crate) fn full() -> Site {
    let site = remembered();
    connected(&site, 3000);
    site
}

/// The tables, the changes and the difference.
pub(crate) fn addresses() -> [String; 3] {
    let times = format!("history?at={}&from={NOON}", NOON + 600);
    ["tables", "changes", "difference"].map(|show| format!("{times}&show={show}"))
}

/// At noon app1 was up; ten minutes later it went down.
fn remembered() -> Site {
    let site = site();
    let state = site.running.directory.path().join("history-of-this");
    let mut recorder = Recorder::new(&state);
    let mut record = |snapshot: Snapshot, events: &[Arc<Event>]| {
        let limits = HistoryLimits::default();
        recorder
            .record(&Arc::new(snapshot), events, 0, limits)
            .unwrap();
    };
    record(dated(snapshot(), NOON), &[]);
    let mut later = dated(snapshot(), NOON + 600);
    let service = Arc::make_mut(later.services.get_mut(&fake::web()).unwrap());
    service.servers[0].state = ServerState::Down;
    service.servers[0].reason = HOSTILE.into();
    service.servers[0].server = None;
    let event = Event {
        id: 1,
        at_ms: (NOON + 600) * 1000,
        kind: EventKind::ServerDown,
        service: Some("web".into()),
        listen: Some(fake::web()),
        server: Some(fake::server_key(11)),
        text: format!("down: {HOSTILE}").into(),
    };
    record(later, &[Arc::new(event)]);
    *site.running.fake.state_dir.lock().unwrap() = state;
    site
}

fn dated(mut snapshot: Snapshot, seconds: u64) -> Snapshot {
    snapshot.at = Some(Now {
        boot: BootTime::default(),
        wall: fake::at(seconds),
    });
    snapshot
}

/// A table with this number of connections, each of another client.
fn connected(site: &Site, many: u64) {
    let entry = move |number: u64| {
        let client = u16::try_from(number % 60_000).unwrap();
        (number < many).then(|| connection(client))
    };
    *site.running.fake.entries.lock().unwrap() = Arc::new(entry);
}

/// One of this client of 10.1.0.0/16 to app1.
fn connection(client: u16) -> Connection {
    let line = format!(
        "the title\nTCP 0A01{client:04X} C350 C000020A 0050 0A00000B 0050 ESTABLISHED 898\n"
    );
    let mut table = Connections::over(line.as_bytes());
    table.next().unwrap().unwrap()
}

fn row<'a>(rows: &'a Value, key: &str, value: &str) -> &'a Value {
    let mut rows = rows.as_array().unwrap().iter();
    rows.find(|row| row[key] == value).unwrap()
}

#[test]
fn the_tables_of_a_time_are_services_and_on_request_the_servers_of_one() {
    let site = remembered();
    let span = site.get("/api/history/span").json();
    assert_eq!(span["begins"], NOON);
    let at = |seconds: u64| site.get(&format!("/api/history/at?at={seconds}")).json();
    let then = at(NOON);
    let web = row(&then["services"], "name", "web");
    assert_eq!(
        (&web["up"], &web["declared"]),
        (&json!(2), &json!(7)),
        "{web}"
    );
    assert_eq!(web["state"], "degraded");
    let now = at(NOON + 600);
    let web = row(&now["services"], "name", "web");
    assert_eq!(web["up"], 1);
    assert_eq!(web["state"], "failed", "fewer than min_healthy: {web}");
    let path = format!("/api/history/at?at={}&service={WEB}", NOON + 600);
    let servers = site.get(&path).json();
    let app1 = row(&servers["servers"]["rows"], "name", "app1");
    assert_eq!(app1["state"], "down");
    assert_eq!(app1["reason"], SHOWN, "hidden characters are replaced");
    assert!(servers.get("services").is_none());
}

#[test]
fn the_changes_between_two_times_are_rows_and_the_difference_is_a_plan() {
    let site = remembered();
    let (from, to) = (NOON + 1, NOON + 600);
    let changes = site.get(&format!("/api/history?since={from}&until={to}&service=web"));
    let changes = changes.json();
    let down = row(&changes["rows"], "kind", "server-down");
    assert_eq!(down["server"], "10.0.0.11:80");
    assert_eq!(changes["left_out"], 0);
    let plan = site
        .get(&format!("/api/history/diff?from={NOON}&to={to}"))
        .json();
    assert_eq!(plan["changes"], true);
    assert_eq!(plan["left_out"], 0);
    let step = row(&plan["steps"], "server", "10.0.0.11:80");
    assert_eq!(step["action"], "delete", "{step}");
    let same = site
        .get(&format!("/api/history/diff?from={NOON}&to={from}"))
        .json();
    assert_eq!(same["changes"], false);
}

#[test]
fn times_without_a_history_and_malformed_ones_are_errors_with_a_text() {
    let site = remembered();
    for (path, status, text) in [
        ("/api/history/at?at=5", 404, "the history begins"),
        ("/api/history/at?at=noon", 400, "must be an integer"),
        ("/api/history/at", 400, "`at` is missing"),
        ("/api/history/at?at=5&service=wob", 400, ""),
        ("/api/history/diff?from=5", 400, "`to` is missing"),
        ("/api/history?since=x", 400, "must be an integer"),
        ("/api/connections?top=wob", 400, "`top` must be"),
        ("/api/connections?service=wob", 404, "no service `wob`"),
        ("/api/connections?client=wob", 400, "`client`"),
        ("/api/why?service=web", 400, "`client` is missing"),
        (
            "/api/why?service=wob&client=10.1.0.1",
            404,
            "no service `wob`",
        ),
        ("/api/files", 404, "no such page"),
        ("/api/history/files?at=5", 404, "no such page"),
    ] {
        let answer = site.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        let message = answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.contains(text), "{path}: {message}");
    }
    let empty = super::site::site();
    let answer = empty.get("/api/history/span");
    assert_eq!(answer.status, 404);
    assert!(
        answer.body.contains("there is no history yet"),
        "{}",
        answer.body
    );
}

#[test]
fn connections_are_bounded_and_say_how_many_more_there_are() {
    let site = site();
    connected(&site, 3000);
    let all = site.get("/api/connections").json();
    assert_eq!(all["rows"].as_array().unwrap().len(), 1000);
    let end = json!({ "entries": 3000, "shown": 1000, "left_out": 2000, "incomplete": null });
    assert_eq!(all["end"], end);
    let one = site
        .get("/api/connections?client=10.1.0.7&service=web")
        .json();
    assert_eq!(one["rows"].as_array().unwrap().len(), 1, "{one}");
    assert_eq!(one["rows"][0]["server_name"], "app1");
    let top = site.get("/api/connections?top=servers&service=web").json();
    assert_eq!(top["top"][0]["server"], "10.0.0.11:80");
    assert_eq!(top["top"][0]["entries"], 3000);
    let why = site.get("/api/why?service=web&client=10.1.0.7").json();
    assert_eq!(why[0]["service"], "web", "{why}");
}

#[test]
fn the_plan_is_passed_on_cut_and_with_hidden_characters_replaced() {
    let site = site();
    let plan = site.get("/api/plan").json();
    assert_eq!(plan["summary"]["add"], 1);
    assert_eq!(plan["left_out"], 0);
    let mut long = fake::plan();
    let step = long["steps"][0].clone();
    long["steps"] = (0..1500).map(|_| step.clone()).collect();
    long["steps"][0]["text"] = HOSTILE.into();
    *site.running.fake.plan.lock().unwrap() = Ok(long);
    let plan = site.get("/api/plan").json();
    assert_eq!(plan["steps"].as_array().unwrap().len(), 1000);
    assert_eq!(plan["left_out"], 500);
    assert_eq!(plan["steps"][0]["text"], SHOWN);
    *site.running.fake.plan.lock().unwrap() = Err("the disk is on fire".to_owned());
    let answer = site.get("/api/plan");
    assert_eq!(answer.status, 503);
    assert!(
        answer.body.contains("the disk is on fire"),
        "{}",
        answer.body
    );
}

#[test]
#[ignore = "needs chromium"]
fn the_history_goes_back_and_its_address_has_absolute_times() {
    let site = remembered();
    let (before, after) = (NOON, NOON + 600);
    let browser = open(&site, &format!("history?at={after}&from={before}"));
    browser.shows(&format!("app1 down: {SHOWN}"));
    browser.run(&format!(
        "const slider = document.getElementById('time'); slider.value = {before};
         slider.dispatchEvent(new Event('input'));"
    ));
    browser.shows("2 of 7");
    browser.shows("app4 down: connection refused");
    assert_eq!(
        path(&browser),
        format!("/history?at={before}&from={before}")
    );
    browser.go(&format!(
        "{}history?at={after}&from={before}&service={WEB}",
        site.url
    ));
    browser.shows("weight 40 by bob");
    browser.shows(SHOWN);
    browser.go(&format!(
        "{}history?at={after}&from={before}&show=changes",
        site.url
    ));
    browser.shows("server-down");
    browser.shows(&format!("down: {SHOWN}"));
    browser.go(&format!(
        "{}history?at={after}&from={before}&show=difference",
        site.url
    ));
    browser.shows("- delete");
    browser.shows("10.0.0.11:80");
    // Without times, it is the last hour, and says so in the address.
    browser.go(&format!("{}history", site.url));
    eventually("absolute times", || {
        let path = path(&browser);
        (path.contains("at=") && path.contains("from=")).then_some(())
    });
    assert_eq!(browser.run("return document.title"), "history - director");
    is_content(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn the_explorer_finds_a_client_and_says_why() {
    let site = site();
    connected(&site, 3000);
    let browser = open(&site, "connections");
    browser.shows("2000 more that fit are not shown");
    browser.press(&["/", "1", "0", ".", "1", ".", "0", ".", "7"]);
    eventually("the filter is in the address", || {
        (path(&browser) == "/connections?client=10.1.0.7").then_some(())
    });
    browser.shows("1 shown; 3000 entries in the table");
    browser.press(&[ENTER, "j", ENTER]);
    browser.shows("scheduler wlc");
    browser.shows("Why 10.1.0.7:");
    browser.press(&[ESCAPE]);
    eventually("the reason is closed", || {
        (!browser.text().contains("scheduler wlc")).then_some(())
    });
    browser.go(&format!("{}connections?top=clients", site.url));
    browser.shows("the first 1000 of 3000 different ones");
    browser.press(&["j", ENTER]);
    browser.shows("1 shown");
    browser.go(&format!("{}connections?service=wob", site.url));
    browser.shows("no service `wob`");
    // What the browser logs of an answer that is an error.
    let complaints = browser.complaints();
    assert!(
        complaints.iter().all(|one| one.contains("404")),
        "{complaints:?}"
    );
}

#[test]
#[ignore = "needs chromium"]
fn the_plan_says_what_a_reload_would_change_or_what_is_wrong() {
    let site = site();
    let browser = open(&site, "plan");
    browser.shows("1 to add, 0 to change, 0 to remove");
    browser.shows("takes 12% of new clients");
    browser.shows("join after 2 successes in a row");
    browser.shows("director reload");
    let mistakes = json!({
        "version": 1, "warnings": [],
        "diagnostics": [{ "code": "unknown-key", "severity": "error", "file": "/etc/director/a.toml",
            "message": HOSTILE, "start": { "line": 3, "column": 1 }, "end": { "line": 3, "column": 5 } }],
        "error": { "kind": "mistakes", "message": "1 mistake" },
    });
    *site.running.fake.plan.lock().unwrap() = Ok(mistakes);
    browser.run("document.querySelector('.bar button').click()");
    browser.shows("no plan: 1 mistake");
    browser.shows(&format!("/etc/director/a.toml:3: error: {SHOWN}"));
    let nothing = json!({
        "version": 1, "changes": false, "summary": { "add": 0, "change": 0, "remove": 0 },
        "steps": [], "draining": [], "foreign": [], "lacking": [], "guards": [], "joining": [],
        "without_checks": [], "addresses": [], "warnings": [], "diagnostics": [], "error": null,
    });
    *site.running.fake.plan.lock().unwrap() = Ok(nothing);
    browser.run("document.querySelector('.bar button').click()");
    browser.shows("nothing to do");
    is_content(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn discovered_pools_and_the_last_result_of_each_check_are_shown() {
    let mut snapshot = dated(snapshot(), NOON);
    let pool = PoolStatus {
        pool: "app".into(),
        source: "dns",
        servers: 12,
        absent: 2,
        answered: Some(BootTime::default()),
        refused: Some(format!("SERVFAIL {HOSTILE}").into()),
    };
    snapshot.discovered = [(Arc::from("app"), Arc::new(pool))].into();
    let site = site_of(snapshot, &[]);
    let browser = open(&site, "directors");
    browser.shows("dns: 12 servers, 2 of them no longer listed");
    browser.shows(&format!("the last answer does not count: SERVFAIL {SHOWN}"));
    browser.go(&format!("{}service/{WEB}", site.url));
    browser.shows("tcp passed in 3 ms, 4 in a row");
    browser.shows("tcp failed in 3 ms, 4 in a row");
    is_content(&browser);
}
