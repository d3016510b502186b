//! Reads the connection table so that one can tell whether the reading is whole.
//!
//! The kernel writes `/proc/net/ip_vs_conn` a page at a time and holds nothing between two pages. It
//! resumes at a number: of entries from the start (`ip_vs_conn_array`, up to Linux 6.4), or of entries
//! in a chain of its hash table. If an entry before that place has gone meanwhile, the next one is
//! skipped, and nothing says so. A second reading can skip the same one, and equal counters prove
//! little while connections come and go.
//!
//! Within a page nothing is skipped. So two files are read in turns, their pages half a page apart:
//!
//! ```text
//!   one    |- 0 -|---- 2 ----|---- 4 ----|
//!   other  |---- 1 ----|---- 3 ----|---- 5 ---- end
//! ```
//!
//! Entries that stay keep their order: new ones come to the head of a chain. So if each page has an
//! entry in common with the page before, nothing between the two was skipped, and a page that is
//! shorter than asked for reached the end. **All entries that were there from the start of the reading
//! to its end are in it then**, and nothing is said of those that are younger.
//!
//! If half a page of entries goes between two pages, less than a millisecond, the pages have
//! nothing in common, and the reading is not whole. A table that the kernel resizes meanwhile (Linux
//! 7.0) gets another order; only counters tell then.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher, Hash, RandomState};
use std::io::Read;

use ipvs::{Connection, Connections, Error};

const TABLE: &str = "/proc/thread-self/net/ip_vs_conn";

/// A page and the longest line, of 400 bytes, fit the smallest page of a machine: the kernel never
/// ends a page earlier for lack of room.
const PAGE: usize = 4096 - 512;

/// By how much a page goes beyond the one before.
const STEP: usize = PAGE / 2;

/// A table that grows faster than it is read: 50 million entries.
const PAGES: u32 = 2_000_000;

/// Reads the table, several times if need be.
#[derive(Debug, Default)]
pub struct Reader {
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl Reader {
    /// Reads the table of this thread's network namespace. Each entry that no earlier reading had goes
    /// to `take` once; that returns `false` to end it. Returns whether this reading is whole.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn read(&mut self, take: impl FnMut(Connection) -> bool) -> ipvs::Result<bool> {
        let open = || File::open(TABLE).map_err(failed);
        self.over([open()?, open()?], take)
    }

    /// Reads two files of the same table.
    fn over<R: Read>(
        &mut self,
        files: [R; 2],
        mut take: impl FnMut(Connection) -> bool,
    ) -> ipvs::Result<bool> {
        let mut files = files.map(Lines::new);
        let mut chain = Chain::default();
        for number in 0..PAGES {
            let size = chain.beyond + STEP;
            let page = files[usize::from(number % 2 == 1)].page(size.min(PAGE))?;
            let mut hashes = HashSet::new();
            for (place, entry) in page.entries.into_iter().enumerate() {
                let hash = self.hasher.hash_one(identity(&entry));
                if place >= page.earlier {
                    hashes.insert(hash);
                }
                if self.seen.insert(hash) && !take(entry) {
                    return Ok(false);
                }
            }
            chain.add(hashes, page.bytes, page.is_end);
            if chain.is_ended || files.iter().all(|file| file.is_over) {
                break;
            }
        }
        Ok(chain.is_ended && !chain.is_broken)
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Connections {
        path: TABLE,
        source,
    }
}

/// What makes two lines the same entry.
fn identity(entry: &Connection) -> impl Hash + '_ {
    let engine = entry.engine.as_ref().map(|engine| &engine.data);
    let ends = (entry.client, entry.virtual_service, entry.server);
    (entry.protocol.as_bytes(), ends, engine)
}

/// A page of a file.
struct Page {
    entries: Vec<Connection>,
    /// The first of them that began in the page before: the kernel wrote them then.
    earlier: usize,
    bytes: usize,
    /// Whether the kernel came to the end of the table.
    is_end: bool,
}

/// A file, with the rest of a line that the last page cut.
struct Lines<R> {
    file: R,
    rest: Vec<u8>,
    is_begun: bool,
    is_over: bool,
}

impl<R: Read> Lines<R> {
    const fn new(file: R) -> Self {
        Self {
            file,
            rest: Vec::new(),
            is_begun: false,
            is_over: false,
        }
    }

    fn page(&mut self, size: usize) -> ipvs::Result<Page> {
        let mut buffer = [0; PAGE];
        let bytes = self.file.read(&mut buffer[..size]).map_err(failed)?;
        let earlier = usize::from(!self.rest.is_empty());
        // What reads lines takes the first one for the title.
        let mut text = if self.is_begun {
            vec![b'\n']
        } else {
            Vec::new()
        };
        self.is_begun = true;
        self.is_over = bytes == 0;
        text.append(&mut self.rest);
        text.extend_from_slice(&buffer[..bytes]);
        let end = text.iter().rposition(|byte| *byte == b'\n');
        self.rest = text.split_off(end.map_or(0, |end| end + 1));
        let entries: ipvs::Result<Vec<_>> = Connections::over(&*text).collect();
        Ok(Page {
            entries: entries?,
            earlier,
            bytes,
            is_end: bytes < size,
        })
    }
}

