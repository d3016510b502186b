//! Whether a value fits a JSON Schema, as far as the schemas of this project need it. The test of
//! `director plan --format json` in `tests/docs` uses it, too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

use serde_json::Value;

/// Says what does not fit. Panics at a keyword that it does not know.
pub(crate) fn fits(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    let keywords = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(keywords) => keywords,
        _ => return Err(format!("{value} does not fit {schema}")),
    };
    let fits_in = |schema: &Value| fits(value, schema, root).is_ok();
    for (keyword, operand) in keywords {
        let right = match keyword.as_str() {
            "$ref" => {
                let pointer = operand.as_str().unwrap().trim_start_matches('#');
                fits(value, root.pointer(pointer).unwrap(), root)?;
                true
            }
            "type" => match operand {
                Value::Array(types) => types.iter().any(|one| is_of(value, one)),
                one => is_of(value, one),
            },
            "const" => value == operand,
            "enum" => operand.as_array().unwrap().contains(value),
            "not" => !fits_in(operand),
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
            "pattern" => {
                let pattern = regex::Regex::new(operand.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "anyOf" => operand.as_array().unwrap().iter().any(fits_in),
            "allOf" => {
                for one in operand.as_array().unwrap() {
                    fits(value, one, root)?;
                }
                true
            }
            "if" => {
                let branch = if fits_in(operand) { "then" } else { "else" };
                if let Some(branch) = keywords.get(branch) {
                    fits(value, branch, root)?;
                }
                true
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    fits(item, operand, root)?;
                }
                true
            }
            "propertyNames" => {
                for name in value.as_object().into_iter().flatten() {
                    fits(&name.0.as_str().into(), operand, root)?;
                }
                true
            }
            "required" => value.as_object().is_none_or(|object| {
                let mut keys = operand.as_array().unwrap().iter();
                keys.all(|key| object.contains_key(key.as_str().unwrap()))
            }),
            // Handled with others, or no restriction.
            "properties"
            | "additionalProperties"
            | "then"
            | "else"
            | "description"
            | "default"
            | "examples"
            | "title"
            | "$schema"
            | "$defs"
            | "enumDescriptions"
            | "x-taplo"
            | "x-required" => true,
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

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the type {other} is not expected"),
    }
}
