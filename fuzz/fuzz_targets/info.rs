//! The payload of the reply to `IPVS_CMD_GET_INFO`.
#![no_main]

use ipvs::wire::decode_info;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode_info(bytes);
});
