//! The state for people: problems first, then a table for each service.

use std::fmt::Write;

use comfy_table::Table;

use crate::control::snapshot::{Role, ServerState};
use crate::http::api::{Server, Service, Setting, Status};
use crate::plan::Style;
use crate::words::{length, printable};

/// ANSI colours.
const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BLUE: &str = "34";
const DIM: &str = "2";

/// The whole status. Ends in a newline.
pub(super) fn render(status: &Status, style: Style) -> String {
    let mut page = Page {
        now: status.head.now,
        style,
        text: String::new(),
    };
    page.head(status);
    for service in &status.services {
        page.service(service);
    }
    page.tail(status);
    page.text
}

struct Page {
    now: u64,
    style: Style,
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        self.style.paint(colour, text)
    }

    fn head(&mut self, status: &Status) {
        let head = &status.head;
        let mut words = vec![printable(&head.file)];
        words.extend(head.started.map(|at| format!("running {}", self.since(at))));
        words.extend(
            head.loaded
                .map(|at| format!("file read {} ago", self.since(at))),
        );
        words.push(match head.reconciled {
            Some(at) => format!("in sync with the kernel {} ago", self.since(at)),
            None => "not yet in sync with the kernel".to_owned(),
        });
        self.line(&words.join(", "));
        if let Some(trouble) = &head.trouble {
            let line = format!("TROUBLE: {}", printable(trouble));
            self.line(&self.paint(RED, &line));
        }
        if let Some(rejected) = &head.rejected {
            self.line(&self.paint(
                RED,
                "REJECTED: a newer file has mistakes and is not in force",
            ));
            for line in rejected.lines() {
                self.line(&format!("  {}", printable(line)));
            }
        }
    }

    fn service(&mut self, service: &Service) {
        let mut title = self.paint(BOLD, &printable(&service.name));
        // Writing to a String cannot fail.
        let _ = write!(title, "  {}  {}", service.listen, service.scheduler);
        if let Some(seconds) = service.persistence {
            let _ = write!(title, ", persistent {}", length(seconds.into()));
        }
        let count = format!("{} of {} up", service.up, service.declared);
        let colour = match service.up {
            up if up == service.declared => GREEN,
            up if up < service.min_healthy.max(1) => RED,
            _ => YELLOW,
        };
        let _ = write!(title, "  {}", self.paint(colour, &count));
        if service.panic {
            let panic = format!("PANIC: keeping {} in", service.min_healthy);
            let _ = write!(title, "  {}", self.paint(RED, &panic));
        }
        if service.leaving {
            let _ = write!(title, "  {}", self.paint(BLUE, "LEAVING"));
        }
        self.line("");
        self.line(&title);
        self.servers(&service.servers);
    }

    /// The state is the first column, so that it can be coloured after the layout.
    fn servers(&mut self, servers: &[Server]) {
        if servers.is_empty() {
            self.line("  no servers");
            return;
        }
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["STATE", "SERVER", "WEIGHT", "SINCE", "WHY"]);
        for server in servers {
            table.add_row([
                word(server.state).to_owned(),
                name(server),
                weight(server),
                self.since(server.since),
                self.why(server),
            ]);
        }
        let mut rows: Vec<String> = table.lines().collect();
        if let Some(header) = rows.first_mut() {
            *header = self.paint(DIM, header.trim_end());
        }
        for (row, server) in rows.iter_mut().skip(1).zip(servers) {
            let word = word(server.state);
            *row = row.replacen(word, &self.paint(colour(server.state), word), 1);
        }
        for row in rows {
            self.line(&format!(" {row}"));
        }
    }

    /// The reason for the state, its remaining time, and who set what.
    fn why(&self, server: &Server) -> String {
        let mut words = Vec::new();
        // For a drained server, the reason is who drained it and why.
        let drained = server
            .drain
            .as_ref()
            .filter(|_| server.state == ServerState::Drained);
        if let Some(set) = drained {
            words.push(self.setting("drained", set));
        } else {
            words.push(printable(&server.reason));
            words.extend(server.until.map(|until| self.left(until)));
        }
        let failing = server
            .checks
            .iter()
            .filter(|check| check.passed == Some(false) && check.not_checked.is_none());
        for check in failing {
            let text = check.text.as_deref().unwrap_or("failed");
            // Usually this is the reason.
            if text != server.reason {
                words.push(format!("{}: {}", check.kind, printable(text)));
            }
        }
        for check in &server.checks {
            if let Some(not) = &check.not_checked {
                let (since, why) = (self.since(not.since), printable(&not.reason));
                words.push(format!("{} not checked for {since}: {why}", check.kind));
            }
        }
        if drained.is_none() {
            words.extend(server.drain.as_ref().map(|set| self.setting("drain", set)));
        }
        if let Some(set) = &server.weight_set {
            let weight = set
                .weight
                .map_or("weight".to_owned(), |weight| format!("weight {weight}"));
            words.push(self.setting(&weight, set));
        }
        words.join("; ")
    }

    /// `drain by root (alice) 10m ago: kernel update (1h 50m left)`.
    fn setting(&self, what: &str, set: &Setting) -> String {
        let mut text = format!(
            "{what} by {} {} ago",
            printable(&set.by),
            self.since(set.at)
        );
        if let Some(reason) = &set.reason {
            let _ = write!(text, ": {}", printable(reason));
        }
        if let Some(until) = set.until {
            let _ = write!(text, " ({})", self.left(until));
        }
        text
    }

    fn tail(&mut self, status: &Status) {
        let (disabled, foreign) = (&status.head.disabled, &status.head.foreign);
        if !disabled.is_empty() || !foreign.is_empty() {
            self.line("");
        }
        for machine in disabled {
            let text = self.setting(&machine.address.to_string(), &machine.setting);
            self.line(&format!("{} {text}", self.paint(YELLOW, "disabled:")));
        }
        for service in foreign {
            self.line(&format!("{} {service}", self.paint(BLUE, "foreign:")));
        }
    }

    fn since(&self, at: u64) -> String {
        length(self.now.saturating_sub(at))
    }

    fn left(&self, until: u64) -> String {
        format!("{} left", length(until.saturating_sub(self.now)))
    }
}

/// `app1 10.0.0.11:80`, and its role unless it serves clients.
fn name(server: &Server) -> String {
    let mut text = match &server.name {
        Some(name) => format!("{} {}", printable(name), server.address),
        None => server.address.to_string(),
    };
    text.push_str(match server.role {
        Role::Regular => "",
        Role::Backup => " (backup)",
        Role::Sorry => " (sorry)",
    });
    text
}

/// `3 of 10`, `10`; `- of 10` if it is not in the kernel.
fn weight(server: &Server) -> String {
    let declared = server.declared_weight;
    match server.weight {
        Some(weight) if weight == declared => weight.to_string(),
        Some(weight) => format!("{weight} of {declared}"),
        None => format!("- of {declared}"),
    }
}

const fn word(state: ServerState) -> &'static str {
    state.word()
}

const fn colour(state: ServerState) -> &'static str {
    match state {
        ServerState::Up => GREEN,
        ServerState::Warming | ServerState::Pending => YELLOW,
        ServerState::Down | ServerState::Panic | ServerState::Held => RED,
        ServerState::Drained | ServerState::Disabled | ServerState::Leaving => BLUE,
        ServerState::Standby => DIM,
    }
}
