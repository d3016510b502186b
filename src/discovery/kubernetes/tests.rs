//! Against an API server of this process, on loopback.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;
use crate::discovery::fakes::http::{Certificate, Server};
use crate::discovery::fakes::kubernetes::{
    Instead, Kubernetes as Fake, Line, READY, TERMINATING, endpoint, slice,
};
use crate::discovery::shown;
use crate::state::discovery::Source;

/// A Service with two endpoints in two slices, and a source that asks for it.
struct Rig {
    fake: Arc<Fake>,
    server: Option<Server>,
    kubernetes: Kubernetes,
    directory: tempfile::TempDir,
}

impl Rig {
    /// `more`: keys of the source.
    fn new(more: &str) -> Self {
        let one = slice("web-1", vec![endpoint("10.0.0.1", "a", READY)]);
        let two = slice("web-2", vec![endpoint("10.0.0.2", "b", READY)]);
        let fake = Arc::new(Fake::new("shop", vec![one, two]));
        let server = Server::loopback(Arc::clone(&fake));
        let directory = tempfile::tempdir().unwrap();
        let more = more.replace("DIRECTORY", directory.path().to_str().unwrap());
        let kubernetes = kubernetes(&format!("url = \"{}\"{more}", server.url()));
        Self {
            fake,
            server: Some(server),
            kubernetes,
            directory,
        }
    }

    /// A server with TLS that wants a token.
    fn secured(&self) -> (Certificate, Server) {
        let certificate = Certificate::new();
        let server = Server::start(
            "127.0.0.1:0".parse().unwrap(),
            Arc::clone(&self.fake),
            Some(certificate.server()),
        );
        self.fake
            .change(|state| state.token = Some("secret".to_owned()));
        (certificate, server)
    }

    /// A rig whose list was read.
    fn listed() -> Self {
        let mut rig = Self::new("");
        assert_eq!(rig.ask(), TWO);
        rig
    }

    fn ask(&mut self) -> Vec<String> {
        places(self.kubernetes.ask())
    }

    #[track_caller]
    fn refused(&mut self, words: &str) -> Duration {
        let answered = self.kubernetes.ask();
        match answered.answer {
            Answer::Failed(why) => assert!(why.contains(words), "{why}"),
            Answer::Servers(servers) => panic!("{servers:?} in place of `{words}`"),
        }
        answered.again
    }

    /// How often it listed, and from which versions it watched.
    fn asked(&self) -> (usize, Vec<String>) {
        self.fake
            .change(|state| (state.lists, state.watches.clone()))
    }

    fn instead(&self, instead: Option<Instead>) {
        self.fake.change(|state| state.instead = instead);
    }

    fn line(&self, line: Line) {
        self.fake.change(|state| state.line = Some(line));
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let refused = self.fake.refused();
            let expected = |why: &String| why.starts_with("401") || why.starts_with("403");
            assert!(refused.iter().all(expected), "{refused:?}");
        }
    }
}

fn kubernetes(keys: &str) -> Kubernetes {
    let keys = format!("type = \"kubernetes\", service = \"web\", namespace = \"shop\", {keys}");
    let Source::Kubernetes(source) = crate::discovery::fixtures::source(&keys) else {
        panic!("{keys}");
    };
    let mut kubernetes = Kubernetes::new(&source);
    kubernetes.limits = Limits {
        watch: Duration::from_secs(1),
        grace: Duration::from_secs(5),
        list: Duration::from_secs(10),
    };
    kubernetes
}

fn places(answered: Answered) -> Vec<String> {
    match answered.answer {
        Answer::Servers(servers) => {
            let shown = servers.iter().map(|(place, listed)| {
                let weight = listed.weight.map(|weight| format!(" {weight}"));
                format!("{}{}", shown(*place), weight.unwrap_or_default())
            });
            shown.collect()
        }
        Answer::Failed(why) => vec![why],
    }
}

const TWO: [&str; 2] = ["10.0.0.1:8080", "10.0.0.2:8080"];

#[test]
fn a_list_is_followed_by_a_watch_that_brings_every_kind_of_change() {
    let mut rig = Rig::listed();
    rig.fake
        .put(slice("web-3", vec![endpoint("10.0.0.3", "c", READY)]));
    assert_eq!(
        rig.ask(),
        ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"]
    );
    rig.fake
        .put(slice("web-1", vec![endpoint("10.0.0.1", "a", TERMINATING)]));
    assert_eq!(
        rig.ask(),
        ["10.0.0.1:8080 0", "10.0.0.2:8080", "10.0.0.3:8080"]
    );
    rig.fake.delete("web-1");
    assert_eq!(rig.ask(), ["10.0.0.2:8080", "10.0.0.3:8080"]);
    let (lists, watches) = rig.asked();
    assert_eq!(lists, 1);
    assert_eq!(watches[0], "1002");
}

#[test]
fn a_watch_that_ends_goes_on_from_its_bookmark() {
    let mut rig = Rig::listed();
    rig.fake.pass(500);
    assert_eq!(rig.ask(), TWO);
    assert_eq!(rig.ask(), TWO);
    let (lists, watches) = rig.asked();
    assert_eq!(
        (lists, &*watches),
        (1, &["1002".to_owned(), "1502".to_owned()][..])
    );
}

