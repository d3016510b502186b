//! Takes netlink attributes apart and builds them without the library under test.

use ipvs::Operation;
use ipvs::wire::Encoder;

/// Bytes from hexadecimal digits; whitespace is ignored.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

/// Bytes as hexadecimal digits, readable in a failure message.
pub(crate) fn show(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

/// An attribute with its padding.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = [length.to_le_bytes(), kind.to_le_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The attributes in a byte string: type (without flags) and value.
pub(crate) fn split(mut run: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut attributes = Vec::new();
    while !run.is_empty() {
        let length = usize::from(u16::from_le_bytes([run[0], run[1]]));
        let kind = u16::from_le_bytes([run[2], run[3]]) & 0x3fff;
        attributes.push((kind, run[4..length].to_vec()));
        run = &run[length.next_multiple_of(4).min(run.len())..];
    }
    attributes
}

/// The value of the attribute of this type, in hexadecimal digits.
#[track_caller]
pub(crate) fn value(run: &[u8], kind: u16) -> String {
    let found = split(run).into_iter().find(|(found, _)| *found == kind);
    let (_, value) = found.unwrap_or_else(|| panic!("no attribute {kind} in {}", show(run)));
    show(&value)
}

/// The bytes without the attributes of this type.
pub(crate) fn without(run: &[u8], kind: u16) -> Vec<u8> {
    split(run)
        .iter()
        .filter(|(found, _)| *found != kind)
        .flat_map(|(kind, value)| attribute(*kind, value))
        .collect()
}

/// The bytes with another value for the attribute of this type, or with the attribute added.
pub(crate) fn with(run: &[u8], kind: u16, value: &[u8]) -> Vec<u8> {
    let mut attributes = split(run);
    match attributes.iter_mut().find(|(found, _)| *found == kind) {
        Some(attribute) => attribute.1 = value.to_vec(),
        None => attributes.push((kind, value.to_vec())),
    }
    attributes
        .iter()
        .flat_map(|(kind, value)| attribute(*kind, value))
        .collect()
}

/// The attributes behind the headers of the request for an operation.
pub(crate) fn request(operation: Operation) -> Vec<u8> {
    let mut encoder = Encoder::new(0x1c);
    encoder.operation(&operation, 1, true);
    encoder.as_bytes()[20..].to_vec()
}

/// The contents of the top-level attribute of this type in the request for an operation.
#[track_caller]
pub(crate) fn nest(operation: Operation, kind: u16) -> Vec<u8> {
    hex(&value(&request(operation), kind))
}
