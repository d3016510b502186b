//! Files that contain less than they should for a moment, one story per test.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::scenarios::running;
use super::*;
use crate::daemon::pulse::Thread;

/// A root file that declares one service and includes the others.
const ROOT: &str = r#"
version = 1
include = ["services.d/*.toml"]
[defaults]
forward = "nat"
drain = "0s"
initial = "up"
[service.root]
listen = "tcp://192.0.2.10:80"
servers = ["10.0.0.11"]
"#;

fn service(number: u8) -> String {
    format!(
        "[service.s{number}]\nlisten = \"tcp://192.0.2.{number}:80\"\n\
         servers = [\"10.0.{number}.11\", \"10.0.{number}.12\"]\n"
    )
}

/// A director with the root file's service and those of three included files, one each.
fn included() -> Sim {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("services.toml"), ROOT).unwrap();
    fs::create_dir(directory.path().join("services.d")).unwrap();
    let now = Now {
        boot: BootTime(Duration::from_secs(1000)),
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    };
    let mut sim = Sim::boot(FakeKernel::new(), directory, now);
    for number in 1..=3 {
        sim.put(number, &service(number));
    }
    sim.seconds(5);
    assert!(sim.core.is_ready(), "{:?}", sim.core.failed_to_start());
    assert_eq!(sim.there(), 4);
    sim
}

impl Sim {
    fn included(&self, number: u8) -> PathBuf {
        let directory = self.directory.path().join("services.d");
        directory.join(format!("{number}.toml"))
    }

    fn put(&self, number: u8, text: &str) {
        fs::write(self.included(number), text).unwrap();
    }

    /// The number of services in the kernel.
    fn there(&self) -> usize {
        self.kernel.services().len()
    }

    /// The watcher noticed a change of the files.
    fn changed(&mut self) {
        self.handle(Input::Changed);
        self.seconds(3);
    }

    fn reload(&mut self, force: bool) -> Result<Answer, Refusal> {
        let (sender, answer) = mpsc::channel();
        let reply = Box::new(move |answer| sender.send(answer).unwrap());
        self.handle(Input::Request(Request::Reload { force }, reply));
        self.seconds(3);
        answer.try_recv().expect("answered")
    }

    /// The files are refused, however they are read, and all services stay; once restored, the
    /// watcher reads them again by itself.
    #[track_caller]
    fn keeps(&mut self, why: &str, restore: impl FnOnce(&mut Self)) {
        let services = self.there();
        self.changed();
        let rejected = self.published.snapshot().rejected.clone();
        let rejected = rejected.expect("it is rejected");
        assert!(rejected.contains(why), "{rejected}");
        assert_eq!(self.there(), services);
        self.handle(Input::Reload);
        self.seconds(3);
        assert!(self.published.snapshot().rejected.is_some(), "by SIGHUP");
        assert!(self.reload(false).is_err(), "by an operator");
        assert_eq!(self.there(), services);
        restore(self);
        self.changed();
        assert_eq!(self.published.snapshot().rejected, None);
        assert_eq!(self.there(), services);
    }
}

#[test]
fn a_root_file_of_no_bytes_removes_no_service() {
    let mut sim = included();
    for text in ["", " \n\t\n", "# nothing yet\n", "\u{feff}"] {
        fs::write(sim.file(), text).unwrap();
        sim.keeps("is empty", |sim| fs::write(sim.file(), ROOT).unwrap());
    }
}

#[test]
fn a_root_file_that_lost_its_version_removes_no_service() {
    let mut sim = included();
    let without = ROOT.replace("version = 1\n", "");
    fs::write(sim.file(), &without).unwrap();
    sim.keeps("no longer has a version", |sim| {
        fs::write(sim.file(), ROOT).unwrap();
    });
    // One that never had it is read anyway.
    fs::write(sim.file(), &without).unwrap();
    assert!(sim.reload(true).is_ok());
    sim.put(3, &service(4));
    sim.changed();
    assert_eq!(sim.published.snapshot().rejected, None);
}

#[test]
fn an_included_file_that_is_empty_for_a_moment_removes_no_service() {
    let mut sim = included();
    for text in ["", "\n", "# moved\n"] {
        sim.put(2, text);
        sim.keeps("2.toml is empty", |sim| sim.put(2, &service(2)));
    }
    // With --force it is accepted, and its emptiness does not block the next change.
    sim.put(2, "# moved\n");
    assert!(sim.reload(true).is_ok());
    assert_eq!(sim.there(), 3);
    sim.put(4, &service(4));
    sim.changed();
    assert_eq!(sim.there(), 4);
    assert_eq!(sim.published.snapshot().rejected, None);
}