/// Whether pages overlap, from the first one to the end.
#[derive(Debug, Default)]
struct Chain {
    last: Option<HashSet<u64>>,
    /// How much of the last page is beyond the one before, in bytes.
    beyond: usize,
    is_broken: bool,
    is_ended: bool,
}

impl Chain {
    fn add(&mut self, page: HashSet<u64>, bytes: usize, is_end: bool) {
        let is_first = self.last.is_none();
        let last = self.last.get_or_insert_default();
        let common = page.intersection(last).count();
        let overlaps = is_first || common > 0;
        self.is_broken |= !overlaps;
        self.is_ended = is_end && overlaps;
        self.beyond = bytes * (page.len() - common) / page.len().max(1);
        *last = page;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;
    use std::net::SocketAddr;
    use std::rc::Rc;

    use super::*;

    /// The table of a kernel up to Linux 6.4, and what happens to it before each of its pages.
    struct Kernel {
        entries: Vec<u32>,
        pages: u32,
        happens: fn(u32, &mut Vec<u32>),
    }

    /// A file of it.
    struct File {
        kernel: Rc<RefCell<Kernel>>,
        resume: usize,
        buffer: Vec<u8>,
    }

    fn line(number: u32) -> String {
        let [.., high, low] = number.to_be_bytes();
        // Lines of two lengths, as those of both families.
        let state = if number.is_multiple_of(3) {
            "ESTABLISHED          "
        } else {
            "SYN_RECV"
        };
        format!("TCP C61200{high:02X} 00{low:02X} C000020A 0050 0A00000B 0050 {state} 899\n")
    }

    impl Read for File {
        /// As `seq_read_iter`: the rest of a line, then whole lines until there are enough bytes.
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let mut kernel = self.kernel.borrow_mut();
            let Kernel {
                entries,
                pages,
                happens,
            } = &mut *kernel;
            happens(*pages, entries);
            *pages += 1;
            while self.buffer.len() < to.len() {
                let text = match self.resume.checked_sub(1) {
                    None => "title\n".to_owned(),
                    Some(place) => match entries.get(place) {
                        None => break,
                        Some(number) => line(*number),
                    },
                };
                self.buffer.extend_from_slice(text.as_bytes());
                self.resume += 1;
            }
            let length = self.buffer.len().min(to.len());
            let rest = self.buffer.split_off(length);
            to[..length].copy_from_slice(&self.buffer);
            self.buffer = rest;
            Ok(length)
        }
    }

    /// What a reading of a table with so many entries finds, and whether it is whole.
    fn readings(number: u32, happens: fn(u32, &mut Vec<u32>)) -> (Vec<u16>, bool) {
        let kernel = Rc::new(RefCell::new(Kernel {
            entries: (0..number).collect(),
            pages: 0,
            happens,
        }));
        let open = || File {
            kernel: Rc::clone(&kernel),
            resume: 0,
            buffer: Vec::new(),
        };
        let mut found = Vec::new();
        let is_whole = Reader::default().over([open(), open()], |entry| {
            let SocketAddr::V4(client) = entry.client else {
                return false;
            };
            let [.., low] = client.ip().octets();
            found.push(u16::from(low) << 8 | client.port());
            true
        });
        found.sort_unstable();
        (found, is_whole.unwrap())
    }

    #[test]
    fn a_quiet_table_of_any_length_is_read_whole_and_once() {
        for number in (0..400).chain([5_000, 20_000]) {
            let (found, is_whole) = readings(number, |_, _| {});
            assert!(is_whole, "{number}");
            assert!(
                found.iter().copied().eq(0..u16::try_from(number).unwrap()),
                "{number}"
            );
        }
    }

    #[test]
    fn entries_that_go_meanwhile_hide_none_that_stay() {
        // Ten of the first ones go before each page: a single reading would skip as many.
        let (found, is_whole) = readings(3_000, |_, entries| {
            entries.drain(..entries.len().min(10));
        });
        assert!(is_whole);
        let stayed = 2_000..3_000;
        assert!(
            stayed
                .clone()
                .all(|number| found.binary_search(&number).is_ok())
        );
        // New ones at the head, in the same number, before pages of one file only.
        let (found, is_whole) = readings(3_000, |page, entries| {
            if page % 2 == 0 {
                entries.splice(..10, []);
            } else {
                entries.splice(..0, 10_000 + page * 10..10_010 + page * 10);
            }
        });
        assert!(is_whole);
        assert!((1_500..3_000).all(|number| found.binary_search(&number).is_ok()));
    }

    #[test]
    fn a_table_that_changes_too_fast_is_not_called_whole() {
        let (found, is_whole) = readings(3_000, |page, entries| {
            if page == 20 {
                entries.drain(..200);
            }
        });
        assert!(!is_whole);
        assert!(found.len() < 3_000);
        // The end is skipped, too.
        let (_, is_whole) = readings(400, |page, entries| {
            if page == 7 {
                entries.drain(..300);
            }
        });
        assert!(!is_whole);
    }
}
