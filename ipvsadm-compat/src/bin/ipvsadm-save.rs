//! The program `ipvsadm-save`: writes the table as commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    ipvsadm_compat::main(Some(ipvsadm_compat::Program::Save))
}
