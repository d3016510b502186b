//! The rows of the view.

use ipvs::ServiceKey;

use super::text::{named, whose, why};
use super::{Look, Pen};
use crate::cli::clock::localised;
use crate::cli::status::{cut, rounded};
use crate::cli::top::state::{State, View};
use crate::control::snapshot::{ServerState, ServiceState};
use crate::http::Flow;
use crate::http::api::{Event, Server, Service};
use crate::words::printable;
use unicode_width::UnicodeWidthStr;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    State,
    Name,
    Up,
    Weight,
    Connections,
    New,
    BytesIn,
    BytesOut,
    PacketsIn,
    PacketsOut,
    Since,
    Why,
    Time,
    Kind,
    Whose,
    Text,
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Self::State => "STATE",
            Self::Name => "NAME",
            Self::Up => "UP",
            Self::Weight => "WEIGHT",
            Self::Connections => "CONNS",
            Self::New => "NEW/S",
            Self::BytesIn => "IN/S",
            Self::BytesOut => "OUT/S",
            Self::PacketsIn => "PIN/S",
            Self::PacketsOut => "POUT/S",
            Self::Since => "SINCE",
            Self::Why => "WHY",
            Self::Time => "TIME",
            Self::Kind => "EVENT",
            Self::Whose => "ABOUT",
            Self::Text => "WHAT",
        }
    }

    /// `None` for those that share the rest.
    const fn width(self) -> Option<usize> {
        match self {
            Self::State => Some(8),
            Self::Up => Some(7),
            Self::Weight | Self::New | Self::PacketsOut => Some(6),
            Self::Connections | Self::BytesIn | Self::BytesOut | Self::PacketsIn | Self::Since => {
                Some(5)
            }
            Self::Time => Some(19),
            Self::Kind => Some(15),
            Self::Whose => Some(28),
            Self::Name | Self::Why | Self::Text => None,
        }
    }

    const fn is_number(self) -> bool {
        !matches!(
            self,
            Self::State
                | Self::Name
                | Self::Why
                | Self::Time
                | Self::Kind
                | Self::Whose
                | Self::Text
        )
    }
}

/// The columns that fit, each with its width.
fn columns(view: View, width: usize) -> Vec<(Column, usize)> {
    use Column as C;
    // From which width of the screen on.
    let candidates: &[(C, usize)] = match view {
        View::Services => &[
            (C::State, 0),
            (C::Name, 0),
            (C::Up, 36),
            (C::Connections, 0),
            (C::New, 56),
            (C::BytesIn, 68),
            (C::BytesOut, 68),
            (C::PacketsIn, 140),
            (C::PacketsOut, 140),
            (C::Why, 110),
        ],
        View::Service(_) => &[
            (C::State, 0),
            (C::Name, 0),
            (C::Weight, 36),
            (C::Connections, 0),
            (C::New, 56),
            (C::BytesIn, 68),
            (C::BytesOut, 68),
            (C::PacketsIn, 140),
            (C::PacketsOut, 140),
            (C::Since, 80),
            (C::Why, 110),
        ],
        View::Server(..) | View::Events(_) => {
            &[(C::Time, 60), (C::Kind, 0), (C::Whose, 110), (C::Text, 0)]
        }
    };
    let fitting = candidates.iter().filter(|(_, from)| width >= *from);
    let fitting: Vec<C> = fitting.map(|(column, _)| *column).collect();
    let fixed: usize = fitting.iter().filter_map(|column| column.width()).sum();
    // The mark of the cursor, and a blank before each column but the first.
    let rest = width.saturating_sub(fixed + fitting.len() + 1);
    let with_why = fitting.contains(&C::Why);
    let name = if with_why { (rest / 2).min(60) } else { rest };
    let share = |column: &C| match column.width() {
        Some(width) => width,
        None if *column == C::Why => rest - name,
        None => name,
    };
    fitting
        .iter()
        .map(|column| (*column, share(column)))
        .collect()
}

