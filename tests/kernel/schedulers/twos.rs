//! `twos`: the less loaded of two servers drawn at random, by weight (`ip_vs_twos_schedule`).
//!
//! Not every kernel includes it: Debian's do since 6.12. Without it, the tests show that it is
//! refused.

use ipvs::Errno;

use crate::{
    lab::{self, Family, Tcp, V4},
    rig::{Rig, refused, service},
};

/// A network, if the kernel has the scheduler. Otherwise shows that it is refused.
fn rig() -> Option<Rig> {
    let mut rig = Rig::dr();
    if lab::has_module("ip_vs_twos") {
        return Some(rig);
    }
    let web = service(Tcp, rig.net.service(V4, 80), "twos");
    let error = rig.ipvs.add_service(&web).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOENT), "{error}");
    assert_eq!(rig.ipvs.services().unwrap(), [], "nothing of it was done");
    None
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn twos_never_chooses_weight_0_and_refuses_when_nothing_else_is_left() {
    let Some(mut rig) = rig() else { return };
    for family in Family::BOTH {
        let web = rig.balance(Tcp, family, "twos", &[1, 0, 1]);
        let answers = rig.ask(&web).times(40).run();
        let (first, third) = (answers.by("real1"), answers.by("real3"));
        assert_eq!(first + third, 40, "{answers}");
        assert!(first > 0 && third > 0, "{answers}");
        rig.weigh(&web, 1, 0);
        assert_eq!(rig.ask(&web).times(5).run().to_string(), "real3=5");
        rig.weigh(&web, 3, 0);
        assert_eq!(rig.ask(&web).run().sequence(), [refused()]);
    }
}

/// The loaded server gets a client only if both draws hit it. The first one in the list, the one
/// added last, is drawn with one ticket more than its weight: two of three here. The other one,
/// loaded, is therefore drawn twice in one of nine cases; the probability that this happens to half
/// of 40 clients is below 10⁻⁹.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn twos_prefers_the_less_loaded_of_two() {
    let Some(mut rig) = rig() else { return };
    let web = rig.balance(Tcp, V4, "twos", &[1, 0]);
    let (_open, reached) = rig.hold(&web, 40);
    assert!(reached.iter().all(|name| name == "real1"), "{reached:?}");
    rig.weigh(&web, 2, 1);
    let answers = rig.ask(&web).times(40).run();
    assert!(answers.by("real2") > answers.by("real1"), "{answers}");
}
