//! A state directory that cannot be written, or is damaged, and a date that is set.

use std::fs;

use super::scenarios::{THREE, WEB, running};
use super::*;
use crate::control::operator::{HostRequest, RefusalKind};

impl Sim {
    fn state_directory(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Replaces the state directory by a file, since root can write to any directory.
    fn break_disk(&self) {
        fs::rename(self.state_directory(), self.directory.path().join("aside")).unwrap();
        fs::write(self.state_directory(), "no directory").unwrap();
    }

    fn mend_disk(&self) {
        fs::remove_file(self.state_directory()).unwrap();
        fs::rename(self.directory.path().join("aside"), self.state_directory()).unwrap();
    }

    /// Existing files can be read, but nothing can be written.
    fn fill_disk(&self) {
        for file in ["ledger", "journal", "operator"] {
            let beside = self.state_directory().join(format!("{file}.json.new"));
            fs::create_dir_all(beside.join("in the way")).unwrap();
        }
    }

    fn make_room(&self) {
        for file in ["ledger", "journal", "operator"] {
            let beside = self.state_directory().join(format!("{file}.json.new"));
            fs::remove_dir_all(beside).unwrap();
        }
    }

    fn trouble(&self) -> Option<String> {
        let trouble = self.published.snapshot().trouble.clone();
        trouble.map(|trouble| trouble.to_string())
    }

    fn order_reload(&mut self) -> mpsc::Receiver<Result<Answer, Refusal>> {
        let (sender, answer) = mpsc::channel();
        let reply = Box::new(move |answer| sender.send(answer).unwrap());
        self.handle(Input::Request(Request::Reload { force: false }, reply));
        answer
    }

    /// The date is set; the time since boot continues.
    pub(super) fn set_date(&mut self, wall: SystemTime) {
        self.now.wall = wall;
    }
}

fn host(server: &str, seconds: Option<u64>) -> HostRequest {
    HostRequest {
        server: server.to_owned(),
        force: false,
        note: Note {
            by: "anna".to_owned(),
            for_seconds: seconds,
            ..Note::default()
        },
    }
}

#[test]
fn what_cannot_be_written_is_in_force_and_said_and_written_when_there_is_room() {
    type Ask = fn() -> Request;
    let asked: [(Ask, &str); 3] = [
        (
            || Request::Drain(Sim::request("web", "10.0.0.11")),
            "11=0 12=1 13=1",
        ),
        (
            || Request::Weight {
                of: Sim::request("web", "10.0.0.11"),
                weight: Some(7),
            },
            "11=7 12=1 13=1",
        ),
        (
            || Request::Disable(host("10.0.0.11", None)),
            "11=0 12=1 13=1",
        ),
    ];
    for (request, weights) in asked {
        let mut sim = running(THREE);
        sim.break_disk();
        let answer = sim.ask(request()).unwrap();
        let why = answer.not_kept.expect("it says that it is not on disk");
        assert!(why.contains("it is not a directory"), "{why}");
        assert_eq!(answer.done.len(), 1, "and that it is in force");
        assert_eq!(sim.weights(WEB), weights);
        sim.seconds(60);
        let trouble = sim.trouble().expect("status shows it");
        assert!(
            trouble.contains("operators' settings are not on disk"),
            "{trouble}"
        );
        assert_eq!(sim.events("not-kept").len(), 1, "it is told once");
        assert!(sim.events("kept").is_empty());

        sim.mend_disk();
        sim.seconds(6);
        assert_eq!(sim.trouble(), None);
        assert_eq!(sim.events("kept").len(), 1);
        let mut sim = sim.restart();
        sim.seconds(8);
        assert_eq!(sim.weights(WEB), weights, "it outlives the crash now");
    }
}

#[test]
fn what_takes_a_setting_back_is_not_confirmed_without_the_disk_either() {
    let mut sim = running(THREE);
    sim.ask(Request::Drain(Sim::request("web", "10.0.0.11")))
        .unwrap();
    sim.ask(Request::Disable(host("10.0.0.12", None))).unwrap();
    sim.break_disk();
    let undrain = Request::Undrain(Sim::request("web", "10.0.0.11"));
    let of = Sim::request("web", "10.0.0.11");
    for request in [
        undrain,
        Request::Enable(host("10.0.0.12", None)),
        Request::Weight { of, weight: None },
    ] {
        let answer = sim.ask(request).unwrap();
        assert!(answer.not_kept.is_some(), "{answer:?}");
    }
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    sim.mend_disk();
    sim.seconds(6);
    assert_eq!(sim.kept, Settings::default());
}

#[test]
fn an_answer_does_not_wait_for_what_was_asked_later() {
    let mut sim = running(THREE);
    let (sender, answers) = mpsc::channel();
    for server in ["10.0.0.11", "10.0.0.12"] {
        let sender = sender.clone();
        let reply = Box::new(move |answer: Result<Answer, Refusal>| {
            sender.send((server, answer.unwrap().not_kept)).unwrap();
        });
        let request = Request::Drain(Sim::request("web", server));
        let input = Input::Request(request, reply);
        sim.core.handle(input, &mut sim.client, sim.now);
    }
    let last = sim.core.out.keep.take().unwrap().number;
    let told = |answers: &mpsc::Receiver<_>| answers.try_iter().collect::<Vec<_>>();
    let first = Input::Kept(last - 1, Ok(()));
    sim.core.handle(first, &mut sim.client, sim.now);
    assert_eq!(told(&answers), [("10.0.0.11", None)]);
    let second = Input::Kept(last, Err("full".to_owned()));
    sim.core.handle(second, &mut sim.client, sim.now);
    assert_eq!(told(&answers), [("10.0.0.12", Some("full".to_owned()))]);
}

#[test]
fn a_disk_that_hangs_holds_nothing_up_and_is_reported() {
    let mut sim = running(THREE);
    sim.ask(Request::Disable(host("10.0.0.13", None))).unwrap();
    let (sender, answer) = mpsc::channel();
    let reply = Box::new(move |answer: Result<Answer, Refusal>| {
        sender.send(answer.unwrap().not_kept).unwrap();
    });
    let request = Request::Drain(Sim::request("web", "10.0.0.11"));
    let input = Input::Request(request, reply);
    sim.core.handle(input, &mut sim.client, sim.now);
    // It hangs: the writing thread has it, and does not answer.
    let keep = sim.core.out.keep.take().unwrap();
    sim.seconds(9);
    assert!(answer.try_recv().is_err(), "it may still answer");
    assert_eq!(sim.trouble(), None);
    sim.seconds(2);
    let why = answer.try_recv().unwrap().unwrap();
    assert_eq!(why, "the disk has not answered for 10s");
    assert!(sim.trouble().unwrap().contains(&why));
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=0");
    sim.seconds(60);
    assert_eq!(sim.events("not-kept").len(), 1);
    sim.handle(Input::Kept(keep.number, Ok(())));
    sim.seconds(1);
    assert_eq!(sim.trouble(), None);
}

#[test]
fn a_file_that_waits_for_the_disk_has_no_mistakes_and_comes_into_force_by_itself() {
    let mut sim = running(THREE);
    sim.break_disk();
    let heavier = THREE.replace("\"10.0.0.13\"", "{ address = \"10.0.0.13\", weight = 5 }");
    fs::write(sim.file(), &heavier).unwrap();
    let answer = sim.order_reload();
    sim.seconds(2);
    let refusal = answer.try_recv().unwrap().unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Unavailable);
    for part in ["it is not a directory", "retrying every 5s"] {
        assert!(refusal.message.contains(part), "{refusal}");
    }
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    sim.seconds(30);
    let snapshot = sim.published.snapshot();
    assert_eq!(snapshot.rejected, None, "it has no mistakes");
    let trouble = sim.trouble().unwrap();
    assert!(
        trouble.contains("the newer file is not in force"),
        "{trouble}"
    );
    assert!(sim.events("rejected").is_empty());
    assert_eq!(sim.events("not-kept").len(), 1);

