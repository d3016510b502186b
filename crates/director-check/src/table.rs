//! A map from targets, for ten thousand of them, with its values stored contiguously.
//!
//! A hash map keeps its values in its buckets, of which there are up to twice as many. Here the
//! buckets hold indices of four bytes.

use std::collections::HashMap;

use super::TargetId;

/// A map from targets.
#[derive(Debug)]
pub struct Table<T> {
    places: HashMap<TargetId, u32>,
    values: Vec<(TargetId, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            values: Vec::new(),
        }
    }
}

impl<T> Table<T> {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Reserves room for this many values in all. A table that doubles again and again leaves holes
    /// in memory as large as itself.
    pub fn make_room(&mut self, all: usize) {
        let more = all.saturating_sub(self.values.len());
        self.places.reserve(more);
        if self.values.capacity() - self.values.len() < more {
            self.values.reserve_exact(more);
        }
    }

    /// A target's value.
    pub fn get(&self, id: TargetId) -> Option<&T> {
        let place = self.place(id)?;
        self.values.get(place).map(|(_, value)| value)
    }

    /// A target's value, mutable.
    pub fn get_mut(&mut self, id: TargetId) -> Option<&mut T> {
        let place = self.place(id)?;
        self.values.get_mut(place).map(|(_, value)| value)
    }

    /// Inserts or replaces a value.
    pub fn insert(&mut self, id: TargetId, value: T) {
        if let Some(known) = self.get_mut(id) {
            *known = value;
            return;
        }
        // There are no more targets than their numbers.
        let Ok(place) = u32::try_from(self.values.len()) else {
            return;
        };
        self.values.push((id, value));
        self.places.insert(id, place);
    }

    /// Removes a value; the last one takes its place.
    pub fn remove(&mut self, id: TargetId) -> Option<T> {
        let place = self.places.remove(&id)?;
        let (_, value) = self.values.swap_remove(usize::try_from(place).ok()?);
        if let Some((moved, _)) = self.values.get(usize::try_from(place).ok()?) {
            self.places.insert(*moved, place);
        }
        Some(value)
    }

    fn place(&self, id: TargetId) -> Option<usize> {
        let place = self.places.get(&id)?;
        usize::try_from(*place).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0u32..20, 0u8..3), 0..200)) {
            let mut table = Table::default();
            let mut map = HashMap::new();
            for (at, (number, step)) in steps.into_iter().enumerate() {
                let id = TargetId(number);
                match step {
                    0 => assert_eq!(table.remove(id), map.remove(&id)),
                    1 => {
                        table.insert(id, at);
                        map.insert(id, at);
                    }
                    _ => table.make_room(at),
                }
                assert_eq!((table.len(), table.is_empty()), (map.len(), map.is_empty()));
                for number in 0..20 {
                    let id = TargetId(number);
                    assert_eq!(table.get(id), map.get(&id));
                    assert_eq!(table.get_mut(id), map.get_mut(&id));
                }
            }
        }
    }
}
