//! Keys and pictures, without a terminal and without a director.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};
use ratatui::backend::{CrosstermBackend, TestBackend};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::{Terminal, TerminalOptions, Viewport};
use serde_json::{Value, json};

use super::draw::draw;
use super::message::{Answer, Counters, Fetched, Subject, Want};
use super::state::{Action, State, View};
use crate::http::api;
use crate::words::calendar;

/// 2026-11-21 12:00:00 UTC.
const NOON: u64 = 1_795_262_400;
const SECOND: Duration = Duration::from_secs(1);

fn server(number: u8, state: &str, reason: &str) -> Value {
    let weight = if state == "up" { 10 } else { 0 };
    json!({
        "name": format!("app{number}"), "address": format!("10.0.0.1{number}:80"),
        "role": "regular", "state": state, "weight": weight, "declared_weight": 10,
        "reason": reason, "since": NOON - 90, "state_since": NOON - 90, "until": null,
        "drain": null, "weight_set": null,
        "checks": [{
            "kind": "http", "passed": state == "up", "text": reason, "at": NOON - 1,
            "took_ms": 3, "streak": 4, "successes": 1200, "failures": 7,
            "interval_ms": 2000, "longest_gap_ms": 2110,
        }],
    })
}

fn service(number: u8, name: &str, servers: &[Value]) -> Value {
    let up = servers.iter().filter(|one| one["state"] == "up").count();
    let state = match servers.len() - up {
        0 => "ok",
        down if down < servers.len() => "degraded",
        _ => "failed",
    };
    let mut states = serde_json::Map::new();
    for one in servers {
        let word = one["state"].as_str().unwrap();
        let number = states.get(word).and_then(Value::as_u64).unwrap_or(0);
        states.insert(word.to_owned(), (number + 1).into());
    }
    json!({
        "name": name, "listen": format!("tcp://192.0.2.{number}:80"), "scheduler": "wlc",
        "persistence": null, "up": up, "declared": servers.len(), "min_healthy": 1,
        "panic": false, "leaving": false, "state": state, "states": states, "servers": servers,
    })
}

/// Four services; `mail` has failed, of `web` one server is down.
fn all() -> Vec<Value> {
    let up = |number| server(number, "up", "status 200");
    vec![
        service(10, "api", &[up(1), up(2)]),
        service(11, "mail", &[server(1, "down", "connection refused")]),
        service(12, "shop", &[up(1), up(2), up(3)]),
        service(
            13,
            "web",
            &[
                up(1),
                server(2, "down", "status 500, expected\x1b[2J 204"),
                up(3),
            ],
        ),
    ]
}

fn status(services: &[Value]) -> api::Status {
    let status = json!({
        "revision": 7, "now": NOON, "file": "/etc/director/director.toml", "started": NOON - 9000,
        "loaded": NOON - 9000, "reconciled": NOON - 2, "rejected": null, "trouble": null,
        "foreign": [], "disabled": [], "services": services,
        "summary": {
            "services": {"failed": 1, "degraded": 1, "ok": 2},
            "servers": {"down": 2, "up": 7},
        },
    });
    serde_json::from_value(status).unwrap()
}

/// Counters after so many seconds: `shop` is the busiest, the rates are 100, 200, 300, 400.
fn stats(services: &[Value], seconds: u64) -> api::Stats {
    let counters = |each: u64| {
        json!({"connections": each, "packets_in": each * 8, "packets_out": each * 6,
               "bytes_in": each * 1000, "bytes_out": each * 9000})
    };
    let services: Vec<_> = services
        .iter()
        .zip(1..)
        .map(|(service, number)| {
            let servers: Vec<_> = service["servers"].as_array().unwrap().iter().map(|server| json!({
            "name": server["name"], "address": server["address"], "weight": server["weight"],
            "active": if service["name"] == "shop" { 500 } else { 20 }, "inactive": 3,
            "persistent": 0, "total": counters(seconds * 10), "rate": counters(10),
        })).collect();
            json!({
                "name": service["name"], "listen": service["listen"], "servers": servers,
                "total": counters(seconds * 100 * number), "rate": counters(7),
            })
        })
        .collect();
    serde_json::from_value(json!({ "services": services })).unwrap()
}

fn events() -> Vec<api::Event> {
    let event = |id: u64, kind: &str, server: u8, text: &str| api::Event {
        id,
        at_ms: (NOON - 100 + id * 10) * 1000,
        kind: kind.to_owned(),
        service: Some("web".to_owned()),
        listen: Some(web()),
        server: Some(key(server)),
        text: text.to_owned(),
    };
    vec![
        event(2, "server-up", 3, "up again after 12s"),
        event(1, "server-down", 2, "status 500, expected 204"),
        event(0, "server-down", 3, "connection refused"),
    ]
}

