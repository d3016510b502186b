//! The picture of the page in README: `scripts/update-docs page`.

use super::driver::Browser;
use super::site::site;

#[test]
#[ignore = "draws; run by scripts/update-docs"]
fn draw_the_page() {
    let Some(file) = std::env::var_os("DIRECTOR_PICTURE") else {
        return;
    };
    let site = site();
    let browser = Browser::open(1100, 620, true);
    let service = "service/tcp%3A%2F%2F192.0.2.10%3A80?server=10.0.0.13%3A80";
    browser.go(&format!("{}{service}", site.url));
    browser.shows("director undrain");
    std::fs::write(file, browser.picture()).unwrap();
}
