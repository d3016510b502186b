//! Several files as one: it loads to the same declaration, whatever they say.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use director_config::{self as config, Environment, Format, Joined, Memory, Parsed, Style, Texts};
use proptest::prelude::*;

use super::examples;

fn environment() -> Environment {
    Environment::from_iter([("SECRET", "geheim"), ("PORT", "8080"), ("PATTERN", "^ok$")])
}

fn loaded(files: &[(&str, &str)]) -> Parsed {
    let files = Memory::from_iter(files.iter().copied());
    config::load_from(Path::new("a.toml"), &files, &environment())
}

fn texts(files: &[(&str, &str)]) -> Texts {
    let files = files.iter();
    files
        .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
        .collect()
}

fn joined(files: &[(&str, &str)], format: Format) -> Joined {
    let header = |_: &Joined| "one line\n\nanother".to_owned();
    config::join(Path::new(files[0].0), &texts(files), header, format).unwrap()
}

/// Joins files, and compares what both declare.
fn same(root: &str, files: &Texts, original: &Parsed) {
    let said = original.render(Style::Plain);
    assert!(original.desired.is_some(), "{said}");
    for (format, name) in [(Format::Toml, "one.toml"), (Format::Json, "one.json")] {
        let joined = config::join(Path::new(root), files, |_| "header".to_owned(), format).unwrap();
        let one = Memory::from_iter([(name, joined.text.as_str())]);
        let again = config::load_from(Path::new(name), &one, &environment());
        let said = again.render(Style::Plain);
        assert_eq!(again.errors(), 0, "{said}\n{}", joined.text);
        assert_eq!(again.desired, original.desired, "{}", joined.text);
        assert_eq!(again.watch, original.watch, "{}", joined.text);
        assert!(!joined.text.contains("geheim"), "{}", joined.text);
    }
}

#[test]
fn every_example_and_every_key_comes_back() {
    let everything =
        ["toml", "json"].map(|end| PathBuf::from(format!("tests/config/everything.{end}")));
    let examples = examples::all().into_iter().map(|(path, _)| path);
    for path in examples.chain(everything) {
        let original = config::load(&path, &environment());
        let files: Texts = original
            .sources
            .iter()
            .map(|source| (source.path().to_owned(), source.text().to_owned()))
            .collect();
        same(path.to_str().unwrap(), &files, &original);
    }
}

#[test]
fn a_single_file_stays_as_its_author_wrote_it() {
    let text = "#:schema ./director.schema.json\n# ours\nversion = 1 # one\n\n[service.web]\n\
                listen = \"tcp://192.0.2.1:80\" # the site\nservers = [\"10.0.0.1\"]\n";
    let one = joined(&[("a.toml", text)], Format::Toml);
    let rest = text.split_once('\n').unwrap().1;
    let expected = format!("#:schema ./director.schema.json\n# one line\n#\n# another\n\n{rest}");
    assert_eq!(one.text, expected);
    assert!(one.is_verbatim);
    // Hidden characters could deceive a reader.
    let text = text.replace("the site", "the \u{202e}site");
    assert!(!joined(&[("a.toml", &text)], Format::Toml).is_verbatim);
}

#[test]
fn references_stay_and_passwords_are_noticed() {
    let file = |password: &str| {
        format!(
            "version = 1\n[service.cache]\nlisten = \"tcp://192.0.2.1:6379\"\nservers = [\"10.0.0.1\"]\n\
         check = {{ type = \"redis\", password = \"{password}\", port = \"${{PORT:-6380}}\" }}\n"
        )
    };
    for format in [Format::Toml, Format::Json] {
        let one = joined(&[("a.toml", &file("${SECRET}"))], format);
        assert!(
            one.text.contains("${SECRET}") && !one.text.contains("geheim"),
            "{}",
            one.text
        );
        assert_eq!(one.variables.iter().collect::<Vec<_>>(), ["PORT", "SECRET"]);
        assert!(!one.has_secrets);
        assert!(joined(&[("a.toml", &file("open"))], format).has_secrets);
        let dollars = joined(&[("a.toml", &file("$${NONE}"))], format);
        assert_eq!(dollars.variables.iter().collect::<Vec<_>>(), ["PORT"]);
    }
}

#[test]
fn an_empty_root_file_that_was_forced_declares_nothing() {
    let one = joined(&[("a.toml", "# nothing\n")], Format::Toml);
    let again = loaded(&[("a.toml", &one.text)]);
    assert_eq!(again.render(Style::Plain), "");
    assert_eq!(again.desired, Some(config::state::Desired::default()));
}

