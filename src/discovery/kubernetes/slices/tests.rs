use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::discovery::fakes::kubernetes::{READY, TERMINATING, endpoint, slice};
use crate::discovery::shown;
use crate::state::discovery::KubernetesAccess;

/// Makes something wrong.
type Change = fn(&mut Value);

fn source() -> KubernetesSource {
    KubernetesSource {
        access: KubernetesAccess::Account,
        namespace: "shop".to_owned(),
        service: "web".to_owned(),
        port: None,
        addresses: AddressType::Both,
    }
}

fn slices(all: &[Value], source: &KubernetesSource) -> Slices {
    let mut slices = Slices::default();
    for slice in all {
        let slice = Slice::deserialize(slice).unwrap();
        slices.put(&slice, source).unwrap();
    }
    slices
}

fn list(all: &[Value], source: &KubernetesSource) -> Result<Vec<String>, String> {
    let servers = slices(all, source).servers()?;
    let shown = servers.iter().map(|(place, listed)| {
        let weight = listed.weight.map(|weight| format!(" {weight}"));
        let name = listed.name.as_deref().unwrap_or("-");
        format!("{} {name}{}", shown(*place), weight.unwrap_or_default())
    });
    Ok(shown.collect())
}

/// Whether an endpoint of these conditions is listed, and how.
fn one(conditions: [Option<bool>; 3]) -> Vec<String> {
    let slices = [slice("s", vec![endpoint("10.0.0.1", "a", conditions)])];
    list(&slices, &source()).unwrap()
}

#[test]
fn conditions_decide_who_is_listed_and_who_drains() {
    let (yes, no) = (Some(true), Some(false));
    let (serves, drains) = (["10.0.0.1:8080 a"], ["10.0.0.1:8080 a 0"]);
    for conditions in [
        [yes, yes, no],
        [yes, None, None],
        [None, None, None],
        [None, None, no],
    ] {
        assert_eq!(one(conditions), serves, "{conditions:?}");
    }
    // With `publishNotReadyAddresses`, those that end are ready, too.
    for conditions in [
        [no, yes, yes],
        [yes, yes, yes],
        [None, None, yes],
        [yes, no, yes],
    ] {
        assert_eq!(one(conditions), drains, "{conditions:?}");
    }
    for conditions in [
        [no, no, no],
        [no, None, None],
        [no, yes, no],
        [no, no, yes],
        [no, None, yes],
    ] {
        assert_eq!(one(conditions), [""; 0], "{conditions:?}");
    }
    let mut silent = slice("s", vec![endpoint("10.0.0.1", "a", READY)]);
    silent["endpoints"][0]
        .as_object_mut()
        .unwrap()
        .remove("conditions");
    assert_eq!(list(&[silent], &source()).unwrap(), serves);
}

#[test]
fn an_endpoint_in_two_slices_is_one_server_and_drains_if_both_say_so() {
    let in_slices = |first, second| {
        let one = slice("s1", vec![endpoint("10.0.0.1", "a", first)]);
        let two = slice(
            "s2",
            vec![
                endpoint("10.0.0.1", "a", second),
                endpoint("10.0.0.2", "b", READY),
            ],
        );
        list(&[one, two], &source()).unwrap()
    };
    assert_eq!(
        in_slices(READY, READY),
        ["10.0.0.1:8080 a", "10.0.0.2:8080 b"]
    );
    assert_eq!(
        in_slices(TERMINATING, READY),
        ["10.0.0.1:8080 a", "10.0.0.2:8080 b"]
    );
    assert_eq!(
        in_slices(READY, TERMINATING),
        ["10.0.0.1:8080 a", "10.0.0.2:8080 b"]
    );
    assert_eq!(
        in_slices(TERMINATING, TERMINATING),
        ["10.0.0.1:8080 a 0", "10.0.0.2:8080 b"]
    );
}

#[test]
fn a_pod_with_two_addresses_gives_its_name_to_neither() {
    let four = slice("s4", vec![endpoint("10.0.0.1", "a", READY)]);
    let mut six = slice("s6", vec![endpoint("2001:db8::1", "a", READY)]);
    six["addressType"] = "IPv6".into();
    let all = [four, six];
    assert_eq!(
        list(&all, &source()).unwrap(),
        ["10.0.0.1:8080 -", "[2001:db8::1]:8080 -"]
    );
    let mut only = source();
    only.addresses = AddressType::V4;
    assert_eq!(list(&all, &only).unwrap(), ["10.0.0.1:8080 a"]);
    only.addresses = AddressType::V6;
    assert_eq!(list(&all, &only).unwrap(), ["[2001:db8::1]:8080 a"]);
}

