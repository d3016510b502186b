//! `docs/service-file.md` is generated from the schema.
//!
//! `UPDATE_GOLDEN=1 cargo test --test config reference` rewrites it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use director_config as config;
use serde_json::{Map, Value};

const FILE: &str = "../../docs/service-file.md";

const HEAD: &str = include_str!("reference.head.md");

#[test]
fn the_reference_is_the_schema() {
    let schema = config::schema();
    super::golden::compare(FILE.as_ref(), &Reference::new(&schema).render());
}

type Properties = Map<String, Value>;

struct Reference<'s> {
    root: &'s Value,
    definitions: &'s Map<String, Value>,
    /// The headings of sections, in the order in which they are reached from the root.
    order: Vec<(String, String)>,
    /// The keys of all kinds of checks.
    common: Properties,
}

impl<'s> Reference<'s> {
    fn new(root: &'s Value) -> Self {
        let definitions = root["$defs"].as_object().unwrap();
        let mut reference = Self {
            root,
            definitions,
            order: Vec::new(),
            common: common(definitions),
        };
        reference.walk();
        reference
    }

    /// Breadth first, so that sections near the root come first.
    fn walk(&mut self) {
        let mut seen = BTreeSet::new();
        let mut queue = VecDeque::from([(String::new(), self.root)]);
        while let Some((of, section)) = queue.pop_front() {
            for (key, property) in section["properties"].as_object().unwrap() {
                let mut found = Vec::new();
                references(property, false, &mut found);
                for (name, named) in found {
                    if !seen.insert(name.clone()) {
                        continue;
                    }
                    let title = match (of.is_empty(), named) {
                        (true, true) => format!("`[{key}.NAME]`"),
                        (true, false) if property.get("items").is_some() => format!("`[[{key}]]`"),
                        (true, false) => format!("`[{key}]`"),
                        (false, _) => format!("`{name}`"),
                    };
                    let definition = &self.definitions[&name];
                    if name == CHECK || name == SOURCE {
                        // Its kinds have all of its keys.
                        let kinds = definition["allOf"].as_array().unwrap().iter();
                        for kind in kinds.map(|kind| text(&kind["then"]["$ref"])) {
                            let name = last(&kind).to_owned();
                            let title = match name.strip_suffix("_source") {
                                Some(word) => format!("`discover = {{ type = \"{word}\" }}`"),
                                None => {
                                    let word = name.trim_end_matches("_check");
                                    format!("`type = \"{word}\"`")
                                }
                            };
                            queue.push_back((name.clone(), &self.definitions[&name]));
                            seen.insert(name.clone());
                            self.order.push((name, title));
                        }
                        continue;
                    }
                    queue.push_back((name.clone(), definition));
                    self.order.push((name, title));
                }
            }
        }
        assert_eq!(seen.len(), self.definitions.len(), "a section out of reach");
        // A server and its parts before its checks, checks at the end.
        self.order.sort_by_key(|(name, _)| is_check(name));
    }

    fn render(&self) -> String {
        let mut page = HEAD.to_owned();
        let mut words = BTreeMap::new();
        self.section(&mut page, "The file", self.root, &[], &mut words);
        let mut checks = false;
        for (name, title) in &self.order {
            let section = &self.definitions[name];
            if is_check(name) && !checks {
                checks = true;
                let text = "Every kind of check has these keys, and `[defaults.check]` sets them \
                            for all. Each kind also has keys of its own.";
                writeln!(page, "\n## Checks\n\n{text}\n").unwrap();
                self.table(&mut page, &self.common, &[]);
            }
            let inherited = match name.as_str() {
                "service" => self.definitions["defaults"]["properties"].as_object(),
                name if is_check(name) => Some(&self.common),
                _ => None,
            };
            let left_out: Vec<&str> = inherited
                .into_iter()
                .flat_map(|keys| keys.keys().map(String::as_str))
                .chain(is_check(name).then_some("type"))
                .collect();
            self.section(&mut page, title, section, &left_out, &mut words);
            if name == "service" {
                page.push_str("\nIt also has all keys of [`[defaults]`](#defaults).\n");
            }
        }
        page
    }

