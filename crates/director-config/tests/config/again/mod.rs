//! Re-reading a file gives the same result as reading everything, and reads only parts where
//! possible.

mod edits;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use director_config::{
    Environment, Extent, Files, Memory, Parsed, Reader, Services, Style, load_from,
};
use proptest::prelude::*;

use edits::{Edit, edit, edited};

/// Files that a test changes.
#[derive(Debug, Clone, Default)]
struct Shelf {
    texts: BTreeMap<PathBuf, String>,
}

impl Shelf {
    fn of<const N: usize>(texts: [(&str, String); N]) -> Self {
        let owned = |(path, text): (&str, String)| (PathBuf::from(path), text);
        Self {
            texts: texts.into_iter().map(owned).collect(),
        }
    }

    fn memory(&self) -> Memory {
        self.texts.clone().into_iter().collect()
    }
}

impl Files for Shelf {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.texts.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(text.clone().into_bytes())
    }

    fn matching(&self, directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        self.memory().matching(directory, pattern)
    }

    fn lacks(&self, path: &Path) -> bool {
        !self.texts.contains_key(path)
    }
}

const ROOT: &str = "a.toml";

/// A reader, and the services that a director would have in force.
struct Reread {
    reader: Reader<Shelf>,
    there: Services,
}

impl Reread {
    fn new(shelf: Shelf) -> Self {
        let environment = Environment::from_iter([("NAME", "value")]);
        Self {
            reader: Reader::new(ROOT.into(), shelf, environment),
            there: Services::new(),
        }
    }

    /// Reads again, checks that the result equals that of reading everything, and returns how much
    /// was read.
    fn read(&mut self) -> Extent {
        let environment = Environment::from_iter([("NAME", "value")]);
        let memory = self.reader.files().memory();
        let whole = load_from(Path::new(ROOT), &memory, &environment);
        let reading = self.reader.read(&self.there);
        let outcome = with_services(reading.outcome, &reading.services);
        let texts = &self.reader.files().texts;
        assert_eq!(
            outcome.render(Style::Plain),
            whole.render(Style::Plain),
            "{texts:#?}"
        );
        assert_eq!(outcome.report(), whole.report(), "{texts:#?}");
        assert_eq!(outcome.desired, whole.desired, "{texts:#?}");
        assert_eq!(outcome.watch, whole.watch, "{texts:#?}");
        assert_eq!(outcome.failovers, whole.failovers, "{texts:#?}");
        let paths = |outcome: &Parsed| -> Vec<PathBuf> {
            let sources = outcome.sources.iter();
            sources.map(|source| source.path().to_owned()).collect()
        };
        assert_eq!(paths(&outcome), paths(&whole));
        assert_eq!(outcome.directories, whole.directories);
        if outcome.desired.is_some() {
            self.there = reading.services;
        }
        reading.extent
    }

    fn set(&mut self, path: &str, text: String) -> Extent {
        self.reader.files().texts.insert(path.into(), text);
        self.read()
    }

    /// In the root file.
    fn replace(&mut self, from: &str, to: &str) -> Extent {
        let text = &self.reader.files().texts[Path::new(ROOT)];
        assert!(text.contains(from), "{from:?}");
        let text = text.replacen(from, to, 1);
        self.set(ROOT, text)
    }
}

/// An outcome with the services put back.
fn with_services(mut outcome: Parsed, services: &Services) -> Parsed {
    if let (Some(desired), Some(watch)) = (&mut outcome.desired, &mut outcome.watch) {
        for (key, (declared, seen)) in services {
            desired.services.insert(*key, declared.clone());
            watch.services.insert(*key, seen.clone());
        }
    }
    outcome
}

