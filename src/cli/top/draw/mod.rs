//! The picture: head, table, what the cursor is on, keys. Formats only rows that are visible.
//!
//! Nothing in it moves by itself: what stays the same costs no byte on a slow line.

mod help;
mod table;
mod text;

use std::time::Duration;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::super::status::cut;
use super::state::{State, View};
use crate::words::printable;

/// An answer that is older than this is said to be.
const STALE: Duration = Duration::from_secs(5);
/// From this height on, a service and a server have their events below them.
const WITH_EVENTS: u16 = 20;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State, now: Duration) {
    let area = frame.area();
    let mut pen = Pen {
        buffer: frame.buffer_mut(),
        area,
        y: 0,
        end: area.height.saturating_sub(2),
        colour: state.colour,
    };
    if state.help {
        return help::draw(&mut pen);
    }
    head(&mut pen, state, now);
    let end = pen.end;
    let below = match state.level().view {
        View::Service(_) if area.height >= WITH_EVENTS => (area.height / 4).min(8),
        _ => 0,
    };
    pen.end = end.saturating_sub(below);
    if let View::Server(_, key) = state.level().view {
        for (look, line) in text::server(state, key, usize::from(area.width)) {
            pen.line(look, &line);
        }
    }
    table::draw(&mut pen, state);
    if below > 0 {
        (pen.y, pen.end) = (pen.end, end);
        table::latest(&mut pen, state);
    }
    foot(&mut pen, state);
}

/// How a part of the picture looks. With or without colours it says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Title,
    Dim,
    Good,
    Warning,
    Bad,
    /// In the row of the cursor.
    Cursor,
    /// What must not be overlooked.
    Alarm,
}

/// Writes into the picture, line by line.
struct Pen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    y: u16,
    /// The line before which the part that is drawn ends.
    end: u16,
    colour: bool,
}

impl Pen<'_> {
    fn style(&self, look: Look) -> Style {
        let coloured = |colour| match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        };
        match look {
            Look::Plain => Style::new(),
            Look::Title => Style::new().add_modifier(Modifier::BOLD),
            Look::Dim => Style::new().add_modifier(Modifier::DIM),
            Look::Good => coloured(Color::Green),
            Look::Warning => coloured(Color::Yellow),
            Look::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
            Look::Cursor => Style::new().add_modifier(Modifier::REVERSED),
            Look::Alarm => coloured(Color::Red).add_modifier(Modifier::REVERSED | Modifier::BOLD),
        }
    }

    /// A line, cut to the width, if there is room for one.
    fn line(&mut self, look: Look, text: &str) {
        if self.y < self.end {
            self.put(0, self.y, look, text);
            self.y += 1;
        }
    }

    fn put(&mut self, x: u16, y: u16, look: Look, text: &str) {
        if y >= self.area.height || x >= self.area.width {
            return;
        }
        let width = usize::from(self.area.width - x);
        let style = self.style(look);
        self.buffer.set_string(x, y, cut(text, width), style);
    }

    /// The number of lines that are left.
    fn left(&self) -> usize {
        usize::from(self.end.saturating_sub(self.y))
    }
}

/// What this is, whether it is of now, how the director is.
fn head(pen: &mut Pen<'_>, state: &State, now: Duration) {
    match text::alarm(state, now) {
        Some(alarm) => pen.line(Look::Alarm, &alarm),
        None => pen.line(Look::Title, &text::title(state)),
    }
    if let Some(head) = &state.data.head {
        pen.line(Look::Plain, &text::summary(head));
        for trouble in text::troubles(head) {
            pen.line(Look::Bad, &trouble);
        }
    }
}

/// What the cursor is on, and the keys or the filter. Has the last two lines.
fn foot(pen: &mut Pen<'_>, state: &State) {
    pen.end = pen.area.height;
    pen.y = pen.area.height.saturating_sub(2);
    pen.line(Look::Plain, &text::selected(state));
    let level = state.level();
    match state.typing {
        true => pen.line(Look::Title, &format!("/{}_", printable(&level.filter))),
        false => pen.line(Look::Dim, &text::keys(level, usize::from(pen.area.width))),
    }
}
