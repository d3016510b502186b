//! What is on the screen, and what a key changes about it. Knows no terminal and no clock.

use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::data::Data;
use super::message::{Counters, Fetched, Subject, Want};
use super::rows::{self, Sort, Words};

/// With more servers than this, only the counters of what is on the screen are asked for: the
/// kernel would take long to list all of them.
const COUNTED: usize = 5_000;
/// The most services whose counters are asked for by name.
const NAMED: usize = 120;
/// The longest filter, in characters.
const LONGEST: usize = 80;

/// What the loop has to do after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    Quit,
    Redraw,
    Suspend,
}

/// What a view shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Services,
    Service(ServiceKey),
    Server(ServiceKey, ServerKey),
    Events(Option<ServiceKey>),
}

impl View {
    /// What the director is asked for.
    const fn subject(self) -> Subject {
        match self {
            Self::Services => Subject::Services,
            Self::Service(key) | Self::Server(key, _) => Subject::Service(key),
            Self::Events(key) => Subject::Events(key),
        }
    }
}

/// A row, whatever its place: the cursor stays with it when the order changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Id {
    Service(ServiceKey),
    Server(ServerKey),
    Event(u64),
}

/// One view with what the user did to it. Going back shows it as it was.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) view: View,
    /// The row of the cursor; `None` for the first one, whichever that is.
    pub(super) at: Option<Id>,
    /// The first row on the screen.
    pub(super) top: usize,
    pub(super) filter: String,
    pub(super) sort: Sort,
    pub(super) reversed: bool,
}

impl Level {
    const fn new(view: View) -> Self {
        Self {
            view,
            at: None,
            top: 0,
            filter: String::new(),
            sort: Sort::Trouble,
            reversed: false,
        }
    }
}

/// The whole state.
#[derive(Debug)]
pub(super) struct State {
    pub(super) data: Data,
    /// The view of the data, if there was an answer.
    loaded: Option<Subject>,
    /// When the director last answered, and why it does not any more.
    pub(super) answered: Duration,
    pub(super) trouble: Option<String>,
    /// The view on the screen is the last one.
    pub(super) levels: Vec<Level>,
    /// Whether keys go into the filter.
    pub(super) typing: bool,
    pub(super) help: bool,
    /// The director's time of the data that stay on the screen.
    pub(super) frozen: Option<u64>,
    /// The number of rows that fit, as last drawn.
    pub(super) page: usize,
    pub(super) colour: bool,
    /// How a time is shown.
    pub(super) clock: fn(u64) -> String,
}

impl State {
    pub(super) fn new(colour: bool, clock: fn(u64) -> String) -> Self {
        Self {
            data: Data::default(),
            loaded: None,
            answered: Duration::ZERO,
            trouble: None,
            levels: vec![Level::new(View::Services)],
            typing: false,
            help: false,
            frozen: None,
            page: 20,
            colour,
            clock,
        }
    }

    /// The view on the screen.
    pub(super) fn level(&self) -> &Level {
        self.levels.last().expect("the first level is never left")
    }

    pub(super) fn level_mut(&mut self) -> &mut Level {
        self.levels
            .last_mut()
            .expect("the first level is never left")
    }

    /// What to ask the director for.
    pub(super) fn want(&self) -> Want {
        Want {
            of: self.level().view.subject(),
            counters: self.counters(),
        }
    }

    /// Of a large table, the counters of what is on the screen, unless all are compared.
    fn counters(&self) -> Counters {
        let summary = self.data.head.as_ref().map(|head| &head.summary);
        let servers: usize = summary.map_or(0, |summary| summary.servers.values().sum());
        let level = self.level();
        if level.view != View::Services || servers <= COUNTED || level.sort.counts() {
            return Counters::All;
        }
        let rows = self.rows();
        let shown = rows.iter().skip(level.top).take(self.page.min(NAMED));
        Counters::Of(shown.map(|row| self.data.services[*row].listen).collect())
    }

    /// The answer to what is on the screen; one to an earlier question is left.
    pub(super) fn take(&mut self, fetched: Fetched) {
        let answer = match fetched.answer {
            Ok(answer) => answer,
            Err(why) => return self.trouble = Some(why),
        };
        (self.answered, self.trouble) = (fetched.at, None);
        let subject = fetched.want.of;
        let is_known = self.loaded == Some(subject);
        if subject != self.level().view.subject() || self.frozen.is_some() && is_known {
            return;
        }
        let data = &mut self.data;
        match subject {
            Subject::Services => data.services = answer.status.services,
            Subject::Service(key) => {
                let mut services = answer.status.services.into_iter();
                data.service = services.find(|service| service.listen == key);
            }
            Subject::Events(_) => {}
        }
        data.head = Some(answer.status.head);
        data.events = answer.events;
        if let Some(stats) = &answer.stats {
            data.counted.take(stats, fetched.at);
        }
        self.loaded = Some(subject);
    }

    /// Whether what the data hold is what the view shows.
    pub(super) fn is_loaded(&self) -> bool {
        self.loaded == Some(self.level().view.subject())
    }