#[test]
fn an_include_directory_that_is_away_removes_no_service() {
    let mut sim = included();
    let directory = sim.directory.path().join("services.d");
    let aside = sim.directory.path().join("aside");
    fs::rename(&directory, &aside).unwrap();
    sim.keeps("matched 3 files, but now matches none", |_| {
        fs::rename(&aside, &directory).unwrap();
    });
    // As under a late mount: the directory is there, and empty.
    fs::rename(&directory, &aside).unwrap();
    fs::create_dir(&directory).unwrap();
    sim.keeps("matched 3 files, but now matches none", |_| {
        fs::remove_dir(&directory).unwrap();
        fs::rename(&aside, &directory).unwrap();
    });
    // Emptied on purpose, which a person confirms.
    for number in 1..=3 {
        fs::remove_file(sim.included(number)).unwrap();
    }
    let refusal = sim.reload(false).unwrap_err();
    assert!(refusal.message.contains("--force"), "{}", refusal.message);
    assert!(sim.reload(true).is_ok());
    assert_eq!(sim.there(), 1);
    // From here on this is the normal state.
    fs::write(sim.file(), format!("{ROOT}scheduler = \"rr\"\n")).unwrap();
    sim.changed();
    assert_eq!(sim.published.snapshot().rejected, None);
}

#[test]
fn an_included_file_that_becomes_a_directory_or_a_dangling_link_removes_no_service() {
    let mut sim = included();
    let file = sim.included(2);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    sim.keeps("was a file, but is now a directory", |sim| {
        fs::remove_dir(&file).unwrap();
        sim.put(2, &service(2));
    });
    fs::remove_file(&file).unwrap();
    symlink("/nowhere", &file).unwrap();
    sim.keeps("2.toml", |sim| {
        fs::remove_file(&file).unwrap();
        sim.put(2, &service(2));
    });
}

#[test]
fn a_single_included_file_may_be_deleted() {
    let mut sim = included();
    fs::remove_file(sim.included(2)).unwrap();
    sim.changed();
    assert_eq!(sim.published.snapshot().rejected, None);
    assert_eq!(sim.there(), 3);
}

#[test]
fn files_that_vanish_one_after_the_other_count_as_one_change() {
    let mut sim = included();
    for number in 1..=2 {
        fs::remove_file(sim.included(number)).unwrap();
        sim.changed();
    }
    assert_eq!(sim.published.snapshot().rejected, None);
    assert_eq!(sim.there(), 2);
    fs::remove_file(sim.included(3)).unwrap();
    fs::write(sim.included(5), service(5)).unwrap();
    let rest = ROOT.split("[service").next().unwrap();
    fs::write(sim.file(), format!("{rest}# no more\n")).unwrap();
    sim.changed();
    let rejected = sim.published.snapshot().rejected.clone().unwrap();
    assert!(rejected.contains("max_removed_services"), "{rejected}");
    assert!(rejected.contains("a moment ago"), "{rejected}");
    assert_eq!(sim.there(), 2);
}

#[test]
fn a_file_that_is_cut_off_in_the_middle_removes_no_service() {
    let services = (1..=6).map(service);
    let whole = "version = 1\n[defaults]\ndrain = \"0s\"\ninitial = \"up\"\n".to_owned()
        + &services.collect::<String>();
    let mut sim = running(&whole);
    assert_eq!(sim.there(), 6);
    let cut = whole.find("[service.s3]").unwrap();
    fs::write(sim.file(), &whole[..cut]).unwrap();
    sim.keeps("ends after", |sim| fs::write(sim.file(), &whole).unwrap());
    fs::write(sim.file(), format!("{}# edited\n", &whole[..cut])).unwrap();
    sim.keeps("4 of 6 services would be removed", |sim| {
        fs::write(sim.file(), &whole).unwrap();
    });
    // The kernel contains what the file has only if the rest may be removed.
    let moved = whole[..cut].replace("192.0.2.1:", "192.0.2.101:");
    fs::write(sim.file(), &moved).unwrap();
    sim.keeps("4 of 6 services would be removed", |sim| {
        fs::write(sim.file(), &whole).unwrap();
    });
}

#[test]
fn a_service_that_carries_nothing_is_guarded_as_any_other() {
    let mut sim = included();
    fs::write(sim.file(), "version = 1\n").unwrap();
    sim.keeps("no service would be left", |sim| {
        fs::write(sim.file(), ROOT).unwrap();
    });
    fs::write(sim.file(), "version = 1\n").unwrap();
    assert!(sim.reload(true).is_ok());
    assert_eq!(sim.there(), 0);
}

