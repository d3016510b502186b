//! `[announce.NAME]`.

use super::*;

const ANNOUNCED: &str = r#"
[service.web]
listen = ["tcp://192.0.2.10:80", "tcp://[2001:db8::10]:80"]
servers = ["10.0.0.11", "2001:db8:1::11"]
check = "tcp"

[announce.front]
addresses = ["192.0.2.10", "2001:db8::10/128"]
"#;

#[test]
fn an_announcement_needs_its_addresses_only() {
    let found = read(ANNOUNCED);
    assert!(!found.is_empty() && !found.hold_addresses());
    let [front] = &found.announced[..] else {
        panic!("{found:?}");
    };
    let addresses: Vec<_> = front.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.10", "2001:db8::10"]);
    assert_eq!(&*front.interface, "director0");
    assert_eq!(front.via, AnnouncedVia::Address);
    assert_eq!(front.follow, AnnouncedFollow::default());
    assert_eq!(front.damping, Some(Damping::default()));
    assert_eq!(front.linger, Duration::from_secs(10));
}

#[test]
fn machines_announce_with_metrics_of_their_own() {
    let text = format!(
        "{ANNOUNCED}via = \"route\"\nfallback_metric = 900\nfollow = {{ need = 2 }}\n\
         [machine.b.announce.front]\nmetric = 300\nfollow = {{ by = \"servers\", need = \"75%\" }}\n"
    );
    let via = |metric| AnnouncedVia::Route {
        table: 254,
        metric,
        fallback: Some(900),
    };
    let (here, there) = (read(&text), on("b", &text));
    assert_eq!(here.announced[0].via, via(100));
    assert_eq!(here.announced[0].follow.need, Threshold::Count(2));
    assert_eq!(there.announced[0].via, via(300));
    assert!(there.announced[0].follow.servers);
}

#[test]
fn an_edit_of_an_announcement_says_what_routers_see() {
    let edited = |from: &str, to: &str| {
        let after = ANNOUNCED.replace(from, to);
        assert_ne!(after, ANNOUNCED);
        let found = changes(&read(ANNOUNCED), &read(&after));
        let found = found
            .iter()
            .map(|change| (change.effect, change.to_string()));
        found.collect::<Vec<_>>()
    };
    let moves = |text: &str| (Effect::Moves, format!("[announce.front]: {text}"));
    assert_eq!(
        edited(", \"2001:db8::10/128\"]", ", \"192.0.2.11\"]"),
        [
            moves("announces 192.0.2.11 as well"),
            moves("withdraws 2001:db8::10")
        ]
    );
    assert_eq!(
        edited("/128\"]\n", "\"]\nvia = \"route\"\n"),
        [moves(
            "addresses on `director0` become routes in table 254, metric 100; the routing daemon \
             has to be told"
        )]
    );
    assert_eq!(
        edited("/128\"]\n", "\"]\nlinger = \"1s\"\n"),
        [(
            Effect::None,
            "[announce.front]: other settings change; no address moves by that".to_owned()
        )]
    );
    let (without, _) = ANNOUNCED.split_once("[announce.front]").unwrap();
    let gone = changes(&read(ANNOUNCED), &read(without));
    assert_eq!(
        gone[0].text,
        "removed: this director withdraws 192.0.2.10, 2001:db8::10"
    );
}
