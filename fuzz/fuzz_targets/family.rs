//! The payload of the controller's reply to `CTRL_CMD_GETFAMILY`.
#![no_main]

use ipvs::wire::decode_family;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode_family(bytes);
});