/// Header and rows, the cursor's among them.
pub(super) fn draw(pen: &mut Pen<'_>, state: &mut State) {
    let columns = columns(state.level().view, usize::from(pen.area.width));
    let rows = state.rows();
    let page = pen.left().saturating_sub(1);
    state.page = page;
    let cursor = state.cursor(&rows);
    let top = first_shown(state.level().top, cursor, rows.len(), page);
    state.level_mut().top = top;
    header(pen, state, &columns, rows.len());
    if rows.is_empty() {
        pen.line(Look::Plain, nothing(state));
    }
    for (index, row) in rows.iter().enumerate().skip(top).take(page) {
        line(pen, state, &columns, *row, index == cursor);
    }
}

/// The latest events of the open service, the newest first.
pub(super) fn latest(pen: &mut Pen<'_>, state: &State) {
    let columns = columns(View::Events(None), usize::from(pen.area.width));
    let text = text_of(View::Events(None), &columns);
    pen.line(Look::Title, "LATEST EVENTS (e: all)");
    let events: &[Event] = match state.is_loaded() {
        true => &state.data.events,
        false => &[],
    };
    for event in events.iter().take(pen.left()) {
        let cells = columns
            .iter()
            .map(|(column, _)| of_event(*column, event, state.clock, text));
        put(pen, &columns, cells.collect(), false);
    }
}

/// Moves only as far as the cursor needs it.
fn first_shown(top: usize, cursor: usize, rows: usize, page: usize) -> usize {
    let top = top.min(rows.saturating_sub(page));
    let least = (cursor + 1).saturating_sub(page);
    top.clamp(least, cursor.max(least))
}

fn nothing(state: &State) -> &'static str {
    let level = state.level();
    if !state.is_loaded() {
        return "  Loading.";
    }
    match level.view {
        _ if !level.filter.is_empty() => "  Nothing matches the filter.",
        View::Service(_) if state.data.service.is_none() => "  This service is gone.",
        View::Server(..) | View::Events(_) => "  No events.",
        View::Services => "  No services.",
        View::Service(_) => "  No servers.",
    }
}

/// Titles of columns; above the name, the order and the place in the list.
fn header(pen: &mut Pen<'_>, state: &State, columns: &[(Column, usize)], rows: usize) {
    let level = state.level();
    let reversed = if level.reversed { " reversed" } else { "" };
    let order = match level.view {
        View::Services | View::Service(_) => format!("by {}{reversed}", level.sort.word()),
        View::Server(..) | View::Events(_) if level.reversed => "oldest first".to_owned(),
        View::Server(..) | View::Events(_) => "newest first".to_owned(),
    };
    let cells = columns.iter().map(|(column, width)| {
        let title = column.title();
        match column {
            Column::Name | Column::Text => {
                let long = format!("{title} ({rows}, {order})");
                let text = if long.len() <= *width {
                    long
                } else {
                    title.to_owned()
                };
                (Look::Title, text)
            }
            _ => (Look::Title, title.to_owned()),
        }
    });
    put(pen, columns, cells.collect(), false);
}

type Cell = (Look, String);

fn line(
    pen: &mut Pen<'_>,
    state: &State,
    columns: &[(Column, usize)],
    row: usize,
    is_cursor: bool,
) {
    let data = &state.data;
    let text = text_of(state.level().view, columns);
    let cell = |column: Column| match state.level().view {
        View::Services => {
            let service = data.services.get(row)?;
            let flow = data.counted.of((service.listen, None));
            Some(of_service(column, service, flow))
        }
        View::Service(key) => {
            let server = data.service.as_ref()?.servers.get(row)?;
            Some(of_server(column, state, key, server))
        }
        View::Server(..) | View::Events(_) => {
            Some(of_event(column, data.events.get(row)?, state.clock, text))
        }
    };
    let cells = columns.iter().map(|(column, _)| cell(*column));
    if let Some(cells) = cells.collect() {
        put(pen, columns, cells, is_cursor);
    }
}

