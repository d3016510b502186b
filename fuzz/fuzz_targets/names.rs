//! What resolvers answer about the servers of a pool: nothing panics, and an answer has only the records
//! that were asked for.
#![no_main]

// The module of the program itself, which has no library of its own.
#[allow(dead_code, reason = "the rest of the module asks")]
#[path = "../../src/discovery/dns/message.rs"]
mod message;

use libfuzzer_sys::fuzz_target;
use message::{Record, Records, Unusable, decode, encode};

const NAME: &str = "app.example.org";

/// The record at the end of a question: OPT.
const OPT: usize = 11;

fuzz_target!(|bytes: &[u8]| {
    let Some((number, rest)) = bytes.split_first() else {
        return;
    };
    for records in [Records::A, Records::Aaaa, Records::Srv] {
        let question = encode(NAME, records, 7).expect("it is a name");
        // The answer repeats the question, and has some records.
        let mut answer = question[..question.len() - OPT].to_vec();
        answer[2] |= 0x80;
        (answer[7], answer[11]) = (number % 8, 0);
        answer.extend_from_slice(rest);
        examine(&answer, records);
        examine(bytes, records);
    }
});

fn examine(answer: &[u8], records: Records) {
    match decode(answer, NAME, records, 7) {
        Ok(found) => {
            let fits = |record: &Record| match record {
                Record::Address(address) if address.is_ipv4() => records == Records::A,
                Record::Address(_) => records == Records::Aaaa,
                Record::Srv(_) => records == Records::Srv,
            };
            assert!(found.records.iter().all(fits), "{records:?}");
        }
        Err(Unusable::Failed(why)) => assert!(!why.is_empty()),
        Err(Unusable::NotOurs | Unusable::CutOff) => {}
    }
}
