//! What `apply` and `plan` print for programs, in every case: `docs/json.md`.

use serde_json::{Value, json};

use super::{Desk, lone, web};

const TWO: &str = r#""10.0.1.1", "10.0.1.2""#;

#[path = "../../../crates/director-config/tests/config/fits.rs"]
mod fits;

/// Runs a verb with `--format json`, whose output fits its schema.
#[track_caller]
fn said(desk: &Desk<'_>, line: &str, code: i32) -> Value {
    let outcome = desk.ends(&format!("{line} --format json"), code);
    let said: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let verb = line.split(' ').next().unwrap();
    let schema = desk.done(&format!("schema --of {verb}"));
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(fits::fits(&said, &schema, &schema), Ok(()), "{line}");
    said
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_apply_for_programs_says_whether_it_changed_anything() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("two.toml", &web("tcp://10.0.0.1:80", TWO, ""));
    let first = said(&desk, "apply --yes two.toml", 0);
    assert_eq!(first["changed"], true);
    assert_eq!(first["applied"], 3);
    assert_eq!(first["error"], Value::Null);
    assert_eq!(first["plan"]["summary"]["add"], 3);
    assert_eq!(
        first["plan"]["steps"][0]["after"]["listen"],
        "tcp://10.0.0.1:80"
    );
    let again = said(&desk, "apply --yes two.toml", 0);
    assert_eq!(again["changed"], false);
    assert_eq!(again["plan"]["changes"], false);
    // And in the exit code, for who asks for it.
    desk.ends("apply --yes --detailed-exitcode two.toml", 0);
    desk.write(
        "one.toml",
        &web("tcp://10.0.0.1:80", r#""10.0.5.1""#, "drain = \"0s\""),
    );
    let planned = said(&desk, "plan one.toml", 2);
    assert_eq!(planned["changes"], true);
    let changed = said(&desk, "apply --yes --detailed-exitcode one.toml", 2);
    assert_eq!(changed["changed"], true);
    said(&desk, "plan one.toml", 0);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_apply_for_programs_says_why_it_did_not_apply() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("two.toml", &web("tcp://10.0.0.1:80", TWO, ""));
    desk.applied("two.toml");
    let kind = |said: &Value| said["error"]["kind"].clone();

    desk.write("none.toml", "version = 1\n");
    let refused = said(&desk, "apply --yes none.toml", 1);
    assert_eq!(kind(&refused), "guards");
    assert_eq!(refused["guards"][0]["kind"], "last_service");
    assert_eq!(refused["changed"], false);
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("--force"), "{message}");

    desk.write("wrong.toml", "version = 1\nallow = [\"bad-port\"]\n");
    for verb in ["plan", "apply --yes"] {
        let wrong = said(&desk, &format!("{verb} wrong.toml"), 1);
        assert_eq!(kind(&wrong), "mistakes");
        assert_eq!(wrong["diagnostics"][0]["code"], "unknown-word");
        let missing = said(&desk, &format!("{verb} missing.toml"), 1);
        let message = missing["error"]["message"].as_str().unwrap();
        assert!(!message.is_empty());
    }

    desk.write("next.toml", &web("tcp://10.0.0.1:81", TWO, ""));
    desk.ends("plan next.toml --out next.plan", 2);
    host.ipvsadm("-A -t 10.0.0.1:81 -s rr\n");
    assert_eq!(kind(&said(&desk, "apply --yes next.plan", 1)), "stale_plan");

    // There is no peer to agree.
    let asked = said(&desk, "apply two.toml --force", 0);
    assert_eq!(asked["changed"], false, "nothing to agree to");
    let asked = said(&desk, "apply next.toml --force", 1);
    assert_eq!(kind(&asked), "error");
    assert_eq!(asked["applied"], 0);

    let text = web(
        "tcp://10.0.0.1:82",
        TWO,
        "scheduler = \"none-such\"\nas_is = true",
    );
    desk.write("scheduler.toml", &text);
    let failed = desk.director("apply --yes --force --format json scheduler.toml");
    assert_eq!(failed.code, 1, "{failed}");
    let failed: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!(failed["error"]["not_rolled_back"], json!([]), "{failed}");
    assert_eq!(kind(&failed), "failed");
    assert!(!failed["error"]["failures"].as_array().unwrap().is_empty());
    assert_eq!(failed["changed"], false);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_warning_about_the_machine_can_be_allowed() {
    let host = lone();
    let desk = Desk::on(&host);
    let codes = |allow: &str| -> Vec<String> {
        desk.write("web.toml", &web("tcp://192.0.2.77:80", TWO, allow));
        let outcome = desk.ends("plan web.toml --json", 2);
        let plan: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let warnings = plan["warnings"].as_array().unwrap().iter();
        let codes = warnings.map(|warning| warning["code"].as_str().unwrap().to_owned());
        codes.collect()
    };
    let is_missing = |code: &String| code == "address-missing";
    assert!(codes("").iter().any(is_missing));
    assert!(
        !codes("allow = [\"address-missing\"]")
            .iter()
            .any(is_missing)
    );
}