    sim.mend_disk();
    sim.seconds(7);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=5");
    assert_eq!(sim.trouble(), None);
}

#[test]
fn a_file_that_waits_for_the_disk_gives_way_to_a_newer_one() {
    let mut sim = running(THREE);
    sim.break_disk();
    sim.edit(&THREE.replace("\"10.0.0.13\"", "{ address = \"10.0.0.13\", weight = 5 }"));
    sim.seconds(2);
    assert!(sim.trouble().is_some());
    sim.edit(&THREE.replace("\"rr\"", "\"rrr\""));
    sim.seconds(10);
    assert!(sim.published.snapshot().rejected.is_some());
    assert_eq!(sim.trouble(), None);
    sim.mend_disk();
    sim.edit(THREE);
    sim.seconds(10);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn a_ledger_that_cannot_be_written_is_said_and_written_when_there_is_room() {
    let mut sim = running(THREE);
    let ledger = sim.state_directory().join("ledger.json");
    sim.break_disk();
    sim.core.ledger_has_changed();
    sim.seconds(3);
    let trouble = sim.trouble().unwrap();
    assert!(trouble.contains("the ledger is not on disk"), "{trouble}");
    sim.mend_disk();
    fs::remove_file(&ledger).unwrap();
    sim.seconds(6);
    assert_eq!(sim.trouble(), None);
    assert!(ledger.exists());
}

#[test]
fn a_removed_state_directory_is_filled_again() {
    let mut sim = running(THREE);
    sim.ask(Request::Drain(Sim::request("web", "10.0.0.11")))
        .unwrap();
    fs::remove_dir_all(sim.state_directory()).unwrap();
    sim.seconds(12);
    let mut sim = sim.restart();
    sim.seconds(8);
    assert_eq!(sim.state(WEB, "10.0.0.11"), ServerState::Drained);
}

#[test]
fn a_director_starts_and_checks_while_the_disk_is_full() {
    let mut sim = running(THREE);
    sim.ask(Request::Drain(Sim::request("web", "10.0.0.11")))
        .unwrap();
    sim.fill_disk();
    let mut sim = sim.restart();
    sim.seconds(5);
    assert!(sim.core.is_ready(), "{:?}", sim.core.failed_to_start());
    assert!(sim.trouble().is_some());
    sim.kill("10.0.0.12");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=0 12=0 13=1");
    sim.make_room();
    sim.seconds(6);
    assert_eq!(sim.trouble(), None);
}

#[test]
fn damaged_state_files_do_not_stop_a_start() {
    for file in ["ledger.json", "journal.json", "operator.json"] {
        for text in ["", "{\"version\": 1, \"serv", "\0\0\0\0"] {
            let sim = running(THREE);
            fs::write(sim.state_directory().join(file), text).unwrap();
            let mut sim = sim.restart();
            sim.kernel.clear_log();
            sim.seconds(5);
            assert!(sim.core.is_ready(), "{:?}", sim.core.failed_to_start());
            assert_eq!(sim.sent(), HashMap::new(), "{file}: nothing is taken out");
            assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
        }
    }
}

#[test]
fn a_ledger_of_a_newer_director_stops_the_start_and_stays() {
    let sim = running(THREE);
    let ledger = sim.state_directory().join("ledger.json");
    let text = "{\"version\": 99}";
    fs::write(&ledger, text).unwrap();
    let mut sim = sim.restart();
    sim.seconds(2);
    let why = sim.core.failed_to_start().expect("it does not start");
    assert!(why.contains("a newer director wrote it"), "{why}");
    assert_eq!(fs::read_to_string(&ledger).unwrap(), text);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn a_date_that_is_set_neither_lengthens_nor_ends_what_was_set_for_a_time() {
    let hours = |hours: u64| Duration::from_secs(3600 * hours);
    let mut sim = running(THREE);
    let start = sim.now.wall;
    for date in [
        start - hours(6),
        start + hours(48),
        SystemTime::UNIX_EPOCH,
        start,
    ] {
        let mut drain = Sim::request("web", "10.0.0.11");
        drain.note.for_seconds = Some(60);
        sim.ask(Request::Drain(drain)).unwrap();
        sim.ask(Request::Disable(host("10.0.0.12", Some(60))))
            .unwrap();
        sim.seconds(20);
        let left = |sim: &Sim| {
            let shown = sim.published.snapshot();
            let until = shown.disabled[&IpAddr::from([10, 0, 0, 12])].until;
            let date = shown.date(sim.now.boot).unwrap();
            until.unwrap().duration_since(date).unwrap().as_secs()
        };
        assert_eq!(left(&sim), 40);
        sim.set_date(date);
        // Before the core has seen the new date, the answer is the same.
        assert_eq!(left(&sim), 40);
        sim.seconds(20);
        assert_eq!(sim.weights(WEB), "11=0 12=0 13=1");
        // What is shown of it follows.
        let disabled = &sim.published.snapshot().disabled[&IpAddr::from([10, 0, 0, 12])];
        let left = disabled.until.unwrap().duration_since(sim.now.wall);
        assert_eq!(left.unwrap().as_secs(), 20);
        let status = sim.status(WEB);
        let shown = status.servers[0].until.unwrap();
        assert_eq!(shown.duration_since(sim.now.wall).unwrap().as_secs(), 20);
        let since = sim.now.wall.duration_since(status.servers[2].since);
        assert!(since.is_ok(), "no server is up since a time to come");
        // Nor does a director notice that is restarted within the boot.
        sim = sim.restart();
        sim.seconds(19);
        assert_eq!(sim.weights(WEB), "11=0 12=0 13=1");
        sim.seconds(4);
        assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    }
}

#[test]
fn drift_is_repaired_while_the_state_directory_does_not_answer() {
    let mut sim = running(THREE);
    sim.state_hangs = true;
    let key: ServiceKey = WEB.parse().unwrap();
    let server = ServerKey::new([10, 0, 0, 12], 80);
    for _ in 0..3 {
        sim.meddle(Operation::DeleteServer(key, server));
        sim.seconds(6);
        assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    }
}

#[test]
fn a_state_directory_that_was_taken_away_is_written_again() {
    let mut sim = running(THREE);
    sim.ask(Request::Drain(Sim::request("web", "10.0.0.11")))
        .unwrap();
    sim.seconds(2);
    fs::remove_dir_all(sim.state_directory()).unwrap();
    sim.seconds(12);
    for file in ["ledger.json", "operator.json"] {
        assert!(sim.state_directory().join(file).exists(), "{file}");
    }
}

#[test]
fn a_history_that_pauses_or_is_damaged_is_an_event_and_no_trouble() {
    let mut sim = running(THREE);
    for recorded in [
        Recorded::Damaged("12 bytes of a file cannot be read".to_owned()),
        Recorded::Paused("No space left on device".to_owned()),
        Recorded::Resumed,
    ] {
        sim.handle(Input::Recorded(recorded));
    }
    sim.seconds(1);
    assert_eq!(
        sim.events("history-paused"),
        ["cannot write the history: No space left on device; director tries again"]
    );
    assert_eq!(sim.events("history-resumed"), ["the history goes on"]);
    assert!(sim.events("state-damaged")[0].starts_with("the history is damaged: 12 bytes"));
    assert_eq!(sim.trouble(), None);
}
