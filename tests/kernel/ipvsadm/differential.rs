//! Debian's program and the drop-in, side by side.

use std::env;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use super::catalogue::{self, MESSAGES};
use super::compare::{compare, show};
use super::generate::Generator;
use super::programs::{Case, Observation, Side, use_names, with_own_mounts};

/// The most differences shown; the first ones are the most useful.
const SHOWN: usize = 8;

/// How often Debian's program is repeated for a list that differs.
const AGAIN: usize = 3;

/// The minimum of generated command lines.
const LINES: usize = 1_500;

/// Runs the same cases on both sides and fails with the differences. Returns Debian's results.
#[track_caller]
fn alike(cases: &[Case]) -> Vec<Observation> {
    with_own_mounts(|| {
        use_names();
        let (mut debian, mut ours) = Side::both();
        let mut differences = Vec::new();
        let mut observed = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let (mut theirs, own) = (debian.observe(case), ours.observe(case));
            let mut compared = compare(case, &theirs, &own);
            // The kernel lists by counting the services of all namespaces. If another test creates
            // a service at the same time, Debian's program, which reads a list once, may show one
            // of ours twice or not at all. A real difference occurs every time.
            let mut again = if case.only_lists() { AGAIN } else { 0 };
            while compared.is_err() && again > 0 {
                again -= 1;
                theirs = debian.observe(case);
                compared = compare(case, &theirs, &own);
            }
            if let Err(difference) = compared {
                differences.push(format!("case {number}: {difference}"));
                // From here on the tables may differ, and everything with them.
                if differences.len() == SHOWN || theirs.state != own.state {
                    break;
                }
            }
            observed.push(theirs);
        }
        assert!(differences.is_empty(), "{}", differences.join("\n\n"));
        observed
    })
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn every_message() {
    let cases: Vec<Case> = MESSAGES.iter().map(|(line, _)| Case::new(line)).collect();
    let observed = alike(&cases);
    for ((line, message), observation) in MESSAGES.iter().zip(observed) {
        assert_eq!(observation.outcome.stderr, *message, "Debian's: {line}");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn every_command_with_every_option() {
    alike(&catalogue::every_pair());
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn special_inputs_of_restore() {
    let texts = catalogue::INPUTS
        .iter()
        .map(|input| input.as_bytes().to_vec());
    let inputs = texts.chain(catalogue::odd_inputs());
    let mut cases = Vec::new();
    for input in inputs {
        cases.push(Case::restore(input));
        cases.push(Case::new("-Sn"));
    }
    alike(&cases);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn made_up_command_lines() {
    let seed = seed();
    let mut generator = Generator::new(seed);
    let mut cases = Vec::new();
    let mut lines = 0;
    while lines < LINES {
        let case = generator.case();
        lines += case.lines();
        cases.push(case);
        // The tables of both so far, in the two formats that programs read.
        if cases.len() % 40 == 0 {
            cases.extend([Case::new("-L -n"), Case::new("-S"), Case::new("-C")]);
        }
    }
    say(&format!(
        "{lines} command lines in {} runs, DIRECTOR_SEED={seed}",
        cases.len()
    ));
    let observed = alike(&cases);
    // The generator must stay effective: most commands do something, many are refused.
    let good = observed.iter().filter(|run| run.outcome.code == 0).count();
    let percent = good * 100 / observed.len();
    let last = cases.last().map(show).unwrap_or_default();
    assert!(
        (25..=90).contains(&percent),
        "{percent} % went well; the last was {last}"
    );
}

/// A fresh seed, or the one to replay.
fn seed() -> u64 {
    match env::var("DIRECTOR_SEED") {
        Ok(seed) => seed.parse().expect("DIRECTOR_SEED is a whole number"),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.expect("the clock is past 1970");
            now.as_secs() ^ u64::from(now.subsec_nanos()) << 20
        }
    }
}

/// Prints even if the test succeeds: the harness captures `eprintln`.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "ipvsadm: {text}");
}