fn web() -> ServiceKey {
    ServiceKey::tcp([192, 0, 2, 13], 80)
}

fn key(server: u8) -> ServerKey {
    ServerKey::new([10, 0, 0, 10 + server], 80)
}

/// Without the servers that have nothing to report, as `brief=true` has it.
fn brief(mut service: Value) -> Value {
    let servers = service["servers"].as_array_mut().unwrap();
    servers.retain(|server| server["state"] != "up");
    service
}

/// The director answers what is asked, after so many seconds.
fn answer(state: &mut State, services: &[Value], seconds: u64) {
    let want = state.want();
    let listen = match want.of {
        Subject::Service(key) | Subject::Events(Some(key)) => Some(key.to_string()),
        _ => None,
    };
    let chosen = |service: &&Value| {
        listen
            .as_ref()
            .is_none_or(|listen| service["listen"] == **listen)
    };
    let chosen: Vec<Value> = services.iter().filter(chosen).cloned().collect();
    let brief: Vec<Value> = match want.of {
        Subject::Services => chosen.iter().cloned().map(brief).collect(),
        _ => chosen.clone(),
    };
    let answer = Answer {
        status: status(&brief),
        stats: Some(stats(&chosen, seconds)),
        events: match want.of {
            Subject::Services => Vec::new(),
            _ => events(),
        },
    };
    state.take(Fetched::new(
        want,
        SECOND * u32::try_from(seconds).unwrap(),
        Ok(answer),
    ));
}

/// After two readings.
fn shown() -> State {
    let mut state = State::new(false, calendar);
    answer(&mut state, &all(), 1);
    answer(&mut state, &all(), 2);
    state
}

fn press(state: &mut State, code: KeyCode) -> Action {
    let action = state.key(KeyEvent::new(code, KeyModifiers::NONE));
    answer(state, &all(), 3);
    action
}

fn type_in(state: &mut State, text: &str) {
    for letter in text.chars() {
        assert_eq!(press(state, KeyCode::Char(letter)), Action::Nothing);
    }
}

fn picture_after(state: &mut State, width: u16, height: u16, now: Duration) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state, now)).unwrap();
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for row in buffer.content().chunks(usize::from(width.max(1))) {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn picture(state: &mut State, width: u16, height: u16) -> String {
    picture_after(state, width, height, SECOND * 3)
}

#[track_caller]
fn golden(name: &str, text: &str) {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/src/cli/top/pictures/{name}.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "\n{text}");
}

/// The names of the rows, in order.
fn names(state: &State) -> String {
    let rows = state.rows();
    let names: Vec<_> = rows
        .iter()
        .map(|row| match state.level().view {
            View::Services => state.data.services[*row].name.clone(),
            View::Service(_) => {
                let service = state.data.service.as_ref().unwrap();
                service.servers[*row].name.clone().unwrap()
            }
            _ => state.data.events[*row].id.to_string(),
        })
        .collect();
    names.join(" ")
}

#[test]
fn services_in_trouble_come_first_and_more_room_shows_more() {
    let mut state = shown();
    golden("services-80", &picture(&mut state, 80, 24));
    golden("services-40", &picture(&mut state, 40, 12));
    golden("services-160", &picture(&mut state, 160, 12));
}

#[test]
fn the_document_shows_what_the_terminal_shows() {
    let document = include_str!("../../../docs/top.md");
    let picture = document.split("```").nth(1).unwrap();
    let lines = |text: &str| {
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let shown = lines(&picture_after(&mut shown(), 80, 24, SECOND * 3));
    assert_eq!(lines(picture)[1..], shown, "after the name of the language");
}

#[test]
fn a_service_shows_its_servers_and_its_latest_events() {
    let mut state = shown();
    type_in(&mut state, "j");
    press(&mut state, KeyCode::Enter);
    assert_eq!(state.level().view, View::Service(web()));
    golden("service-80", &picture(&mut state, 80, 24));
    golden("service-40", &picture(&mut state, 40, 12));
}

#[test]
fn a_server_shows_why_and_only_its_own_events() {
    let mut state = shown();
    type_in(&mut state, "j");
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Enter);
    assert_eq!(state.level().view, View::Server(web(), key(2)));
    golden("server-80", &picture(&mut state, 80, 24));
    golden("server-40", &picture(&mut state, 40, 24));
}

#[test]
fn events_are_a_view_of_their_own() {
    let mut state = shown();
    type_in(&mut state, "e");
    golden("events-80", &picture(&mut state, 80, 12));
    golden("events-120", &picture(&mut state, 120, 12));
    type_in(&mut state, "r");
    assert_eq!(names(&state), "0 1 2");
    type_in(&mut state, "/DOWN refused");
    assert_eq!(names(&state), "0");
}

