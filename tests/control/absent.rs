//! What the verbs say where no director answers, or not to this user.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::fake::run;
use super::verbs::{Run, command};

#[test]
fn without_a_director_it_is_said_how_to_start_one() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("control.sock");
    let dead = directory.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    for socket in [&missing, &dead] {
        for line in [
            "status",
            "status --watch",
            "events --follow",
            "drain web app1",
            "reload",
        ] {
            let run: Run = command(socket, line).output().unwrap().into();
            assert_eq!((run.code, run.stdout.as_str()), (Some(4), ""), "{line}");
            for part in [
                "no director is running here",
                "director run FILE",
                "\ndirector: next: ",
                socket.to_str().unwrap(),
            ] {
                assert!(run.stderr.contains(part), "{line}: {}", run.stderr);
            }
        }
    }
}

#[test]
fn permission_denied_names_those_who_have_it() {
    let running = run();
    let socket = running.socket();
    if nix::unistd::geteuid().is_root() {
        // Root always may: test as another user.
        let open = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(running.directory.path(), open(0o755)).unwrap();
        let program = running.directory.path().join("director");
        // In another process: a file that this one has open for writing would be inherited by
        // processes of other tests, and is then too busy to be run.
        let mut copy = Command::new("cp");
        let copied = copy
            .arg(env!("CARGO_BIN_EXE_director"))
            .arg(&program)
            .status();
        assert!(copied.unwrap().success());
        let mut nobody = Command::new(program);
        std::os::unix::process::CommandExt::uid(&mut nobody, 65_534);
        std::os::unix::process::CommandExt::gid(&mut nobody, 65_534);
        let output = nobody.arg("status").arg("--socket").arg(&socket).output();
        let run: Run = output.unwrap().into();
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(
            run.stderr.contains("permission denied on"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("root may"), "{}", run.stderr);
        let next = format!(
            "director: next: sudo director status --socket {}",
            socket.display()
        );
        assert!(run.stderr.contains(&next), "{}", run.stderr);
    }
}

#[test]
fn what_answers_and_is_no_director_is_said_to_be_strange() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ndirector-version: 99.1.0\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno",
        "220 mail ESMTP\r\n",
    ];
    let served = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request).unwrap();
            std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
        }
    });
    for said in [
        "is this a director's socket?",
        "the director is version 99.1.0, this program is",
        "HTTP status 500",
        "lost the connection to the director",
    ] {
        let run: Run = command(&socket, "status").output().unwrap().into();
        assert_eq!(run.code, Some(1));
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    }
    served.join().unwrap();
}
