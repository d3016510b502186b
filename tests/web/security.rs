//! Who may see the page, and what a browser may do with it.

use super::fake::snapshot;
use super::raw::{Live, ask};
use super::site::{TOKEN, guarded, refusal, site, site_of, token_file};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[test]
fn beyond_this_machine_it_does_not_start_without_tls_and_a_token() {
    let said = refusal(&["--listen", "0.0.0.0:0"]);
    assert!(
        said.contains("--tls-cert and --tls-key, --token-file missing"),
        "{said}"
    );
    let directory = tempfile::tempdir().unwrap();
    let file = token_file(directory.path());
    let file = file.to_str().unwrap();
    let said = refusal(&["--listen", "[::]:0", "--token-file", file]);
    assert!(said.contains("--tls-cert and --tls-key missing"), "{said}");
    assert!(said.contains("ssh -L"), "{said}");
    let said = refusal(&[
        "--listen",
        "192.0.2.1:9180",
        "--tls-cert",
        file,
        "--tls-key",
        file,
    ]);
    assert!(said.contains("--token-file missing"), "{said}");
    let said = refusal(&["--tls-cert", file]);
    assert!(said.contains("--tls-key"), "{said}");
    let said = refusal(&["--tls-cert", file, "--tls-key", file]);
    assert!(said.contains("no certificate (PEM)"), "{said}");
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let said = refusal(&["--token-file", file]);
    assert!(
        said.contains("has mode 0644: others could read it; chmod 600"),
        "{said}"
    );
    let said = refusal(&["--host", "a:1"]);
    assert!(said.contains("--host `a:1` is not a name"), "{said}");
}

#[test]
fn every_answer_has_the_policy_and_none_lets_other_origins_read() {
    let site = site();
    let paths = [
        "/",
        "/events",
        "/directors",
        "/service/x",
        "/assets/app.js",
        "/api/events",
        "/metrics",
        "/login",
        "/nothing",
    ];
    for path in paths {
        let head = "Origin: https://evil.example\r\n";
        let answer = site.ask("GET", path, head, "");
        assert_eq!(
            answer.header("content-security-policy"),
            Some(&*POLICY.to_lowercase()),
            "{path}"
        );
        assert_eq!(answer.header("x-frame-options"), Some("deny"), "{path}");
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            answer.header("referrer-policy"),
            Some("no-referrer"),
            "{path}"
        );
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            Some("same-origin"),
            "{path}"
        );
        assert!(
            !answer.head.contains("access-control-"),
            "{path}: {}",
            answer.head
        );
    }
}

#[test]
fn a_host_that_is_not_ours_gets_nothing() {
    let site = site_of(snapshot(), &["--host", "lb1.example.net"]);
    let with = |line: &str, host: &str| {
        let request = format!("GET {line} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        ask(site.address, request.as_bytes())
    };
    for path in ["/", "/metrics", "/api/events", "/assets/app.js", "/login"] {
        for host in [
            "evil.example",
            "localhost.evil.example:9180",
            "192.0.2.7",
            "x@localhost",
        ] {
            let answer = with(path, &format!("Host: {host}\r\n"));
            assert_eq!(answer.status, 421, "{path} {host}");
            assert!(!answer.body.contains("192.0.2.10"), "{}", answer.body);
        }
        assert_eq!(with(path, "").status, 421);
        assert_eq!(
            with(path, "Host: localhost\r\nHost: localhost\r\n").status,
            421
        );
        assert_eq!(
            with(&format!("http://evil.example{path}"), "Host: localhost\r\n").status,
            421
        );
    }
    for host in ["localhost:1234", "127.0.0.1", "[::1]:80", "lb1.example.net"] {
        assert_eq!(
            with("/", &format!("Host: {host}\r\n")).status,
            200,
            "{host}"
        );
    }
}

#[test]
fn pages_of_other_origins_get_no_data_and_take_no_place() {
    let site = site();
    let head = "Sec-Fetch-Site: cross-site\r\n";
    for path in ["/api/stream?of=overview", "/api/events", "/metrics"] {
        assert_eq!(site.ask("GET", path, head, "").status, 403, "{path}");
    }
    assert_eq!(
        site.ask("GET", "/", head, "").status,
        200,
        "a link from a chat"
    );
}

#[test]
fn nothing_but_reading_is_possible() {
    let site = site();
    for (method, path) in [
        ("POST", "/"),
        ("DELETE", "/metrics"),
        ("PUT", "/api/events"),
        ("POST", "/api/stream"),
        ("OPTIONS", "/"),
        ("POST", "/login"),
    ] {
        assert_eq!(
            site.ask(method, path, "", "").status,
            405,
            "{method} {path}"
        );
    }
    assert_eq!(site.ask("POST", "/v1/drain", "", "{}").status, 404);
    assert!(site.running.fake.asked.lock().unwrap().is_empty());
}

#[test]
fn with_a_token_nothing_is_seen_without_it() {
    let site = guarded();
    for path in [
        "/",
        "/events",
        "/api/events",
        "/api/stream",
        "/metrics",
        "/service/x",
        "/nothing",
    ] {
        let answer = site.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("bearer realm=\"director\"")
        );
        let right = format!("Authorization: Bearer {TOKEN}\r\n");
        if path != "/api/stream" {
            assert_ne!(site.ask("GET", path, &right, "").status, 401, "{path}");
        }
    }
    let (status, _) = Live::open(
        site.address,
        "",
        &format!("Authorization: bearer {TOKEN}\r\n"),
    );
    assert_eq!(status, 200);
    for wrong in ["", "x", &TOKEN[1..], "Basic x"] {
        let head = format!("Authorization: Bearer {wrong}\r\n");
        assert_eq!(
            site.ask("GET", "/metrics", &head, "").status,
            401,
            "{wrong}"
        );
    }
    assert_eq!(
        site.get(&format!("/metrics?token={TOKEN}")).status,
        401,
        "never in an address"
    );
}