#[test]
fn a_failover_section_follows_services_that_come_go_and_move() {
    let failover = "[failover.front]\nid = 51\ninterface = \"eth0\"\naddresses = [\"192.0.2.1\", \
                    \"192.0.2.2\"]\nfollow = { services = [\"s1\"], step = 20 }\n\n";
    let text = HEAD.to_owned() + failover + &service(1, 3) + &service(2, 3);
    let mut reread = Reread::new(Shelf::of([(ROOT, text)]));
    reread.read();
    // A server more changes nothing of it.
    assert_eq!(reread.replace("10.0.1.3", "10.0.1.4"), Extent::Services(1));
    assert_eq!(reread.replace("id = 51", "id = 52"), Extent::Whole);
    assert_eq!(reread.replace("10.0.1.4", "10.0.1.5"), Extent::Services(1));
    // The service that it follows is gone, and later back.
    assert_eq!(
        reread.replace("[service.s1]", "[service.s3]"),
        Extent::Whole
    );
    assert_eq!(
        reread.replace("[service.s3]", "[service.s1]"),
        Extent::Services(0)
    );
    // It moves to an address that no section holds.
    assert_eq!(
        reread.replace("tcp://192.0.2.2:", "tcp://192.0.2.9:"),
        Extent::Whole
    );
}

/// A service with this number and this many servers.
fn service(number: usize, servers: usize) -> String {
    let servers = (1..=servers).map(|host| format!("  \"10.0.{number}.{host}:80\",\n"));
    format!(
        "[service.s{number}]\nlisten = \"tcp://192.0.2.{number}:80\"\nservers = [\n{}]\n\n",
        servers.collect::<String>()
    )
}

const HEAD: &str = "version = 1\n\n[defaults]\nscheduler = \"wrr\"\n\n";

fn usual() -> String {
    let services = (1..=100).map(|number| service(number, 3));
    HEAD.to_owned() + &services.collect::<String>()
}

fn usual_read() -> Reread {
    let mut reread = Reread::new(Shelf::of([(ROOT, usual())]));
    assert_eq!(reread.read(), Extent::Whole);
    reread
}

#[test]
fn the_usual_edits_cost_what_they_change() {
    let mut reread = usual_read();
    assert_eq!(reread.read(), Extent::Services(0), "nothing changed");
    let weight = "{ address = \"10.0.50.2\", port = 80, weight = 7 }";
    assert_eq!(
        reread.replace("\"10.0.50.2:80\"", weight),
        Extent::Services(1)
    );
    assert_eq!(
        reread.replace("weight = 7", "weight = 8"),
        Extent::Services(1)
    );
    assert_eq!(
        reread.replace(
            "  \"10.0.1.1:80\",\n",
            "  \"10.0.1.1:80\",\n  \"10.0.1.9:80\",\n"
        ),
        Extent::Services(1),
        "a server more, in the first"
    );
    assert_eq!(
        reread.replace("  \"10.0.100.3:80\",\n", ""),
        Extent::Services(1)
    );
    assert_eq!(reread.replace(&service(70, 3), ""), Extent::Services(0));
    assert_eq!(
        reread.replace(&service(60, 3), &(service(60, 3) + &service(170, 3))),
        Extent::Services(1)
    );
    assert_eq!(
        reread.replace("[service.s30]", "[service.thirty]"),
        Extent::Services(1)
    );
    let both = reread.reader.files().texts[Path::new(ROOT)]
        .replace("10.0.2.1:", "10.0.2.111:")
        .replace("10.0.99.1:", "10.0.99.111:");
    assert_eq!(reread.set(ROOT, both), Extent::Services(2), "far apart");
    let moved = service(170, 3);
    let text = reread.reader.files().texts[Path::new(ROOT)].replacen(&moved, "", 1);
    assert_eq!(
        reread.set(ROOT, text + &moved),
        Extent::Services(0),
        "moved"
    );
}

