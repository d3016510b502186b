//! The program `ipvsadm`. Called by another name through a link, it is `ipvsadm-save` or
//! `ipvsadm-restore`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ipvsadm_compat::main(None)
}
