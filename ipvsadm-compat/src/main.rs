//! The program `ipvsadm`. Through a link of that name it is `ipvsadm-save` or `ipvsadm-restore`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ipvsadm_compat::main(None)
}
