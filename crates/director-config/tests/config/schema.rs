//! The schema has the form that editors expect, and valid files conform to it.

use std::path::Path;

use director_config as config;
use serde_json::{Value, json};

/// The JSON Schema keywords that the service file's schema uses. Patterns are checked only as far
/// as they look for a variable.
fn fits(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    let Value::Object(keywords) = schema else {
        return Err(format!("{schema} is no schema"));
    };
    for (keyword, operand) in keywords {
        let right = match keyword.as_str() {
            "$ref" => {
                let pointer = operand.as_str().unwrap().trim_start_matches('#');
                fits(value, root.pointer(pointer).unwrap(), root)?;
                true
            }
            "type" => match operand.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_i64(),
                "boolean" => value.is_boolean(),
                other => return Err(format!("the type {other} is not expected")),
            },
            "const" => value == operand,
            "minimum" => value
                .as_i64()
                .is_none_or(|number| number >= operand.as_i64().unwrap()),
            "maximum" => value
                .as_i64()
                .is_none_or(|number| number <= operand.as_i64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|v| v.len() as u64 >= operand.as_u64().unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|v| v.len() as u64 <= operand.as_u64().unwrap()),
            "pattern" if operand == r"\$\{" => {
                value.as_str().is_none_or(|text| text.contains("${"))
            }
            "anyOf" => operand
                .as_array()
                .unwrap()
                .iter()
                .any(|one| fits(value, one, root).is_ok()),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    fits(item, operand, root)?;
                }
                true
            }
            "required" => {
                let has = |key: &Value| value.get(key.as_str().unwrap()).is_some();
                operand.as_array().unwrap().iter().all(has)
            }
            // The first two are handled below, the others do not restrict a value.
            "properties"
            | "additionalProperties"
            | "pattern"
            | "description"
            | "default"
            | "examples"
            | "title"
            | "$schema"
            | "$defs" => true,
            other => return Err(format!("the keyword {other} is not expected")),
        };
        if !right {
            return Err(format!("{value} does not fit {keyword} of {schema}"));
        }
    }
    let properties = keywords.get("properties");
    for (key, inner) in value.as_object().into_iter().flatten() {
        let known = properties.and_then(|properties| properties.get(key));
        match known.or(keywords.get("additionalProperties")) {
            Some(Value::Bool(false)) => return Err(format!("there is no key {key}")),
            Some(schema) => fits(inner, schema, root)?,
            None => {}
        }
    }
    Ok(())
}

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

#[test]
fn what_is_wrong_does_not() {
    let schema = config::schema();
    for wrong in [
        json!({ "version": 2 }),
        json!({ "version": 1, "polcy": {} }),
        json!({ "version": 1, "kernel": { "conntrak": true } }),
        json!({ "version": 1, "kernel": { "sync_threshold": [1] } }),
        json!({ "version": 1, "service": { "web": {} } }),
        json!({ "version": 1, "service": { "web": { "listen": 80 } } }),
        json!({ "version": 1, "service": { "web": { "listen": "tcp://192.0.2.1:80", "forward": "x" } } }),
        json!({ "version": 1, "pool": { "app": { "servers": [{ "address": "10.0.0.1", "weight": -1 }] } } }),
        json!({ "version": 1, "defaults": { "check": { "type": "tcp", "path": "/" } } }),
        json!({ "version": 1, "defaults": { "check": { "type": "htpp" } } }),
        json!({ "version": 1, "defaults": { "check": { "rise": 0 } } }),
        json!({ "version": 1, "defaults": { "damping": true } }),
    ] {
        assert!(fits(&wrong, &schema, &schema).is_err(), "{wrong}");
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
