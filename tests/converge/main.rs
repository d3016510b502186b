//! Plans and their execution over the in-memory kernel: random tables A and B, every failure, every
//! crash.
//!
//! The kernel tests do the same on a real one; here each of thousands of cases takes a millisecond,
//! and a failure can occur at every single operation.

#![allow(missing_docs, reason = "a test binary")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod golden;
mod memory;
mod tables;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use director::apply::{ApplyError, Incarnation, Ledger, Store, converge, prepare};
use director::plan::{Beside, Situation, diff};
use director::state::{Desired, DesiredServer, DesiredService, Ownership};
use ipvs::fake::Fault;
use ipvs::{Errno, ForwardMethod, Server, ServerKey, Service, ServiceKey};
use proptest::prelude::*;

use memory::Memory;
use tables::{arbitrary_desired, wanted};

/// The incarnation of a namespace.
fn incarnation(life: u64) -> Incarnation {
    Incarnation {
        boot: format!("boot {life}"),
        namespace: (0, life),
        cookie: None,
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path().join("state"));
    (directory, store)
}

fn apply(memory: &mut Memory, store: &Store, desired: &Desired) -> Result<(), ApplyError> {
    apply_in(memory, store, desired, 1)
}

fn apply_in(
    memory: &mut Memory,
    store: &Store,
    desired: &Desired,
    life: u64,
) -> Result<(), ApplyError> {
    let incarnation = incarnation(life);
    let prepared = prepare(memory, store, &incarnation, desired)?;
    converge(memory, store, &incarnation, desired, prepared, &mut |_| {}).map(|_| ())
}

fn plan_again(memory: &mut Memory, store: &Store, desired: &Desired) -> director::plan::Plan {
    use director::apply::Platform;
    let observed = memory.observe().unwrap();
    let ownership = Ledger::read(store, &incarnation(1)).unwrap();
    let now = memory.now();
    diff(&Situation {
        desired,
        observed: &observed,
        ownership: &ownership,
        now,
        beside: Beside::default(),
    })
}

/// A kernel with A, which director owns, and a foreign service.
fn with(a: &Desired, store: &Store) -> Memory {
    let mut memory = Memory::new();
    memory.add_foreign();
    apply(&mut memory, store, a).unwrap();
    memory
}

