use std::os::unix::fs::{PermissionsExt, symlink};

use nix::sys::stat::Mode;
use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    version: u32,
    text: String,
}

impl Versioned for Note {
    fn version(&self) -> u32 {
        self.version
    }
}

fn note(text: &str) -> Note {
    Note {
        version: VERSION,
        text: text.to_owned(),
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::within(&directory.path().join("state"), "net-1");
    store.make().unwrap();
    (directory, store)
}

fn read(store: &Store) -> Result<Option<Note>, StoreError> {
    store.read("note.json")
}

/// An error and its cause.
fn said(error: &StoreError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or(error.to_string(), |cause| format!("{error}: {cause}"))
}

#[test]
fn a_damaged_file_is_set_aside_by_who_holds_the_lock_and_left_by_others() {
    for (text, found) in [
        ("", "it is empty"),
        ("{\"version\": 1, \"te", "EOF while parsing"),
        ("[]", "invalid length 0"),
        ("{\"version\": 0, \"text\": \"x\"}", "unknown version 0"),
        ("{\"text\": \"x\"}", "missing field `version`"),
    ] {
        let (_directory, store) = store();
        let path = store.path("note.json");
        fs::write(&path, text).unwrap();
        assert_eq!(read(&store).unwrap(), None);
        let warning = store.take_warnings().join("\n");
        assert!(warning.contains(found), "{warning}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is left alone");

        store.hold();
        assert_eq!(read(&store).unwrap(), None);
        let warning = store.take_warnings().join("\n");
        assert!(warning.contains("note.json.damaged"), "{warning}");
        assert!(!path.exists());
        let aside = store.path("note.json.damaged");
        assert_eq!(fs::read_to_string(aside).unwrap(), text);
        store.write("note.json", &note("new")).unwrap();
        assert_eq!(read(&store).unwrap(), Some(note("new")));
    }
}

#[test]
fn a_file_of_a_newer_director_is_refused_and_left_alone() {
    for text in [
        "{\"version\": 99, \"text\": \"x\"}",
        "{\"version\": 2, \"something\": [\"else\"]}",
    ] {
        let (_directory, store) = store();
        store.hold();
        fs::write(store.path("note.json"), text).unwrap();
        let error = read(&store).unwrap_err();
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
        assert!(error.to_string().contains("a newer director wrote it"));
        assert_eq!(fs::read_to_string(store.path("note.json")).unwrap(), text);
    }
}

#[test]
fn what_is_no_regular_file_is_neither_read_nor_waited_for() {
    let (directory, store) = store();
    let path = store.path("note.json");
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    let error = said(&read(&store).unwrap_err());
    assert!(error.ends_with("not a regular file but a FIFO"), "{error}");
    // Writing replaces it, and never opens the file next to it.
    nix::unistd::mkfifo(&store.path("note.json.new"), Mode::S_IRWXU).unwrap();
    store.write("note.json", &note("a")).unwrap();
    assert_eq!(read(&store).unwrap(), Some(note("a")));

    let victim = directory.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, store.path("note.json.new")).unwrap();
    store.write("note.json", &note("b")).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");

    fs::remove_file(&path).unwrap();
    symlink(&victim, &path).unwrap();
    let error = said(&read(&store).unwrap_err());
    assert!(error.ends_with("a symbolic link"), "{error}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = said(&read(&store).unwrap_err());
    assert!(error.ends_with("a directory"), "{error}");
    store.write("note.json", &note("c")).unwrap_err();

    fs::remove_dir(&path).unwrap();
    let long = File::create(&path).unwrap();
    long.set_len(LONGEST + 1).unwrap();
    let error = said(&read(&store).unwrap_err());
    assert!(error.contains("longer than"), "{error}");
}

#[test]
fn a_directory_that_others_can_change_is_refused() {
    let (directory, store) = store();
    let base = directory.path().join("state");
    for path in [&base, &store.directory().to_owned()] {
        for mode in [0o770, 0o707, 0o1777] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let error = store
                .write("note.json", &note("x"))
                .unwrap_err()
                .to_string();
            let advice = format!("run `chmod go-w {}`", path.display());
            assert!(error.ends_with(&advice), "{error}");
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        store.write("note.json", &note("x")).unwrap();
    }
    if geteuid_is_root() {
        std::os::unix::fs::chown(&base, Some(4_000_000), None).unwrap();
        let error = store.make().unwrap_err().to_string();
        assert!(error.contains("it belongs to user 4000000"), "{error}");
    }
}

fn geteuid_is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn links_are_followed_for_the_state_directory_alone_and_named_where_they_dangle() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    symlink(at("real"), at("state")).unwrap();
    let store = Store::within(&at("state"), "net-1");
    let error = store.make().unwrap_err().to_string();
    let dangling = format!("it is a symbolic link to {}", at("real").display());
    assert!(error.contains(&dangling), "{error}");
    // The deepest allowed path.
    let deeper = Store::within(&at("state").join("deep"), "net-1");
    let error = deeper.make().unwrap_err().to_string();
    assert!(error.contains(&dangling), "{error}");

    fs::create_dir(at("real")).unwrap();
    fs::set_permissions(at("real"), fs::Permissions::from_mode(0o700)).unwrap();
    store.make().unwrap();
    fs::remove_dir(store.directory()).unwrap();
    fs::create_dir(at("other")).unwrap();
    symlink(at("other"), store.directory()).unwrap();
    let error = store.make().unwrap_err().to_string();
    assert!(error.contains("which is not followed"), "{error}");

    fs::remove_file(at("state")).unwrap();
    fs::write(at("state"), "").unwrap();
    let error = store.make().unwrap_err().to_string();
    assert!(error.contains("it is not a directory"), "{error}");
}
