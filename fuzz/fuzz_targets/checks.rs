//! What servers answer to checks: of HTTP, SMTP, Redis, MySQL, PostgreSQL, DNS and ICMP.
#![no_main]

use director_check::decode_answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let [choice, bytes @ ..] = bytes {
        decode_answer(*choice, bytes);
    }
});
