//! Against a Consul of this process, on loopback.

use std::sync::Arc;

use super::*;
use crate::discovery::fakes::consul::{Consul as Fake, Instead, instance};
use crate::discovery::fakes::http::{Certificate, Server};
use crate::discovery::shown;

/// A service with two instances, and a source that asks for it.
struct Rig {
    fake: Arc<Fake>,
    server: Option<Server>,
    consul: Consul,
    directory: tempfile::TempDir,
}

fn two() -> Vec<serde_json::Value> {
    vec![instance("a", "10.0.0.1", 80), instance("b", "10.0.0.2", 80)]
}

impl Rig {
    /// `more`: keys of the source.
    fn new(more: &str) -> Self {
        let fake = Arc::new(Fake::new("web", two()));
        let server = Server::loopback(Arc::clone(&fake));
        let directory = tempfile::tempdir().unwrap();
        let text = more.replace("DIRECTORY", directory.path().to_str().unwrap());
        let consul = consul(&server.url(), &text);
        Self {
            fake,
            server: Some(server),
            consul,
            directory,
        }
    }

    fn token(&self, token: &str) {
        std::fs::write(self.directory.path().join("token"), token).unwrap();
    }

    fn ask(&mut self) -> Vec<String> {
        places(self.consul.ask())
    }

    /// Asks, and expects a refusal with these words.
    #[track_caller]
    fn refused(&mut self, words: &str) -> Duration {
        let answered = self.consul.ask();
        match answered.answer {
            Answer::Failed(why) => assert!(why.contains(words), "{why}"),
            Answer::Servers(servers) => panic!("{servers:?} in place of `{words}`"),
        }
        answered.again
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let refused = self.fake.refused();
            let expected = |why: &String| why.contains("ACL not found");
            assert!(refused.iter().all(expected), "{refused:?}");
        }
    }
}

fn consul(url: &str, more: &str) -> Consul {
    let keys = format!("type = \"consul\", service = \"web\", url = \"{url}\"{more}");
    let source = crate::discovery::fixtures::source(&keys);
    let crate::state::discovery::Source::Consul(source) = source else {
        panic!("{source:?}");
    };
    let mut consul = Consul::new(&source);
    consul.limits = Limits {
        wait: Duration::from_secs(1),
        grace: Duration::from_secs(5),
    };
    consul
}

fn places(answered: Answered) -> Vec<String> {
    match answered.answer {
        Answer::Servers(servers) => servers.iter().map(|(place, _)| shown(*place)).collect(),
        Answer::Failed(why) => vec![why],
    }
}

const TWO: [&str; 2] = ["10.0.0.1:80", "10.0.0.2:80"];

#[test]
fn the_first_question_does_not_wait_and_the_next_one_waits_for_news() {
    let mut rig = Rig::new("");
    assert_eq!(rig.ask(), TWO);
    // Nothing changed: the same list, when the wait is over.
    assert_eq!(rig.ask(), TWO);
    let fake = Arc::clone(&rig.fake);
    let changing = std::thread::spawn(move || {
        while fake.asked("index").len() < 3 {
            std::thread::sleep(Duration::from_millis(5));
        }
        fake.list(vec![instance("c", "10.0.0.3", 80)]);
    });
    assert_eq!(rig.ask(), ["10.0.0.3:80"]);
    changing.join().unwrap();
    assert_eq!(rig.fake.asked("index"), ["-", "10", "10"]);
    assert_eq!(rig.fake.asked("wait"), ["-", "1s", "1s"]);
}

#[test]
fn an_index_that_moves_for_other_changes_brings_the_same_list() {
    let mut rig = Rig::new("");
    assert_eq!(rig.ask(), TWO);
    rig.fake.change(|_| ());
    assert_eq!(rig.ask(), TWO);
    assert_eq!(rig.fake.asked("index"), ["-", "10"]);
}

#[test]
fn an_index_that_goes_back_starts_at_the_beginning() {
    let mut rig = Rig::new("");
    assert_eq!(rig.ask(), TWO);
    rig.fake.change(|state| {
        state.index = 4;
        state.instances.truncate(1);
    });
    assert_eq!(rig.ask(), TWO[..1]);
    assert_eq!(rig.ask(), TWO[..1]);
    assert_eq!(rig.ask(), TWO[..1]);
    assert_eq!(rig.fake.asked("index"), ["-", "10", "-", "4"]);
}

#[test]
fn an_index_of_0_never_makes_a_loop_without_a_wait() {
    let mut rig = Rig::new("");
    rig.fake.change(|state| state.index = 0);
    assert_eq!(rig.ask(), TWO);
    assert_eq!(rig.ask(), TWO);
    let asked = rig.fake.asked("index");
    assert_eq!(asked, ["-", "1"]);
}

#[test]
fn an_answer_without_its_index_is_none() {
    let mut rig = Rig::new("");
    rig.fake
        .change(|state| state.without = Some("x-consul-index"));
    rig.refused("no number `X-Consul-Index`");
}

#[test]
fn an_index_that_moves_all_the_time_slows_the_questions_down() {
    let mut rig = Rig::new("");
    let mut waits = Vec::new();
    for _ in 0..8 {
        rig.fake.change(|_| ());
        waits.push(rig.consul.ask().again);
    }
    assert!(waits[..3].iter().all(Duration::is_zero), "{waits:?}");
    assert!(waits.iter().any(|wait| !wait.is_zero()), "{waits:?}");
}