#[test]
fn what_concerns_every_service_is_read_whole() {
    let mut reread = usual_read();
    for (from, to) in [
        ("\"wrr\"", "\"wlc\""),
        ("version = 1", "version = 1 # the first"),
        (
            "[defaults]",
            "[kernel]\nexpire_quiescent_template = true\n\n[defaults]",
        ),
        ("version = 1", "version = 1\ninclude = []"),
        ("version = 1", "\u{feff}version = 1"),
    ] {
        assert_eq!(reread.replace(from, to), Extent::Whole, "{to}");
    }
    assert_eq!(reread.replace("\u{feff}", ""), Extent::Whole);
    assert_eq!(reread.read(), Extent::Services(0));
}

#[test]
fn a_mistake_is_said_as_ever_and_what_was_before_is_built_upon() {
    let mut reread = usual_read();
    for broken in [
        "[service.s50]\nlisten = [",
        "[service.s50]\nlisten = { a = ",
        "[service.s50]\nx = \"",
        "[service.s50]\nx = \"\"\"",
        "[service.s50]\n[service.s50]",
        "[service.s50]\n[service.s51]",
        "[service.s50]\n[service.s51.check]",
        "[service.s50",
        "[service.s50]]",
        "service.s50]",
        "[service.s51]",
        "[service.\"s50\"]\n[service.s50]",
        "[service.s50]\npool = \"none\"",
        "[service.s50]\nunknown = 1",
        "[service.s50]\nlisten = \"tcp://192.0.2.51:80\"\n[service.y]",
        "[service.s50]\r\r\n",
        "[service.s50]\u{1}",
        "x",
        "[[service.s50]]",
        "[service.x]\nlisten = \"tcp://192.0.2.51:80\"\nservers = [\"10.9.9.9:80\"]\n[service.s50]",
    ] {
        let extent = reread.replace("[service.s50]", broken);
        assert_eq!(extent, Extent::Whole, "{broken}");
        assert_eq!(reread.set(ROOT, usual()), Extent::Services(0), "{broken}");
    }
    assert_eq!(
        reread.replace("[service.s50]", "[service.s50"),
        Extent::Whole
    );
    let text = usual().replace("10.0.9.1:", "10.0.9.7:");
    assert_eq!(reread.set(ROOT, text), Extent::Services(1));
}

#[test]
fn a_warning_is_not_built_upon() {
    let mut reread = usual_read();
    for odd in [
        "[service.s50]\npersistence = \"5m\"",
        "[pool.unused]\nservers = [\"10.0.0.1\"]\n[service.s50]",
    ] {
        let extent = reread.replace("[service.s50]", odd);
        assert_eq!(extent, Extent::Whole, "{odd}");
        assert_eq!(reread.read(), Extent::Whole, "{odd}");
        assert_eq!(reread.set(ROOT, usual()), Extent::Whole, "{odd}");
        assert_eq!(reread.read(), Extent::Services(0), "{odd}");
    }
}

#[test]
fn a_service_in_several_places_is_read_with_all_of_them() {
    let check = "[service.s7.check]\ntype = \"tcp\"\ninterval = \"3s\"\n";
    let mut reread = Reread::new(Shelf::of([(ROOT, usual() + check)]));
    assert_eq!(reread.read(), Extent::Whole);
    let far = reread.replace("\"3s\"", "\"4s\"");
    assert_eq!(far, Extent::Services(1));
    let near = reread.replace("10.0.7.1:", "10.0.7.9:");
    assert_eq!(near, Extent::Services(1));
    let text = usual().replace("10.0.7.1:", "10.0.7.9:");
    assert_eq!(reread.set(ROOT, text.clone()), Extent::Services(1));
    assert_eq!(reread.set(ROOT, text + check), Extent::Services(1));
}