/// Writes a line of cells. Rows have a mark where the cursor is.
fn put(pen: &mut Pen<'_>, columns: &[(Column, usize)], cells: Vec<Cell>, is_cursor: bool) {
    if pen.left() == 0 {
        return;
    }
    if is_cursor {
        let blank = " ".repeat(usize::from(pen.area.width));
        pen.put(0, pen.y, Look::Cursor, &blank);
        pen.put(0, pen.y, Look::Cursor, ">");
    }
    let mut x = 2;
    for ((column, width), (look, text)) in columns.iter().zip(cells) {
        let text = cut(&text, *width);
        let pad = if column.is_number() {
            width.saturating_sub(text.width())
        } else {
            0
        };
        let look = if is_cursor { Look::Cursor } else { look };
        let at = u16::try_from(x + pad).unwrap_or(u16::MAX);
        pen.put(at, pen.y, look, &text);
        x += width + 1;
    }
    pen.y += 1;
}

fn of_service(column: Column, service: &Service, flow: Option<Flow>) -> Cell {
    let text = match column {
        Column::State => {
            let look = match service.state {
                ServiceState::Failed => Look::Bad,
                ServiceState::Degraded => Look::Warning,
                ServiceState::Leaving => Look::Dim,
                ServiceState::Ok => Look::Good,
            };
            return (look, service.state.word().to_owned());
        }
        Column::Name => format!("{} {}", printable(&service.name), service.listen),
        Column::Up => format!("{}/{}", service.up, service.declared),
        Column::Why => why(service),
        column => return (Look::Plain, number(column, flow)),
    };
    (Look::Plain, text)
}

fn of_server(column: Column, state: &State, service: ServiceKey, server: &Server) -> Cell {
    let text = match column {
        Column::State => {
            let look = match server.state {
                one if one.is_trouble() => Look::Bad,
                ServerState::Up => Look::Good,
                ServerState::Standby | ServerState::Leaving => Look::Dim,
                _ => Look::Warning,
            };
            return (look, server.state.word().to_owned());
        }
        Column::Name => named(server),
        Column::Weight => server
            .weight
            .map_or("-".to_owned(), |weight| weight.to_string()),
        Column::Since => {
            let now = state.data.head.as_ref().map_or(0, |head| head.now);
            age(now.saturating_sub(server.state_since))
        }
        Column::Why => localised(&printable(&server.reason)),
        column => {
            let flow = state.data.counted.of((service, Some(server.address)));
            return (Look::Plain, number(column, flow));
        }
    };
    (Look::Plain, text)
}

/// How an event is told on one line.
type Told = fn(&Event) -> String;

/// Where whom it is about has no column of its own, the text begins with it.
fn text_of(view: View, columns: &[(Column, usize)]) -> Told {
    let is_apart = columns.iter().any(|(column, _)| *column == Column::Whose);
    match view {
        View::Server(..) => told,
        _ if is_apart => told,
        _ => whole,
    }
}

fn told(event: &Event) -> String {
    let first = event.text.lines().next().unwrap_or_default();
    localised(&printable(first))
}

fn whole(event: &Event) -> String {
    let whose = whose(event);
    match whose.is_empty() {
        true => told(event),
        false => format!("{whose}: {}", told(event)),
    }
}

fn of_event(column: Column, event: &Event, clock: fn(u64) -> String, text: Told) -> Cell {
    let text = match column {
        // Without the name of the zone.
        Column::Time => clock(event.at_ms / 1000).chars().take(19).collect(),
        Column::Kind => printable(&event.kind),
        Column::Whose => whose(event),
        _ => text(event),
    };
    (Look::Plain, text)
}

/// A number of the kernel; `-` if it is not known.
fn number(column: Column, flow: Option<Flow>) -> String {
    let Some(flow) = flow else {
        return "-".to_owned();
    };
    rounded(match column {
        Column::Connections => flow.connections,
        Column::New => flow.rate.connections,
        Column::BytesIn => flow.rate.bytes_in,
        Column::BytesOut => flow.rate.bytes_out,
        Column::PacketsIn => flow.rate.packets_in,
        Column::PacketsOut => flow.rate.packets_out,
        _ => return String::new(),
    })
}

/// In its largest unit: what changes every second is drawn every second.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
