//! Warnings about the machine: settings under which the declared services cannot work.

use super::args::Args;
use super::output::{colour_on_stderr, note, say};
use crate::net::{Machine, NetError, Warning, advise, advise_checks};
use crate::state::Desired;
use crate::state::health::Watch;

/// Reads the machine's settings in this thread's namespace. A failure is reported but is no error:
/// the verb can do its work anyway. `watch` are the checks, if they are to run.
pub(crate) fn warnings(desired: &Desired, watch: Option<&Watch>) -> Vec<Warning> {
    found(desired, watch).unwrap_or_else(|error| {
        let error = anyhow::Error::from(error);
        say!("director: cannot check addresses and routes: {error:#}");
        Vec::new()
    })
}

/// The same; the error is that of reading the settings.
pub(super) fn found(desired: &Desired, watch: Option<&Watch>) -> Result<Vec<Warning>, NetError> {
    let services = desired.services.values();
    let machine = Machine::ask(services.clone())?;
    let mut warnings = advise(services.clone(), &machine);
    let watched = services.filter_map(|service| {
        let watch = watch?.services.get(&service.service.key)?;
        Some((service, watch))
    });
    warnings.extend(advise_checks(watched, &machine));
    Ok(warnings)
}

pub(crate) fn print(args: &Args, warnings: &[Warning]) {
    let colour = colour_on_stderr(args);
    for warning in warnings {
        note(format_args!("{}", warning.render(colour)));
    }
}