#[test]
fn a_start_takes_no_service_away_that_the_last_run_left() {
    let sim = included();
    fs::write(sim.file(), "version = 1\n").unwrap();
    let mut sim = sim.restart();
    while sim.core.failed_to_start().is_none() {
        sim.pass(Duration::from_millis(10));
        assert!(!sim.core.is_ready(), "it starts");
    }
    let why = sim.core.failed_to_start().unwrap();
    assert!(why.contains("no service would be left"), "{why}");
    assert_eq!(sim.there(), 4);
}

#[test]
fn services_that_are_renamed_moved_split_or_regrouped_do_not_go() {
    let listen = |number: u8| format!("listen = \"tcp://192.0.2.{number}:80\"");
    let two = "version = 1\n[defaults]\ndrain = \"0s\"\ninitial = \"up\"\npersistence = \"5m\"\n"
        .to_owned()
        + &service(1)
        + &service(2);
    let renamed = two.replace("service.s", "service.new");
    let moved = two.replace("192.0.2.1:", "192.0.2.101:");
    let moved = moved.replace("192.0.2.2:", "192.0.2.102:");
    let both = moved.replace("service.s", "service.new");
    let split = two
        .replace(
            &listen(1),
            "listen = [\"tcp://192.0.2.1:81\", \"tcp://192.0.2.1:82\"]",
        )
        .replace(&listen(2), "listen = \"fwmark://2\"");
    for file in [renamed, moved, both, split] {
        let mut sim = running(&two);
        fs::write(sim.file(), &file).unwrap();
        sim.changed();
        assert_eq!(sim.published.snapshot().rejected, None, "{file}");
    }
    // Three services that one mark replaces together.
    let three = two.clone()
        + &service(1)
            .replace(".s1", ".s3")
            .replace("2.1:80", "2.1:443");
    let grouped = "version = 1\n[service.all]\nlisten = \"fwmark://7\"\nservers = [\"10.0.1.11\", \
                   \"10.0.1.12\", \"10.0.2.11\", \"10.0.2.12\"]\n";
    let mut sim = running(&three);
    fs::write(sim.file(), grouped).unwrap();
    sim.changed();
    assert_eq!(sim.published.snapshot().rejected, None);
    assert_eq!(sim.there(), 1);
}

#[test]
fn a_pool_that_is_empty_or_gone_leaves_no_service_without_servers() {
    let pool = "[pool.web]\nservers = [\"10.0.0.21\", \"10.0.0.22\"]\n";
    let mut sim = included();
    sim.put(2, &format!("{}{pool}", service(2)));
    let uses = "[service.s1]\nlisten = \"tcp://192.0.2.1:80\"\npool = \"web\"\n";
    sim.put(1, uses);
    sim.changed();
    assert_eq!(sim.published.snapshot().rejected, None);
    for broken in [
        service(2),
        format!("{}[pool.web]\nservers = []\n", service(2)),
        String::new(),
    ] {
        sim.put(2, &broken);
        sim.keeps("", |sim| sim.put(2, &format!("{}{pool}", service(2))));
        assert_eq!(sim.weights("tcp://192.0.2.1:80"), "21=1 22=1");
    }
}

#[test]
fn a_service_whose_servers_are_all_down_does_not_lose_them_to_an_empty_list() {
    let check = "check = { type = \"tcp\", interval = \"1s\", rise = 1, fall = 1 }\n";
    let file = format!("version = 1\n[defaults]\n{check}{}", service(1));
    let mut sim = running(&file);
    sim.kill("10.0.1.11");
    sim.kill("10.0.1.12");
    sim.seconds(5);
    let weightless = "{ address = \"10.0.1.11\", weight = 0 }";
    let emptied = file.replace("\"10.0.1.11\", \"10.0.1.12\"", weightless);
    fs::write(sim.file(), emptied).unwrap();
    sim.keeps("would be left without a server", |sim| {
        fs::write(sim.file(), &file).unwrap();
    });
}

#[test]
fn one_service_of_three_may_be_removed_and_two_may_not() {
    let three: String = (1..=3).map(service).collect();
    let start = "version = 1\n[defaults]\ndrain = \"0s\"\n";
    let mut sim = running(&format!("{start}{three}"));
    fs::write(sim.file(), format!("{start}{}", service(1))).unwrap();
    let refusal = sim.reload(false).unwrap_err();
    let said = "2 of 3 services would be removed: s2 (tcp://192.0.2.2:80), s3 (tcp://192.0.2.3:80); \
                `policy.max_removed_services` allows 50%";
    assert!(refusal.message.contains(said), "{}", refusal.message);
    fs::write(sim.file(), format!("{start}{}{}", service(1), service(2))).unwrap();
    assert!(sim.reload(false).is_ok());
    assert_eq!(sim.there(), 2);
}

