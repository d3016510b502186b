//! The program `director`.

use std::process::ExitCode;

fn main() -> ExitCode {
    director::cli::main()
}
