//! The JSON Schema of the service file, from the same table as the decoder's keys.

use serde_json::{Map, Value, json};

use super::keys::{POOL, ROOT, SERVICE, Section, Shape};
use super::vocabulary::Word;

/// The schema, in the dialect 2020-12.
///
/// An editor that uses it completes keys and words, and shows their meaning. It describes the form
/// of a file; only `director check` knows whether its parts fit together.
///
/// A value of several types has one schema, whose keywords each restrict one type, and a check is
/// told by its `type`: so an error names what is wrong, and not all that would have been right.
#[must_use]
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let mut root = section(&ROOT, &mut definitions);
    root["type"] = "object".into();
    if let Value::Object(root) = &mut root {
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        root.insert("$schema".to_owned(), dialect.into());
        root.insert("title".to_owned(), "director service file".into());
        definitions.sort_keys();
        root.insert("$defs".to_owned(), definitions.into());
    }
    root
}

/// A table's keys. Its type is said where it is used, as other types may be allowed there.
fn section(section: &Section, definitions: &mut Map<String, Value>) -> Value {
    let mut required = Vec::new();
    for key in section.keys.iter() {
        // A file without `version` is read anyway, and an included one needs none.
        if key.required && key.name != "version" {
            required.push(key.name);
        }
    }
    let mut schema = json!({
        "description": section.summary,
        "properties": properties(section, definitions),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    if std::ptr::eq(section, &SERVICE) {
        schema["if"] = json!({ "required": ["pool"] });
        schema["then"] = json!({ "properties": { "servers": false } });
        schema["else"] = json!({ "required": ["servers"] });
    }
    if std::ptr::eq(section, &POOL) {
        schema["if"] = json!({ "required": ["discover"] });
        schema["then"] = json!({ "properties": { "servers": false } });
        schema["else"] = json!({ "required": ["servers"] });
    }
    schema
}

fn properties(section: &Section, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let keys = section.keys.iter().map(|key| {
        let mut schema = Forms::of(&key.shape, definitions).render();
        schema.insert("description".to_owned(), key.summary.into());
        if let Some(default) = &key.default {
            schema.insert("default".to_owned(), default.clone());
        }
        (key.name.to_owned(), schema.into())
    });
    keys.collect()
}

/// Variables may stand for numbers and booleans: `"${WEIGHT:-10}"`.
const VARIABLE: &str = r"\$\{";
/// A service's or a pool's name.
const NAME: &str = "^[^\\s/\\x00-\\x1f\\x7f]{1,100}$";

/// What a value can be, by its type in JSON.
#[derive(Default)]
struct Forms {
    boolean: Option<Boolean>,
    integer: Option<(i64, i64)>,
    string: Option<Strings>,
    object: Option<Map<String, Value>>,
    array: Option<Map<String, Value>>,
}

#[derive(PartialEq, Eq)]
enum Boolean {
    Any,
    False,
}

#[derive(Default)]
struct Strings {
    is_any: bool,
    patterns: Vec<&'static str>,
    words: Vec<&'static Word>,
    /// Whether other words than those are allowed.
    is_open: bool,
    examples: Vec<&'static str>,
}

/// A table, or named tables in it: all values of those are tables.
fn one_or_named(here: Map<String, Value>, there: Map<String, Value>) -> Map<String, Value> {
    let (named, one) = match here.contains_key("propertyNames") {
        true => (here, there),
        false => (there, here),
    };
    map(json!({
        "if": { "additionalProperties": { "type": "object" } },
        "then": named,
        "else": one,
    }))
}

impl Forms {
    fn of(shape: &Shape, definitions: &mut Map<String, Value>) -> Self {
        let mut forms = Self::default();
        match shape {
            Shape::Text { example, pattern } => {
                forms.string = Some(Strings {
                    is_any: pattern.is_none(),
                    patterns: pattern.iter().copied().collect(),
                    examples: vec![example],
                    ..Strings::default()
                });
            }
            Shape::Bool => forms.boolean = Some(Boolean::Any),
            Shape::Off => forms.boolean = Some(Boolean::False),
            Shape::Whole { least, most } => forms.integer = Some((*least, *most)),
            Shape::Pair => {
                let item = json!({ "type": "integer", "minimum": 0 });
                let pair = json!({ "items": item, "minItems": 2, "maxItems": 2 });
                forms.array = Some(map(pair));
            }
            Shape::Word { words, open } => {
                forms.string = Some(Strings {
                    words: words.iter().collect(),
                    is_open: *open,
                    ..Strings::default()
                });
            }
            Shape::Table(section) => {
                forms.object = Some(refers_to(&reference(section, definitions)));
            }
            Shape::Tagged(name, sections) => {
                forms.object = Some(refers_to(&tagged(name, sections, definitions)));
            }
            Shape::Map(item) => {
                let item = Self::of(item, definitions).render();
                forms.object = Some(map(json!({ "additionalProperties": item })));
            }
            Shape::Named(section) => {
                let mut item = refers_to(&reference(section, definitions));
                item.insert("type".to_owned(), "object".into());
                let named = json!({
                    "propertyNames": { "pattern": NAME },
                    "additionalProperties": item,
                });
                forms.object = Some(map(named));
            }
            Shape::List(item) => {
                let item = Self::of(item, definitions).render();
                forms.array = Some(map(json!({ "items": item })));
            }
            Shape::OneOrMore(item) => {
                forms = Self::of(item, definitions);
                let item = Self::of(item, definitions).render();
                forms.array = Some(map(json!({ "items": item })));
            }
            Shape::Either(shapes) => {
                for shape in shapes {
                    forms.or(Self::of(shape, definitions));
                }
            }
        }
        forms
    }

    /// Also allows what `other` does. No two shapes of a key have the same type, except for texts,
    /// and for a table beside named tables.
    fn or(&mut self, other: Self) {
        self.boolean = self.boolean.take().or(other.boolean);
        self.integer = self.integer.or(other.integer);
        self.object = match (self.object.take(), other.object) {
            (Some(here), Some(there)) => Some(one_or_named(here, there)),
            (here, there) => here.or(there),
        };
        self.array = self.array.take().or(other.array);
        match (&mut self.string, other.string) {
            (Some(here), Some(there)) => here.or(there),
            (here, there) => *here = here.take().or(there),
        }
    }

    fn render(self) -> Map<String, Value> {
        let mut types = Vec::new();
        let mut schema = Map::new();
        if let Some(boolean) = &self.boolean {
            types.push("boolean");
            if *boolean == Boolean::False {
                schema.insert("not".to_owned(), json!({ "const": true }));
            }
        }
        if let Some((least, most)) = self.integer {
            types.push("integer");
            schema.insert("minimum".to_owned(), least.into());
            schema.insert("maximum".to_owned(), most.into());
        }
        let is_variable = self.boolean.is_some() || self.integer.is_some();
        if self.string.is_some() || is_variable {
            types.push("string");
            schema.extend(self.string.unwrap_or_default().render());
        }
        if let Some(object) = self.object {
            types.push("object");
            schema.extend(object);
        }
        if let Some(array) = self.array {
            types.push("array");
            schema.extend(array);
        }
        let types = match types.as_slice() {
            [one] => Value::from(*one),
            several => several.into(),
        };
        schema.insert("type".to_owned(), types);
        schema
    }
}

impl Strings {
    fn or(&mut self, other: Self) {
        self.is_any |= other.is_any;
        self.is_open |= other.is_open;
        self.patterns.extend(other.patterns);
        self.words.extend(other.words);
        self.examples.extend(other.examples);
    }

    /// The keywords that restrict a string, and none that restrict anything else.
    fn render(mut self) -> Map<String, Value> {
        let mut schema = Map::new();
        if !self.examples.is_empty() {
            schema.insert("examples".to_owned(), self.examples.into());
        }
        if self.is_any {
            return schema;
        }
        if self.is_open {
            let known = self.words.iter();
            let known =
                known.map(|word| json!({ "const": word.name, "description": word.summary }));
            // Any other value is as good.
            let known: Vec<Value> = known.chain([json!({})]).collect();
            schema.insert("anyOf".to_owned(), known.into());
            return schema;
        }
        self.patterns.push(VARIABLE);
        let pattern = self.patterns.join("|");
        if self.words.is_empty() {
            schema.insert("pattern".to_owned(), pattern.into());
            return schema;
        }
        let names: Vec<_> = self.words.iter().map(|word| word.name).collect();
        let meanings: Vec<_> = self.words.iter().map(|word| word.summary).collect();
        schema.insert("if".to_owned(), json!({ "not": { "pattern": pattern } }));
        schema.insert(
            "then".to_owned(),
            json!({
                "enum": names,
                // For the completion of VS Code, and that of taplo.
                "enumDescriptions": meanings,
                "x-taplo": { "docs": { "enumValues": meanings } },
            }),
        );
        schema
    }
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
    define(&name, definitions, |definitions| {
        self::section(section, definitions)
    })
}

fn define(
    name: &str,
    definitions: &mut Map<String, Value>,
    schema: impl FnOnce(&mut Map<String, Value>) -> Value,
) -> String {
    if !definitions.contains_key(name) {
        // Reserved before its keys are visited, so that a section that contains itself would
        // terminate.
        definitions.insert(name.to_owned(), Value::Null);
        let schema = schema(definitions);
        definitions.insert(name.to_owned(), schema);
    }
    format!("#/$defs/{name}")
}

/// The reference to a table whose `type` selects a section.
///
/// Without `type`, the table changes keys of an inherited one, whose type is not known here: it can
/// have the keys of all sections. For the same reason no key is required.
fn tagged(
    of: &str,
    sections: &'static [&'static Section],
    definitions: &mut Map<String, Value>,
) -> String {
    // Checks inherit what they lack.
    let is_inherited = of == "check";
    define(of, definitions, |definitions| {
        let mut all: Map<String, Value> = Map::new();
        let mut words: Vec<&'static Word> = Vec::new();
        let mut kinds = Vec::new();
        for section in sections {
            let reference = reference(section, definitions);
            let name = reference.trim_start_matches("#/$defs/").to_owned();
            let Some(kind) = definitions.get_mut(&name).and_then(Value::as_object_mut) else {
                continue;
            };
            let required = kind.get("required").cloned().filter(|_| is_inherited);
            if let Some(required) = required {
                kind.remove("required");
                // For readers: required here, or where the check inherits from.
                kind.insert("x-required".to_owned(), required);
            }
            for (key, schema) in kind["properties"].as_object().into_iter().flatten() {
                match all.get_mut(key) {
                    Some(there) if there == schema => {}
                    // The kinds differ.
                    Some(there) => {
                        *there = json!({ "description": format!("Depends on the kind of {of}.") });
                    }
                    None => {
                        all.insert(key.clone(), schema.clone());
                    }
                }
            }
            if let Some(Shape::Word { words: own, .. }) = section.key("type").map(|key| &key.shape)
            {
                words.extend(own.iter());
                let names: Vec<_> = own.iter().map(|word| word.name).collect();
                let is_kind = json!({ "properties": { "type": { "enum": names } } });
                let mut is_kind = is_kind;
                is_kind["required"] = json!(["type"]);
                kinds.push(json!({ "if": is_kind, "then": { "$ref": reference } }));
            }
        }
        let words = Forms {
            string: Some(Strings {
                words,
                ..Strings::default()
            }),
            ..Forms::default()
        };
        let mut kind = words.render();
        kind.insert(
            "description".to_owned(),
            format!("The kind of {of}.").into(),
        );
        all.insert("type".to_owned(), kind.into());
        json!({
            "description": if is_inherited { "A health check." } else { "Where servers are listed." },
            "properties": all,
            "additionalProperties": false,
            "allOf": kinds,
        })
    })
}

/// Within a list: taplo ignores what is beside a `$ref`, as JSON Schema did up to its draft 7.
fn refers_to(definition: &str) -> Map<String, Value> {
    map(json!({ "allOf": [{ "$ref": definition }] }))
}

/// All of the above are objects.
fn map(schema: Value) -> Map<String, Value> {
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}