const HANGS: &str = "reading services.d/2.toml has not answered for";

impl Sim {
    /// As if the file system of the second included file hung.
    fn hang(&mut self) {
        self.hangs = true;
        self.stalls = vec![Stall {
            thread: Thread::Reader,
            what: Arc::from("reading services.d/2.toml"),
            time: Duration::from_secs(12),
        }];
    }

    fn answer(&mut self) {
        self.hangs = false;
        self.stalls.clear();
    }

    fn hung(&self) -> String {
        let trouble = self.published.snapshot().trouble.clone();
        trouble.map_or_else(String::new, |trouble| trouble.to_string())
    }
}

#[test]
fn a_read_that_hangs_stops_nothing_else_and_the_reload_that_waits_is_answered() {
    let check = "check = { type = \"tcp\", interval = \"1s\", rise = 1, fall = 1 }\n";
    let file = format!(
        "version = 1\n[daemon]\nreconcile = \"1s\"\n[defaults]\n{check}{}",
        service(1)
    );
    let mut sim = running(&file);
    sim.hang();
    let (sender, answers) = mpsc::channel();
    let reload = |sim: &mut Sim| {
        let sender = sender.clone();
        let reply = Box::new(move |answer| sender.send(answer).unwrap());
        sim.handle(Input::Request(Request::Reload { force: true }, reply));
    };
    reload(&mut sim);
    sim.seconds(9);
    reload(&mut sim);
    assert!(answers.try_recv().is_err(), "it may still answer");
    sim.seconds(2);
    for _ in 0..2 {
        let refusal = answers.try_recv().unwrap().unwrap_err();
        assert!(refusal.message.contains(HANGS), "{}", refusal.message);
    }
    reload(&mut sim);
    let refusal = answers.try_recv().unwrap().unwrap_err();
    assert!(refusal.message.contains(HANGS), "{}", refusal.message);
    assert!(sim.hung().contains("services.d/2.toml"), "{}", sim.hung());
    assert_eq!(sim.events("stalled").len(), 1, "it is told once");

    // Verdicts, drains, drift.
    let web = "tcp://192.0.2.1:80";
    sim.kill("10.0.1.12");
    sim.seconds(3);
    assert_eq!(sim.weights(web), "11=1 12=0");
    sim.revive("10.0.1.12");
    sim.seconds(3);
    sim.ask(Request::Drain(Sim::request("s1", "10.0.1.11")))
        .unwrap();
    assert_eq!(sim.weights(web), "11=0 12=1");
    sim.ask(Request::Undrain(Sim::request("s1", "10.0.1.11")))
        .unwrap();
    sim.meddle(Operation::DeleteService(web.parse().unwrap()));
    sim.seconds(4);
    assert_eq!(sim.weights(web), "11=1 12=1", "drift is repaired");

    // Once it answers, the current files are used, with the guards.
    fs::write(sim.file(), "version = 1\n").unwrap();
    sim.answer();
    sim.handle(Input::Changed);
    sim.deliver();
    sim.seconds(3);
    assert_eq!(sim.hung(), "");
    assert_eq!(sim.there(), 1, "not forced any more");
    assert!(sim.published.snapshot().rejected.is_some());
    fs::write(sim.file(), format!("{file}{}", service(2))).unwrap();
    assert!(sim.reload(false).is_ok());
    assert_eq!(sim.there(), 2);
}

#[test]
fn a_start_whose_files_hang_ends_within_a_bounded_time_and_says_where() {
    let mut sim = included().restart();
    sim.hang();
    // A request from the start was read before the file system hung.
    sim.coming.clear();
    sim.seconds(11);
    let why = sim.core.failed_to_start().unwrap();
    assert!(why.contains(HANGS), "{why}");
}

#[test]
fn a_worker_that_hangs_is_shown_until_it_has_ended() {
    let mut sim = included();
    sim.stalls = vec![Stall {
        thread: Thread::Worker,
        what: Arc::from("writing the ledger to the state directory"),
        time: Duration::from_secs(40),
    }];
    sim.seconds(1);
    assert!(sim.hung().contains("writing the ledger"), "{}", sim.hung());
    sim.stalls.clear();
    sim.seconds(1);
    assert_eq!(sim.hung(), "");
    assert_eq!(sim.events("answers").len(), 1);
}