#[test]
fn many_changes_in_a_row_are_few_answers() {
    let mut rig = Rig::listed();
    for host in 3..=30 {
        let one = endpoint(&format!("10.0.0.{host}"), &format!("p{host}"), READY);
        rig.fake.put(slice(&format!("web-{host}"), vec![one]));
    }
    // One, unless this machine pauses.
    let answers = (1..28).find(|_| rig.ask().len() == 30);
    assert!(answers.is_some(), "an answer for each change");
}

#[test]
fn a_version_that_is_gone_is_listed_again_in_the_same_answer() {
    let mut rig = Rig::listed();
    rig.fake.delete("web-1");
    rig.fake.compact();
    assert_eq!(rig.ask(), TWO[1..]);
    assert_eq!(rig.asked().0, 2);
    // Also if it says so before the watch begins.
    rig.instead(Some(Instead::Status(410, "too old resource version")));
    rig.refused("expired");
    rig.instead(None);
    assert_eq!(rig.ask(), TWO[1..]);
}

#[test]
fn a_list_comes_in_pages_and_begins_again_if_they_expire() {
    let mut rig = Rig::new("");
    rig.fake
        .change(|state| (state.page, state.expired_pages) = (1, 1));
    assert_eq!(rig.ask(), TWO);
    assert_eq!(rig.asked().0, 4);
    let mut rig = Rig::new("");
    rig.fake
        .change(|state| (state.page, state.expired_pages) = (1, 2));
    rig.refused("expired while they were read");
    assert_eq!(rig.ask(), TWO);
}

#[test]
fn half_a_line_changes_nothing_and_the_watch_goes_on_before_it() {
    let mut rig = Rig::listed();
    let mut event = slice("web-1", vec![]);
    event["metadata"]["resourceVersion"] = "1003".into();
    rig.line(Line::Half(json!({ "type": "MODIFIED", "object": event })));
    rig.refused("");
    assert_eq!(rig.ask(), TWO);
    let (lists, watches) = rig.asked();
    assert_eq!(
        (lists, &*watches),
        (1, &["1002".to_owned(), "1002".to_owned()][..])
    );
}

#[test]
fn a_line_that_cannot_be_read_leads_to_another_list() {
    let mut rig = Rig::listed();
    let error = |code: u16| json!({ "type": "ERROR", "object": { "kind": "Status", "code": code, "message": "etcd" } });
    for (line, words) in [
        (
            Line::Raw("{\"type\": \"ADDED\", \"object\": 1}"),
            "cannot read",
        ),
        (Line::Raw("<html>"), "cannot read"),
        (
            Line::Whole(json!({ "type": "MOVED", "object": {} })),
            "`MOVED`",
        ),
        (Line::Whole(error(500)), "500: etcd"),
    ] {
        let before = rig.asked().0;
        rig.line(line);
        rig.refused(words);
        assert_eq!(rig.ask(), TWO);
        assert_eq!(rig.asked().0, before + 1);
    }
    let before = rig.asked().0;
    rig.line(Line::Whole(error(410)));
    assert_eq!(rig.ask(), TWO);
    assert_eq!(rig.asked().0, before + 1);
}

#[test]
fn a_token_is_read_again_and_one_that_expired_is_named() {
    let mut rig = Rig::new(", token_file = \"DIRECTORY/token\"");
    rig.fake
        .change(|state| state.token = Some("new".to_owned()));
    let path = rig.directory.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    rig.refused("401: Unauthorized");
    std::fs::write(&path, "new\n").unwrap();
    assert_eq!(rig.ask(), TWO);
    // Expires later: the next watch shows it.
    rig.fake
        .change(|state| state.token = Some("newer".to_owned()));
    assert_eq!(rig.refused("401").as_secs(), 1);
    std::fs::write(&path, "newer\n").unwrap();
    assert_eq!(rig.ask(), TWO);
    rig.fake.change(|state| state.forbidden = true);
    rig.refused("403: endpointslices.discovery.k8s.io is forbidden");
}

#[test]
fn an_api_server_that_is_busy_is_left_alone_for_as_long_as_it_says() {
    let mut rig = Rig::listed();
    rig.instead(Some(Instead::Status(429, "too many requests")));
    assert_eq!(rig.refused("429: too many requests").as_secs(), 3);
    rig.instead(Some(Instead::Status(500, "etcd is away")));
    assert_eq!(rig.refused("500: etcd is away").as_secs(), 2);
    rig.instead(None);
    assert_eq!(rig.ask(), TWO);
}

#[test]
fn what_is_no_list_is_named() {
    let mut rig = Rig::new("");
    let mut long = b"{".to_vec();
    long.resize(100 << 20, b' ');
    for (body, words) in [
        (b"<html>".to_vec(), "cannot read"),
        (
            b"{\"kind\":\"PodList\",\"metadata\":{}}".to_vec(),
            "`PodList`",
        ),
        (long, "longer than 64 MiB"),
    ] {
        rig.instead(Some(Instead::Body(body)));
        rig.refused(words);
    }
    rig.instead(None);
    assert_eq!(rig.ask(), TWO);
}

