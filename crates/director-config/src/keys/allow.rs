//! `allow`: the warnings that a file can silence.

use std::sync::LazyLock;

use super::{Key, Shape, key, words};
use crate::code::Code;
use crate::state::MachineCode;
use crate::vocabulary::{Word, word};

/// The codes of warnings: those of the file, and those of the machine.
pub(crate) static ALLOWABLE: LazyLock<Vec<Word>> = LazyLock::new(|| {
    let codes = Code::ALL.iter().filter(|code| code.may_be_allowed());
    let of_file = codes.map(|code| word(code.name(), code.summary()));
    let machine = MachineCode::ALL.iter();
    let of_machine = machine.map(|code| word(code.name(), code.summary()));
    of_file.chain(of_machine).collect()
});

pub(super) fn allow(summary: &'static str) -> Key {
    key(
        "allow",
        Shape::OneOrMore(Box::new(words(&ALLOWABLE))),
        summary,
    )
}