const WEB: &str = "listen = \"tcp://192.0.2.1:80\"\nservers = [\"10.0.0.1\", \"10.0.0.2\"]\n";

#[test]
fn defaults_stay_defaults_where_all_files_have_the_same() {
    let root = "version = 1\ninclude = [\"d/*\"]\n[defaults]\ndrain = \"7s\"\nforward = \"nat\"\n";
    let one = format!("[defaults]\nforward = \"dr\"\ndrain = \"1m\"\n[service.a]\n{WEB}");
    let other = format!("[defaults]\nforward = \"dr\"\ndrain = \"2m\"\n[service.b]\n{WEB}")
        .replace("192.0.2.1", "192.0.2.2");
    let files = [("a.toml", root), ("d/a.toml", &one), ("d/b.toml", &other)];
    let text = joined(&files, Format::Toml).text;
    let expected = "\n[defaults]\nforward = \"dr\"\n";
    assert!(text.contains(expected), "{text}");
    assert!(
        text.contains("drain = \"1m\"") && !text.contains("7s"),
        "{text}"
    );
    same("a.toml", &texts(&files), &loaded(&files));
}

#[test]
fn a_pool_with_checks_of_its_servers_is_divided_where_these_inherit_differently() {
    let root = "version = 1\ninclude = [\"d/*\"]\n";
    let pool = "[defaults.check]\ninterval = \"9s\"\n[pool.p]\n\
                servers = [\"10.0.0.1\", { address = \"10.0.0.2\", check = { type = \"http\" } }]\n\
                [service.a]\nlisten = \"tcp://192.0.2.1:80\"\npool = \"p\"\n";
    let users = "[service.b]\nlisten = \"tcp://192.0.2.2:80\"\npool = \"p\"\ncheck = { type = \"tcp\", interval = \"4s\" }\n\
                 [service.c]\nlisten = \"tcp://192.0.2.3:80\"\npool = \"p\"\n";
    let files = [("a.toml", root), ("d/a.toml", pool), ("d/b.toml", users)];
    same("a.toml", &texts(&files), &loaded(&files));
    let text = joined(&files, Format::Toml).text;
    assert!(text.contains("[pool.p-own]"), "{text}");
}

#[test]
fn what_no_single_file_can_say_is_refused() {
    let root = "version = 1\ninclude = [\"d/*\"]\n";
    let one = format!(
        "[defaults.check]\ntype = \"${{TYPE:-tcp}}\"\n[service.a]\n{WEB}check = {{ interval = \"3s\" }}\n"
    );
    let other = format!("[service.b]\n{WEB}").replace("192.0.2.1", "192.0.2.2");
    let files = [
        ("a.toml", root),
        ("d/a.toml", one.as_str()),
        ("d/b.toml", &other),
    ];
    assert_eq!(loaded(&files).errors(), 0);
    let refused = config::join(
        Path::new("a.toml"),
        &texts(&files),
        |_| String::new(),
        Format::Toml,
    );
    let why = refused.unwrap_err();
    assert!(
        why.contains("`a` in `d/a.toml`") && why.contains("variable"),
        "{why}"
    );
}

#[test]
fn a_table_of_tens_of_thousands_of_servers_comes_back() {
    let mut one = String::new();
    for service in 0..200 {
        let servers: Vec<_> = (0..150)
            .map(|host| format!("\"10.{service}.0.{host}:80\""))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            one,
            "[service.s{service}]\nlisten = \"tcp://192.0.2.{service}:80\"\nservers = [{}]",
            servers.join(", ").replace(".0.0:80", ".0.200:80")
        );
    }
    let files = [
        ("a.toml", "version = 1\ninclude = [\"d.toml\"]\n"),
        ("d.toml", one.as_str()),
    ];
    same("a.toml", &texts(&files), &loaded(&files));
}

