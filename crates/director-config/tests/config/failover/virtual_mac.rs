//! `virtual_mac = true`.

use super::*;

#[test]
fn a_virtual_mac_has_an_interface_for_each_family() {
    let text = format!("{FRONT}\nvirtual_mac = true\n");
    let found = read(&text);
    let found: Vec<_> = only(&found)
        .routers
        .iter()
        .map(|router| {
            (
                router.virtual_interface().unwrap().to_string(),
                router.mac(),
            )
        })
        .collect();
    let expected = [
        ("vrrp.51".to_owned(), [0, 0, 0x5e, 0, 1, 51]),
        ("vrrp6.51".to_owned(), [0, 0, 0x5e, 0, 2, 51]),
    ];
    assert_eq!(found, expected);
    let without = read(FRONT);
    assert_eq!(only(&without).routers[0].virtual_interface(), None);
}

#[test]
fn an_id_has_one_virtual_mac_on_a_machine() {
    let section = |name: &str, interface: &str, address: &str| {
        format!(
            "[failover.{name}]\nid = 51\ninterface = \"{interface}\"\n\
             addresses = [\"{address}\"]\nvirtual_mac = true\n"
        )
    };
    let text = format!(
        "version = 1\n{}{}",
        section("out", "eth0", "192.0.2.10"),
        section("in", "eth1", "10.0.0.254")
    );
    let files = Memory::from_iter([("a.toml", text)]);
    let parsed = config::load_from(Path::new("a.toml"), &files, &Environment::default());
    let shown = parsed.render(Style::Plain);
    let part = "two virtual routers have the id 51 with a virtual MAC address";
    assert!(shown.contains(part), "{shown}");
}

#[test]
fn an_edit_of_it_says_where_the_addresses_go() {
    let with = format!("{FRONT}\nvirtual_mac = true\n");
    let said = |before: &str, after: &str| -> Vec<(Effect, String)> {
        let found = changes(&read(before), &read(after)).into_iter();
        found.map(|change| (change.effect, change.text)).collect()
    };
    let quiet = |text: &str| (Effect::None, text.to_owned());
    assert_eq!(
        said(FRONT, &with),
        [
            quiet(
                "router 51 gets the virtual MAC address 00:00:5e:00:01:33: its addresses move to the \
                 interface `vrrp.51` on this machine, and clients learn that"
            ),
            quiet(
                "router 51 gets the virtual MAC address 00:00:5e:00:02:33: its addresses move to the \
                 interface `vrrp6.51` on this machine, and clients learn that"
            ),
        ]
    );
    assert_eq!(
        said(&with, FRONT)[0],
        quiet(
            "router 51 gives up the virtual MAC address 00:00:5e:00:01:33: its addresses move from \
             `vrrp.51` to `eth0`, and clients learn that"
        )
    );
}
