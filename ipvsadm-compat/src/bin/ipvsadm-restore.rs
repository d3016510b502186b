//! The program `ipvsadm-restore`: replaces the table by the commands on its stdin.

use std::process::ExitCode;

fn main() -> ExitCode {
    ipvsadm_compat::main(Some(ipvsadm_compat::Program::Restore))
}
