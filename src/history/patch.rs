//! JSON merge patches (RFC 7396): the fields that changed, and null for those that are gone.

use serde_json::{Map, Value};

/// The patch that turns `before` into `after`; `None` if they are equal. Neither has null as a value
/// of a field, other than for a field that might as well be missing.
pub(super) fn between(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let mut patch = Map::new();
    for (key, value) in new {
        match old.get(key) {
            Some(was) => {
                if let Some(change) = between(was, value) {
                    patch.insert(key.clone(), change);
                }
            }
            None if value.is_null() => {}
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    for (key, value) in old {
        if !new.contains_key(key) && !value.is_null() {
            patch.insert(key.clone(), Value::Null);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Applies a patch: `MergePatch` of RFC 7396, section 2. The depth is that of the patch, which
/// `serde_json` bounds.
pub(super) fn apply(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            // The order of the other fields does not matter.
            fields.swap_remove(&key);
        } else {
            apply(fields.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        // Appendix A of RFC 7396.
        for (mut target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (
                json!({"a":"b","b":"c"}),
                json!({"a":null}),
                json!({"b":"c"}),
            ),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ] {
            apply(&mut target, patch);
            assert_eq!(target, result);
        }
    }

    #[test]
    fn a_patch_between_two_values_leads_from_one_to_the_other() {
        let values = [
            json!({"a":1,"b":{"c":"d","e":[1]}}),
            json!({"a":2,"b":{"c":"d"}}),
            json!({"b":"x"}),
            json!({"kind":{"Gue":{"port":1}}}),
            json!({"kind":{"Gre":{}}}),
        ];
        for before in &values {
            assert_eq!(between(before, before), None);
            for after in &values {
                let mut target = before.clone();
                if let Some(patch) = between(before, after) {
                    apply(&mut target, patch);
                }
                assert_eq!(&target, after);
            }
        }
    }
}