#[test]
fn the_keys_are_on_a_page_that_any_key_leaves() {
    let mut state = shown();
    type_in(&mut state, "?");
    golden("help-80", &picture(&mut state, 80, 24));
    type_in(&mut state, "j");
    assert_eq!(names(&state), "mail web api shop");
    assert!(
        !state.help && state.level().at.is_none(),
        "the key did nothing else"
    );
}

#[test]
fn rows_are_sorted_by_what_is_pressed() {
    let mut state = shown();
    for (keys, expected) in [
        ("", "mail web api shop"),
        ("r", "shop api web mail"),
        ("rn", "api mail shop web"),
        ("c", "shop web api mail"),
        ("w", "web shop mail api"),
        ("b", "web shop mail api"),
        ("s", "mail web api shop"),
        ("S", "web shop mail api"),
        ("t", "mail web api shop"),
    ] {
        type_in(&mut state, keys);
        assert_eq!(names(&state), expected, "{keys}");
    }
}

#[test]
fn the_filter_holds_all_words_and_esc_takes_it_away_before_it_goes_back() {
    let mut state = shown();
    type_in(&mut state, "/app2");
    assert_eq!(names(&state), "web", "its server that is down");
    press(&mut state, KeyCode::Esc);
    type_in(&mut state, "/192.0.2.1 DOWN q");
    assert!(picture(&mut state, 80, 24).contains("Nothing matches the filter."));
    press(&mut state, KeyCode::Backspace);
    assert_eq!(names(&state), "mail web", "q does not quit here");
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Enter);
    assert!(!state.typing);
    press(&mut state, KeyCode::Enter);
    assert_eq!(state.level().view, View::Service(web()));
    type_in(&mut state, "/app3");
    press(&mut state, KeyCode::Enter);
    assert_eq!(names(&state), "app3");
    press(&mut state, KeyCode::Esc);
    assert_eq!(names(&state), "app2 app1 app3");
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.level().view, View::Services);
    assert_eq!(names(&state), "mail web", "as it was left");
}

#[test]
fn the_cursor_stays_with_its_row_until_it_is_gone() {
    let mut state = shown();
    press(&mut state, KeyCode::End);
    let at = |state: &State| state.cursor(&state.rows());
    assert_eq!(at(&state), 3);
    type_in(&mut state, "c");
    assert_eq!(at(&state), 0, "shop is the first now");
    press(&mut state, KeyCode::PageDown);
    assert_eq!(at(&state), 3);
    for code in [
        KeyCode::Up,
        KeyCode::Char('k'),
        KeyCode::PageUp,
        KeyCode::Up,
    ] {
        press(&mut state, code);
    }
    assert_eq!(at(&state), 0);
    press(&mut state, KeyCode::Down);
    let without: Vec<Value> = all()
        .into_iter()
        .filter(|one| one["name"] != "web")
        .collect();
    answer(&mut state, &without, 4);
    assert_eq!(at(&state), 0, "web is gone");
}

#[test]
fn frozen_data_stay_but_what_is_opened_is_asked_for_once() {
    let mut state = shown();
    type_in(&mut state, "f");
    answer(&mut state, &all()[..1], 4);
    assert_eq!(names(&state), "mail web api shop");
    let text = picture(&mut state, 80, 24);
    assert!(
        text.starts_with("FROZEN at 2026-11-21 12:00:00Z; f goes on\n"),
        "{text}"
    );
    press(&mut state, KeyCode::Enter);
    assert_eq!(names(&state), "app1");
    press(&mut state, KeyCode::Esc);
    type_in(&mut state, " ");
    answer(&mut state, &all()[..1], 5);
    assert_eq!(names(&state), "api");
}

#[test]
fn a_director_that_is_gone_is_said_with_the_age_of_the_data() {
    let mut state = shown();
    let why = "no director is running here\x1b[2J".to_owned();
    state.take(Fetched::new(state.want(), SECOND * 9, Err(why)));
    let text = picture_after(&mut state, 80, 24, SECOND * 14);
    let first = "DATA 12s OLD: no director is running here\u{fffd}[2J\n";
    assert!(
        text.starts_with(first) && text.contains("mail tcp://"),
        "{text}"
    );
    answer(&mut state, &all(), 15);
    assert!(picture_after(&mut state, 80, 24, SECOND * 15).starts_with("director top"));
    let text = picture_after(&mut state, 80, 24, SECOND * 40);
    assert!(
        text.starts_with("DATA 25s OLD: the director has not answered"),
        "{text}"
    );
}

