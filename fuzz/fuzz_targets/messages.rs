//! A datagram: its messages, and whatever is in them.
#![no_main]

use ipvs::Family;
use ipvs::wire::Messages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut count = 0;
    let mut broken = false;
    for message in Messages::new(bytes) {
        count += 1;
        match message {
            Ok(message) => {
                let _ = message.answer.service();
                let _ = message.answer.server(Family::V4);
                let _ = message.answer.server(Family::V6);
                let _ = message.answer.daemon();
            }
            Err(_) => broken = true,
        }
    }
    assert!(count <= bytes.len() / 16 + usize::from(broken));
});