#[test]
fn people_give_the_token_once_and_get_a_cookie_that_other_sites_cannot_use() {
    let site = guarded();
    let html = "Accept: text/html,*/*\r\n";
    let to_form = site.ask("GET", "/events?kind=drift", html, "");
    assert_eq!(to_form.status, 303);
    let form = to_form.header("location").unwrap().to_owned();
    assert_eq!(form, "/login?next=%2fevents%3fkind%3ddrift");
    assert!(site.get("/login").body.contains("<form method=\"post\">"));
    let wrong = site.ask("POST", "/login", FORM, "token=wrong");
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("This is not the token."));
    assert!(wrong.header("set-cookie").is_none());
    let right = site.ask(
        "POST",
        "/login?next=%2Fevents%3Fkind%3Ddrift",
        FORM,
        &format!("token={TOKEN}"),
    );
    assert_eq!(right.status, 303);
    assert_eq!(right.header("location"), Some("/events?kind=drift"));
    let cookie = right.header("set-cookie").unwrap();
    for part in ["path=/", "httponly", "samesite=strict", "max-age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(TOKEN));
    let session = cookie.split(';').next().unwrap();
    let head = format!("Cookie: {session}\r\n");
    assert_eq!(site.ask("GET", "/events", &head, "").status, 200);
    assert_eq!(site.ask("POST", "/logout", &head, "").status, 303);
    assert_eq!(site.ask("GET", "/events", &head, "").status, 401);
    let elsewhere = site.ask(
        "POST",
        "/login?next=%2F%2Fevil.example",
        FORM,
        &format!("token={TOKEN}"),
    );
    assert_eq!(elsewhere.header("location"), Some("/"));
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn a_link_from_another_site_asks_again_so_that_the_cookie_comes_along() {
    let site = guarded();
    let head = "Accept: text/html\r\nSec-Fetch-Site: cross-site\r\n";
    let answer = site.ask("GET", "/events", head, "");
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.contains("http-equiv=\"refresh\""),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("app.js"));
}

#[test]
fn assets_are_asked_for_once() {
    let site = site();
    let first = site.get("/assets/app.js");
    assert_eq!(
        first.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    let tag = first.header("etag").unwrap();
    let again = site.ask(
        "GET",
        "/assets/app.js",
        &format!("If-None-Match: {tag}\r\n"),
        "",
    );
    assert_eq!((again.status, again.body.len()), (304, 0));
    let other = site.ask("GET", "/assets/app.js", "If-None-Match: \"0\"\r\n", "");
    assert_eq!(other.status, 200);
}

#[test]
fn the_page_asks_nothing_from_elsewhere() {
    let site = site();
    for path in [
        "/",
        "/assets/style.css",
        "/assets/app.js",
        "/assets/list.js",
        "/assets/service.js",
    ] {
        let text = site
            .get(path)
            .body
            .replace("http://www.w3.org/2000/svg", "");
        for outside in [
            "http://",
            "https://",
            "//cdn",
            "@import",
            "innerHTML",
            "insertAdjacentHTML",
            "eval(",
        ] {
            assert!(!text.contains(outside), "{path} has {outside}");
        }
    }
}
