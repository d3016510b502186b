//! What changed, as people and programs see it.

use super::*;

/// A morning: a server dies, one is drained, the file changes, another program edits the tables.
pub(super) fn morning(state: &Path) {
    let mut recorder = Recorder::new(state);
    let two = BTreeMap::from([(80, some(&[1, 2], &[], &[])), (443, some(&[1], &[], &[]))]);
    record(
        &mut recorder,
        &snapshot(NOON, &two),
        &[event(NOON, EventKind::Loaded, None, "loaded")],
    );
    let minute = |number: u64| NOON + 60_000 * number;
    let mut next = two.clone();
    next.insert(80, some(&[1], &[2], &[]));
    let down = event(
        minute(1),
        EventKind::ServerDown,
        Some((80, Some(2))),
        "connection refused",
    );
    record(&mut recorder, &snapshot(minute(1) + 100, &next), &[down]);
    next.insert(80, some(&[], &[2], &[1]));
    let text = "drained by anna: new disk";
    let drained = event(minute(2), EventKind::Drained, Some((80, Some(1))), text);
    record(&mut recorder, &snapshot(minute(2) + 100, &next), &[drained]);
    let text = "weight 5 instead of 1; repaired";
    let drift = event(minute(3), EventKind::Drift, Some((80, None)), text);
    record(&mut recorder, &snapshot(minute(3), &next), &[drift]);
    next.insert(80, some(&[3], &[2], &[1]));
    next.remove(&443);
    let loaded = event(minute(4), EventKind::Loaded, None, "loaded: 1 service");
    record(&mut recorder, &snapshot(minute(4) + 100, &next), &[loaded]);
    recorder.stop(minute(5), false).unwrap();
    // An hour later, with another server.
    let mut recorder = Recorder::new(state);
    next.insert(80, some(&[2, 3], &[], &[1]));
    record(&mut recorder, &snapshot(minute(65), &next), &[]);
}

#[test]
fn rows_say_what_changed_by_what_and_by_whom_beyond_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    morning(directory.path());
    let (all, lost) = rows(directory.path(), &Filter::default());
    assert_eq!(lost, Vec::<String>::new());
    let shown: Vec<String> = all
        .iter()
        .map(|row| {
            let changed: Vec<_> = row
                .changed
                .iter()
                .map(|one| format!("{} {} {}", one.what, one.from, one.to))
                .collect();
            let minute = (row.at_ms - NOON) / 60_000;
            let server = row
                .server
                .map(|server| server.to_string())
                .unwrap_or_default();
            let (by, kind, text) = (row.by.word(), &row.kind, &row.text);
            let text = text.split(" (process").next().unwrap();
            format!(
                "{minute} {by} {kind} {server} [{}] {text}",
                changed.join(", ")
            )
        })
        .collect();
    let started = format!("director {} started", env!("CARGO_PKG_VERSION"));
    let expected = [
        format!("0 director started  [] {started}"),
        "0 file loaded  [] loaded".to_owned(),
        "1 check server-down 10.0.0.2:80 [state \"up\" \"down\", weight 1 0] connection refused".to_owned(),
        "2 operator drained 10.0.0.1:80 [state \"up\" \"drained\", weight 1 0] drained by anna: new disk".to_owned(),
        "3 drift drift  [] weight 5 instead of 1; repaired".to_owned(),
        "4 file loaded  [] loaded: 1 service".to_owned(),
        "4 file changed  [declared 2 3] service".to_owned(),
        "4 file changed 10.0.0.3:80 [role null \"regular\", state null \"up\", weight null 1] added: connected".to_owned(),
        "4 file changed  [] removed, with 1 server".to_owned(),
        "5 director stopped  [] director stopped; the tables stay".to_owned(),
        format!("65 director started  [] {started}"),
        "65 absence changed 10.0.0.2:80 [state \"down\" \"up\", weight 0 1] connected".to_owned(),
    ];
    assert_eq!(shown, expected, "{shown:#?}");
    let drained = all.iter().find(|row| row.kind == "drained").unwrap();
    assert_eq!(drained.operator.as_deref(), Some("anna"));
    assert_eq!(drained.reason.as_deref(), Some("new disk"));
}