    /// The places of the view's rows in the data.
    pub(super) fn rows(&self) -> Vec<usize> {
        let (level, data) = (self.level(), &self.data);
        let words = Words::new(&level.filter);
        let (sort, reversed) = (level.sort, level.reversed);
        match level.view {
            View::Services => rows::services(&data.services, &data.counted, &words, sort, reversed),
            _ if !self.is_loaded() => Vec::new(),
            View::Service(_) => data.service.as_ref().map_or(Vec::new(), |service| {
                rows::servers(service, &data.counted, &words, sort, reversed)
            }),
            // Its rows are those of its events.
            View::Server(_, server) => {
                let rows = rows::events(&data.events, &words, reversed);
                let is_of = |row: &usize| data.events[*row].server == Some(server);
                rows.into_iter().filter(is_of).collect()
            }
            View::Events(_) => rows::events(&data.events, &words, reversed),
        }
    }

    /// What stands at a place in the data.
    pub(super) fn id(&self, place: usize) -> Option<Id> {
        let data = &self.data;
        match self.level().view {
            View::Services => data.services.get(place).map(|one| Id::Service(one.listen)),
            View::Service(_) => {
                let servers = data.service.as_ref().map(|service| &service.servers);
                Some(Id::Server(servers?.get(place)?.address))
            }
            View::Server(..) | View::Events(_) => {
                data.events.get(place).map(|event| Id::Event(event.id))
            }
        }
    }

    /// The row of the cursor; the first if its own is gone.
    pub(super) fn cursor(&self, rows: &[usize]) -> usize {
        let at = self.level().at;
        let at = at.and_then(|at| rows.iter().position(|row| self.id(*row) == Some(at)));
        at.unwrap_or(0)
    }

    /// What a key does.
    pub(super) fn key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Nothing;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Action::Quit,
                KeyCode::Char('l') => Action::Redraw,
                KeyCode::Char('z') => Action::Suspend,
                // What some terminals send for Backspace.
                KeyCode::Char('h') => self.plain(KeyCode::Backspace),
                _ => Action::Nothing,
            };
        }
        self.plain(key.code)
    }

    fn plain(&mut self, code: KeyCode) -> Action {
        if self.help {
            self.help = false;
            return match code {
                KeyCode::Char('q') => Action::Quit,
                _ => Action::Nothing,
            };
        }
        if self.typing && self.typed(code) {
            return Action::Nothing;
        }
        match code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.help = true,
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('f' | ' ') => self.freeze(),
            KeyCode::Enter | KeyCode::Right => self.open(),
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => self.back(),
            KeyCode::Char('e') => self.events(),
            KeyCode::Char('r') => self.level_mut().reversed ^= true,
            KeyCode::Char('s') => self.sort_next(1),
            KeyCode::Char('S') => self.sort_next(Sort::ALL.len() - 1),
            KeyCode::Char(letter) if !matches!(letter, 'j' | 'k' | 'g' | 'G') => {
                let sort = Sort::ALL.into_iter().find(|sort| sort.letter() == letter);
                if let Some(sort) = sort {
                    self.level_mut().sort = sort;
                }
            }
            code => self.go(code),
        }
        Action::Nothing
    }

    /// A key of the filter; `false` for one that moves the cursor as always.
    fn typed(&mut self, code: KeyCode) -> bool {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.level_mut().filter.clear();
            }
            KeyCode::Backspace => {
                self.typing = self.level_mut().filter.pop().is_some();
            }
            KeyCode::Char(letter) => {
                let filter = &mut self.level_mut().filter;
                if filter.chars().count() < LONGEST && !letter.is_control() {
                    filter.push(letter);
                }
            }
            _ => return false,
        }
        true
    }

    fn go(&mut self, code: KeyCode) {
        let rows = self.rows();
        let (at, page) = (self.cursor(&rows), self.page.max(1));
        let last = rows.len().saturating_sub(1);
        let to = match code {
            KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => at + 1,
            KeyCode::PageUp => at.saturating_sub(page),
            KeyCode::PageDown => at + page,
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => return,
        };
        let row = rows.get(to.min(last)).filter(|_| to > 0);
        let at = row.and_then(|row| self.id(*row));
        self.level_mut().at = at;
    }

    fn open(&mut self) {
        let rows = self.rows();
        let row = rows.get(self.cursor(&rows));
        let at = row.and_then(|row| self.id(*row));
        match (self.level().view, at) {
            (View::Services, Some(Id::Service(key))) => self.enter(View::Service(key)),
            (View::Service(key), Some(Id::Server(server))) => {
                self.enter(View::Server(key, server));
            }
            _ => {}
        }
    }

    fn events(&mut self) {
        match self.level().view {
            View::Services => self.enter(View::Events(None)),
            View::Service(key) | View::Server(key, _) => self.enter(View::Events(Some(key))),
            View::Events(_) => {}
        }
    }

    fn enter(&mut self, view: View) {
        self.typing = false;
        self.levels.push(Level::new(view));
    }

    /// Takes the filter away first, then the view.
    fn back(&mut self) {
        let level = self.level_mut();
        if !level.filter.is_empty() {
            level.filter.clear();
        } else if self.levels.len() > 1 {
            self.levels.pop();
        }
    }

    fn sort_next(&mut self, by: usize) {
        let level = self.level_mut();
        let at = Sort::ALL.iter().position(|sort| *sort == level.sort);
        let next = (at.unwrap_or(0) + by) % Sort::ALL.len();
        level.sort = Sort::ALL[next];
    }

    fn freeze(&mut self) {
        let now = self.data.head.as_ref().map_or(0, |head| head.now);
        self.frozen = match self.frozen {
            Some(_) => None,
            None => Some(now),
        };
    }
}
