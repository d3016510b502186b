//! The declarative side: `director plan` and `apply` of a large table, compared with the bare
//! library.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ipvs::Client;

use crate::measure::{Figure, Reach, medians, peak_memory, system_calls_of, time};
use crate::{Bench, DEBIAN, filled_with, namespace, run_apply, tables};

/// 2,284 services with 37,298 servers: 756 services have 17 of them, the others 16.
pub(crate) const LARGE: (u32, u32) = (2284, 37_298);

/// The time of a program that fills the tables of a new namespace. They are emptied before the next
/// measurement: otherwise the kernel would do that later, during it.
fn onto_empty(words: &[&str], input: &str) -> f64 {
    let net = namespace();
    let seconds = time(&net, words, input);
    let mut client = net.enter(Client::connect).unwrap();
    client.flush().unwrap();
    seconds
}

impl Bench {
    /// All measurements of the large file.
    pub(crate) fn declared(&self, figures: &mut Vec<Figure>) {
        let directory = std::env::temp_dir().join("declared");
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("large.toml");
        std::fs::write(&file, large_file(None)).unwrap();
        let changed = directory.join("changed.toml");
        std::fs::write(&changed, large_file(Some((1000, 7)))).unwrap();
        self.apply(figures, &directory, &file);
        self.plan(figures, &directory, &file, &changed);
        Self::check(figures, &directory, &file);
    }

    /// Onto empty tables.
    fn apply(&self, figures: &mut Vec<Figure>, directory: &Path, file: &Path) {
        let state = directory.join("state");
        let myself = self.myself.to_str().unwrap();
        let words = stateful(&state, &["apply", "--yes"], file);
        let ours = || onto_empty(&borrowed(&words), "");
        // Debian's takes 14 seconds, so there is time for few rounds of it. The other two are close
        // to each other, and get many.
        let lines = tables::large_lines();
        let [debian, beside_debian] = medians(
            3,
            [&mut || onto_empty(&[DEBIAN, "-R"], &lines), &mut || ours()],
        );
        let [bare, ours] = medians(
            11,
            [&mut || onto_empty(&[myself, "large"], ""), &mut || ours()],
        );
        let name = "apply, 2,284 with 37,298: ours / bare library";
        figures.push(Figure::at_most(name, ours, bare, 1.5));
        let name = "apply, 2,284 with 37,298: Debian's -R / ours";
        figures.push(Figure::faster(name, debian, beside_debian, 15.0));
    }

    /// On tables that are as declared.
    fn plan(&self, figures: &mut Vec<Figure>, directory: &Path, file: &Path, changed: &Path) {
        let state = directory.join("state-of-plan");
        let net = filled_with(&[]);
        let myself = self.myself.to_str().unwrap();
        let apply = stateful(&state, &["apply", "--yes"], file);
        time(&net, &borrowed(&apply), "");
        let plan = stateful(&state, &["plan"], file);
        let [dump, plan_time] = medians(
            5,
            [&mut || time(&net, &[myself, "dump"], ""), &mut || {
                time(&net, &borrowed(&plan), "")
            }],
        );
        let name = "plan, nothing to do: ours / the bare dump";
        figures.push(Figure::at_most(name, plan_time, dump, 2.0));
        let peak = peak_memory(&net, &borrowed(&plan));
        let name = "plan, nothing to do: peak KiB";
        figures.push(Figure::below(
            name,
            peak,
            102_400.0,
            Reach::Below(102_400.0),
        ));
        // Two dumps and one operation: what is sent in addition to a run with nothing to do.
        let idle = system_calls_of("sendto", &net, &borrowed(&apply));
        let one = stateful(&state, &["apply", "--yes"], changed);
        let with_one = system_calls_of("sendto", &net, &borrowed(&one));
        let name = "apply, one weight changed: sends beyond an idle apply";
        figures.push(Figure::below(name, with_one - idle, 1.0, Reach::Below(2.0)));
    }

    fn check(figures: &mut Vec<Figure>, directory: &Path, file: &Path) {
        let wide = directory.join("wide.toml");
        std::fs::write(&wide, wide_file(60_000)).unwrap();
        let half = directory.join("half.toml");
        std::fs::write(&half, wide_file(30_000)).unwrap();
        let net = namespace();
        let measure = |file: &Path| {
            let words = director(&["check"], file);
            let [seconds] = medians(5, [&mut || time(&net, &borrowed(&words), "")]);
            seconds
        };
        let (large, wide, half) = (measure(file), measure(&wide), measure(&half));
        let name = "check, 2,284 with 37,298: seconds";
        figures.push(Figure::below(name, large, 0.3, Reach::Below(0.3)));
        let name = "check, one service of 60,000 servers: seconds";
        figures.push(Figure::below(name, wide, 0.3, Reach::Below(0.3)));
        let name = "check, 60,000 servers / 30,000: linear";
        figures.push(Figure::at_most(name, wide, half, 2.5));
    }
}

/// A verb that has a state directory.
fn stateful(state: &Path, verb: &[&str], file: &Path) -> Vec<String> {
    let state = path(state);
    let words = [verb, &["--state-dir", &state]].concat();
    director(&words, file)
}

fn director(words: &[&str], file: &Path) -> Vec<String> {
    let director = std::env::var("DIRECTOR_BIN")
        .expect("DIRECTOR_BIN names the release build of director: use scripts/bench");
    let words = words.iter().map(|&word| word.to_owned());
    std::iter::once(director)
        .chain(words)
        .chain([path(file)])
        .collect()
}

/// `kernel dump`: the minimum for any program that reads the whole table, its start and one dump.
pub(crate) fn dump() -> std::process::ExitCode {
    let mut client = Client::connect().unwrap();
    for service in client.services().unwrap() {
        client.servers(&service.service.key).unwrap();
    }
    std::process::ExitCode::SUCCESS
}

/// `kernel large`: the bare library sending the same operations.
pub(crate) fn apply_large() -> std::process::ExitCode {
    run_apply(&tables::large_operations())
}

/// The large table as a service file, in which the given server has the given weight.
pub(crate) fn large_file(changed: Option<(u32, u32)>) -> String {
    let mut text =
        String::from("version = 1\n\n[defaults]\nscheduler = \"wlc\"\nforward = \"nat\"\n");
    let mut number = 0;
    for (service, servers) in tables::large_shape() {
        write!(
            text,
            "\n[service.s{service}]\nlisten = \"tcp://{}\"\nservers = [\n",
            tables::virtual_address(service)
        )
        .unwrap();
        for server in 0..servers {
            let address = tables::real_address(server);
            if let Some((_, weight)) = changed.filter(|(changed, _)| *changed == number) {
                writeln!(
                    text,
                    "  {{ address = \"{address}\", port = 8080, weight = {weight} }},"
                )
                .unwrap();
            } else {
                writeln!(text, "  \"{address}:8080\",").unwrap();
            }
            number += 1;
        }
        text.push_str("]\n");
    }
    text
}

/// One service with this many servers.
fn wide_file(servers: u32) -> String {
    let mut text = String::from(
        "version = 1\n\n[service.wide]\nlisten = \"tcp://192.0.2.1:80\"\nservers = [\n",
    );
    for server in 0..servers {
        writeln!(text, "  \"{}\",", tables::real_address(server)).unwrap();
    }
    text.push_str("]\n");
    text
}

fn path(path: &Path) -> String {
    PathBuf::from(path).into_os_string().into_string().unwrap()
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}