#[test]
fn a_million_endpoints_are_refused_before_all_of_them_are_read() {
    let mut rig = Rig::new("");
    for at in 0..1000 {
        let endpoints = (0..1000).map(|host| {
            let address = format!("10.{}.{}.{}", at / 250, at % 250, host % 250);
            json!({ "addresses": [address] })
        });
        let all: Vec<_> = endpoints.collect();
        rig.fake.put(slice(&format!("web-{at:04}"), all));
    }
    rig.refused("more than 100000 endpoints");
    let lists = rig.asked().0;
    assert!(lists < 5, "{lists} pages were read");
}

#[test]
fn a_service_without_slices_is_an_empty_list() {
    let mut rig = Rig::listed();
    rig.fake.delete("web-1");
    rig.fake.delete("web-2");
    assert_eq!(rig.ask(), [""; 0]);
}

#[test]
fn a_server_that_hangs_and_one_that_is_gone_are_named() {
    let mut rig = Rig::listed();
    rig.kubernetes.limits.grace = Duration::from_millis(100);
    rig.instead(Some(Instead::HangWatch));
    rig.refused("hangs");
    rig.kubernetes.known = None;
    rig.kubernetes.limits.list = Duration::from_millis(500);
    rig.instead(Some(Instead::Hang));
    rig.refused("");
    rig.instead(None);
    rig.kubernetes.limits = LIMITS;
    assert_eq!(rig.ask(), TWO);
    let at = rig.server.take().unwrap().at;
    rig.refused(&at.to_string());
}

#[test]
fn what_happened_while_the_api_server_was_away_is_made_up_for() {
    let mut rig = Rig::listed();
    let at = rig.server.take().unwrap().at;
    rig.refused(&at.to_string());
    rig.fake.delete("web-1");
    rig.server = Some(Server::start(at, Arc::clone(&rig.fake), None));
    assert_eq!(rig.ask(), TWO[1..]);
    assert_eq!(rig.asked().0, 1, "the watch went on");
}

#[test]
fn a_pod_asks_by_its_service_account() {
    let rig = Rig::new("");
    let (certificate, server) = rig.secured();
    let directory = rig.directory.path();
    std::fs::write(directory.join("token"), "secret").unwrap();
    std::fs::write(directory.join("ca.crt"), &certificate.pem).unwrap();
    let port = server.at.port().to_string();
    let environment = |name: &str| match name {
        "KUBERNETES_SERVICE_HOST" => Some("127.0.0.1".to_owned()),
        "KUBERNETES_SERVICE_PORT" => Some(port.clone()),
        _ => None,
    };
    let mut kubernetes = kubernetes("port = \"http\"");
    kubernetes.access = Access::of_account(directory, environment);
    assert_eq!(places(kubernetes.ask()), TWO);
    // Signed by another authority.
    std::fs::write(directory.join("ca.crt"), &Certificate::new().pem).unwrap();
    kubernetes.access = Access::of_account(directory, environment);
    kubernetes.known = None;
    let why = &places(kubernetes.ask())[0];
    assert!(why.contains("certificate"), "{why}");
    kubernetes.access = Access::of_account(directory, |_| None);
    kubernetes.known = None;
    let why = &places(kubernetes.ask())[0];
    assert!(why.contains("KUBERNETES_SERVICE_HOST is not set"), "{why}");
    rig.fake.change(|state| state.token = None);
}

#[test]
fn a_kubeconfig_says_everything() {
    let rig = Rig::new("");
    let (certificate, server) = rig.secured();
    let directory = rig.directory.path();
    let config = directory.join("config");
    let ca = directory.join("ca.crt");
    std::fs::write(&ca, &certificate.pem).unwrap();
    let write = |authority: &str, token: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: lb\n\
             contexts:\n- name: lb\n  context: {{ cluster: c, user: u }}\n\
             clusters:\n- name: c\n  cluster:\n    server: https://{}\n    {authority}\n\
             users:\n- name: u\n  user:\n    token: {token}\n",
            server.at
        );
        std::fs::write(&config, text).unwrap();
    };
    let encoded = STANDARD.encode(certificate.pem.as_bytes());
    write(&format!("certificate-authority-data: {encoded}"), "secret");
    let mut kubernetes = kubernetes(&format!("kubeconfig = \"{}\"", config.display()));
    assert_eq!(places(kubernetes.ask()), TWO);
    // It is read again.
    write("certificate-authority: ca.crt", "other");
    kubernetes.known = None;
    let why = &places(kubernetes.ask())[0];
    assert!(why.contains("401"), "{why}");
    write("certificate-authority: ca.crt", "secret");
    assert_eq!(places(kubernetes.ask()), TWO);
    write("insecure-skip-tls-verify: true", "secret");
    kubernetes.known = None;
    assert_eq!(places(kubernetes.ask()), TWO);
    write("# no authority", "secret");
    kubernetes.known = None;
    let why = &places(kubernetes.ask())[0];
    assert!(why.contains("certificate"), "{why}");
}
