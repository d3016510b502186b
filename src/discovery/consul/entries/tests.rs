use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::discovery::fakes::consul::{check, instance};
use crate::discovery::shown;

/// Makes something wrong.
type Change = fn(&mut Value);

fn list(instances: &[Value], wanted: ConsulHealth) -> Result<Vec<String>, String> {
    let body = Value::from(instances.to_vec()).to_string();
    let servers = servers(body.as_bytes(), wanted)?;
    let shown = servers.iter().map(|(place, listed)| {
        let weight = listed.weight.map(|weight| format!(" {weight}"));
        let name = listed.name.as_deref().unwrap_or("-");
        format!("{} {name}{}", shown(*place), weight.unwrap_or_default())
    });
    Ok(shown.collect())
}

/// An instance with these weights and checks.
fn with(node: &str, last: u8, weights: [i64; 2], checks: &[(&str, &str)]) -> Value {
    let mut instance = instance(node, &format!("10.0.0.{last}"), 80);
    instance["Service"]["Weights"] = json!({ "Passing": weights[0], "Warning": weights[1] });
    instance["Checks"] = checks
        .iter()
        .map(|(id, status)| check(id, status))
        .collect();
    instance
}

#[test]
fn the_worst_check_decides_who_is_listed_with_which_weight() {
    let all = [
        with(
            "a",
            1,
            [10, 5],
            &[("serfHealth", "passing"), ("web", "passing")],
        ),
        with(
            "b",
            2,
            [10, 5],
            &[("serfHealth", "passing"), ("web", "warning")],
        ),
        with(
            "c",
            3,
            [10, 5],
            &[("serfHealth", "critical"), ("web", "warning")],
        ),
        with("d", 4, [10, 5], &[]),
    ];
    let listed = |wanted| list(&all, wanted).unwrap();
    let (a, b, c, d) = (
        "10.0.0.1:80 a 10",
        "10.0.0.2:80 b 5",
        "10.0.0.3:80 c 10",
        "10.0.0.4:80 d 10",
    );
    assert_eq!(listed(ConsulHealth::Passing), [a, d]);
    assert_eq!(listed(ConsulHealth::Warning), [a, b, d]);
    assert_eq!(listed(ConsulHealth::Any), [a, b, c, d]);
}

#[test]
fn maintenance_drains_whatever_is_wanted() {
    let all = [
        with("a", 1, [1, 1], &[("_node_maintenance", "critical")]),
        with(
            "b",
            2,
            [1, 1],
            &[
                ("_service_maintenance:web", "critical"),
                ("web", "critical"),
            ],
        ),
        with("c", 3, [1, 1], &[("web", "passing")]),
    ];
    for wanted in [
        ConsulHealth::Passing,
        ConsulHealth::Warning,
        ConsulHealth::Any,
    ] {
        let expected = ["10.0.0.1:80 a 0", "10.0.0.2:80 b 0", "10.0.0.3:80 c"];
        assert_eq!(list(&all, wanted).unwrap(), expected);
    }
}

#[test]
fn where_all_weights_are_consuls_own_they_say_nothing() {
    let all = [with("a", 1, [1, 1], &[]), with("b", 2, [1, 1], &[])];
    let listed = list(&all, ConsulHealth::Warning).unwrap();
    assert_eq!(listed, ["10.0.0.1:80 a", "10.0.0.2:80 b"]);
    let warned = [
        with("a", 1, [1, 0], &[("web", "warning")]),
        with("b", 2, [1, 1], &[]),
    ];
    let listed = list(&warned, ConsulHealth::Warning).unwrap();
    assert_eq!(listed, ["10.0.0.1:80 a 0", "10.0.0.2:80 b 1"]);
    let mut old = with("a", 1, [1, 1], &[]);
    old["Service"].as_object_mut().unwrap().remove("Weights");
    assert_eq!(
        list(&[old], ConsulHealth::Warning).unwrap(),
        ["10.0.0.1:80 a"]
    );
}

#[test]
fn an_instance_without_an_address_has_that_of_its_node_and_a_name_is_no_address() {
    let mut all = [instance("a", "", 80), instance("b", "2001:db8::1", 80)];
    assert_eq!(
        list(&all, ConsulHealth::Any).unwrap(),
        ["192.0.2.99:80 a", "[2001:db8::1]:80 b"]
    );
    all[1]["Service"]["Address"] = "web.example.org".into();
    let why = list(&all, ConsulHealth::Any).unwrap_err();
    assert!(
        why.contains("`web` on node `b`") && why.contains("`web.example.org`"),
        "{why}"
    );
}

#[test]
fn two_instances_on_one_node_are_named_by_their_ids() {
    let mut all = [
        instance("a", "10.0.0.1", 80),
        instance("a", "10.0.0.1", 81),
        instance("b", "10.0.0.2", 80),
    ];
    all[0]["Service"]["ID"] = "web-1".into();
    all[1]["Service"]["ID"] = "web-2".into();
    let listed = list(&all, ConsulHealth::Any).unwrap();
    assert_eq!(
        listed,
        ["10.0.0.1:80 web-1", "10.0.0.1:81 web-2", "10.0.0.2:80 b"]
    );
}

#[test]
fn what_cannot_be_is_an_error_for_the_whole_list() {
    let wrong = |change: fn(&mut Value)| {
        let mut all = [instance("a", "10.0.0.1", 80), instance("b", "10.0.0.2", 80)];
        change(&mut all[1]);
        list(&all, ConsulHealth::Any).unwrap_err()
    };
    let cases: [(Change, &str); 7] = [
        (|it| it["Service"]["Port"] = 70_000.into(), "port 70000"),
        (|it| it["Service"]["Port"] = (-1).into(), "port -1"),
        (
            |it| it["Service"]["Port"] = "http".into(),
            "not a list of instances",
        ),
        (
            |it| it["Service"]["Weights"]["Passing"] = 65_536.into(),
            "weight 65536",
        ),
        (
            |it| it["Service"]["Weights"]["Passing"] = (-1).into(),
            "weight -1",
        ),
        (
            |it| it["Checks"] = json!([check("web", "sick")]),
            "unknown status `sick`",
        ),
        (|it| it["Service"] = Value::Null, "not a list of instances"),
    ];
    for (change, words) in cases {
        let why = wrong(change);
        assert!(why.contains(words), "{why}");
    }
    for body in ["", "null", "{}", "[{}]", "[1]", "[", "No cluster leader"] {
        let why = servers(body.as_bytes(), ConsulHealth::Any).unwrap_err();
        assert!(why.contains("not a list of instances"), "{body}: {why}");
    }
}

#[test]
fn a_million_instances_are_refused() {
    let instance = r#"{"Node":{},"Service":{"ID":"","Address":"10.0.0.1","Port":1}},"#;
    let mut body = format!("[{}", instance.repeat(1_000_000));
    body.pop();
    body.push(']');
    let why = servers(body.as_bytes(), ConsulHealth::Any).unwrap_err();
    assert!(why.contains("more than 100000 instances"), "{why}");
}

proptest! {
    #[test]
    fn no_bytes_panic(mut bytes: Vec<u8>, at: proptest::sample::Index) {
        let _ = servers(&bytes, ConsulHealth::Warning);
        // A list with some of its bytes replaced.
        let mut body = Value::from(vec![instance("a", "10.0.0.1", 80)]).to_string().into_bytes();
        let start = at.index(body.len());
        bytes.truncate(4);
        let end = (start + bytes.len()).min(body.len());
        body.splice(start..end, bytes);
        let _ = servers(&body, ConsulHealth::Any);
    }
}
