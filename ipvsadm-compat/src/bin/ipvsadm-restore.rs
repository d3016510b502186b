//! The program `ipvsadm-restore`: replaces the table with the commands on stdin.

use std::process::ExitCode;

fn main() -> ExitCode {
    ipvsadm_compat::main(Some(ipvsadm_compat::Program::Restore))
}
