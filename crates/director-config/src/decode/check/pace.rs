//! The interval of a check, and the results needed for a verdict.

use std::time::Duration;

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::fields::Fields;
use super::super::share::share;
use super::super::time::{DAY, HOUR, within, write};
use crate::state::health::Pace;

/// The shortest interval, in milliseconds.
const SHORTEST: u64 = 10;

/// The keys from `interval` to `jitter`.
pub(super) fn pace(fields: &Fields<'_>, findings: &mut Findings) -> Pace {
    let default = Pace::default();
    let interval = fields.get("interval");
    let interval = interval.and_then(|field| within(&field, SHORTEST, DAY, findings));
    let fast = fields.get("fast_interval");
    let fast = fast.and_then(|field| within(&field, SHORTEST, DAY, findings));
    let timeout = fields.get("timeout");
    let timeout = timeout.and_then(|field| within(&field, 1, HOUR, findings));
    let rise = fields.get("rise").and_then(|field| field.whole(findings));
    let fall = fields.get("fall").and_then(|field| field.whole(findings));
    let jitter = fields.get("jitter");
    let jitter = jitter.and_then(|field| share(&field, 0, 50, findings));
    let every = interval.map_or(default.interval, |interval| interval.value);
    let against_interval = |diagnostic: Diagnostic| match interval {
        Some(interval) => diagnostic.also(interval.span, "the interval"),
        None => diagnostic.reason(format!("the interval is {} by default", write(every))),
    };
    if let Some(fast) = fast.filter(|fast| fast.value > every) {
        let message = "the fast interval is longer than the interval";
        findings.push(against_interval(
            Diagnostic::new(Code::CheckPace, fast.span, message)
                .label(format!("longer than {}", write(every))),
        ));
    }
    if let Some(timeout) = timeout.filter(|timeout| timeout.value > every) {
        let message = "a check may take longer than its interval";
        findings.push(against_interval(
            Diagnostic::new(Code::LongCheck, timeout.span, message)
                .label(format!("longer than {}", write(every)))
                .reason("the next check of that server waits until this one ends"),
        ));
    }
    let half = (every / 2).max(Duration::from_millis(SHORTEST));
    Pace {
        interval: every,
        fast_interval: fast.map_or(half, |fast| fast.value),
        timeout: timeout.map_or(default.timeout.min(every), |timeout| timeout.value),
        rise: rise.map_or(default.rise, |rise| rise.value),
        fall: fall.map_or(default.fall, |fall| fall.value),
        jitter: jitter.unwrap_or(default.jitter),
    }
}
