//! A file at its last reading, compared with its current text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::sections::{Kind, Section, add, divide};

#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// Shared with the [`Shape`](super::super::Shape) of the reading.
    text: Arc<Vec<u8>>,
    sections: Vec<Section>,
    /// The next text, while it is compared.
    pub(super) next: Vec<u8>,
}

/// The names of changed services and pools.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) services: BTreeSet<String>,
    pub(super) pools: BTreeSet<String>,
}

impl File {
    /// `None` for a text that cannot be divided into sections.
    pub(super) fn new(path: PathBuf, text: Arc<Vec<u8>>) -> Option<Self> {
        let sections = divide(std::str::from_utf8(&text).ok()?)?;
        Some(Self {
            path,
            text,
            sections,
            next: Vec::new(),
        })
    }

    pub(super) fn text(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.text)
    }

    /// The names of its services; one with several sections appears several times.
    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        self.sections
            .iter()
            .filter_map(|section| match &section.kind {
                Kind::Service(name) => name_in(&self.text, name),
                _ => None,
            })
    }

    /// Compares it with `next`: adds the names of what changed, and returns the current sections.
    /// `None` if the text cannot be divided, or if anything but services and pools changed.
    pub(super) fn compare(&self, changed: &mut Changed) -> Option<Vec<Section>> {
        let (old, new) = (self.text.as_slice(), self.next.as_slice());
        let same = common_start(old, new);
        if same == old.len() && same == new.len() {
            return Some(self.sections.clone());
        }
        // Both ends of a section are in the common part if it precedes the section of the
        // difference, or the one whose header does.
        let first = self.sections.partition_point(|one| one.at() <= same);
        let first = first.saturating_sub(2);
        let start = self.sections[first].at();
        // The text behind the difference starts with a line whose preceding line break is also
        // common.
        let common = common_end(&old[same..], &new[same..]);
        let is_behind = |one: &Section| one.at() > old.len() - common;
        let behind = first + self.sections[first..].partition_point(|one| !is_behind(one));
        let end = self.sections.get(behind);
        let end = end.map_or(old.len(), Section::at);
        let new_end = new.len() - (old.len() - end);

        let mut sections = self.sections[..first].to_vec();
        let stretch = std::str::from_utf8(&new[start..new_end]).ok()?;
        if first == 0 {
            sections = divide(stretch)?;
        } else {
            add(stretch, start, &mut sections)?;
        }
        let (before, now) = (&self.sections[first..behind], &sections[first..]);
        difference(Part(old, before, end), Part(new, now, new_end), changed)?;
        for section in &self.sections[behind..] {
            sections.push(section.moved(end, new_end)?);
        }
        Some(sections)
    }

    /// The new text, which has these sections, without the unchanged services.
    pub(super) fn reduced(&self, sections: &[Section], changed: &Changed) -> Vec<u8> {
        let text = Part(&self.next, sections, self.next.len());
        let mut reduced = Vec::new();
        for (index, section) in sections.iter().enumerate() {
            let stays = match &section.kind {
                Kind::Service(name) => {
                    name_in(text.0, name).is_none_or(|name| changed.services.contains(name))
                }
                Kind::Pool(_) | Kind::Other => true,
            };
            if stays {
                reduced.extend_from_slice(text.section(index));
            }
        }
        reduced
    }

    /// Replaces the old text by the new one.
    pub(super) fn turn(&mut self, sections: Vec<Section>) {
        self.text = Arc::new(std::mem::take(&mut self.next));
        self.sections = sections;
    }
}

/// A text, consecutive sections of it, and the end of the last one.
#[derive(Clone, Copy)]
struct Part<'t>(&'t [u8], &'t [Section], usize);

impl<'t> Part<'t> {
    fn section(&self, index: usize) -> &'t [u8] {
        let Self(text, sections, end) = *self;
        let next = sections.get(index + 1);
        &text[sections[index].at()..next.map_or(end, Section::at)]
    }

    /// The texts of sections, grouped by subject, in order.
    fn sorted(&self) -> Option<BTreeMap<About<'t>, Vec<&'t [u8]>>> {
        let mut sorted: BTreeMap<About<'t>, Vec<_>> = BTreeMap::new();
        for (index, section) in self.1.iter().enumerate() {
            let about = match &section.kind {
                Kind::Service(name) => About::Service(name_in(self.0, name)?),
                Kind::Pool(name) => About::Pool(name_in(self.0, name)?),
                Kind::Other => About::Rest,
            };
            sorted.entry(about).or_default().push(self.section(index));
        }
        Some(sorted)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About<'t> {
    Service(&'t str),
    Pool(&'t str),
    Rest,
}

/// Adds the names of what differs; `None` if that is neither a service nor a pool.
fn difference(old: Part<'_>, new: Part<'_>, changed: &mut Changed) -> Option<()> {
    let (old, new) = (old.sorted()?, new.sorted()?);
    for about in old.keys().chain(new.keys()) {
        if old.get(about) == new.get(about) {
            continue;
        }
        match *about {
            About::Service(name) => changed.services.insert(name.to_owned()),
            About::Pool(name) => changed.pools.insert(name.to_owned()),
            About::Rest => return None,
        };
    }
    Some(())
}

fn name_in<'t>(text: &'t [u8], name: &Range<u32>) -> Option<&'t str> {
    let name = text.get(name.start as usize..name.end as usize)?;
    std::str::from_utf8(name).ok()
}

/// The number of bytes compared at a time.
const STEP: usize = 4096;

/// The number of equal bytes at the start.
fn common_start(one: &[u8], other: &[u8]) -> usize {
    let steps = one.chunks_exact(STEP).zip(other.chunks_exact(STEP));
    let same = STEP * steps.take_while(|(one, other)| one == other).count();
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}

/// The number of equal bytes at the end.
fn common_end(one: &[u8], other: &[u8]) -> usize {
    let steps = one.rchunks_exact(STEP).zip(other.rchunks_exact(STEP));
    let same = STEP * steps.take_while(|(one, other)| one == other).count();
    let one = one[..one.len() - same].iter().rev();
    let other = other[..other.len() - same].iter().rev();
    let rest = one.zip(other);
    same + rest.take_while(|(one, other)| one == other).count()
}
