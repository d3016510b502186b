//! Operators withdraw announce sections.

use std::sync::Arc;

use super::super::Core;
use super::super::hand::{by, setting, stands};
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::operator::{AnnounceDo, AnnounceRequest, Refusal, RefusalKind};
use crate::daemon::server::Damper;

impl Core {
    /// An operator's request; returns what was done.
    pub(in crate::daemon::core) fn operate_announcement(
        &mut self,
        request: &AnnounceRequest,
        now: Now,
    ) -> Result<Vec<String>, Refusal> {
        let names = self.chosen_announcements(request.section.as_deref())?;
        let note = &request.note;
        if request.action == AnnounceDo::Resume && note.for_seconds.is_some() {
            let message = "`resume` ends a withdrawal for good: leave the time out";
            return Err(Refusal::new(RefusalKind::Invalid, message));
        }
        let setting = setting((), note, now)?;
        let mut done = Vec::new();
        for name in names {
            let text = match request.action {
                AnnounceDo::Withdraw => {
                    let set = self.settings.withdrawn.get(&*name);
                    match stands(set, &(), note, now) {
                        Some(stands) => format!("withdrawn {stands}"),
                        None => {
                            let set = setting.clone();
                            self.settings.withdrawn.insert(name.to_string(), set);
                            format!("withdrawn{}", by(&setting))
                        }
                    }
                }
                AnnounceDo::Resume => {
                    let was_set = self.settings.withdrawn.remove(&*name).is_some();
                    let section = self.announce.sections.get_mut(&name);
                    let was_damped = section.is_some_and(|section| {
                        let held = section.damper.until(now.boot).is_some();
                        section.damper = Damper::default();
                        held
                    });
                    match was_set || was_damped {
                        true => format!("health decides again, by {}", note.by),
                        false => "health decides already".to_owned(),
                    }
                }
            };
            self.settle_announcement(&name, now);
            done.push(format!("{name}: {text}"));
        }
        self.show.touch();
        Ok(done)
    }

    fn chosen_announcements(&self, name: Option<&str>) -> Result<Vec<Arc<str>>, Refusal> {
        let sections = &self.announce.sections;
        let not_found = |message: String| Err(Refusal::new(RefusalKind::NotFound, message));
        match name {
            Some(name) => match sections.get_key_value(name) {
                Some((name, _)) => Ok(vec![Arc::clone(name)]),
                None => not_found(format!(
                    "no announce section `{name}`; `director announce` lists them"
                )),
            },
            None if sections.is_empty() => {
                not_found("the service file has no announce section".to_owned())
            }
            None => Ok(sections.keys().cloned().collect()),
        }
    }

    /// Ends withdrawals whose time is over. Whether there were any.
    pub(in crate::daemon::core) fn expire_withdrawals(&mut self, now: Now) -> bool {
        let set = self.settings.withdrawn.iter();
        let over = set.filter(|(_, set)| set.is_over(now.boot));
        let over: Vec<String> = over.map(|(name, _)| name.clone()).collect();
        for name in &over {
            self.settings.withdrawn.remove(name);
            let text = format!("`{name}` the operator's withdrawal has expired");
            self.event(EventKind::Expired, Subject::None, text, now);
            self.settle_announcement(&name.as_str().into(), now);
        }
        !over.is_empty()
    }
}