#[test]
fn other_ways_to_write_a_service_are_read_whole() {
    let dotted =
        "service.d.listen = \"tcp://192.0.2.9:80\"\nservice.d.servers = [\"10.1.1.1:80\"]\n";
    let inline =
        "service = { d = { listen = \"tcp://192.0.2.9:80\", servers = [\"10.1.1.1:80\"] } }\n";
    let plain = service(1, 1);
    let quoted = plain.replace("[service.s1]", "[service.\"s1\"]");
    let spaced = plain.replace("[service.s1]", "[ service . s1 ]");
    for text in [
        dotted.to_owned(),
        inline.to_owned(),
        quoted,
        spaced,
        format!("[service]\n{plain}"),
        plain.clone() + "drain = \"\"\"5s\"\"\"\n",
        plain.clone() + "drain = '''5s'''\n",
    ] {
        let mut reread = Reread::new(Shelf::of([(ROOT, format!("version = 1\n{text}"))]));
        assert_eq!(reread.read(), Extent::Whole, "{text}");
        assert_eq!(reread.there.len(), 1, "{text}");
        assert_eq!(reread.read(), Extent::Whole, "{text}");
    }
}

#[test]
fn lines_may_end_as_elsewhere_and_the_last_not_at_all() {
    let text = usual().replace('\n', "\r\n");
    let mut reread = Reread::new(Shelf::of([(ROOT, text.trim_end().to_owned())]));
    assert_eq!(reread.read(), Extent::Whole);
    let extent = reread.replace("10.0.100.1:", "10.0.100.9:");
    assert_eq!(extent, Extent::Services(1));
    let extent = reread.set(ROOT, text + &service(101, 1));
    assert_eq!(extent, Extent::Services(2));
}

#[test]
fn included_files_come_and_go() {
    let root = "version = 1\ninclude = [\"d/*.toml\"]\n".to_owned() + &service(1, 2);
    let mut reread = Reread::new(Shelf::of([
        (ROOT, root),
        ("d/2.toml", service(2, 2)),
        ("d/3.toml", service(3, 2) + &service(4, 2)),
    ]));
    assert_eq!(reread.read(), Extent::Whole);
    assert_eq!(reread.set("d/2.toml", service(2, 3)), Extent::Services(1));
    assert_eq!(reread.set("d/5.toml", service(5, 3)), Extent::Services(1));
    assert_eq!(reread.set("d/5.toml", service(5, 4)), Extent::Services(1));
    let texts = |reread: &mut Reread| reread.reader.files().texts.clone();
    let mut fewer = texts(&mut reread);
    fewer.remove(Path::new("d/3.toml"));
    reread.reader.files().texts = fewer;
    assert_eq!(reread.read(), Extent::Services(0));
    assert_eq!(reread.there.len(), 3);
    let twice = reread.set("d/6.toml", service(2, 1));
    assert_eq!(twice, Extent::Whole);
    let mut moved = texts(&mut reread);
    moved.remove(Path::new("d/2.toml"));
    reread.reader.files().texts = moved;
    assert_eq!(reread.read(), Extent::Services(1), "in the other file now");
    assert_eq!(reread.replace("*.toml", "*"), Extent::Whole);
    let json = reread.set("d/7.json", "{}".to_owned());
    assert_eq!(json, Extent::Whole);
}

#[test]
fn a_file_that_a_check_needs_is_looked_for_each_time() {
    let tls = "[service.s2]\ncheck = { type = \"https\", port = 443, tls = { ca = \"/ca.pem\" } }";
    let text = usual().replace("[service.s2]", tls);
    let mut reread = Reread::new(Shelf::of([(ROOT, text), ("/ca.pem", String::new())]));
    assert_eq!(reread.read(), Extent::Whole);
    let extent = reread.replace("10.0.9.1:", "10.0.9.7:");
    assert_eq!(extent, Extent::Services(1));
    reread.reader.files().texts.remove(Path::new("/ca.pem"));
    assert_eq!(reread.read(), Extent::Whole, "a warning");
    assert_eq!(reread.set("/ca.pem", String::new()), Extent::Whole);
    assert_eq!(reread.read(), Extent::Services(0));
}

