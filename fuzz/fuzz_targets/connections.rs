//! Lines of `/proc/net/ip_vs_conn`.
#![no_main]

use ipvs::Connections;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // A line is at most 4096 bytes long; longer ones are read in parts.
    let most = bytes.split(|byte| *byte == b'\n').count() + bytes.len() / 4096;
    assert!(Connections::over(bytes).count() <= most);
});