#[test]
fn a_server_that_is_found_dead_in_the_millisecond_in_which_it_came_was_added_by_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(directory.path());
    let mut services = BTreeMap::from([(80, some(&[1], &[], &[]))]);
    record(&mut recorder, &snapshot(NOON, &services), &[]);
    services.insert(80, some(&[1], &[2], &[]));
    let of = Some((80, Some(2)));
    let events = [
        event(NOON + 10, EventKind::Loaded, None, "loaded: 1 service"),
        event(NOON + 10, EventKind::ServerDown, of, "connection refused"),
    ];
    record(&mut recorder, &snapshot(NOON + 10, &services), &events);
    let (all, _) = rows(directory.path(), &Filter::default());
    let of_it: Vec<_> = all
        .iter()
        .filter(|row| row.server == Some(host(2)))
        .map(|row| (row.by, &*row.kind))
        .collect();
    assert_eq!(of_it, [(By::File, "changed"), (By::Check, "server-down")]);
}

#[test]
fn rows_are_selected_by_time_service_and_server() {
    let directory = tempfile::tempdir().unwrap();
    morning(directory.path());
    let number = |filter: Filter| rows(directory.path(), &filter).0.len();
    let word = |text: &str| vec![Word::new(text)];
    let at = |minute: u64| Some(NOON + 60_000 * minute);
    assert_eq!(
        number(Filter {
            since_ms: at(5),
            ..Filter::default()
        }),
        3
    );
    assert_eq!(
        number(Filter {
            until_ms: at(1),
            ..Filter::default()
        }),
        3
    );
    assert_eq!(
        number(Filter {
            services: word("web443"),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        number(Filter {
            servers: word("10.0.0.2"),
            ..Filter::default()
        }),
        2
    );
    assert_eq!(
        number(Filter {
            servers: word("app2"),
            ..Filter::default()
        }),
        2
    );
    let both = Filter {
        services: word("web80"),
        servers: word("10.0.0.3"),
        ..Filter::default()
    };
    assert_eq!(number(both), 1);
}

#[test]
fn a_list_that_changed_is_discovery_and_a_file_that_changed_since_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(directory.path());
    let text = |text: &str| Files {
        root: "/etc/a.toml".to_owned(),
        files: vec![("/etc/a.toml".to_owned(), text.to_owned())],
    };
    recorder.files(NOON, &text("one"));
    let servers = |up: &[u8]| BTreeMap::from([(80, some(up, &[], &[]))]);
    let loaded = |at| event(at, EventKind::Loaded, None, "loaded: 1 service");
    record(
        &mut recorder,
        &snapshot(NOON, &servers(&[1])),
        &[loaded(NOON)],
    );
    let text_of_list = "`app`: 1 server joined (10.0.0.2)";
    let listed = event(NOON + 20_000, EventKind::Discovered, None, text_of_list);
    let events = [listed, loaded(NOON + 20_001)];
    record(
        &mut recorder,
        &snapshot(NOON + 20_100, &servers(&[1, 2])),
        &events,
    );
    recorder.files(NOON + 21_000, &text("two"));
    let events = [loaded(NOON + 21_000)];
    record(
        &mut recorder,
        &snapshot(NOON + 21_100, &servers(&[1, 2, 3])),
        &events,
    );
    let (all, _) = rows(directory.path(), &Filter::default());
    let joined = all.iter().filter(|row| row.server.is_some());
    let shown: Vec<_> = joined
        .map(|row| (row.server.unwrap().address.to_string(), row.by))
        .collect();
    let expected = [
        ("10.0.0.2".to_owned(), By::Discovery),
        ("10.0.0.3".to_owned(), By::File),
    ];
    assert_eq!(shown[shown.len() - 2..], expected, "{shown:?}");
}