#[test]
fn an_included_fifo_is_refused_and_nothing_waits_for_it() {
    let mut sim = included();
    let file = sim.included(2);
    fs::remove_file(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    sim.keeps("not a regular file but a FIFO", |sim| {
        fs::remove_file(&file).unwrap();
        sim.put(2, &service(2));
    });
}

#[test]
fn a_file_that_was_cut_off_before_its_limits_keeps_to_those_in_force() {
    let services = (1..=6).map(service);
    let start = "version = 1\n[defaults]\ndrain = \"0s\"\ninitial = \"up\"\n".to_owned()
        + &services.collect::<String>();
    let whole = format!("{start}[policy]\nmax_removed_services = \"10%\"\nmax_removed = \"10%\"\n");
    let mut sim = running(&whole);
    let cut = &whole[..whole.find("[service.s5]").unwrap()];
    let cut = format!("{cut}# edited\n");
    fs::write(sim.file(), &cut).unwrap();
    sim.keeps("`policy.max_removed_services` allows 10%", |sim| {
        fs::write(sim.file(), &whole).unwrap();
    });
    assert!(sim.reload(false).is_ok());
    // A raised limit applies from the next change on.
    fs::write(sim.file(), &start).unwrap();
    assert!(sim.reload(false).is_ok());
    fs::write(sim.file(), &cut).unwrap();
    assert!(sim.reload(false).is_ok());
    assert_eq!(sim.there(), 4);
}

#[test]
fn a_file_that_ends_early_takes_nothing_away_until_a_person_asks() {
    let services: String = (1..=7).map(service).collect();
    let whole = format!("version = 1\n[defaults]\ndrain = \"0s\"\ninitial = \"up\"\n{services}");
    let mut sim = running(&whole);
    assert_eq!(sim.there(), 7);
    let mut refused = 0;
    let services = whole.match_indices("[service.").map(|(at, _)| at);
    for length in (0..whole.len()).step_by(37).chain(services) {
        fs::write(sim.file(), &whole[..length]).unwrap();
        sim.changed();
        assert_eq!(sim.there(), 7, "{}", &whole[..length]);
        let rejected = sim.published.snapshot().rejected.clone();
        refused += usize::from(rejected.is_some_and(|why| why.contains("ends after")));
        // A second look changes nothing.
        sim.changed();
        assert_eq!(sim.there(), 7);
        fs::write(sim.file(), &whole).unwrap();
        sim.changed();
        assert_eq!(sim.published.snapshot().rejected, None);
    }
    assert!(refused >= 5, "{refused}");
    let last = whole.find("[service.s7]").unwrap();
    fs::write(sim.file(), &whole[..last]).unwrap();
    sim.changed();
    assert_eq!(sim.there(), 7);
    assert!(sim.reload(false).is_ok());
    assert_eq!(sim.there(), 6);
}

#[test]
fn a_start_with_included_files_that_are_empty_or_away_takes_nothing_away() {
    let sim = included();
    sim.put(2, "");
    let mut sim = sim.restart();
    while sim.core.failed_to_start().is_none() {
        sim.pass(Duration::from_millis(10));
        assert!(!sim.core.is_ready(), "it starts");
    }
    let why = sim.core.failed_to_start().unwrap();
    assert!(
        why.contains("is empty, and 1 service of the last run would be removed"),
        "{why}"
    );
    assert_eq!(sim.there(), 4);
    let aside = sim.directory.path().join("aside");
    fs::rename(sim.directory.path().join("services.d"), &aside).unwrap();
    fs::write(sim.file(), ROOT.to_owned() + &service(1) + &service(2)).unwrap();
    let mut sim = sim.restart();
    while sim.core.failed_to_start().is_none() {
        sim.pass(Duration::from_millis(10));
        assert!(!sim.core.is_ready(), "it starts");
    }
    let why = sim.core.failed_to_start().unwrap();
    assert!(why.contains("no directory"), "{why}");
    assert_eq!(sim.there(), 4);
    fs::rename(&aside, sim.directory.path().join("services.d")).unwrap();
    fs::write(sim.file(), ROOT).unwrap();
    // A file that is empty on purpose does not block a start.
    sim.put(2, &service(2));
    sim.put(4, "# nothing yet\n");
    let mut sim = sim.restart();
    sim.seconds(3);
    assert!(sim.core.is_ready());
    assert_eq!(sim.there(), 4);
}