/// The values of a key, in `[defaults]` as in a service.
const KEYS: &[(&str, &[&str])] = &[
    (
        "scheduler",
        &["\"rr\"", "{ name = \"sh\", flags = [\"port\"] }"],
    ),
    ("forward", &["\"dr\"", "\"tun\""]),
    (
        "tunnel",
        &[
            "{ type = \"gue\", port = 6080 }",
            "{ checksum = true }",
            "{ type = \"gre\", checksum = true }",
        ],
    ),
    (
        "persistence",
        &[
            "\"5m\"",
            "60",
            "false",
            "{ mask = \"255.255.255.0\" }",
            "{ timeout = \"1m\", mask = 16 }",
            "{ engine = \"sip\", timeout = \"2m\" }",
            "{ enabled = false, timeout = \"3m\" }",
        ],
    ),
    ("drain", &["\"7s\"", "0"]),
    ("up_when", &["\"any\""]),
    ("on_fail", &["\"remove\""]),
    (
        "backup",
        &[
            "[\"10.0.9.1\"]",
            "[{ address = \"10.0.9.2\", check = { type = \"tcp\", rise = 7 } }]",
            "[{ address = \"10.0.9.3\", check = { fall = 7 } }]",
        ],
    ),
    ("backup_below", &["2", "\"50%\"", "7"]),
    ("sorry", &["[\"10.0.8.1\"]"]),
    ("min_healthy", &["1", "9", "\"30%\""]),
    ("initial", &["\"up\""]),
    ("slow_start", &["\"30s\""]),
    (
        "damping",
        &[
            "false",
            "{ changes = 7 }",
            "{ hold = \"2m\", within = \"9m\" }",
        ],
    ),
    (
        "weight_steps",
        &["{ step = \"10%\" }", "{ every = \"9s\" }"],
    ),
    ("notify", &["[{ command = [\"/bin/true\"] }]", "[]"]),
    (
        "check",
        &[
            "\"tcp\"",
            "\"http\"",
            "false",
            "{ interval = \"5s\", rise = 3 }",
            "{ type = \"http\", path = \"/health\", status = 204, tls = true }",
            "{ type = \"redis\", password = \"${SECRET}\" }",
            "{ type = \"http\", host = \"${PATTERN}\", port = \"${PORT}\", timeout = \"1s\" }",
            "[\"tcp\", { type = \"http\", fall = 4 }]",
            "[{ type = \"tcp\", jitter = \"10%\" }]",
        ],
    ),
];

const SERVERS: &[&str] = &[
    "\"10.0.0.1\"",
    "{ address = \"10.0.0.2\", weight = 5, name = \"two\" }",
    "{ address = \"10.0.0.3\", check = { type = \"http\", path = \"/own\" } }",
    "{ address = \"10.0.0.4\", check = { port = 81 } }",
    "{ address = \"10.0.0.5\", check = false }",
    "{ address = \"10.0.0.6\", check = [\"tcp\", \"http\"], initial = \"up\" }",
];

/// A few keys, each with one of its values.
fn settings() -> impl Strategy<Value = String> {
    let one = (0..KEYS.len(), any::<prop::sample::Index>());
    prop::collection::vec(one, 0..5).prop_map(|chosen| {
        let chosen: BTreeMap<usize, _> = chosen.into_iter().collect();
        let lines = chosen.into_iter().map(|(key, value)| {
            let (key, values) = KEYS[key];
            format!("{key} = {}\n", values[value.index(values.len())])
        });
        lines.collect()
    })
}

fn servers() -> impl Strategy<Value = String> {
    prop::sample::subsequence(SERVERS, 1..4).prop_map(|servers| servers.join(", "))
}

/// The settings of a file, its pool, and its services: settings, and servers or a file's pool.
type Part = (String, String, Vec<(String, Result<String, usize>)>);

fn part() -> impl Strategy<Value = Part> {
    let service = (
        settings(),
        prop_oneof![servers().prop_map(Ok), (0..3_usize).prop_map(Err)],
    );
    (settings(), servers(), prop::collection::vec(service, 1..3))
}

fn written(parts: &[Part]) -> Vec<(String, String)> {
    let mut number = 0;
    let files = parts
        .iter()
        .enumerate()
        .map(|(index, (defaults, pool, services))| {
            let mut text = match index {
                0 => "version = 1\ninclude = [\"d/*.toml\"]\n".to_owned(),
                _ => String::new(),
            };
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "[defaults]\n{defaults}[pool.p{index}]\nservers = [{pool}]\n"
            );
            for (settings, servers) in services {
                number += 1;
                let _ = write!(
                    text,
                    "[service.s{number}]\nlisten = \"tcp://192.0.2.{number}:80\"\n{settings}"
                );
                let _ = match servers {
                    Ok(servers) => writeln!(text, "servers = [{servers}]"),
                    Err(pool) => writeln!(text, "pool = \"p{}\"", pool % parts.len()),
                };
            }
            let path = match index {
                0 => "a.toml".to_owned(),
                _ => format!("d/{index}.toml"),
            };
            (path, text)
        });
    files.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::with_cases(crate::cases(300)) })]

    #[test]
    fn whatever_several_files_declare_one_declares(parts in prop::collection::vec(part(), 1..4)) {
        let files = written(&parts);
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let original = loaded(&files);
        prop_assume!(original.desired.is_some());
        same("a.toml", &texts(&files), &original);
    }
}
