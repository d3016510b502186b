//! The page in Chromium.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use director::control::snapshot::Snapshot;

use super::driver::Browser;
use super::fake::{self, snapshot};
use super::past;
use super::site::{Site, TOKEN, eventually, guarded, site, site_of};

const WEB: &str = "service/tcp%3A%2F%2F192.0.2.10%3A80";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const DOWN: &str = "\u{e015}";

pub(crate) fn open(site: &Site, path: &str) -> Browser {
    let browser = Browser::open(1280, 800, false);
    browser.go(&format!("{}{path}", site.url));
    browser
}

/// No script failed, and the policy refused nothing.
#[track_caller]
pub(crate) fn is_content(browser: &Browser) {
    assert_eq!(browser.complaints(), [""; 0]);
}

pub(crate) fn path(browser: &Browser) -> String {
    let path = browser.run("return location.pathname + location.search");
    path.as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs chromium"]
fn a_server_that_goes_down_is_shown_with_its_reason() {
    let site = site();
    let browser = open(&site, "");
    browser.shows("app4 down: connection refused");
    browser.shows("live");
    site.takes_down("status 500");
    browser.shows("app1 down: status 500");
    browser.go(&format!("{}{WEB}", site.url));
    browser.shows("status 500");
    browser.go(&format!("{}events", site.url));
    browser.shows("down: status 500");
    is_content(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn hostile_text_is_text() {
    let site = site();
    let browser = open(&site, WEB);
    browser.shows("connection refused");
    let hostile = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\u{202e}txt";
    site.takes_down(hostile);
    let shown = hostile.replace('\u{202e}', "\u{fffd}");
    browser.shows(&shown);
    browser.go(&format!("{}events", site.url));
    browser.shows(&shown);
    let made = browser.run("return document.querySelectorAll('main script, main img').length");
    assert_eq!(made, 0);
    assert_eq!(browser.run("return document.title"), "events - director");
    is_content(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn the_service_shows_servers_with_reason_operator_and_commands() {
    let site = site();
    let browser = open(&site, &format!("{WEB}?server=10.0.0.13%3A80"));
    for text in [
        "2 of 7 up",
        "drained by root (alice)",
        "kernel update",
        "40 of 10",
        "weight 40 by bob",
        "changed too often",
        "in maintenance, by root: new disks",
        "not checked for",
        // Of the server that the address names.
        "director undrain web app3",
        "director disable 10.0.0.13",
        "in a row",
        "Connections: 56",
    ] {
        browser.shows(text);
    }
    is_content(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn the_keyboard_is_enough() {
    let site = site();
    let browser = open(&site, "");
    browser.shows("tcp://192.0.2.10:80");
    browser.press(&["/", "w", "e", "b", ENTER]);
    eventually("the filter is in the address", || {
        (path(&browser) == "/?filter=web").then_some(())
    });
    browser.press(&["j", ENTER]);
    eventually("the service", || {
        path(&browser).starts_with("/service/").then_some(())
    });
    browser.shows("app4");
    browser.press(&[DOWN, ENTER]);
    browser.shows("director drain web app4");
    browser.press(&[ESCAPE]);
    eventually("the detail is closed", || {
        (!browser.text().contains("director drain")).then_some(())
    });
    browser.press(&[ESCAPE]);
    eventually("back in the overview", || {
        (path(&browser) == "/").then_some(())
    });
    browser.press(&["2"]);
    browser.shows("in force: 2 services, 9 checks");
    browser.press(&["3"]);
    browser.shows("This director");
    browser.press(&["?"]);
    assert_eq!(
        browser.run("return document.getElementById('help').open"),
        true
    );
    is_content(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn at_360_pixels_nothing_scrolls_sideways_and_at_4k_it_fills_the_screen() {
    let site = past::full();
    let [remembered, changes, difference] = past::addresses();
    for (width, height) in [(360, 740), (3840, 2160)] {
        let browser = Browser::open(width, height, true);
        for (view, text) in [
            ("", "connection refused"),
            (WEB, "app4"),
            ("events", "drained by"),
            ("directors", "in force"),
            (&*remembered, "app1 down"),
            (&*changes, "server-down"),
            (&*difference, "- delete"),
            ("connections?of=web&why=10.1.0.7", "scheduler wlc"),
            ("connections?top=servers", "of 1 different"),
            ("plan", "1 to add"),
        ] {
            browser.go(&format!("{}{view}", site.url));
            browser.shows(text);
            let wide = browser.run(
                "return [...document.querySelectorAll('html, body, main, .list, .bar, .cards, .notes, .panel, header')]
                    .filter((one) => one.scrollWidth > one.clientWidth + 1)
                    .map((one) => `${one.tagName}.${one.className} ${one.scrollWidth} > ${one.clientWidth}`)",
            );
            assert_eq!(wide, serde_json::json!([]), "{view} at {width}");
            assert_eq!(browser.run("return innerWidth"), width);
        }
        is_content(&browser);
    }
}

#[test]
#[ignore = "needs chromium"]
fn a_director_that_is_gone_is_said_to_be_silent() {
    let mut site = site();
    let browser = open(&site, "");
    browser.shows("live");
    site.running.viewer.take();
    browser.shows("director has not answered since");
    site.running.viewer = Some(fake::serve_view_at(
        &site.running.view(),
        &site.running.fake,
    ));
    browser.shows("live");
    is_content(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn people_log_in_with_the_token_and_out() {
    let site = guarded();
    let browser = open(&site, "events?kind=drained");
    browser.shows("Token, from the file");
    browser.run("document.getElementById('token').focus()");
    let keys: Vec<String> = TOKEN.chars().map(String::from).collect();
    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    keys.push(ENTER);
    browser.press(&keys);
    browser.shows("drained by root (alice): kernel update");
    assert_eq!(path(&browser), "/events?kind=drained");
    browser.shows("Log out");
    browser.run("document.querySelector('#logout button').click()");
    browser.shows("Token, from the file");
    assert_eq!(path(&browser), "/login");
    is_content(&browser);
}

/// When the first row was there, since the page was asked for.
const FIRST_ROW: &str = "new MutationObserver((_, observer) => {
    if (!document.querySelector('.row')) return;
    observer.disconnect();
    requestAnimationFrame(() => { window.firstRow = Math.round(performance.now()); });
}).observe(document, { childList: true, subtree: true });";

#[test]
#[ignore = "needs chromium"]
fn of_many_services_only_the_rows_in_view_exist() {
    let site = site_of(many(), &[]);
    let browser = Browser::open(1280, 800, false);
    let script = serde_json::json!({ "source": FIRST_ROW });
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", &script);
    for turn in ["first page", "second page"] {
        browser.go(&format!("{}?sort=name", site.url));
        browser.shows("web-0001");
        println!(
            "{turn}: first row after {} ms",
            browser.run("return window.firstRow")
        );
    }
    let rows = "return document.querySelectorAll('.row').length";
    assert!(browser.run(rows).as_u64().unwrap() < 60);
    browser.run("document.querySelector('.list').scrollTop = 1e9");
    browser.shows("web-2284");
    println!("{}", site.memory());
    assert!(browser.run(rows).as_u64().unwrap() < 60);
    is_content(&browser);
}

/// 2,284 services with 37,298 servers, one of them down.
fn many() -> Snapshot {
    let mut many = snapshot();
    let model = (*many.services[&fake::web()]).clone();
    let up = |number: u32, service: u16| {
        let mut server = model.servers[0].clone();
        let [_, _, high, low] = number.to_be_bytes();
        let key = ipvs::ServerKey::new([10, 1, high, low], service);
        server.as_declared = ipvs::Server::new(key, ipvs::ForwardMethod::DirectRoute);
        server.server = Some(server.as_declared);
        server.weight = None;
        server
    };
    many.services.clear();
    for port in 1..=2284_u16 {
        let mut service = model.clone();
        service.name = format!("web-{port:04}").into();
        let count = if port <= 754 { 17 } else { 16 };
        service.servers = (0..count).map(|number| up(number, port)).collect();
        let count = service.servers.len();
        (service.up, service.declared) = (count, count);
        let key = ipvs::ServiceKey::tcp([192, 0, 2, 11], port);
        many.services.insert(key, Arc::new(service));
    }
    many
}

/// axe-core is MPL-2.0 and 600 KB: fetched from npm into `target`, once, and not part of the sources.
fn axe() -> Option<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe");
    let file = directory.join("node_modules/axe-core/axe.min.js");
    if !file.exists() {
        std::fs::create_dir_all(&directory).unwrap();
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--no-save",
            "--ignore-scripts",
            "--silent",
            "axe-core@4.10.3",
        ]);
        let fetched = npm.current_dir(&directory).status();
        if !fetched.is_ok_and(|status| status.success()) {
            return None;
        }
    }
    std::fs::read_to_string(file).ok()
}

#[test]
#[ignore = "needs chromium"]
fn axe_finds_nothing_serious() {
    let Some(axe) = axe() else {
        eprintln!("skipped: no axe-core, as npm is missing or cannot reach its registry");
        return;
    };
    let site = past::full();
    let [remembered, changes, difference] = past::addresses();
    for dark in [false, true] {
        let browser = Browser::open(1280, 800, dark);
        let views = [
            ("", "connection refused"),
            (&*format!("{WEB}?server=10.0.0.13%3A80"), "director undrain"),
            ("events", "drained by"),
            ("directors", "in force"),
            (&*remembered, "app1 down"),
            (&*changes, "server-down"),
            (&*difference, "- delete"),
            ("connections?of=web&why=10.1.0.7", "scheduler wlc"),
            ("connections?top=servers", "of 1 different"),
            ("plan", "1 to add"),
        ];
        for (view, text) in views {
            browser.go(&format!("{}{view}", site.url));
            browser.shows(text);
            assert_eq!(
                browser.run("return matchMedia('(prefers-color-scheme: dark)').matches"),
                dark
            );
            browser.run(&axe);
            let found = browser.run_async(
                "axe.run().then((found) => done(found.violations.filter((one) =>
                    one.impact === 'serious' || one.impact === 'critical').map((one) =>
                    `${one.id}: ${one.nodes.map((node) => node.html).join(' ').slice(0, 600)}`)))",
            );
            assert_eq!(found, serde_json::json!([]), "{view}, dark: {dark}");
        }
    }
}
