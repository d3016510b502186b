//! What an edit of the file does to the addresses.

use super::*;

/// What an edit of [`FRONT`] does, as printed; those that split the pair are marked.
fn edit(from: &str, to: &str) -> Vec<String> {
    assert!(FRONT.contains(from), "{from}");
    let found = changes(&read(FRONT), &read(&FRONT.replacen(from, to, 1)));
    let text = |change: &Change| match change.effect {
        Effect::Splits => format!("! {change}"),
        _ => change.to_string(),
    };
    found.iter().map(text).collect()
}

#[test]
fn an_edit_says_what_moves() {
    assert!(edit("priority = 150", "priority = 150").is_empty());
    assert_eq!(
        edit("priority = 150", "priority = 120"),
        [
            "[failover.front]: the priority falls from 150 to 120: this edit moves 192.0.2.10, \
             2001:db8::10 to the other director if its priority is higher"
        ]
    );
    assert_eq!(
        edit(
            "\"2001:db8::10\"]\ninterval",
            "\"2001:db8::10\", \"192.0.2.11\"]\ninterval"
        ),
        ["[failover.front]: adds 192.0.2.11 to router 51"]
    );
    assert_eq!(
        edit("\"100ms\"", "\"200ms\""),
        ["[failover.front]: router 51 sends every 200 ms instead of every 100 ms"]
    );
    assert_eq!(
        edit("after = \"10s\"", "after = \"20s\""),
        ["[failover.front]: other settings change; no address moves by that"]
    );
    let removed = changes(&read(FRONT), &Failovers::default());
    assert_eq!(
        removed[0].text,
        "removed: this director gives up 192.0.2.10, 2001:db8::10"
    );
}

#[test]
fn an_edit_that_would_split_the_pair_is_marked() {
    for (from, to, text) in [
        (
            "id = 51",
            "id = 52",
            "the id changes from 51 to 52 on `eth0`: a director with the old id does not hear this \
             one",
        ),
        (
            "peers = [\"10.0.0.2\"]",
            "",
            "router 51 changes from unicast to multicast: its peers listen for unicast",
        ),
        (
            "peers = [\"10.0.0.2\"]",
            "peers = [\"10.0.0.3\"]",
            "router 51 no longer hears 10.0.0.2, and none of its peers stays",
        ),
    ] {
        let found = edit(from, to);
        let expected = format!("! [failover.front]: {text}");
        assert!(found.contains(&expected), "{found:#?}");
    }
    let v2 = |more: &str| {
        read(&format!(
            "[failover.old]\nid = 1\ninterface = \"eth0\"\naddresses = \"192.0.2.1\"\n{more}"
        ))
    };
    let plain = v2("version = 2");
    for other in [
        "version = 3",
        "version = 2\npassword = \"a\"",
        "version = 2\ninterval = \"2s\"",
    ] {
        assert_eq!(splits(&changes(&plain, &v2(other))).len(), 1, "{other}");
    }
    // A third director joins.
    assert!(
        splits(&changes(
            &read(FRONT),
            &read(&FRONT.replace("\"10.0.0.2\"", "\"10.0.0.2\", \"10.0.0.3\""))
        ))
        .is_empty()
    );
}
