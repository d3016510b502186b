use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::discovery::fakes::kubernetes::{READY, endpoint, slice, status};

/// Makes something wrong.
type Change = fn(&mut Value);

fn line(kind: &str, object: &Value) -> Vec<u8> {
    json!({ "type": kind, "object": object })
        .to_string()
        .into_bytes()
}

fn versioned() -> Value {
    let mut slice = slice("s", vec![endpoint("10.0.0.1", "a", READY)]);
    slice["metadata"]["resourceVersion"] = "17".into();
    slice
}

#[test]
fn events_are_told_apart_and_bring_their_version() {
    let event = |kind| Event::decode(&line(kind, &versioned())).unwrap();
    for kind in ["ADDED", "MODIFIED"] {
        assert!(matches!(event(kind), Event::Put(_)));
        assert_eq!(event(kind).version(), Some("17"));
    }
    assert!(matches!(event("DELETED"), Event::Delete(_)));
    assert!(matches!(event("BOOKMARK"), Event::Bookmark(version) if version == "17"));
    let gone: Value = serde_json::from_slice(&status(410, "Expired", "too old")).unwrap();
    assert!(matches!(
        Event::decode(&line("ERROR", &gone)),
        Ok(Event::Gone)
    ));
    let other: Value =
        serde_json::from_slice(&status(500, "InternalError", "etcd is away")).unwrap();
    let Ok(Event::Error(status)) = Event::decode(&line("ERROR", &other)) else {
        panic!("no error");
    };
    assert_eq!(status.shown(), "the API server answers 500: etcd is away");
}

#[test]
fn what_is_no_event_is_an_error() {
    let unversioned = slice("s", vec![]);
    for (bytes, words) in [
        (line("MOVED", &versioned()), "an event of type `MOVED`"),
        (line("ADDED", &unversioned), "without `resourceVersion`"),
        (line("ADDED", &Value::Null), "cannot read"),
        (b"".to_vec(), "cannot read"),
        (b"{\"type\":\"ADDED\"}".to_vec(), "cannot read"),
        (b"[]".to_vec(), "cannot read"),
        (b"{\"type\":\"ADDED\",\"obj".to_vec(), "cannot read"),
    ] {
        let why = Event::decode(&bytes).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn what_is_no_page_is_an_error() {
    let page = |change: fn(&mut Value)| {
        let mut page = json!({
            "kind": "EndpointSliceList", "metadata": { "resourceVersion": "5" }, "items": [versioned()],
        });
        change(&mut page);
        Page::decode(page.to_string().as_bytes())
    };
    let good = page(|_| ()).unwrap();
    assert_eq!(
        (good.version(), good.next(), good.slices().len()),
        ("5", None, 1)
    );
    assert!(
        page(|it| it["items"] = Value::Null)
            .unwrap()
            .slices()
            .is_empty()
    );
    let cases: [(Change, &str); 5] = [
        (|it| it["kind"] = "Status".into(), "a `Status` instead"),
        (|it| it["metadata"] = json!({}), "no `resourceVersion`"),
        (|it| it["items"][0]["endpoints"] = 7.into(), "cannot read"),
        (
            |it| it["items"][0]["ports"][0]["port"] = 70_000.into(),
            "cannot read",
        ),
        (|it| *it = Value::Null, "cannot read"),
    ];
    for (change, words) in cases {
        let why = page(change).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn the_text_of_an_error_is_that_of_its_status_or_the_body() {
    let said = status(403, "Forbidden", "endpointslices is forbidden");
    let expected = "the API server answers 403: endpointslices is forbidden";
    assert_eq!(Status::of(403, &said).shown(), expected);
    let proxy = Status::of(502, b"<html>\x1b[2JBad Gateway</html>").shown();
    assert!(
        proxy.contains("502: <html>") && !proxy.contains('\x1b'),
        "{proxy}"
    );
    assert!(Status::of(500, &[b'x'; 10_000]).shown().len() < 300);
}

proptest! {
    #[test]
    fn no_bytes_panic(mut bytes: Vec<u8>, at: proptest::sample::Index) {
        let _ = Event::decode(&bytes);
        let _ = Page::decode(&bytes);
        let mut event = line("ADDED", &versioned());
        let start = at.index(event.len());
        bytes.truncate(4);
        let end = (start + bytes.len()).min(event.len());
        event.splice(start..end, bytes);
        let _ = Event::decode(&event);
    }
}
