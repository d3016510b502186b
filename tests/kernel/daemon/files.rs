//! Broken files: empty, missing, not regular, or on a file system that does not answer.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;

use super::{DIRECTOR, Daemon, SERVICE};
use crate::lab::{Host, Lan, eventually, has_module, paced_ms};

const ROOT: &str = "
version = 1
include = [\"services.d/*.toml\"]
daemon = { reconcile = \"500ms\" }
[defaults]
forward = \"nat\"
scheduler = \"rr\"
drain = \"0s\"
[service.web]
listen = \"tcp://10.1.0.100:80\"
servers = [\"10.2.0.11\", \"10.2.0.12\"]
";

const MORE: &str = "
[service.more]
listen = \"tcp://10.1.0.100:81\"
servers = [\"10.2.0.11\"]
";

/// A director with one service in its root file and one in an included file.
fn start(host: &Host) -> Daemon<'_> {
    let mut daemon = Daemon::idle(host, ROOT);
    fs::create_dir(daemon.path("services.d")).unwrap();
    fs::write(daemon.path("services.d/more.toml"), MORE).unwrap();
    daemon.launch();
    assert_eq!(services(host), 2);
    daemon
}

fn services(host: &Host) -> usize {
    let table = host.run("ipvsadm -Ln");
    table.lines().filter(|line| line.starts_with("TCP")).count()
}

fn rejected(daemon: &Daemon<'_>) -> Option<String> {
    let status = daemon.get("/v1/status")?;
    status["rejected"].as_str().map(str::to_owned)
}

fn trouble(daemon: &Daemon<'_>) -> Option<String> {
    let status = daemon.get("/v1/status")?;
    status["trouble"].as_str().map(str::to_owned)
}

/// A change to the files.
type Step<'s> = &'s dyn Fn();

#[test]
#[ignore = "needs the lab"]
fn files_that_are_empty_or_away_for_a_moment_remove_no_service() {
    let net = Lan::nat().real_servers(2).build();
    let daemon = start(&net.director);
    let root = daemon.path("services.toml");
    let included = daemon.path("services.d/more.toml");
    let (directory, aside) = (daemon.path("services.d"), daemon.path("aside"));
    let text = fs::read_to_string(&root).unwrap();
    let stories: [(&str, Step<'_>, Step<'_>); 4] = [
        ("is empty", &|| fs::write(&root, "").unwrap(), &|| {
            fs::write(&root, &text).unwrap();
        }),
        (
            "more.toml is empty",
            &|| fs::write(&included, "").unwrap(),
            &|| {
                fs::write(&included, MORE).unwrap();
            },
        ),
        (
            "matched 1 file, but now matches none",
            &|| fs::rename(&directory, &aside).unwrap(),
            &|| fs::rename(&aside, &directory).unwrap(),
        ),
        (
            "not a regular file but a FIFO",
            &|| {
                fs::remove_file(&included).unwrap();
                mkfifo(&included, Mode::S_IRWXU).unwrap();
            },
            &|| {
                fs::remove_file(&included).unwrap();
                fs::write(&included, MORE).unwrap();
            },
        ),
    ];
    for (why, spoil, restore) in stories {
        spoil();
        eventually(why, || rejected(&daemon).filter(|text| text.contains(why)));
        let answer = daemon.post("/v1/reload", &json!({}));
        assert!(answer.to_string().contains(why), "{answer}");
        thread::sleep(paced_ms(500));
        assert_eq!(services(&net.director), 2, "{why}");
        restore();
        eventually("the watcher takes them again", || {
            let status = daemon.get("/v1/status")?;
            status["rejected"].is_null().then_some(())
        });
        assert_eq!(services(&net.director), 2, "{why}");
    }
}

#[test]
#[ignore = "needs the lab"]
fn a_fifo_as_service_file_is_refused_by_every_verb_and_a_pipe_of_the_shell_is_read() {
    let net = Lan::nat().real_servers(2).build();
    let host = &net.director;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    mkfifo(&path("fifo.toml"), Mode::S_IRWXU).unwrap();
    fs::write(
        path("root.toml"),
        "version = 1\ninclude = [\"fifo.toml\"]\n",
    )
    .unwrap();
    fs::write(
        path("good.toml"),
        format!("version = 1\n{MORE}forward = \"nat\"\n"),
    )
    .unwrap();
    // As udev does on a real machine.
    for (link, to) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
    ] {
        if fs::symlink_metadata(link).is_err() {
            symlink(to, link).unwrap();
        }
    }
    let run = |line: &str| {
        let mut command = Command::new("bash");
        command
            .args(["-c", &format!("{DIRECTOR} {line}")])
            .current_dir(directory.path())
            .env("DIRECTOR_STATE_DIR", path("state"));
        host.command(command, b"")
    };
    for line in [
        "check fifo.toml",
        "check root.toml",
        "plan fifo.toml",
        "plan root.toml",
        "apply --yes fifo.toml",
        "apply --yes root.toml",
        "run fifo.toml --socket control.sock",
        "run root.toml --socket control.sock",
    ] {
        let ended = run(line);
        assert_eq!(ended.code, 1, "{line}: {ended}");
        assert!(ended.stderr.contains("a FIFO"), "{line}: {ended}");
    }
    for (line, code) in [
        ("check <(cat good.toml)", 0),
        ("check /dev/stdin < good.toml", 0),
        ("check - < good.toml", 0),
        ("check <(true)", 1),
        ("plan <(cat good.toml)", 2),
        ("apply --yes <(cat good.toml)", 0),
    ] {
        let ended = run(line);
        assert_eq!(ended.code, code, "{line}: {ended}");
    }
}

/// A file system whose server never answers: every access waits for ever.
struct Silent {
    directory: PathBuf,
    device: Option<File>,
}

impl Silent {
    fn over(directory: &Path) -> Self {
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = device.unwrap();
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        let (source, kind) = (Some("silent"), Some("fuse"));
        let options = Some(options.as_str());
        mount(source, directory, kind, MsFlags::empty(), options).unwrap();
        Self {
            directory: directory.to_owned(),
            device: Some(device),
        }
    }

    /// Removes it: waiting processes get an error, and what is below is visible again.
    fn end(&mut self) {
        if let Some(device) = self.device.take() {
            umount2(&self.directory, MntFlags::MNT_DETACH).unwrap();
            drop(device);
        }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
#[ignore = "needs the lab"]
fn a_file_system_that_does_not_answer_stops_nothing_else() {
    if !has_module("fuse") {
        eprintln!("this kernel has no file system that can be silent");
        return;
    }
    Command::new("modprobe").arg("fuse").status().unwrap();
    let net = Lan::nat().real_servers(2).build();
    let mut daemon = start(&net.director);
    let mut silent = Silent::over(&daemon.path("services.d"));
    let began = Instant::now();
    let answer = daemon.post("/v1/reload", &json!({})).to_string();
    assert!(answer.contains("has not answered for"), "{answer}");
    assert!(began.elapsed() < paced_ms(20_000), "{:?}", began.elapsed());
    eventually("status shows it", || {
        trouble(&daemon).filter(|text| text.contains("services.d"))
    });
    assert!(
        daemon.log().contains("has not answered"),
        "{}",
        daemon.log()
    );
    let answer = daemon.post("/v1/reload", &json!({})).to_string();
    assert!(answer.contains("has not answered for"), "{answer}");

    // Drift is repaired, and operators' requests are carried out.
    net.director
        .run("ipvsadm -d -t 10.1.0.100:80 -r 10.2.0.11:80");
    daemon.weights(SERVICE, "1=1 2=1");
    let drain = json!({ "service": "web", "server": "10.2.0.12" });
    daemon.post("/v1/drain", &drain);
    daemon.weights(SERVICE, "1=1 2=0");
    daemon.post("/v1/undrain", &drain);
    daemon.weights(SERVICE, "1=1 2=1");

    // Once it answers, everything recovers by itself.
    silent.end();
    eventually("nothing is the matter", || {
        let status = daemon.get("/v1/status")?;
        let well = status["trouble"].is_null() && status["rejected"].is_null();
        well.then_some(())
    });
    assert_eq!(services(&net.director), 2);

    // A director in this state stops when told to, and does not start silently.
    let mut silent = Silent::over(&daemon.path("services.d"));
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    thread::sleep(Duration::from_secs(2));
    let began = Instant::now();
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    assert!(
        began.elapsed() < paced_ms(8_000),
        "{:?} {}",
        began.elapsed(),
        daemon.log()
    );
    let mut command = Command::new(DIRECTOR);
    command
        .args(["run", "services.toml", "--socket", "control.sock"])
        .current_dir(daemon.path(""))
        .env("DIRECTOR_STATE_DIR", daemon.path("state"));
    let ended = net.director.command(command, b"");
    assert_eq!(ended.code, 1, "{ended}");
    assert!(ended.stderr.contains("has not answered for"), "{ended}");
    assert_eq!(services(&net.director), 2);
    silent.end();
}

#[test]
#[ignore = "needs the lab"]
fn a_state_directory_that_does_not_answer_is_shown_and_does_not_hold_up_the_end() {
    if !has_module("fuse") {
        eprintln!("this kernel has no file system that can be silent");
        return;
    }
    Command::new("modprobe").arg("fuse").status().unwrap();
    let net = Lan::nat().real_servers(2).build();
    let mut daemon = start(&net.director);
    let mut silent = Silent::over(&daemon.path("state"));
    // Drift is repaired, round after round.
    for _ in 0..3 {
        net.director
            .run("ipvsadm -d -t 10.1.0.100:80 -r 10.2.0.11:80");
        daemon.weights(SERVICE, "1=1 2=1");
    }
    // A new server: the transaction writes a journal first.
    let text = fs::read_to_string(daemon.path("services.toml")).unwrap();
    daemon.write(&text.replace("\"10.2.0.12\"]", "\"10.2.0.12\", \"10.2.0.13\"]"));
    eventually("status shows it", || {
        trouble(&daemon).filter(|text| text.contains("state directory"))
    });
    let log = daemon.log();
    assert!(log.contains("has not answered"), "{log}");
    let began = Instant::now();
    daemon.stop();
    let time = began.elapsed();
    assert!(time < paced_ms(25_000), "{time:?} {}", daemon.log());
    silent.end();
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1 3=1");
}
