//! The connection table: reading a million entries takes constant memory, and every kind of line is
//! parsed.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::fs;
use std::io::{self, BufReader, Read};

use ipvs::{Connections, Error};

const TITLE: &str =
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";

/// A table with this many entries, generated while it is read.
struct Table {
    rows: u32,
    next: u32,
    line: Vec<u8>,
    given: usize,
}

impl Table {
    fn of(rows: u32) -> Self {
        Self {
            rows,
            next: 0,
            line: TITLE.into(),
            given: 0,
        }
    }
}

impl Read for Table {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.line.len() {
            if self.next == self.rows {
                return Ok(0);
            }
            let row = self.next;
            self.next += 1;
            self.given = 0;
            self.line = if row.is_multiple_of(2) {
                format!("TCP {row:08X} E5CE 0A010064 0050 0A020102 0050 ESTABLISHED     898\n")
            } else {
                format!(
                    "UDP fd01:0000:0000:0000:0000:0000:{:04x}:{:04x} A76A \
                     fd01:0000:0000:0000:0000:0000:0000:0100 1F90 0A020102 1F90 UDP             116\n",
                    row >> 16,
                    row & 0xffff
                )
            }
            .into_bytes();
        }
        let rest = &self.line[self.given..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
}

/// The process's peak memory, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

#[test]
fn a_million_entries_cost_no_memory() {
    let before = peak();
    let (mut established, mut v6) = (0u32, 0u32);
    for connection in Connections::over(BufReader::new(Table::of(1_000_000))) {
        let connection = connection.unwrap();
        established += u32::from(connection.state == "ESTABLISHED");
        v6 += u32::from(connection.client.is_ipv6());
    }
    assert_eq!((established, v6), (500_000, 500_000));
    // All entries would take 150 MB. Other tests run at the same time.
    let grown = peak() - before;
    assert!(grown < 16 * 1024, "{grown} KiB more at the peak");
}

#[test]
fn the_first_entry_comes_before_the_rest_is_read() {
    let mut table = Table::of(u32::MAX);
    let mut connections = Connections::over(BufReader::with_capacity(256, &mut table));
    assert!(connections.next().unwrap().is_ok());
    drop(connections);
    assert!(table.next < 10, "{} rows were read", table.next);
}

#[test]
fn a_reader_that_fails_ends_the_table_with_its_error() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }
    let table = Table::of(3).chain(Fails);
    let all: Vec<_> = Connections::over(BufReader::new(table)).collect();
    assert_eq!(all.len(), 4);
    assert!(all[..3].iter().all(Result::is_ok));
    assert!(matches!(all[3], Err(Error::Connections { .. })));
}
