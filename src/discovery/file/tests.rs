use serde_json::json;

use super::*;
use crate::discovery::rules::shown;

fn read(value: &Value) -> Result<Vec<String>, String> {
    let servers = servers(value)?;
    let text = |(place, listed): &(Place, Listed)| {
        let weight = listed
            .weight
            .map_or(String::new(), |weight| format!(" {weight}"));
        let backup = if listed.is_backup { " backup" } else { "" };
        let name = listed
            .name
            .as_deref()
            .map_or(String::new(), |name| format!(" {name}"));
        format!("{}{weight}{name}{backup}", shown(*place))
    };
    Ok(servers.iter().map(text).collect())
}

#[test]
fn the_three_forms_can_be_mixed_with_addresses_of_both_families() {
    let list = json!([
        "10.0.0.1",
        "10.0.0.1:81",
        "2001:db8::1",
        "[2001:db8::1]:80",
        { "address": "10.0.0.2", "port": 82, "weight": 0, "name": "b", "backup": true },
        { "address": "10.0.0.3:83" },
        { "targets": ["10.0.0.4:84"], "labels": { "job": "x" } },
        { "targets": [] },
    ]);
    let expected = [
        "10.0.0.1",
        "10.0.0.1:81",
        "2001:db8::1",
        "[2001:db8::1]:80",
        "10.0.0.2:82 0 b backup",
        "10.0.0.3:83",
        "10.0.0.4:84",
    ];
    assert_eq!(read(&list).unwrap(), expected);
    assert_eq!(read(&json!({ "servers": list })).unwrap(), expected);
}

#[test]
fn one_mistake_and_it_is_no_list() {
    let cases = [
        (json!("10.0.0.1"), "the servers are not a list"),
        (json!({ "server": [] }), "it has no `servers`"),
        (json!({ "servers": {} }), "the servers are not a list"),
        (json!([3]), "not a server: 3"),
        (
            json!(["web1.example.org:80"]),
            "`web1.example.org:80` is not an address",
        ),
        (
            json!(["10.0.0.1:99999"]),
            "`10.0.0.1:99999` is not an address",
        ),
        (json!([{ "port": 80 }]), "a server without `address`"),
        (json!([{ "address": 3 }]), "`address` cannot be 3"),
        (
            json!([{ "address": "10.0.0.1", "port": 65536 }]),
            "`port` cannot be 65536",
        ),
        (
            json!([{ "address": "10.0.0.1", "weight": -1 }]),
            "`weight` cannot be -1",
        ),
        (
            json!([{ "address": "10.0.0.1", "weight": 2_147_483_648u32 }]),
            "`weight` cannot be",
        ),
        (
            json!([{ "address": "10.0.0.1", "backup": "yes" }]),
            "`backup` cannot be \"yes\"",
        ),
        (
            json!([{ "address": "10.0.0.1", "zone": "a" }]),
            "no key `zone`",
        ),
        (
            json!([{ "targets": "10.0.0.1" }]),
            "`targets` is not a list",
        ),
        (json!([{ "targets": [["10.0.0.1"]] }]), "not a target"),
    ];
    for (value, expected) in cases {
        let said = read(&value).unwrap_err();
        assert!(said.contains(expected), "{value}: {said}");
    }
}

#[test]
fn a_file_that_is_no_text_or_no_file_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.json");
    let ask = || match super::ask(&FileSource { path: path.clone() }).answer {
        Answer::Failed(why) => why,
        Answer::Servers(servers) => panic!("{servers:?}"),
    };
    assert!(ask().contains("No such file"), "{}", ask());
    for (bytes, expected) in [
        (&b"[\xff]"[..], "not UTF-8"),
        (b"[1.5]", "neither text, number nor list"),
        (
            b"[\"10.0.0.1\"",
            "app.json: line 1, column 1: the list is not closed",
        ),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let said = ask();
        assert!(
            said.contains(expected) && said.contains("app.json"),
            "{said}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(ask().contains("directory"), "{}", ask());
}

#[test]
fn a_million_servers_and_a_hundred_megabytes_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.json");
    let ask = || match super::ask(&FileSource { path: path.clone() }).answer {
        Answer::Failed(why) => why,
        Answer::Servers(servers) => panic!("{} servers", servers.len()),
    };
    let addresses = (0..1_000_000_u32).map(|number| {
        let [_, high, middle, low] = number.to_be_bytes();
        format!("\"10.{high}.{middle}.{low}\"")
    });
    let list = addresses.collect::<Vec<_>>().join(",");
    std::fs::write(&path, format!("[{list}]")).unwrap();
    let said = ask();
    assert!(
        said.contains("longer than") || said.contains("more than 100000 servers"),
        "{said}"
    );
    let group = list.split(',').take(200_000).collect::<Vec<_>>().join(",");
    for text in [
        format!("[{group}]"),
        format!("[{{\"targets\": [{group}]}}]"),
    ] {
        std::fs::write(&path, text).unwrap();
        let said = ask();
        assert!(
            said.contains("app.json: more than 100000 servers"),
            "{said}"
        );
    }
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(100 << 20).unwrap();
    let said = ask();
    assert!(
        said.contains("app.json: longer than 16 MiB") || said.contains("16777216"),
        "{said}"
    );
}
