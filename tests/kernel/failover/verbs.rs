//! `director failover` as an operator types it, with what events and commands say.

use std::fs;

use serde_json::Value;

use super::{Link, VIRTUAL, active_pair, becomes, file, holds};
use crate::daemon::Daemon;
use crate::daemon::operator::{done, refused, verb};
use crate::lab::eventually;

const SETTINGS: &str = "interval = \"100ms\"\nlinger = \"100ms\"\npreempt = true";

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
}

/// Waits until what a verb prints contains this.
#[track_caller]
fn shows(daemon: &Daemon<'_>, line: &str, part: &str) {
    eventually(&format!("`director {line}` says `{part}`"), || {
        done(daemon, line).contains(part).then_some(())
    });
}

#[test]
#[ignore = "needs the lab"]
fn the_status_names_role_reason_and_peer() {
    let link = Link::new();
    let (a, b) = active_pair(&link, SETTINGS);
    says(
        &done(&a, "failover"),
        &[
            "front: active since ",
            "priority  150\n",
            "peer      none heard",
            "id 51 on eth0 from 10.0.0.1",
        ],
    );
    says(
        &done(&b, "failover status front"),
        &[
            "front: backup since ",
            "peer      10.0.0.1, priority 150, 1 address",
        ],
    );
    let json = done(&b, "failover status front --format json");
    let json: Value = serde_json::from_str(&json).unwrap();
    for form in ["--json", "status front --json", "status front -o json"] {
        let same: Value = serde_json::from_str(&done(&b, &format!("failover {form}"))).unwrap();
        assert_eq!(same[0]["role"], json[0]["role"], "{form}");
    }
    let said = "only `director failover status` prints JSON";
    refused(&b, "failover --json auto front", said);
    let front = &json[0];
    assert_eq!(
        (&front["name"], &front["role"]),
        (&"front".into(), &"backup".into())
    );
    assert_eq!(front["peer"]["address"], "10.0.0.1");
    assert_eq!(
        (&front["hold"], &front["hold_set"]),
        (&Value::Null, &Value::Null)
    );
    says(
        &done(&a, "status"),
        &["failover front: active ", "; peer: none heard"],
    );
    says(
        &done(&b, "status"),
        &["failover front: backup ", "; peer: 10.0.0.1, priority 150"],
    );
}

#[test]
#[ignore = "needs the lab"]
fn a_yield_has_a_reason_and_an_end() {
    let link = Link::new();
    let (a, b) = active_pair(&link, SETTINGS);
    let said = done(
        &a,
        "failover yield front --for 2h --reason kernel-update --wait",
    );
    says(
        &said,
        &[
            "front: hands over",
            ", for 2h, by root: kernel-update",
            "front: backup: handed over to 10.0.0.2",
        ],
    );
    becomes(&b, "active");
    holds(&link.b, &link.a, VIRTUAL);
    let held = "yielded by root: kernel-update, until ";
    says(
        &done(&a, "failover"),
        &["priority  1 (150 in the file), ", held],
    );
    says(
        &done(&a, "status"),
        &["; peer: 10.0.0.2, priority 100", held],
    );
    let json: Value = serde_json::from_str(&done(&a, "failover status --format json")).unwrap();
    assert_eq!(json[0]["hold"], "yielded");
    let set = &json[0]["hold_set"];
    assert_eq!(
        (&set["by"], &set["reason"]),
        (&"root".into(), &"kernel-update".into())
    );
    let lasts = set["until"].as_u64().unwrap() - set["at"].as_u64().unwrap();
    assert_eq!(lasts, 2 * 3600);
    // Another reason replaces this one, and a short time ends.
    says(
        &done(&a, "failover yield --for 6s --reason short"),
        &["front: yields", "for 6s"],
    );
    says(&done(&a, "failover"), &["yielded by root: short"]);
    becomes(&a, "active");
    holds(&link.a, &link.b, VIRTUAL);
    assert!(!done(&a, "failover").contains("yielded"), "it is over");
    says(
        &done(&a, "events --kind failover-hold"),
        &["kernel-update", "short", "the yield or claim has ended"],
    );
}

