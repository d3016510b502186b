//! Seventeen tasks of three people who are new to director, as they type them and as they see the
//! answers: someone who runs a shop and knows HAProxy, someone who has run LVS for years, and someone
//! who automates. Each task is a page here, in the form of the documents (`tests/docs/page.rs`), and
//! uses what README, `docs/`, `--help` and the man pages say.
//!
//! `DIRECTOR_UPDATE_DOCS=1` writes the answers anew, as for the documents.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod completions;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::documents::{ON_THE_DIRECTOR, run};

/// The table of someone with 39 services, made by hand: two addresses, three servers each.
const THIRTY_NINE: &str = "sh examples/network.sh up
exec ip netns exec director bash
for n in $(seq 1 39); do echo \"-A -t 192.0.2.10:$((8000 + n)) -s wlc\"; \
for s in 11 12 13; do echo \"-a -t 192.0.2.10:$((8000 + n)) -r 10.0.0.$s:80 -m -w 1\"; done; \
done | ipvsadm -R";

/// As [`THIRTY_NINE`], in a file with checks, and a director that runs.
const THIRTY_NINE_RUN: &str = "sh examples/network.sh up
exec ip netns exec director bash
printf 'version = 1\\n\\n[defaults]\\nforward = \"nat\"\\ncheck = \"tcp\"\\n' >director.toml
for n in $(seq 1 39); do [ $n -le 30 ] && name=web-$n || name=mail-$n; \
printf '\\n[service.%s]\\nlisten = \"tcp://192.0.2.10:%s\"\\nservers = [\"10.0.0.11:80\", \"10.0.0.12:80\", \"10.0.0.13:80\"]\\n' \
$name $((8000 + n)); done >>director.toml
install -m 644 director.toml /etc/director/director.toml
systemctl enable --now director
until [ $(ipvsadm -Ln | grep -c '10.0.0.*Masq *1 ') = 117 ]; do sleep 1; done";

/// Every page below this directory has a test here.
macro_rules! tasks {
    ($($test:ident $page:literal $before:ident;)*) => {
        const TASKS: &[&str] = &[$($page),*];
        $(
            #[test]
            #[ignore = "needs a kernel with ip_vs: run scripts/test"]
            fn $test() {
                run(concat!("tests/kernel/users/", $page), $before);
            }
        )*
    };
}

tasks! {
    shop_first_balancer "shop/first-balancer.md" ON_THE_DIRECTOR;
    shop_why_is_it_down "shop/why-is-it-down.md" ON_THE_DIRECTOR;
    shop_one_server_out "shop/one-server-out.md" ON_THE_DIRECTOR;
    shop_roll_through_the_farm "shop/roll-through-the-farm.md" ON_THE_DIRECTOR;
    shop_sticky_80_and_443 "shop/sticky-80-and-443.md" ON_THE_DIRECTOR;
    lvs_migrate_39_services "lvs/migrate-39-services.md" THIRTY_NINE;
    lvs_export_and_compare "lvs/export-and-compare.md" ON_THE_DIRECTOR;
    lvs_find_the_trouble "lvs/find-the-trouble.md" THIRTY_NINE_RUN;
    lvs_a_weight_for_an_hour "lvs/a-weight-for-an-hour.md" ON_THE_DIRECTOR;
    lvs_the_server_of_a_client "lvs/the-server-of-a-client.md" ON_THE_DIRECTOR;
    lvs_ipv6_direct_routing "lvs/ipv6-direct-routing.md" ON_THE_DIRECTOR;
    lvs_two_directors "lvs/two-directors.md" ON_THE_DIRECTOR;
    platform_ci_check "platform/ci-check.md" ON_THE_DIRECTOR;
    platform_plan_as_json "platform/plan-as-json.md" ON_THE_DIRECTOR;
    platform_apply_twice "platform/apply-twice.md" ON_THE_DIRECTOR;
    platform_reload_refused "platform/reload-refused.md" ON_THE_DIRECTOR;
    platform_api_and_events "platform/api-and-events.md" ON_THE_DIRECTOR;
}

#[test]
fn there_are_seventeen_tasks_and_each_is_run() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel/users");
    let mut pages = BTreeSet::new();
    for person in ["shop", "lvs", "platform"] {
        for page in fs::read_dir(directory.join(person)).unwrap() {
            let name = page.unwrap().file_name().into_string().unwrap();
            pages.insert(format!("{person}/{name}"));
        }
    }
    let tasks: BTreeSet<String> = TASKS.iter().copied().map(str::to_owned).collect();
    assert_eq!(pages, tasks);
    assert_eq!(tasks.len(), 17);
}