    fn section(
        &self,
        page: &mut String,
        title: &str,
        section: &Value,
        left_out: &[&str],
        words: &mut BTreeMap<String, String>,
    ) {
        let level = if title.starts_with("`type") {
            "###"
        } else {
            "##"
        };
        let summary = text(&section["description"]);
        writeln!(page, "\n{level} {title}\n\n{summary}\n").unwrap();
        // What a check requires may be inherited.
        let required: Vec<&str> = ["required", "x-required"]
            .iter()
            .flat_map(|keyword| section[keyword].as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .collect();
        let properties = section["properties"].as_object().unwrap();
        let own: Properties = properties
            .iter()
            .filter(|(key, _)| !left_out.contains(&key.as_str()))
            .map(|(key, property)| (key.clone(), property.clone()))
            .collect();
        self.table(page, &own, &required);
        for (key, property) in &own {
            let mut list = String::new();
            for (word, meaning) in constants(property) {
                writeln!(list, "- `{word}`: {meaning}").unwrap();
            }
            // A single word is in the table only.
            if list.lines().count() < 2 {
                continue;
            }
            match words.get(&list) {
                Some(known) => {
                    let link = anchor(known);
                    writeln!(
                        page,
                        "\nThe words of `{key}` are those of [{known}](#{link})."
                    )
                    .unwrap();
                }
                None => {
                    writeln!(page, "\nThe words of `{key}`:\n\n{}", list.trim_end()).unwrap();
                    words.insert(list, title.to_owned());
                }
            }
        }
    }

    fn table(&self, page: &mut String, properties: &Properties, required: &[&str]) {
        if properties.is_empty() {
            // It has only the common keys.
            page.truncate(page.trim_end().len());
            page.push('\n');
            return;
        }
        page.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for (key, property) in properties {
            let default = match property.get("default") {
                _ if required.contains(&key.as_str()) => "required".to_owned(),
                Some(default) => format!("`{default}`"),
                None => String::new(),
            };
            let cells = [
                format!("`{key}`"),
                self.value(property),
                default,
                text(&property["description"]),
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|"));
            writeln!(page, "| {} |", cells.join(" | ")).unwrap();
        }
    }

    /// The values of a key.
    fn value(&self, schema: &Value) -> String {
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let mut shown: Vec<String> = Vec::new();
        let words = constants(schema);
        match words.as_slice() {
            [] => {}
            [(word, _)] => shown.push(format!("`\"{word}\"`")),
            _ => shown.push("a word".to_owned()),
        }
        let is_alone = types.len() == 1;
        for kind in types {
            shown.extend(match kind {
                "boolean" if schema.get("not").is_some() => Some("`false`".to_owned()),
                "boolean" => Some("`true` or `false`".to_owned()),
                "integer" => Some(range(schema)),
                "array" if !is_alone && shown.is_empty() => None,
                "array" if !is_alone => Some("a list of these".to_owned()),
                "array" => Some(match schema.get("maxItems") {
                    Some(count) => format!("list of {count} numbers"),
                    None => format!("list of: {}", self.value(&schema["items"])),
                }),
                "object" => Some(match reference_of(schema) {
                    Some(name) => self.link(last(text(name).as_str())),
                    None if reference_of(&schema["else"]).is_some() => {
                        let one = reference_of(&schema["else"]).unwrap();
                        format!("{}, or named ones", self.link(last(text(one).as_str())))
                    }
                    None => format!("table: {}", self.value(&schema["additionalProperties"])),
                }),
                // The head says once that a variable is allowed.
                _ if schema["pattern"] == r"\$\{" => None,
                _ if !words.is_empty() && schema.get("examples").is_none() => None,
                _ => Some(string(schema)),
            });
        }
        shown.join(", or ")
    }

    fn link(&self, name: &str) -> String {
        if name == CHECK {
            return "[a check](#checks)".to_owned();
        }
        if name == SOURCE {
            let kinds = self
                .order
                .iter()
                .filter(|(known, _)| known.ends_with("_source"));
            let kinds = kinds.map(|(known, title)| {
                let word = known.trim_end_matches("_source");
                format!("[{word}](#{})", anchor(title))
            });
            let kinds: Vec<_> = kinds.collect();
            return format!("table by `type`: {}", kinds.join(", "));
        }
        let title = self.order.iter().find(|(known, _)| known == name);
        format!("[table](#{})", anchor(&title.unwrap().1))
    }
}

/// The anchor of a heading.
fn anchor(title: &str) -> String {
    let lower = title.to_lowercase();
    let kept = lower.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c => (c.is_ascii_alphanumeric() || "_-".contains(c)).then_some(c),
    });
    kept.collect()
}