#[test]
#[ignore = "needs the lab"]
fn a_claim_outranks_the_other_side_until_it_ends() {
    let link = Link::new();
    let (a, b) = active_pair(&link, SETTINGS);
    let said = done(&b, "failover claim front --wait --reason test");
    says(
        &said,
        &[
            "front: takes over, by root: test",
            "front: active: claimed by an operator",
        ],
    );
    becomes(&a, "backup");
    holds(&link.b, &link.a, VIRTUAL);
    says(
        &done(&b, "failover"),
        &["priority  151 (100 in the file), claimed by root: test"],
    );
    says(
        &done(&b, "failover auto front --reason enough"),
        &["front: no longer claims, by root: enough"],
    );
    becomes(&a, "active");
    holds(&link.a, &link.b, VIRTUAL);
    says(
        &done(&b, "failover auto"),
        &["front: has no yield or claim to end"],
    );
}

#[test]
#[ignore = "needs the lab"]
fn a_switchover_works_from_either_side() {
    let link = Link::new();
    let (a, b) = active_pair(&link, SETTINGS);
    // From the backup side, and back from the same one.
    says(
        &done(&b, "failover switchover --wait"),
        &["front: takes over", "front: active"],
    );
    becomes(&a, "backup");
    holds(&link.b, &link.a, VIRTUAL);
    says(
        &done(&b, "failover switchover front --wait"),
        &["front: hands over", "front: backup"],
    );
    becomes(&a, "active");
    holds(&link.a, &link.b, VIRTUAL);
    // Without a peer, it stays.
    drop(b);
    let stays = verb(&a, "failover yield front --wait");
    assert_ne!(stays.code, 0, "{stays}");
    says(
        &stays.stderr,
        &["`front` stays active: no other router has taken over"],
    );
    assert_eq!(super::role(&a), "active");
}

#[test]
#[ignore = "needs the lab"]
fn wrong_words_are_refused_with_the_reason() {
    let link = Link::new();
    let (a, _b) = active_pair(&link, SETTINGS);
    let unknown = "no failover section `nope`; `director failover` lists them";
    for line in ["status", "switchover", "yield", "claim", "auto"] {
        refused(&a, &format!("failover {line} nope"), unknown);
    }
    for (line, said) in [
        ("failover nope", "nope"),
        ("failover auto front --for 1h", "--for"),
        ("failover yield front --for 0s", "0s"),
        ("failover yield front --for never", "never"),
        ("failover switchover front --wait --timeout soon", "soon"),
        ("events --kind failover-nope", "failover-nope"),
    ] {
        let outcome = verb(&a, line);
        assert!(!outcome.success(), "director {line}: {outcome}");
        says(&outcome.stderr, &[said]);
    }
    let body = serde_json::json!({ "action": "auto", "for_seconds": 60 });
    let answer = a.post("/v1/failover", &body);
    says(&answer.to_string(), &["invalid", "leave the time out"]);
    assert_eq!(super::role(&a), "active");
    a.write("version = 1\n");
    shows(&a, "failover", "no failover section in the service file");
    refused(&a, "failover switchover", "no failover section");
}

#[test]
#[ignore = "needs the lab"]
fn commands_and_events_follow_the_role() {
    let link = Link::new();
    let notes = tempfile::tempdir().unwrap();
    let notes = notes.path().join("notes");
    let settings = format!(
        "{SETTINGS}
notify = {{ command = [\"/bin/sh\", \"-c\", \"echo $DIRECTOR_EVENT $DIRECTOR_FAILOVER: $DIRECTOR_REASON >> {}\"], on = [\"active\", \"backup\"] }}",
        notes.display()
    );
    let a = Daemon::start(&link.a, &file(150, &settings));
    becomes(&a, "active");
    let b = Daemon::start(&link.b, &file(100, SETTINGS));
    becomes(&b, "backup");
    done(&a, "failover yield front --wait");
    let noted = |part: &str| {
        eventually(&format!("the command notes `{part}`"), || {
            let noted = fs::read_to_string(&notes).ok()?;
            noted.contains(part).then_some(())
        });
    };
    noted("active front: active: ");
    noted("backup front: backup: handed over to 10.0.0.2");
    done(&a, "failover auto front");
    becomes(&a, "active");
    noted("active front: active: preempts 10.0.0.2, which has priority 100");
    says(
        &done(&a, "events --kind failover-active,failover-backup"),
        &["`front` active: ", "`front` backup: handed over"],
    );
    let hold = done(&a, "events --kind failover-hold --format json");
    for line in hold.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["kind"], "failover-hold", "{line}");
    }
    says(&hold, &["hands over", "no longer yields"]);
}
