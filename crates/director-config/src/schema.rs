//! The JSON Schema of the service file, from the same table as the decoder's keys.

use serde_json::{Map, Value, json};

use super::keys::{ROOT, Section, Shape};

/// The schema, in the dialect 2020-12.
///
/// An editor that uses it completes keys and words, and shows their meaning. It describes the form
/// of a file; only `director check` knows whether its parts fit together.
#[must_use]
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let mut root = section(&ROOT, &mut definitions);
    if let Value::Object(root) = &mut root {
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        root.insert("$schema".to_owned(), dialect.into());
        root.insert("title".to_owned(), "director service file".into());
        definitions.sort_keys();
        root.insert("$defs".to_owned(), definitions.into());
    }
    root
}

fn section(section: &Section, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in section.keys.iter() {
        let mut schema = shape(&key.shape, definitions);
        schema.insert("description".to_owned(), key.summary.into());
        if let Some(default) = &key.default {
            schema.insert("default".to_owned(), default.clone());
        }
        properties.insert(key.name.to_owned(), schema.into());
        // A file without `version` is read anyway, and an included one needs none.
        if key.required && key.name != "version" {
            required.push(key.name);
        }
    }
    let mut schema = json!({
        "type": "object",
        "description": section.summary,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

/// Variables may stand for numbers and booleans: `"${WEIGHT:-10}"`.
const VARIABLE: &str = r"\$\{";

fn shape(shape: &Shape, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let schema = match shape {
        Shape::Text { example, pattern } => match pattern {
            Some(pattern) => json!({ "type": "string", "pattern": pattern, "examples": [example] }),
            None => json!({ "type": "string", "examples": [example] }),
        },
        Shape::Bool => json!({ "anyOf": [{ "type": "boolean" }, variable()] }),
        Shape::Off => json!({ "const": false }),
        Shape::Whole { least, most } => json!({ "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            variable(),
        ] }),
        Shape::Pair => json!({
            "type": "array", "items": { "type": "integer", "minimum": 0 },
            "minItems": 2, "maxItems": 2,
        }),
        Shape::Word { words, open } => {
            let mut allowed: Vec<Value> = words
                .iter()
                .map(|word| json!({ "const": word.name, "description": word.summary }))
                .collect();
            allowed.push(match open {
                true => json!({ "type": "string" }),
                false => variable(),
            });
            json!({ "anyOf": allowed })
        }
        Shape::Table(section) => json!({ "$ref": reference(section, definitions) }),
        Shape::Tagged(sections) => {
            let sections = sections
                .iter()
                .map(|section| json!({ "$ref": reference(section, definitions) }));
            json!({ "anyOf": sections.collect::<Vec<_>>() })
        }
        Shape::Map(item) => json!({
            "type": "object", "additionalProperties": self::shape(item, definitions),
        }),
        Shape::Named(section) => json!({
            "type": "object",
            "additionalProperties": { "$ref": reference(section, definitions) },
        }),
        Shape::List(item) => json!({ "type": "array", "items": self::shape(item, definitions) }),
        Shape::OneOrMore(item) => {
            let item = self::shape(item, definitions);
            json!({ "anyOf": [item, { "type": "array", "items": item }] })
        }
        Shape::Either(shapes) => {
            let shapes = shapes
                .iter()
                .map(|shape| Value::Object(self::shape(shape, definitions)));
            json!({ "anyOf": shapes.collect::<Vec<_>>() })
        }
    };
    match schema {
        Value::Object(schema) => schema,
        // All of the above are objects.
        _ => Map::new(),
    }
}

fn variable() -> Value {
    json!({ "type": "string", "pattern": VARIABLE })
}

/// The reference to a section among the definitions; adds the section if it is new.
fn reference(section: &'static Section, definitions: &mut Map<String, Value>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = section.name;
    let name = name
        .strip_prefix("a ")
        .or(name.strip_prefix("an "))
        .unwrap_or(name);
    let name = name.replace(' ', "_");
    let name: String = name.chars().filter(|c| plain(*c)).collect();
    if !definitions.contains_key(&name) {
        // Reserved before its keys are visited, so that a section that contains itself would
        // terminate.
        definitions.insert(name.clone(), Value::Null);
        let schema = self::section(section, definitions);
        definitions.insert(name.clone(), schema);
    }
    format!("#/$defs/{name}")
}
