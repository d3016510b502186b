//! `ipvsadm-save` and `ipvsadm-restore`, which are shell scripts in 1.31.

use std::io::{self, Read};

use ipvs::{Client, transport::Transport};

use crate::errors::{LIST_FAILED, Stop};
use crate::names::Names;
use crate::run::{self, Streams};

/// The maximum size of a saved table, in bytes: 50,000 servers take 4 MB.
const MAX_INPUT: u64 = 256 << 20;

const VERSION: &[u8] = b"--version";

/// `ipvsadm-save [-n]`, like `ipvsadm -S [-n]`. `--version` prints ipvsadm's version; other options
/// print the help; operands are ignored.
pub(crate) fn save<T: Transport>(
    name: &[u8],
    words: &[&[u8]],
    streams: Streams<'_>,
    names: &mut dyn Names,
    connect: &mut dyn FnMut() -> ipvs::Result<Client<T>>,
) -> u8 {
    let mut save: Vec<&[u8]> = vec![b"-S"];
    for word in words {
        match *word {
            b"-n" => save = vec![b"-S", b"-n"],
            VERSION => return run::run(b"ipvsadm", &[VERSION], streams, names, connect),
            [b'-', ..] => {
                let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
                let text = [
                    name,
                    b": writes the IPVS table to stdout, for ipvsadm-restore.\n   \
                      -n: addresses and ports as numbers.\n",
                ];
                let _ = streams.stderr.write_all(&text.concat());
                return LIST_FAILED;
            }
            _ => {}
        }
    }
    run::run(b"ipvsadm", &save, streams, names, connect)
}

/// `ipvsadm-restore`: replaces the table with the commands on stdin. Skips lines that start with
/// `#`. Reads stdin to the end before it deletes anything: if reading fails, the table stays.
/// `--version` prints ipvsadm's version; all other arguments are ignored.
pub(crate) fn restore<T: Transport>(
    words: &[&[u8]],
    streams: Streams<'_>,
    names: &mut dyn Names,
    connect: &mut dyn FnMut() -> ipvs::Result<Client<T>>,
) -> u8 {
    if words == [VERSION] {
        return run::run(b"ipvsadm", words, streams, names, connect);
    }
    let mut input = Vec::new();
    let read = streams.stdin.take(MAX_INPUT + 1).read_to_end(&mut input);
    let too_long = || io::Error::other("there is no end to it");
    let length = read.and_then(|length| {
        let fits = u64::try_from(length).is_ok_and(|length| length <= MAX_INPUT);
        fits.then_some(length).ok_or_else(too_long)
    });
    if let Err(error) = length {
        let stop = Stop::read(&error);
        let _ = streams.stderr.write_all(&[stop.message(), b"\n"].concat());
        return stop.code;
    }
    blank_comments(&mut input);
    run::replace(&mut input.as_slice(), streams, names, connect)
}

/// Blanks comment lines, so that the other lines keep their numbers.
fn blank_comments(input: &mut [u8]) {
    for line in input.split_mut(|byte| *byte == b'\n') {
        if line.first() == Some(&b'#') {
            line.fill(b' ');
        }
    }
}
