//! What seeing costs: metrics, the page, history, the connection table.
//!
//! ```text
//! scrapes.rs  `GET /metrics` beside the bare dump, and the checks that must not wait for it
//! pages.rs    fifty pages, and how soon one shows what happened
//! web.rs      `director web` and its pages
//! past.rs     10,000 changes on disk, and the difference of two days
//! clients.rs  who has the most connections, beside `wc -l`
//! ```

mod clients;
mod pages;
mod past;
pub(crate) mod scrapes;
mod web;

use crate::Bench;
use crate::measure::Figure;

impl Bench {
    /// The groups that are wanted. `long`: the table has a million connections.
    pub(crate) fn seeing(
        &self,
        wanted: &dyn Fn(&str) -> bool,
        long: bool,
        figures: &mut Vec<Figure>,
    ) {
        if wanted("seeing-metrics") {
            scrapes::cost(figures);
            self.lateness_scraped(figures);
        }
        if wanted("seeing-pages") {
            pages::memory(figures);
            pages::processor(figures);
            pages::news(figures);
        }
        if wanted("seeing-history") {
            past::all(figures);
        }
        if wanted("seeing-connections") {
            clients::all(long, figures);
        }
    }
}
