//! Warnings about the machine: what was declared will not work on it as it is.

use super::args::Args;
use super::output::{colour_on_stderr, note, say};
use crate::net::{Machine, Warning, advise};
use crate::state::Desired;

/// Asks the machine, in the namespace of this thread. That it does not answer is said and is no
/// error: whatever else was asked for can be done.
pub(crate) fn warnings(desired: &Desired) -> Vec<Warning> {
    let services = desired.services.values();
    match Machine::ask(services.clone()) {
        Ok(machine) => advise(services, &machine),
        Err(error) => {
            let error = anyhow::Error::from(error);
            say!("director: no warnings about addresses and routes, as it is not known: {error:#}");
            Vec::new()
        }
    }
}

/// Prints them.
pub(crate) fn print(args: &Args, warnings: &[Warning]) {
    let colour = colour_on_stderr(args);
    for warning in warnings {
        note(format_args!("{}", warning.render(colour)));
    }
}
