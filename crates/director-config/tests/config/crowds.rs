//! Files with more mistakes than a person reads: the output is bounded, and the rest is counted.

use std::fmt::Write as _;
use std::path::Path;

use director_config::{self as config, Code, Environment, Memory, Parsed, Severity, Style};

/// The most shown of each kind, besides the line that counts the others.
const SHOWN: usize = 100;

fn load(name: &str, text: String) -> Parsed {
    let files = Memory::from_iter([(name, text)]);
    config::load_from(Path::new(name), &files, &Environment::default())
}

/// `line`, repeated, each with its number.
fn many(number: usize, line: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for index in 0..number {
        let _ = writeln!(text, "{}", line(index));
    }
    text
}

#[test]
fn of_masses_of_mistakes_of_any_kind_a_hundred_are_shown_and_the_rest_is_counted() {
    let keys = |section: &str| format!("{section}{}", many(3000, |n| format!("unknown{n} = {n}")));
    let service =
        "version = 1\n[service.a]\nlisten = \"tcp://192.0.2.1:1\"\nservers = [\"10.0.0.1\"]\n";
    let cases = [
        ("unknown keys", keys("version = 1\n")),
        ("unknown keys of a service", keys(service)),
        (
            "unknown tables",
            many(3000, |n| format!("[table{n}]\nx = 1")),
        ),
        (
            "wrong services",
            many(3000, |n| {
                format!("[service.s{n}]\nlisten = {n}\nservers = [1]")
            }),
        ),
        (
            "the same listen",
            many(3000, |n| {
                format!("[service.s{n}]\nlisten = \"tcp://192.0.2.1:80\"\nservers = [\"10.0.0.1\"]")
            }),
        ),
        (
            "wrong servers",
            format!(
                "version = 1\n[service.a]\nlisten = \"tcp://192.0.2.1:1\"\nservers = [{}]",
                many(3000, |n| format!("\"10.0.0.{}\",", n + 256)),
            ),
        ),
        ("syntax", many(3000, |n| format!("key{n} = = {n}"))),
        (
            "words that are none",
            many(3000, |n| format!("line {n} of a letter")),
        ),
        (
            "keys twice",
            format!("version = 1\n{}", many(3000, |_| "a = 1".to_owned())),
        ),
        (
            "variables",
            many(3000, |n| {
                format!("[service.s{n}]\nlisten = \"${{NOT_THERE_{n}}}\"")
            }),
        ),
    ];
    for (what, text) in cases {
        let outcome = load("a.toml", text);
        assert!(outcome.desired.is_none(), "{what}");
        let shown = |code: bool| {
            outcome
                .diagnostics
                .iter()
                .filter(move |f| (f.code == Code::NotShown) == code)
        };
        let errors = shown(false)
            .filter(|found| found.severity == Severity::Error)
            .count();
        assert!((1..=SHOWN).contains(&errors), "{what}: {errors}");
        assert!(outcome.errors() > 1000, "{what}: {}", outcome.errors());
        let text = outcome.render(Style::Plain);
        let last = text
            .lines()
            .rfind(|line| line.starts_with("error"))
            .unwrap();
        assert!(
            last.starts_with("error[not-shown]: ") && last.ends_with(" not shown"),
            "{what}: {last}"
        );
        let report = outcome.report();
        let report = report.as_array().unwrap();
        assert!(report.len() <= 2 * SHOWN + 2, "{what}: {}", report.len());
        assert!(
            report.iter().any(|found| found["code"] == "not-shown"),
            "{what}"
        );
    }
}

#[test]
fn the_count_is_exact_and_the_first_ones_are_shown_in_order() {
    let text = format!("version = 1\n{}", many(2500, |n| format!("unknown{n} = 1")));
    let outcome = load("a.toml", text);
    assert_eq!((outcome.errors(), outcome.warnings()), (2500, 0));
    let text = outcome.render(Style::Plain);
    assert!(text.contains(" --> a.toml:2:1\n") && text.contains(" --> a.toml:101:1\n"));
    assert!(
        text.ends_with("\nerror[not-shown]: 2400 other mistakes are not shown\n"),
        "{text}"
    );
}

#[test]
fn a_hundred_and_one_say_one_other_and_a_hundred_say_nothing() {
    for (number, other) in [(100, ""), (101, "1 other mistake is not shown")] {
        let text = format!(
            "version = 1\n{}",
            many(number, |n| format!("unknown{n} = 1"))
        );
        let text = load("a.toml", text).render(Style::Plain);
        assert_eq!(text.contains("not-shown"), !other.is_empty(), "{text}");
        assert!(text.contains(other), "{text}");
    }
}

