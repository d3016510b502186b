//! The schema has the form that editors expect, and valid files conform to it.

use std::path::Path;

use director_config::{self as config, Environment};
use serde_json::{Value, json};

use super::fits::fits;

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_file_with_every_key_fits() {
    let schema = config::schema();
    let file = read(Path::new("tests/config/everything.json"));
    assert_eq!(fits(&file, &schema, &schema), Ok(()));
}

#[test]
fn every_example_fits() {
    let schema = config::schema();
    for (path, desired) in super::examples::all() {
        let text = config::export(&desired, config::Format::Json);
        let file = serde_json::from_str(&text).unwrap();
        assert_eq!(fits(&file, &schema, &schema), Ok(()), "{}", path.display());
    }
}

/// Files with one mistake each. `refused_by_schema` says whether the schema finds it.
fn faults() -> Vec<(String, Value, bool)> {
    let faults = read(Path::new(FAULTS));
    let faults = faults.as_array().unwrap().iter();
    faults
        .map(|fault| {
            let name = fault["name"].as_str().unwrap().to_owned();
            let refused = fault["refused_by_schema"].as_bool().unwrap();
            (name, fault["file"].clone(), refused)
        })
        .collect()
}

const FAULTS: &str = "tests/config/faults.json";

#[test]
fn what_is_wrong_does_not() {
    let schema = config::schema();
    let mut refused = 0;
    for (name, file, by_schema) in faults() {
        let files = config::Memory::from_iter([("a.json", file.to_string())]);
        let read = config::load_from(Path::new("a.json"), &files, &Environment::default());
        assert!(read.desired.is_none(), "{name}: it is right");
        assert_eq!(fits(&file, &schema, &schema).is_err(), by_schema, "{name}");
        refused += usize::from(by_schema);
    }
    assert!(refused >= 60, "only {refused}");
}

#[test]
fn variables_and_keys_that_are_inherited_fit() {
    let schema = config::schema();
    let web = json!({ "listen": "${LISTEN}", "servers": ["${SERVER}:80"] });
    let with = |key: &str, value: Value| {
        let mut web = web.clone();
        web[key] = value;
        json!({ "version": "${VERSION}", "service": { "web": web } })
    };
    for (key, value) in [
        ("forward", json!("${METHOD:-dr}")),
        ("one_packet", json!("${ONE}")),
        ("drain", json!("${DRAIN}")),
        ("persistence", json!({ "timeout": "${TIME}", "mask": 24 })),
        ("scheduler", json!({ "name": "mh", "flags": "port" })),
        (
            "servers",
            json!([{ "address": "${A}", "port": "${P}", "weight": "${W}" }]),
        ),
        ("check", json!("${CHECK}")),
        ("check", json!(false)),
        (
            "check",
            json!(["tcp", { "type": "http", "status": [200, "300-399"] }]),
        ),
        // The kind is that of `[defaults.check]`, and so may be its required keys.
        ("check", json!({ "tcp": true })),
        ("check", json!({ "path": "/healthz", "interval": "1s" })),
        ("check", json!({ "type": "dns" })),
        ("check", json!({ "type": "${KIND}", "path": "/healthz" })),
    ] {
        let file = with(key, value);
        assert_eq!(fits(&file, &schema, &schema), Ok(()), "{file}");
    }
}

#[test]
fn an_address_fits_exactly_if_it_is_one() {
    let schema = config::schema();
    for (text, right) in [
        ("10.0.0.1", true),
        ("255.255.255.255", true),
        ("10.0.0.01", false),
        ("10.0.0.256", false),
        ("10.0.0.1.", false),
        ("2001:db8::1", true),
        ("[2001:db8::1]:80", true),
        ("[2001:db8::1]", true),
        ("2001:db8:1:2:3:4:5:6", true),
        ("2001:db8:1:2:3:4:5:6:7", false),
        ("2001:db8:1:2:3:4:5", false),
        ("::ffff:10.0.0.1", true),
        ("64:ff9b::10.0.0.1", true),
        ("2001:db8::10000", false),
        ("1::2::3", false),
        ("10.0.0.1:65535", true),
        ("10.0.0.1:65536", false),
        ("[2001:db8::1]:99999", false),
        ("fe80::1%eth0", false),
        ("", false),
    ] {
        let service = json!({ "listen": "fwmark://7", "servers": [text], "forward": "tun" });
        let file = json!({ "version": 1, "service": { "web": service } });
        let files = config::Memory::from_iter([("a.json", file.to_string())]);
        let read = config::load_from(Path::new("a.json"), &files, &Environment::default());
        let is_bad = |found: &config::Diagnostic| {
            matches!(found.code, config::Code::BadAddress | config::Code::BadPort)
        };
        assert_eq!(!read.diagnostics.iter().any(is_bad), right, "{text}");
        assert_eq!(fits(&file, &schema, &schema).is_ok(), right, "{text}");
    }
}

/// Python's jsonschema judges the same files, and TOML as it is written. Its messages are short.
#[test]
fn the_jsonschema_of_python_agrees() {
    let python = |arguments: &[&str]| {
        let mut python = std::process::Command::new("python3");
        python.args(arguments).output()
    };
    let has = python(&["-c", "import jsonschema, tomllib"]);
    if !has.is_ok_and(|has| has.status.success()) {
        eprintln!("not tested: python3 has no jsonschema; scripts/deps test installs it");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let schema = directory.path().join("schema.json");
    std::fs::write(&schema, config::schema().to_string()).unwrap();
    let mut arguments = vec![
        "tests/config/schema.py".to_owned(),
        schema.display().to_string(),
        FAULTS.to_owned(),
    ];
    for directory in ["../../examples", "tests/config/warnings", "tests/config"] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path().display().to_string();
            // A switch of 2 is only a warning, as a kernel may have it.
            if path.ends_with("odd.toml") {
                continue;
            }
            let is_service_file = path.ends_with(".toml") || path.ends_with("everything.json");
            arguments.extend(is_service_file.then_some(path));
        }
    }
    assert!(arguments.len() > 15);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = python(&arguments).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    for (fault, message) in [
        (
            "an unknown kind of check in a table",
            "'htpp' is not one of ['tcp', 'http',",
        ),
        (
            "a key of another kind of check",
            "Additional properties are not allowed ('path' was unexpected)",
        ),
        (
            "a service without servers",
            "'servers' is a required property",
        ),
        ("a weight below 0", "-1 is less than the minimum of 0"),
    ] {
        let line = said.lines().find(|line| line.trim().starts_with(fault));
        assert!(
            line.is_some_and(|line| line.contains(message)),
            "{fault}: {said}"
        );
    }
}

#[test]
fn everything_is_described() {
    fn walk(schema: &Value) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let description = property["description"].as_str().unwrap();
            assert!(description.ends_with('.'), "{key}: {description}");
        }
    }
    let schema = config::schema();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    walk(&schema);
    let definitions = schema["$defs"].as_object().unwrap();
    assert!(definitions.len() >= 10);
    definitions.values().for_each(walk);
}
