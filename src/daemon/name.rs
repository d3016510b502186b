//! The name of the network namespace. `ip netns del` removes it and `ip netns add` may give it to
//! another namespace, while this director continues in the old one, which no one can reach any
//! more.

use super::messages::Input;
use crate::net::namespace::{self, Id};

/// The name when the director started.
pub(super) struct Name {
    own: Id,
    name: Option<String>,
    /// Whether the director was told to work in the namespace of this name, whichever that is.
    asked_for: bool,
    said: bool,
}

impl Name {
    /// `asked` is the name by which the director was told to enter the namespace.
    pub(super) fn new(own: Id, asked: Option<String>) -> Self {
        Self {
            own,
            asked_for: asked.is_some(),
            name: asked.or_else(|| namespace::name_of(own)),
            said: false,
        }
    }

    /// A change of the name that was not reported yet.
    pub(super) fn look(&mut self) -> Option<Input> {
        let name = self.name.as_ref()?;
        // What cannot be examined counts as unchanged.
        let found = namespace::named(name).ok()?;
        self.judge(found)
    }

    fn judge(&mut self, found: Option<Id>) -> Option<Input> {
        let name = self.name.as_ref()?;
        if found == Some(self.own) {
            return None;
        }
        // A file on another device is not a namespace, or one that this mount namespace does not
        // show.
        let is_other = found.is_some_and(|found| found.0 == self.own.0);
        if is_other && self.asked_for {
            return Some(Input::Superseded(format!(
                "network namespace `{name}` was deleted and created again: this director worked in \
                 the old one, and stops; start it again for the new one"
            )));
        }
        if std::mem::replace(&mut self.said, true) {
            return None;
        }
        let inode = self.own.1;
        Some(Input::Nameless(format!(
            "network namespace `{name}` was deleted: this director continues in it \
             (net:[{inode}]), unreachable by name; stop it if that is not intended"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(asked_for: bool) -> Name {
        Name {
            own: (4, 7),
            name: Some("blue".to_owned()),
            asked_for,
            said: false,
        }
    }

    #[test]
    fn a_deleted_namespace_is_said_once_and_one_made_anew_ends_the_director() {
        let mut blue = name(true);
        assert!(blue.judge(Some((4, 7))).is_none());
        let said = blue.judge(None);
        assert!(matches!(said, Some(Input::Nameless(why)) if why.contains("`blue` was deleted")));
        assert!(blue.judge(None).is_none());
        let ends = blue.judge(Some((4, 8)));
        assert!(matches!(ends, Some(Input::Superseded(why)) if why.contains("created again")));
    }

    #[test]
    fn what_only_looks_like_a_namespace_ends_nothing() {
        let mut blue = name(true);
        let said = blue.judge(Some((22, 8)));
        assert!(matches!(said, Some(Input::Nameless(_))));
        // It was found by its namespace, not by this name.
        let said = name(false).judge(Some((4, 8)));
        assert!(matches!(said, Some(Input::Nameless(_))));
    }
}
