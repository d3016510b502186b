//! Messages of the sync daemons: nothing panics, and what is decoded is encoded and decoded to the
//! same entries.
#![no_main]

use ipvs_sync::{Encoder, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let message = match decode(bytes) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut encoder = Encoder::new(message.id, Encoder::LONGEST);
    let mut entries = Vec::new();
    let mut read = |bytes: Vec<u8>| {
        let again = decode(&bytes).expect("what we encode is right");
        assert_eq!(again.id, message.id);
        entries.extend(again.entries);
    };
    for entry in &message.entries {
        if let Some(full) = encoder.push(entry).expect("what was decoded can be encoded") {
            read(full);
        }
    }
    if let Some(last) = encoder.finish() {
        read(last);
    }
    assert_eq!(entries, message.entries);
});