#[test]
fn an_answer_to_an_earlier_question_is_not_shown() {
    let mut state = shown();
    let earlier = state.want();
    state.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    assert!(picture(&mut state, 80, 24).contains("Loading."));
    let late = Answer {
        status: status(&all()[..1]),
        stats: None,
        events: vec![],
    };
    state.take(Fetched::new(earlier, SECOND * 3, Ok(late)));
    assert!(picture(&mut state, 80, 24).contains("Loading."));
    answer(&mut state, &all(), 4);
    assert_eq!(names(&state), "app1");
    answer(&mut state, &all()[..1], 5);
    assert!(picture(&mut state, 80, 24).contains("This service is gone."));
}

#[test]
fn trouble_of_the_director_has_lines_of_its_own() {
    let mut state = shown();
    let head = state.data.head.as_mut().unwrap();
    head.trouble = Some("cannot change server".into());
    head.rejected = Some("error: a service has no key `x`\n --> web.toml:5:1".into());
    head.foreign = vec![web()];
    golden("trouble-80", &picture(&mut state, 80, 12));
}

#[test]
fn colours_say_nothing_that_the_text_does_not() {
    let mut coloured = shown();
    coloured.colour = true;
    assert_eq!(
        picture(&mut coloured, 80, 24),
        picture(&mut shown(), 80, 24)
    );
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let mut state = shown();
    terminal
        .draw(|frame| draw(frame, &mut state, SECOND))
        .unwrap();
    let cells = terminal.backend().buffer().content();
    assert!(
        cells
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
}

#[test]
fn no_screen_is_too_small() {
    for (width, height) in [(0, 0), (1, 1), (3, 2), (10, 3), (40, 4), (200, 1), (2, 50)] {
        let mut state = shown();
        picture(&mut state, width, height);
        press(&mut state, KeyCode::Enter);
        picture(&mut state, width, height);
        press(&mut state, KeyCode::Enter);
        picture(&mut state, width, height);
        type_in(&mut state, "?");
        picture(&mut state, width, height);
    }
}

/// What would go over the line.
#[derive(Debug, Clone, Default)]
struct Sent(Rc<RefCell<Vec<u8>>>);

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn only_what_changed_is_drawn() {
    let sent = Sent::default();
    let viewport = Viewport::Fixed(Rect::new(0, 0, 80, 24));
    let backend = CrosstermBackend::new(sent.clone());
    let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport }).unwrap();
    let mut state = shown();
    let mut bytes = |state: &mut State| {
        sent.0.borrow_mut().clear();
        terminal
            .draw(|frame| draw(frame, state, SECOND * 3))
            .unwrap();
        sent.0.borrow().len()
    };
    let first = bytes(&mut state);
    answer(&mut state, &all(), 3);
    let idle = bytes(&mut state);
    let mut changed = stats(&all(), 4);
    changed.services[0].servers[0].active += 1;
    let mut late = Fetched::new(
        state.want(),
        SECOND * 4,
        Ok(Answer {
            status: status(&all()),
            stats: Some(changed),
            events: vec![],
        }),
    );
    late.at = SECOND * 4;
    state.take(late);
    let counter = bytes(&mut state);
    println!("{first} bytes at first, {idle} if nothing changes, {counter} for a counter");
    assert!(
        first > 500 && idle < 40 && counter < 60,
        "{first} {idle} {counter}"
    );
}

#[test]
fn of_a_large_table_only_what_is_on_the_screen_is_counted() {
    let mut state = shown();
    assert_eq!(state.want().counters, Counters::All);
    let head = state.data.head.as_mut().unwrap();
    head.summary
        .servers
        .insert(crate::control::snapshot::ServerState::Up, 37_298);
    picture(&mut state, 80, 6);
    let mail = ServiceKey::tcp([192, 0, 2, 11], 80);
    let of = Subject::Services;
    assert_eq!(
        state.want(),
        Want {
            of,
            counters: Counters::Of(vec![mail])
        }
    );
    type_in(&mut state, "c");
    let head = state.data.head.as_mut().unwrap();
    head.summary
        .servers
        .insert(crate::control::snapshot::ServerState::Up, 37_298);
    assert_eq!(state.want().counters, Counters::All, "all are compared");
}

#[test]
fn control_keys_end_redraw_and_suspend() {
    let mut state = shown();
    for (letter, action) in [
        ('c', Action::Quit),
        ('l', Action::Redraw),
        ('z', Action::Suspend),
    ] {
        let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
        assert_eq!(state.key(key), action);
    }
    assert_eq!(press(&mut state, KeyCode::Char('q')), Action::Quit);
}
