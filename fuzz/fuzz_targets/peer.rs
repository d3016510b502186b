//! Messages between directors: nothing panics, and what is decoded can be encoded again.
#![no_main]

use director_peer::wire::Frame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Frame::decode(bytes) {
        Err(error) => assert!(!error.to_string().is_empty()),
        // A message without entries is none that we send, and escaped text can grow.
        Ok(Frame::Entries(entries)) if entries.is_empty() => {}
        Ok(frame) => {
            if let Some(again) = frame.encode() {
                let again = Frame::decode(&again[4..]).expect("what we encode is right");
                assert_eq!(again, frame);
            }
        }
    }
});