/// The section of all checks, which refers to their kinds.
const CHECK: &str = "check";
/// The section of all sources of servers, which refers to their kinds.
const SOURCE: &str = "source";

fn is_check(name: &str) -> bool {
    name.ends_with("_check")
}

/// The keys that are the same in every kind of check.
fn common(definitions: &Map<String, Value>) -> Properties {
    let mut kinds = definitions
        .iter()
        .filter(|(name, _)| is_check(name))
        .map(|(_, kind)| kind["properties"].as_object().unwrap());
    let mut common = kinds.next().unwrap().clone();
    for kind in kinds {
        common.retain(|key, property| kind.get(key) == Some(property));
    }
    common
}

/// The section of a table.
fn reference_of(schema: &Value) -> Option<&Value> {
    schema["allOf"].get(0)?.get("$ref")
}

/// The sections in a value, and whether names lead to them.
fn references(schema: &Value, named: bool, found: &mut Vec<(String, bool)>) {
    if let Some(name) = reference_of(schema) {
        let one = (last(text(name).as_str()).to_owned(), named);
        if !found.contains(&one) {
            found.push(one);
        }
    }
    if let Some(items) = schema.get("items") {
        references(items, named, found);
    }
    if let Some(values) = schema.get("additionalProperties") {
        references(values, true, found);
    }
    // A table, or named tables of the same kind: shown as the one table.
    if let Some(one) = schema.get("else") {
        references(one, named, found);
    }
}

/// The words of a value, and their meanings.
fn constants(schema: &Value) -> Vec<(String, String)> {
    let mut words = Vec::new();
    let closed = &schema["then"];
    let names = closed["enum"].as_array().into_iter().flatten();
    let meanings = closed["enumDescriptions"].as_array().into_iter().flatten();
    words.extend(
        names
            .zip(meanings)
            .map(|(name, said)| (text(name), text(said))),
    );
    for inner in schema["anyOf"].as_array().into_iter().flatten() {
        if let Some(name) = inner["const"].as_str() {
            words.push((name.to_owned(), text(&inner["description"])));
        }
    }
    words
}

fn range(schema: &Value) -> String {
    let (least, most) = (&schema["minimum"], schema["maximum"].as_i64());
    match most {
        Some(most) if *least == most => format!("`{most}`"),
        Some(most) if most < i64::from(i32::MAX) => format!("{least} to {most}"),
        Some(_) => format!("a number from {least}"),
        None => "a number".to_owned(),
    }
}

fn string(schema: &Value) -> String {
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    let Some(example) = schema["examples"].get(0) else {
        return "text".to_owned();
    };
    let kind = match pattern {
        // Its example is the same everywhere.
        _ if pattern.contains("ms|s|m|h|d") => return "time".to_owned(),
        _ if pattern.contains("%$") => "share",
        _ => "text",
    };
    format!("{kind}: `{example}`")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap()
}