#[test]
fn tags_datacenter_and_namespace_are_asked_for() {
    let more = ", tags = [\"primary\", \"v 2\"], datacenter = \"dc2\", namespace = \"team\"";
    let mut rig = Rig::new(more);
    rig.fake.change(|state| {
        state.instances[0]["Service"]["Tags"] = serde_json::json!(["primary", "v 2"]);
    });
    assert_eq!(rig.ask(), ["10.0.0.1:80"]);
    assert_eq!(rig.fake.asked("dc"), ["dc2"]);
    assert_eq!(rig.fake.asked("ns"), ["team"]);
}

#[test]
fn a_token_is_read_again_for_each_question() {
    let mut rig = Rig::new(", token_file = \"DIRECTORY/token\"");
    rig.fake
        .change(|state| state.token = Some("secret".to_owned()));
    rig.refused("token");
    rig.token("outdated\n");
    rig.refused("403 Forbidden: rpc error making call: ACL not found");
    rig.token("secret\n");
    assert_eq!(rig.ask(), TWO);
}

#[test]
fn without_a_token_consul_lists_nothing_and_that_is_an_empty_list() {
    let mut rig = Rig::new("");
    rig.fake
        .change(|state| state.token = Some("secret".to_owned()));
    assert_eq!(rig.ask(), [""; 0]);
}

#[test]
fn a_list_from_which_consul_left_something_out_is_none() {
    let mut rig = Rig::new("");
    rig.fake.change(|state| state.filtered = true);
    rig.refused("`service:read`");
}

#[test]
fn any_server_may_answer_if_it_heard_of_a_leader_recently() {
    let mut rig = Rig::new(", max_stale = \"5s\"");
    rig.fake.change(|state| state.age = 4000);
    assert_eq!(rig.ask(), TWO);
    assert_eq!(rig.fake.asked("stale"), [""]);
    rig.fake.change(|state| state.age = 6000);
    rig.refused("6s old, and `max_stale` is 5s");
    rig.fake.change(|state| state.age = 0);
    for header in ["x-consul-lastcontact", "x-consul-knownleader"] {
        rig.fake.change(|state| state.without = Some(header));
        rig.refused("does not say how old it is");
    }
    rig.fake
        .change(|state| (state.without, state.has_leader) = (None, false));
    rig.refused("knows no leader");
    rig.fake.change(|state| state.has_leader = true);
    assert_eq!(rig.ask(), TWO);
}

#[test]
fn errors_are_named_and_the_list_is_there_when_they_end() {
    let mut rig = Rig::new("");
    assert_eq!(rig.ask(), TWO);
    let instead = |rig: &Rig, instead| rig.fake.change(|state| state.instead = instead);
    instead(&rig, Some(Instead::Status(500, "No cluster leader")));
    assert_eq!(
        rig.refused("500 Internal Server Error: No cluster leader")
            .as_secs(),
        1
    );
    instead(
        &rig,
        Some(Instead::Status(429, "Your IP is issuing too many")),
    );
    assert_eq!(rig.refused("429").as_secs(), 3);
    instead(&rig, Some(Instead::Half));
    assert_eq!(rig.refused("").as_secs(), 4);
    instead(&rig, None);
    // Without a wait.
    assert_eq!(rig.ask(), TWO);
    assert_eq!(rig.fake.asked("index")[4], "-");
    instead(&rig, Some(Instead::Body(b"<html>".to_vec())));
    rig.refused("not a list of instances");
}

#[test]
fn a_hundred_megabytes_are_not_read() {
    let mut rig = Rig::new("");
    let mut body = b"[".to_vec();
    body.resize(100 << 20, b' ');
    rig.fake
        .change(|state| state.instead = Some(Instead::Body(body)));
    rig.refused("longer than 64 MiB");
}

#[test]
fn a_consul_that_hangs_and_one_that_is_gone_are_named() {
    let mut rig = Rig::new("");
    rig.consul.limits.grace = Duration::from_millis(100);
    rig.fake.change(|state| state.instead = Some(Instead::Hang));
    rig.refused("");
    rig.fake.change(|state| state.instead = None);
    assert_eq!(rig.ask(), TWO);
    let at = rig.server.take().unwrap().at;
    rig.refused(&at.to_string());
}

#[test]
fn a_certificate_that_nothing_vouches_for_is_refused() {
    let fake = Arc::new(Fake::new("web", two()));
    let certificate = Certificate::new();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, &certificate.pem).unwrap();
    let at = "127.0.0.1:0".parse().unwrap();
    let server = Server::start(at, Arc::clone(&fake), Some(certificate.server()));
    let url = format!("https://{}", server.at);
    let known = format!(", tls = {{ ca = \"{}\" }}", ca.display());
    assert_eq!(places(consul(&url, &known).ask()), TWO);
    std::fs::write(&ca, Certificate::new().pem).unwrap();
    let why = &places(consul(&url, &known).ask())[0];
    assert!(why.contains("certificate"), "{why}");
    let why = &places(consul(&server.url(), "").ask())[0];
    assert!(why.contains(&server.at.to_string()), "{why}");
    assert!(fake.refused().is_empty());
}
