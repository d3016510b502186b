//! One file for several machines.

use super::*;

/// An active-active pair: one file for both machines.
const CROSSED: &str = r#"
    [failover.one]
    id = 51
    interface = "eth0"
    addresses = ["192.0.2.10"]

    [failover.two]
    id = 52
    interface = "eth0"
    addresses = ["192.0.2.20"]

    [machine.lb1]
    failover.one.priority = 150
    failover.two.priority = 100

    [machine.lb2]
    failover.one = { priority = 100, interface = "ens3" }
    failover.two = { priority = 150, interface = "ens3" }
"#;

#[test]
fn one_file_makes_an_active_active_pair() {
    let values = |machine: &str| {
        let found = on(machine, CROSSED);
        let values = found.failovers.iter().map(|failover| {
            (
                failover.priority.0,
                failover.routers[0].interface.to_string(),
            )
        });
        (found.machine.clone(), values.collect::<Vec<_>>())
    };
    let expected = |name: &str, values: [(u8, &str); 2]| {
        (
            Some(Arc::from(name)),
            values.map(|(n, name)| (n, name.to_owned())).to_vec(),
        )
    };
    let lb1 = expected("lb1", [(150, "eth0"), (100, "eth0")]);
    let lb2 = expected("lb2", [(100, "ens3"), (150, "ens3")]);
    assert_eq!(values("lb1"), lb1);
    assert_eq!(values("lb2"), lb2);
    // The full name of a host, in any case.
    assert_eq!(values("LB2.example.org"), lb2);
}

#[test]
fn the_exact_name_goes_before_the_short_one() {
    let text = r#"
        [failover.one]
        id = 51
        interface = "eth0"
        addresses = ["192.0.2.10"]
        [machine.lb1.failover.one]
        priority = 1
        [machine."lb1.example.org".failover.one]
        priority = 2
    "#;
    assert_eq!(only(&on("lb1.example.org", text)).priority, Priority(2));
    assert_eq!(only(&on("lb1.example.com", text)).priority, Priority(1));
}

#[test]
fn a_variable_makes_the_difference_as_well() {
    let text = "[failover.one]\nid = 51\ninterface = \"eth0\"\naddresses = [\"192.0.2.10\"]\n\
                priority = \"${PRIORITY}\"";
    let environment = Environment::from_iter([("PRIORITY", "120")]);
    let found = parsed(text, &environment).failovers.unwrap();
    assert_eq!(only(&found).priority, Priority(120));
}

#[test]
fn sections_may_be_in_included_files() {
    let files = Memory::from_iter(
        [
            (
                "a.toml",
                "version = 1\ninclude = \"b.toml\"\n[machine.lb1.failover.one]\npriority = 9",
            ),
            (
                "b.toml",
                "[failover.one]\nid = 51\ninterface = \"eth0\"\naddresses = \"192.0.2.10\"",
            ),
        ]
        .map(|(name, text)| (name, text.as_bytes().to_vec())),
    );
    let environment = Environment::default().on_machine("lb1");
    let parsed = config::load_from(Path::new("a.toml"), &files, &environment);
    assert_eq!(parsed.diagnostics, [], "{}", parsed.render(Style::Plain));
    assert_eq!(only(&parsed.failovers.unwrap()).priority, Priority(9));
}

#[test]
fn the_example_is_the_file_of_both_directors() {
    for (name, front, shop) in [("lb1", 150, 100), ("lb2", 100, 150)] {
        let environment = Environment::default().on_machine(name);
        let parsed = config::load(Path::new("../../examples/failover.toml"), &environment);
        assert_eq!(parsed.render(Style::Plain), "", "{name}");
        let found = parsed.failovers.unwrap();
        assert_eq!(found.get("front").unwrap().priority, Priority(front));
        assert_eq!(found.get("shop").unwrap().priority, Priority(shop));
    }
}