#[test]
fn masses_of_warnings_hide_no_mistake() {
    let services = many(3000, |n| {
        format!(
            "[service.s{n}]\nlisten = \"tcp://192.0.2.1:{}\"\nservers = [\"10.0.0.1\"]\nscheduler = \"none\"",
            n + 1
        )
    });
    let outcome = load("a.toml", format!("version = 1\n{services}"));
    assert!(outcome.desired.is_some(), "a warning is none");
    assert_eq!((outcome.errors(), outcome.warnings()), (0, 3000));
    assert!(
        outcome
            .render(Style::Plain)
            .ends_with("\nwarning[not-shown]: 2900 other warnings are not shown\n")
    );
    let outcome = load(
        "a.toml",
        format!("version = 1\n{services}[service.last]\nwrong = 1\n"),
    );
    assert!(outcome.desired.is_none());
    assert!(outcome.render(Style::Plain).contains("`wrong`"));
}

#[test]
fn what_cannot_be_told_apart_any_more_is_more_than() {
    let text = format!("version = 1\n{}", many(150_000, |n| format!("u{n} = 1")));
    let outcome = load("a.toml", text);
    let text = outcome.render(Style::Plain);
    assert!(
        text.ends_with("more than 100000 other mistakes are not shown\n"),
        "{text}"
    );
}

#[test]
fn json_has_the_same_bounds() {
    let pairs: Vec<_> = (0..2500).map(|n| format!("\"unknown{n}\": {n}")).collect();
    let outcome = load("a.json", format!("{{\"version\": 1, {}}}", pairs.join(",")));
    assert_eq!(outcome.errors(), 2500);
    assert!(outcome.diagnostics.len() <= SHOWN + 1);
    let outcome = load("a.json", format!("[{}]", "x\n".repeat(100_000)));
    assert!(outcome.diagnostics.len() <= SHOWN + 1);
    let text = outcome.render(Style::Plain);
    assert!(
        text.ends_with("error[not-shown]: the file was not read beyond its first 100 mistakes\n"),
        "{text}"
    );
}

#[test]
fn toml_that_is_none_is_not_read_behind_its_first_mistakes() {
    // Megabytes, with mistakes from the start or far behind it, on lines or on one.
    let garbage = "x\n".repeat(4_000_000);
    let comment = "# nothing is wrong here\n".repeat(100_000);
    for text in [
        garbage.clone(),
        format!("version = 1\n{comment}{garbage}"),
        format!("version = 1\n[service.web]\nservers = [\n{garbage}"),
    ] {
        let outcome = load("a.toml", text);
        assert!(outcome.desired.is_none());
        assert!(outcome.diagnostics.len() <= SHOWN + 1);
        let text = outcome.render(Style::Plain);
        let end = "the file was not read beyond its first 100 mistakes\n";
        assert!(text.ends_with(end) || text.ends_with("other mistakes are not shown\n"));
        assert!(!text.contains("unclosed"), "it was not read to its end");
        assert!(!text.contains("100000"), "what is not read is not counted");
        assert!(!text.contains("version"), "it stands there, or may");
    }
    let outcome = load("a.toml", format!("a = [{}", "1 'é' ".repeat(500_000)));
    assert!(outcome.desired.is_none());
    assert!(outcome.diagnostics.len() <= SHOWN + 1);
}

#[test]
fn few_mistakes_in_a_large_toml_file_are_all_found() {
    let clean = many(20_000, |n| format!("# {n} is well"));
    let text = (0..20).fold("version = 1\n".to_owned(), |text, n| {
        format!("{text}{clean}\nwrong {n}\n")
    });
    let outcome = load("a.toml", text);
    let text = outcome.render(Style::Plain);
    assert_eq!(outcome.errors(), 20, "{text}");
    assert!(!text.contains("not-shown"), "{text}");
    let last =
        format!("{clean}{clean}[service.web]\nlisten = \"tcp://192.0.2.1:80\nservers = []\n");
    let outcome = load("a.toml", format!("version = 1\nf = 1.5\n{last}"));
    let text = outcome.render(Style::Plain);
    assert!(text.contains("a.toml:40004:"), "{text}");
}
