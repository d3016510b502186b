//! What docs/api.md shows is what is answered.

use serde_json::Value;

use super::fake::run;
use super::raw::{Answer, ask};

const API: &str = include_str!("../../docs/api.md");

/// A fenced block: the words behind the fence, and its lines.
struct Block {
    kind: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut parts = API.split("```");
    let mut blocks = Vec::new();
    parts.next();
    while let (Some(block), _) = (parts.next(), parts.next()) {
        let (kind, text) = block.split_once('\n').unwrap();
        blocks.push(Block {
            kind: kind.to_owned(),
            text: text.to_owned(),
        });
    }
    blocks
}

#[test]
fn every_example_is_true() {
    let running = run();
    let blocks = blocks();
    let mut examples = 0;
    for pair in blocks.windows(2) {
        let [request, expected] = pair else { continue };
        if request.kind != "http" {
            continue;
        }
        examples += 1;
        let (line, body) = request.text.split_once('\n').unwrap();
        let (method, path) = line.split_once(' ').unwrap();
        let answer = ask(&running.socket(), method, path, body.trim());
        let status = expected.kind.split(' ').nth(1).unwrap_or("200");
        assert_eq!(answer.status.to_string(), status, "{line}: {}", answer.body);
        assert_eq!(
            shown(&answer, &expected.kind),
            parsed(&expected.text),
            "{line}"
        );
    }
    assert_eq!(
        examples,
        blocks
            .iter()
            .filter(|block| block.kind.starts_with("json"))
            .count()
    );
    assert!(examples >= 6, "{examples}");
}

/// An answer, without what is another in each run.
fn shown(answer: &Answer, kind: &str) -> Vec<Value> {
    let mut values = match kind {
        "jsonl" => answer.lines(),
        _ => vec![answer.json()],
    };
    for value in &mut values {
        if value.get("pid").is_some() {
            value["pid"] = 4711.into();
            value["version"] = "0.1.0".into();
        }
    }
    values
}

fn parsed(text: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(text).into_iter();
    values.map(Result::unwrap).collect()
}

#[test]
fn every_field_and_every_path_is_explained() {
    let running = run();
    let socket = running.socket();
    for path in ["/v1/version", "/v1/status", "/v1/stats", "/v1/overlay"] {
        assert!(API.contains(path), "{path}");
        named(&ask(&socket, "GET", path, "").json());
    }
}

/// Each key of the objects, but for those of the kernel's own structures in an overlay.
fn named(value: &Value) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let word = [format!("`{key}`"), format!("\"{key}\"")];
                assert!(word.iter().any(|word| API.contains(word)), "{key}");
                if !["declared", "now"].contains(&key.as_str()) {
                    named(value);
                }
            }
        }
        Value::Array(array) => array.iter().for_each(named),
        _ => {}
    }
}
