//! Pages that are open on the large table.

use std::thread;
use std::time::{Duration, Instant};

use super::web::{Page, Web};
use crate::answering::Answering;
use crate::checks::{PORT, processor_seconds, resident};
use crate::daemon::median;
use crate::declared::large_file;
use crate::director::Daemon;
use crate::lab::Netns;
use crate::measure::{Figure, Reach};
use crate::{namespace, tables};

const PAGES: u32 = 50;
const TURNS: usize = 3;
/// For how long processor time is counted.
const WATCHED: Duration = Duration::from_secs(15);
/// The time between two scrapes.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);
const SCRAPES: u32 = 6;
/// The number of measured changes.
const CHANGES: u32 = 20;

const OVERVIEW: &str = "of=overview";

fn service(listen: &str) -> String {
    format!("service=tcp%3A%2F%2F{}", listen.replace(':', "%3A"))
}

/// Half of the pages show the overview, the others ten services.
fn open(net: &Netns) -> Vec<Page> {
    let query = |number: u32| match number % 2 {
        0 => OVERVIEW.to_owned(),
        _ => service(&tables::virtual_address(number % 20)),
    };
    (0..PAGES)
        .map(|number| Page::open(net, &query(number)))
        .collect()
}

/// The daemon's peak, with pages and scrapes and without.
pub(super) fn memory(figures: &mut Vec<Figure>) {
    let peak = |is_seen: bool| {
        let net = namespace();
        let daemon = Daemon::start(&net, &large_file(None));
        let seen = is_seen.then(|| {
            let web = Web::start(&net, &daemon);
            let pages = open(&net);
            (web, pages)
        });
        for _ in 0..SCRAPES {
            thread::sleep(SCRAPE_EVERY);
            if is_seen {
                daemon.get("/metrics").unwrap();
            }
        }
        let peak = resident(daemon.pid());
        if let Some((web, pages)) = seen {
            drop(pages);
            web.stop();
        }
        daemon.stop();
        peak
    };
    let (without, with) = (peak(false), peak(true));
    println!("peak memory: {with:.1} MB with 50 pages and scrapes, {without:.1} MB without");
    let name = "pages, peak MB of the daemon: 50 pages and scrapes, above without";
    figures.push(Figure::count(name, with - without, Reach::Below(10.0)));
}

/// The daemon's processor time with fifty pages and with one.
pub(super) fn processor(figures: &mut Vec<Figure>) {
    let net = namespace();
    let daemon = Daemon::start(&net, &large_file(None));
    let web = Web::start(&net, &daemon);
    let used = || {
        // The pages' first reading is behind them.
        thread::sleep(Duration::from_secs(3));
        let before = processor_seconds(daemon.pid());
        thread::sleep(WATCHED);
        processor_seconds(daemon.pid()) - before
    };
    let (mut many, mut one) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let first = Page::open(&net, OVERVIEW);
        one.push(used());
        let others: Vec<_> = (1..PAGES).map(|_| Page::open(&net, OVERVIEW)).collect();
        many.push(used());
        drop((first, others));
    }
    let name = "pages, CPU of the daemon in 15 s: 50 pages / one";
    figures.push(Figure::at_most(name, median(many), median(one), 1.1));
    web.stop();
    daemon.stop();
}

/// From the answer that makes a verdict until a page has the server's new state.
pub(super) fn news(figures: &mut Vec<Figure>) {
    let net = namespace();
    let server = Answering::start(&net);
    let listen = "10.99.0.1:80";
    let probe = format!(
        "\n[service.probe]\nlisten = \"tcp://{listen}\"\nservers = [\"127.0.0.1:{PORT}\"]\n\
         check = {{ type = \"http\", path = \"/\", interval = \"100ms\", fast_interval = \"100ms\", \
         timeout = \"90ms\", rise = 1, fall = 1 }}\ndamping = false\n"
    );
    let daemon = Daemon::start(&net, &(large_file(None) + &probe));
    let web = Web::start(&net, &daemon);
    let overview = Page::open(&net, OVERVIEW);
    let page = Page::open(&net, &service(listen));
    let (mut of_service, mut of_overview) = (Vec::new(), Vec::new());
    for turn in 0..CHANGES {
        // At different moments of the page's own turns.
        thread::sleep(Duration::from_millis(1500 + u64::from(turn) * 67 % 1000));
        let well = turn % 2 == 1;
        page.forget();
        overview.forget();
        server.answer(well);
        let (state, up) = match well {
            true => ("\"state\":\"up\"", "\"up\":1,"),
            false => ("\"state\":\"down\"", "\"up\":0,"),
        };
        let is_server = |line: &str| line.contains("\"checks\":") && line.contains(state);
        let shown = page.until(is_server);
        let is_row = |line: &str| line.contains("\"name\":\"probe\"") && line.contains(up);
        let listed = overview.until(is_row);
        let said = server.said();
        let since = |at: Instant| at.saturating_duration_since(said).as_secs_f64();
        of_service.push(since(shown));
        of_overview.push(since(listed));
    }
    println!("answer to page, s: service {of_service:.3?}, overview {of_overview:.3?}");
    let name = "pages, from a server's answer to the service's page: median";
    figures.push(Figure::below(
        name,
        median(of_service),
        f64::NAN,
        Reach::Below(0.1),
    ));
    let name = "pages, from a server's answer to the overview: median";
    figures.push(Figure::below(
        name,
        median(of_overview),
        f64::NAN,
        Reach::Below(0.1),
    ));
    drop((page, overview));
    web.stop();
    daemon.stop();
    server.stop(&net);
}