/// `scripts/test --quick` sets `DIRECTOR_QUICK` and runs an eighth of the cases.
fn cases(all: u32) -> ProptestConfig {
    let few = std::env::var_os("DIRECTOR_QUICK");
    ProptestConfig {
        cases: few.map_or(all, |_| all.div_ceil(8)),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn from_a_to_b_and_then_nothing(a in arbitrary_desired(), b in arbitrary_desired()) {
        let (_directory, store) = store();
        let mut memory = with(&a, &store);
        let foreign = memory.foreign();
        memory.watch(&a, &b);
        apply(&mut memory, &store, &b).unwrap();
        prop_assert_eq!(memory.services(), wanted(&b));
        prop_assert_eq!(memory.foreign(), foreign);
        let again = plan_again(&mut memory, &store, &b);
        prop_assert!(again.is_empty(), "{:#?}", again.steps);
    }

}

/// Nothing, and one service with a server.
fn none_and_some() -> (Desired, Desired) {
    let key = ServiceKey::tcp([192, 0, 2, 1], 80);
    let server = ServerKey::new([10, 0, 0, 1], 80);
    let server = Server::new(server, ForwardMethod::Masquerade);
    let service = DesiredService {
        name: "web".into(),
        service: Service::new(key, Service::RR),
        servers: std::iter::once((server.key, DesiredServer { name: None, server })).collect(),
        drain: Duration::ZERO,
        dead: Vec::new(),
        allow: Default::default(),
    };
    let some = Desired {
        services: BTreeMap::from([(key, service.into())]),
        ..Desired::default()
    };
    (Desired::default(), some)
}

#[test]
fn a_ledger_that_cannot_be_written_after_the_changes_is_said_and_the_journal_knows_it_all() {
    let (_directory, store) = store();
    let (none, some) = none_and_some();
    let mut memory = with(&none, &store);
    // Root can write to anything but a directory.
    let blocked = store.path("ledger.json.new").join("in the way");
    std::fs::create_dir_all(&blocked).unwrap();
    let one = incarnation(1);
    let prepared = prepare(&mut memory, &store, &one, &some).unwrap();
    let applied = converge(&mut memory, &store, &one, &some, prepared, &mut |_| {}).unwrap();
    assert!(applied.unkept.is_some(), "it is said");
    assert_eq!(memory.services(), wanted(&some), "and in force");
    std::fs::remove_dir_all(blocked.parent().unwrap()).unwrap();

    // As after a crash: what was created counts as owned, and goes with its declaration.
    apply(&mut memory, &store, &none).unwrap();
    assert_eq!(memory.services(), wanted(&none));
}

#[test]
fn a_journal_that_cannot_be_written_refuses_before_anything_is_changed() {
    let (_directory, store) = store();
    let (none, some) = none_and_some();
    let mut memory = with(&none, &store);
    std::fs::create_dir_all(store.path("journal.json.new").join("in the way")).unwrap();
    let error = apply(&mut memory, &store, &some).unwrap_err();
    assert!(matches!(error, ApplyError::Store(_)), "{error}");
    assert_eq!(memory.services(), wanted(&none));
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_failure_at_any_operation_gives_a_back(a in arbitrary_desired(), b in arbitrary_desired()) {
        let operations = {
            let (_directory, store) = store();
            let mut memory = with(&a, &store);
            memory.kernel.clear_log();
            apply(&mut memory, &store, &b).unwrap();
            memory.operations()
        };
        for failing in 0..operations {
            let (_directory, store) = store();
            let mut memory = with(&a, &store);
            let before = memory.services();
            memory.kernel.inject(failing, Fault::Refuse(Errno::ENOMEM));
            let error = apply(&mut memory, &store, &b).unwrap_err();
            let ApplyError::Failed { failed, unrestored } = error else {
                panic!("{error}");
            };
            prop_assert_eq!(failed.len(), 1);
            prop_assert!(unrestored.is_empty(), "{unrestored:?}");
            prop_assert_eq!(memory.services(), before, "operation {} of {}", failing, operations);
        }
    }

    #[test]
    fn a_crash_at_any_operation_is_mended_by_the_next_run(
        a in arbitrary_desired(),
        b in arbitrary_desired(),
        rebooted in any::<bool>(),
    ) {
        let operations = {
            let (_directory, store) = store();
            let mut memory = with(&a, &store);
            memory.kernel.clear_log();
            apply(&mut memory, &store, &b).unwrap();
            memory.operations()
        };
        for crash in 0..operations {
            let (_directory, store) = store();
            let mut memory = with(&a, &store);
            let foreign = memory.foreign();
            memory.crash_after(crash);
            let crashed = catch_unwind(AssertUnwindSafe(|| apply(&mut memory, &store, &b)));
            prop_assert!(crashed.is_err(), "the run ended before operation {crash}");
            memory.live_again();
            let life = if rebooted {
                memory.kernel.reboot();
                2
            } else {
                1
            };
            apply_in(&mut memory, &store, &b, life).unwrap();
            prop_assert_eq!(memory.services(), wanted(&b), "crash after {}", crash);
            if !rebooted {
                prop_assert_eq!(memory.foreign(), foreign);
            }
        }
    }
}

#[test]
fn a_damaged_ledger_is_said_to_be_so_and_what_it_owned_is_left_alone() {
    let (_directory, store) = store();
    let (none, some) = none_and_some();
    let mut memory = with(&some, &store);
    std::fs::write(store.path("ledger.json"), b"{").unwrap();
    apply(&mut memory, &store, &none).unwrap();
    assert_eq!(
        memory.services(),
        wanted(&some),
        "nobody's, as far as is known"
    );
    let warnings = store.take_warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("ledger.json is damaged"),
        "{warnings:?}"
    );
    // Declared again, it is owned again.
    apply(&mut memory, &store, &some).unwrap();
    apply(&mut memory, &store, &none).unwrap();
    assert_eq!(memory.services(), wanted(&none));
}

#[test]
fn a_ledger_of_another_life_is_void() {
    let (_directory, store) = store();
    let mut ownership = Ownership::default();
    let owned = director::state::Owned {
        name: "x".into(),
        drain: std::time::Duration::ZERO,
    };
    ownership
        .services
        .insert(ipvs::ServiceKey::tcp([192, 0, 2, 1], 80), owned);
    Ledger::write(&store, &incarnation(1), &[&ownership]).unwrap();
    assert_eq!(Ledger::read(&store, &incarnation(1)).unwrap(), ownership);
    assert_eq!(
        Ledger::read(&store, &incarnation(2)).unwrap(),
        Ownership::default()
    );
}
