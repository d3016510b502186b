//! Logs what the machine lacks for the file in force: each problem once, when it is new.
//!
//! The worker checks the machine when a file has come into force, as `director plan` and `apply`
//! do. Nothing here changes anything, and no check or transaction depends on it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::net::{Machine, NetError, Warning, advise_checks, advise_holding};
use crate::state::DesiredService;
use crate::state::failover::Failovers;
use crate::state::health::ServiceWatch;

/// What was already reported.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    said: Vec<Warning>,
    /// Whether a failure to read the machine's settings was reported.
    unknown: bool,
    /// The addresses that announce sections put on the machine, and take away.
    announced: BTreeSet<IpAddr>,
}

impl Warnings {
    /// Addresses that come and go with health; that they are missing is no problem.
    pub(super) fn announced(&mut self, failovers: &Failovers) {
        let sections = failovers.announced.iter();
        let addresses = sections.flat_map(|section| section.addresses.iter().copied());
        self.announced = addresses.collect();
    }

    /// Asks the machine, in the network namespace of this thread, and says what is new.
    pub(super) fn look<'d>(
        &mut self,
        services: impl Iterator<Item = (&'d Arc<DesiredService>, &'d Arc<ServiceWatch>)> + Clone,
    ) {
        let declared = services.clone().map(|(declared, _)| declared);
        let asked = Machine::ask(declared.clone()).map(|machine| {
            let mut warnings = advise_holding(declared, &machine, &self.announced);
            warnings.extend(advise_checks(services, &machine));
            warnings
        });
        for line in self.news(asked) {
            tracing::warn!("{line}");
        }
    }

    /// The new lines for a result. A problem that goes away and comes back is new.
    fn news(&mut self, asked: Result<Vec<Warning>, NetError>) -> Vec<String> {
        let warnings = match asked {
            Ok(warnings) => warnings,
            Err(error) => {
                let is_new = !std::mem::replace(&mut self.unknown, true);
                let line = format!(
                    "cannot check addresses and routes: {:#}",
                    anyhow::Error::from(error)
                );
                return is_new.then_some(line).into_iter().collect();
            }
        };
        self.unknown = false;
        let before = std::mem::replace(&mut self.said, warnings);
        let new = self.said.iter().filter(|said| !before.contains(said));
        new.map(line).collect()
    }
}

/// The problem, its consequence, and what to do.
fn line(warning: &Warning) -> String {
    let (reason, help) = (warning.reason(), warning.help());
    format!("{warning}: {reason}; {help}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Examples;

    fn no_route(count: usize) -> Warning {
        Warning::NoRoute(Examples {
            count,
            more: false,
            first: vec![([10, 0, 0, 9].into(), "web".to_owned())],
        })
    }

    #[test]
    fn each_is_said_when_it_is_new() {
        let mut logged = Warnings::default();
        let mut said = |warnings: &[Warning]| logged.news(Ok(warnings.to_vec())).len();
        assert_eq!(said(&[no_route(1)]), 1);
        assert_eq!(said(&[no_route(1)]), 0);
        assert_eq!(said(&[no_route(2)]), 1, "another server");
        assert_eq!(said(&[]), 0);
        assert_eq!(said(&[no_route(2)]), 1, "it is so again");
        let line = line(&no_route(1));
        assert!(line.starts_with("no route to 10.0.0.9 (web): "), "{line}");
        assert!(line.contains("`ip route get 10.0.0.9`"), "{line}");
    }
}