#[test]
fn a_port_is_chosen_by_name_or_number_and_has_to_be_if_there_are_several() {
    let mut all = [slice("s", vec![endpoint("10.0.0.1", "a", READY)])];
    let listed = |all: &[Value], port| {
        let mut source = source();
        source.port = port;
        list(all, &source)
    };
    let name = |name: &str| Some(KubernetesPort::Name(name.to_owned()));
    let number = |number| Some(KubernetesPort::Number(number));
    all[0]["ports"] = json!([
        { "name": "http", "protocol": "TCP", "port": 8080 },
        { "name": "metrics", "protocol": "TCP", "port": 9090 },
    ]);
    assert_eq!(listed(&all, name("metrics")).unwrap(), ["10.0.0.1:9090 a"]);
    assert_eq!(listed(&all, number(8080)).unwrap(), ["10.0.0.1:8080 a"]);
    let why = listed(&all, None).unwrap_err();
    assert_eq!(
        why,
        "slice s: it has several ports; `port` has to name one of `http` 8080, `metrics` 9090"
    );
    let why = listed(&all, name("https")).unwrap_err();
    assert!(
        why.contains("no port `https`; there are `http` 8080"),
        "{why}"
    );
    let why = listed(&all, number(80)).unwrap_err();
    assert!(why.contains("no port 80;"), "{why}");
    // DNS: the same number twice.
    all[0]["ports"] = json!([
        { "name": "dns", "protocol": "UDP", "port": 53 },
        { "name": "dns-tcp", "protocol": "TCP", "port": 53 },
    ]);
    assert_eq!(listed(&all, None).unwrap(), ["10.0.0.1:53 a"]);
    // Without a name, without a number, without ports.
    all[0]["ports"] = json!([{ "port": 80 }]);
    assert_eq!(listed(&all, None).unwrap(), ["10.0.0.1:80 a"]);
    all[0]["ports"] = Value::Null;
    assert_eq!(listed(&all, None).unwrap(), ["10.0.0.1 a"]);
    all[0]["ports"] = json!([]);
    assert!(listed(&all, None).unwrap_err().contains("no port"));
    // A slice without servers says nothing of ports.
    all[0]["endpoints"] = Value::Null;
    assert_eq!(listed(&all, name("http")).unwrap(), [""; 0]);
}

#[test]
fn one_wrong_slice_fails_the_list_until_it_is_right_or_gone() {
    let good = slice("good", vec![endpoint("10.0.0.1", "a", READY)]);
    let cases: [(Change, &str); 5] = [
        (
            |it| it["addressType"] = "FQDN".into(),
            "slice bad: it lists names",
        ),
        (
            |it| it["addressType"] = "IPX".into(),
            "address type `IPX` is unknown",
        ),
        (
            |it| it["endpoints"][0]["addresses"] = json!([]),
            "no address",
        ),
        (
            |it| it["endpoints"][0]["addresses"][0] = "web-1".into(),
            "`web-1` is not an address",
        ),
        (|it| it["ports"] = json!([]), "it has no port"),
    ];
    for (change, words) in cases {
        let mut bad = slice("bad", vec![endpoint("10.0.0.2", "b", READY)]);
        change(&mut bad);
        let mut slices = slices(&[good.clone(), bad], &source());
        let why = slices.servers().unwrap_err();
        assert!(why.contains(words), "{why}");
        slices.remove("bad");
        assert_eq!(slices.servers().unwrap().len(), 1);
    }
}

#[test]
fn a_slice_of_another_service_is_refused() {
    let mut other = slice("s", vec![]);
    other["metadata"]["labels"][SERVICE_LABEL] = "other".into();
    let mut unlabelled = slice("s", vec![]);
    unlabelled["metadata"]["labels"] = Value::Null;
    for wrong in [other, unlabelled, slice("", vec![])] {
        let slice = Slice::deserialize(&wrong).unwrap();
        let why = Slices::default().put(&slice, &source()).unwrap_err();
        assert!(why.contains("does not belong to Service `web`"), "{why}");
    }
}

proptest! {
    #[test]
    fn whatever_conditions_slices_have_no_place_is_listed_twice(
        all in prop::collection::vec(
            prop::collection::vec((1_u8..6, prop::array::uniform3(any::<Option<bool>>())), 0..5),
            0..4,
        )
    ) {
        let all: Vec<_> = all.iter().enumerate().map(|(at, endpoints)| {
            let endpoints = endpoints.iter().map(|(host, conditions)| {
                endpoint(&format!("10.0.0.{host}"), &format!("pod{host}"), *conditions)
            });
            slice(&format!("s{at}"), endpoints.collect())
        }).collect();
        let servers = slices(&all, &source()).servers().unwrap();
        let mut places: Vec<_> = servers.iter().map(|(place, _)| *place).collect();
        let length = places.len();
        places.dedup();
        prop_assert_eq!(places.len(), length);
    }
}
