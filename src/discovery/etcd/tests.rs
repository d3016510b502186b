use super::*;

#[test]
fn the_end_of_a_prefix_is_the_first_key_after_it() {
    assert_eq!(range_end(b"/app/"), b"/app0");
    assert_eq!(range_end(b"a\xff\xff"), b"b");
    assert_eq!(range_end(b"\xff"), [0]);
    assert_eq!(range_end(b""), [0]);
}
