//! The picture of the page in README: `scripts/update-docs page`.

use std::time::{SystemTime, UNIX_EPOCH};

use super::driver::Browser;
use super::fake::{self, NOON, moved, snapshot};
use super::site::{eventually, site_of};

#[test]
#[ignore = "draws; run by scripts/update-docs"]
fn draw_the_page() {
    let Some(file) = std::env::var_os("DIRECTOR_PICTURE") else {
        return;
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let site = site_of(moved(snapshot(), now - NOON), &[]);
    let browser = Browser::open(1100, 640, true);
    let service = "service/tcp%3A%2F%2F192.0.2.10%3A80?server=10.0.0.13%3A80";
    browser.go(&format!("{}{service}", site.url));
    browser.shows("live");
    // A chart of some points, no two alike.
    for turn in 1..=24 {
        let mut table = fake::table();
        for (place, server) in (0..).zip(&mut table.services[0].servers) {
            server.active += (turn * 7 + place * 3) % 11 * 3 + turn;
        }
        let total = &mut table.services[0].entry.stats.total;
        let made = u64::from(turn * 23 + turn * turn % 17 * 5);
        total.connections += made;
        total.bytes_in += made * 9_000;
        *site.running.fake.table.lock().unwrap() = Some(table);
        let read = *site.running.fake.tables.lock().unwrap();
        eventually("a reading", || {
            (*site.running.fake.tables.lock().unwrap() > read).then_some(())
        });
    }
    std::fs::write(file, browser.picture()).unwrap();
}
