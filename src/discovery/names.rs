//! The names that servers get from what a source calls them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::config::name_problem;

/// The names of servers: for each the first of its candidates that is a valid name and that no other
/// server has as a candidate.
pub(super) fn chosen(candidates: &[Vec<&str>]) -> Vec<Option<String>> {
    let mut users: BTreeMap<&str, usize> = BTreeMap::new();
    for names in candidates {
        for (at, name) in names.iter().enumerate() {
            if !names[..at].contains(name) {
                *users.entry(name).or_default() += 1;
            }
        }
    }
    let is_address =
        |name: &str| name.parse::<IpAddr>().is_ok() || name.parse::<SocketAddr>().is_ok();
    let is_good = |name: &&str| {
        users.get(name) == Some(&1) && name_problem(name).is_none() && !is_address(name)
    };
    let chosen = candidates.iter().map(|names| {
        let name = names.iter().copied().find(is_good);
        name.map(str::to_owned)
    });
    chosen.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_the_first_name_that_is_valid_and_its_own() {
        let chosen = chosen(&[
            vec!["node1", "web"],
            vec!["node2", "web"],
            vec!["node2", "web-b"],
            vec!["10.0.0.1", "10.0.0.1:80", "web/1"],
            vec!["same", "same"],
            vec![],
        ]);
        let chosen: Vec<_> = chosen.iter().map(Option::as_deref).collect();
        let expected = [Some("node1"), None, Some("web-b"), None, Some("same"), None];
        assert_eq!(chosen, expected);
    }
}