#[test]
fn services_that_share_a_pool_are_read_together() {
    let on = |number: usize, pool: &str| {
        format!("[service.s{number}]\nlisten = \"tcp://192.0.2.{number}:80\"\npool = \"{pool}\"\n")
    };
    let pools = "[pool.p]\nservers = [\"10.1.1.1:80\", \"10.1.1.2:80\"]\n\
                 [pool.q]\nservers = [\"10.2.1.1:80\", \"10.2.1.2:80\"]\n";
    let text = usual() + pools + &on(201, "p") + &on(202, "p") + &on(203, "q");
    let mut reread = Reread::new(Shelf::of([(ROOT, text)]));
    assert_eq!(reread.read(), Extent::Whole);
    for (from, to, services) in [
        ("10.0.9.1:", "10.0.9.7:", 1),
        ("10.1.1.1:", "10.1.1.3:", 2),
        ("10.2.1.1:", "10.2.1.3:", 1),
        ("192.0.2.202:80", "192.0.2.222:80", 2),
        (&on(201, "p"), "", 1),
    ] {
        assert_eq!(reread.replace(from, to), Extent::Services(services), "{to}");
    }
    assert_eq!(reread.replace(&on(203, "q"), ""), Extent::Whole, "unused");
}

#[test]
fn services_that_did_not_change_are_the_same_in_memory() {
    let mut reread = usual_read();
    let before = reread.there.clone();
    reread.replace("10.0.9.1:", "10.0.9.7:");
    let pairs = before.values().zip(reread.there.values());
    let shared = pairs.filter(|((one, _), (other, _))| Arc::ptr_eq(one, other));
    assert_eq!(shared.count(), 99);
    let before = reread.there.clone();
    let extent = reread.replace("\"wrr\"", "\"wrr\" # the same");
    assert_eq!(extent, Extent::Whole);
    let mut pairs = before.values().zip(reread.there.values());
    assert!(pairs.all(|((one, _), (other, _))| Arc::ptr_eq(one, other)));
}

const START: [(&str, &str); 3] = [
    (
        ROOT,
        "version = 1\ninclude = [\"f/*.toml\"]\n[kernel]\nexpire_nodest_conn = true\n\
         [pool.p]\nservers = [\"10.3.0.1:80\", \"10.3.0.2:80\"]\n\
         [service.v]\nlisten = \"tcp://192.0.2.101:80\"\npool = \"p\"\n\
         [service.w]\nlisten = \"tcp://192.0.2.102:80\"\nservers = [\"10.0.0.1:80\"]\n",
    ),
    (
        "f/x.toml",
        "[defaults]\ndrain = \"7s\"\n\
         [service.x]\nlisten = \"tcp://192.0.2.103:80\"\nservers = [\"10.0.0.1:80\"]\n",
    ),
    (
        "f/y.toml",
        "[service.y]\nlisten = \"tcp://192.0.2.104:80\"\nservers = [\"10.0.0.1:80\"]\n\
         [service.y.check]\ntype = \"tcp\"\n\
         [service.z]\nlisten = \"tcp://192.0.2.105:80\"\npool = \"p\"\n",
    ),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases(256)))]

    #[test]
    fn reading_again_is_reading_everything(
        rounds in prop::collection::vec((0..4_usize, prop::collection::vec(edit(), 1..4)), 1..12)
    ) {
        let paths = [ROOT, "f/x.toml", "f/y.toml", "f/new.toml"];
        let start = START.map(|(path, text)| (path, text.to_owned()));
        let mut reread = Reread::new(Shelf::of(start));
        prop_assert_eq!(reread.read(), Extent::Whole);
        let mut well = reread.reader.files().texts.clone();
        for (file, edits) in rounds {
            let path = Path::new(paths[file]);
            for edit in edits {
                let texts = &mut reread.reader.files().texts;
                match edit {
                    Edit::Mend => texts.clone_from(&well),
                    Edit::Unlink => drop(texts.remove(path)),
                    edit => {
                        let text = texts.get(path).map_or("", String::as_str);
                        let text = edited(text, &edit);
                        texts.insert(path.to_owned(), text);
                    }
                }
            }
            if reread.read() != Extent::Whole {
                well.clone_from(&reread.reader.files().texts);
            }
        }
    }
}
