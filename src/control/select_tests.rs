use super::*;

fn listen(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn server(text: &str) -> ServerKey {
    text.parse().unwrap()
}

#[test]
fn a_service_is_meant_by_its_name_or_listen_address_in_any_form() {
    let web = |word: &str| Word::new(word).is_service(&listen("tcp://192.0.2.10:80"), Some("web"));
    for word in [
        "web",
        "w*",
        "?eb",
        "*",
        "tcp://192.0.2.10:80",
        "192.0.2.10:80",
        "192.0.2.10",
        "tcp://192.0.2.*",
        "*:80",
    ] {
        assert!(web(word), "{word}");
    }
    for word in [
        "we",
        "WEB",
        "web2",
        "w?",
        "udp://192.0.2.10:80",
        "192.0.2.10:81",
        "192.0.2.1",
        "udp://*",
        "",
        "[192.0.2.10]:80",
    ] {
        assert!(!web(word), "{word}");
    }
    let six = |word: &str| Word::new(word).is_service(&listen("udp://[2001:db8::1]:53"), None);
    for word in [
        "udp://[2001:db8::1]:53",
        "[2001:db8::1]:53",
        "[2001:db8:0::1]:53",
        "[2001:db8::1]",
        "2001:db8::1",
        "2001:DB8::0:1",
    ] {
        assert!(six(word), "{word}");
    }
    assert!(!six("[2001:db8::1]:54") && !six("2001:db8::2") && !six("tcp://[2001:db8::1]:53"));
    let mark = |word: &str| Word::new(word).is_service(&listen("fwmark://7"), Some("marked"));
    assert!(mark("fwmark://7") && mark("marked") && mark("fwmark*"));
    assert!(!mark("fwmark6://7") && !mark("0.0.0.0") && !mark("7"));
}

#[test]
fn a_server_is_meant_by_its_name_or_address_and_not_by_a_listen_address() {
    let app = |word: &str| Word::new(word).is_server(&server("10.0.0.12:80"), Some("app2"));
    for word in [
        "app2",
        "app*",
        "10.0.0.12",
        "10.0.0.12:80",
        "10.0.0.*",
        "10.0.0.1?:80",
    ] {
        assert!(app(word), "{word}");
    }
    for word in [
        "app",
        "10.0.0.1",
        "10.0.0.12:81",
        "tcp://10.0.0.12:80",
        "10.0.1.*",
    ] {
        assert!(!app(word), "{word}");
    }
    let six = |word: &str| Word::new(word).is_server(&server("[2001:db8::1]:80"), None);
    assert!(six("[2001:db8::1]:80") && six("2001:db8::1") && six("[2001:db8::1]"));
    assert!(!six("[2001:db8::1]:443"));
}

#[test]
fn a_name_that_looks_like_an_address_is_still_a_name() {
    let word = Word::new("10.0.0.12");
    assert!(word.is_service(&listen("fwmark://7"), Some("10.0.0.12")));
    assert!(word.is_server(&server("10.9.9.9:80"), Some("10.0.0.12")));
}

#[test]
fn patterns_need_no_long_time() {
    let pattern = "*a".repeat(40) + "b";
    assert!(!glob(&pattern, &"a".repeat(2000)));
    for (pattern, text, matches) in [
        ("", "", true),
        ("*", "", true),
        ("?", "", false),
        ("a*b*c", "aXbXbc", true),
        ("a*b*c", "aXbXcb", false),
        ("**", "x", true),
        ("ä?", "äö", true),
        ("[ab]", "a", false),
    ] {
        assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
    }
}

#[test]
fn every_state_has_its_word_and_no_other_is_one() {
    for word in StateWord::all() {
        assert!(StateWord::named(word).is_some(), "{word}");
    }
    assert_eq!(StateWord::all().len(), 13);
    assert!(StateWord::named("Down").is_none() && StateWord::named("").is_none());
    let leaving = StateWord::named("leaving").unwrap();
    assert!(leaving.server.is_some() && leaving.service.is_some());
}
