//! `allow`: which warnings it silences, and where.

use std::path::Path;

use director_config::state::MachineCode;
use director_config::{self as config, Code, Environment, Extent, Memory, Reader};

const UDP: &str = "listen = \"udp://192.0.2.10:53\"\nservers = [\"10.0.0.11\"]\n";
const TCP: &str = "listen = \"tcp://192.0.2.10:80\"\nservers = [\"10.0.0.11\"]\n";

fn load(files: &[(&str, String)]) -> config::Parsed {
    let files = files.iter().map(|(name, text)| (*name, text.clone()));
    let files = Memory::from_iter(files);
    config::load_from(Path::new("a.toml"), &files, &Environment::default())
}

fn codes(files: &[(&str, String)]) -> Vec<Code> {
    let diagnostics = load(files).diagnostics;
    diagnostics.iter().map(|found| found.code).collect()
}

#[test]
fn a_warning_about_all_services_is_silent_only_if_each_of_them_allows_it() {
    let file = |one: &str, other: &str| {
        let other_udp = UDP.replace(":53", ":54");
        let text = format!("version = 1\n[service.a]\n{UDP}{one}[service.b]\n{other_udp}{other}");
        [("a.toml", text)]
    };
    let allow = "allow = [\"udp-nodest\"]\n";
    assert_eq!(codes(&file("", "")), [Code::UdpNoDest]);
    assert_eq!(codes(&file(allow, "")), [Code::UdpNoDest]);
    assert_eq!(codes(&file("", allow)), [Code::UdpNoDest]);
    assert_eq!(codes(&file(allow, allow)), []);
    let said = load(&file(allow, "")).render(config::Style::Plain);
    assert!(said.contains("a.toml:7:10"), "the second one: {said}");
}

#[test]
fn the_root_file_allows_for_all_and_an_included_one_for_itself() {
    let root =
        |allow: &str| format!("version = 1\n{allow}include = \"b.toml\"\n[service.a]\n{UDP}");
    let included = |allow: &str| {
        let udp = UDP.replace(":53", ":54");
        format!("{allow}[service.b]\n{udp}")
    };
    let allow = "allow = \"udp-nodest\"\n";
    let files = |one: &str, other: &str| [("a.toml", root(one)), ("b.toml", included(other))];
    assert_eq!(codes(&files("", "")), [Code::UdpNoDest]);
    assert_eq!(codes(&files(allow, "")), []);
    assert_eq!(codes(&files("", allow)), [Code::UdpNoDest]);
    // The inner one silences first, so the outer one has nothing left but its own.
    assert_eq!(codes(&files(allow, allow)), []);
}

#[test]
fn a_mistake_hides_no_unused_allow_and_is_not_hidden_by_one() {
    let text = format!("version = 1\nallow = [\"zero-port\"]\n[service.a]\n{TCP}");
    assert_eq!(codes(&[("a.toml", text.clone())]), [Code::UnusedAllow]);
    let wrong = text.replace(":80", "");
    assert_eq!(codes(&[("a.toml", wrong)]), [Code::ZeroPort]);
    let both = "version = 1\nallow = [\"zero-port\", \"unused-allow\"]\n";
    let text = format!("{both}[service.a]\n{TCP}");
    assert_eq!(codes(&[("a.toml", text)]), []);
}

#[test]
fn warnings_about_the_machine_are_allowed_by_service_or_file() {
    let text = format!(
        "version = 1\nallow = \"no-route\"\n[service.a]\n{TCP}allow = [\"address-missing\"]\n\
         [service.b]\n{UDP}allow = \"udp-nodest\"\n"
    );
    let parsed = load(&[("a.toml", text)]);
    assert!(parsed.diagnostics.is_empty());
    let desired = parsed.desired.unwrap();
    let allowed = |name: &str| {
        let mut services = desired.services.values();
        let service = services.find(|service| &*service.name == name).unwrap();
        service.allow.iter().collect::<Vec<_>>()
    };
    assert_eq!(
        allowed("a"),
        [MachineCode::AddressMissing, MachineCode::NoRoute]
    );
    assert_eq!(allowed("b"), [MachineCode::NoRoute]);
    // And an export keeps it.
    let text = config::export(&desired, config::Format::Toml);
    let again = load(&[("a.toml", text)]).desired.unwrap();
    assert_eq!(again, desired);
}

#[test]
fn a_partial_reading_finds_an_allow_that_silences_nothing_any_more() {
    let file = |services: &str| {
        let text = format!("version = 1\nallow = \"udp-nodest\"\n[service.b]\n{TCP}{services}");
        Memory::from_iter([("a.toml", text)])
    };
    let udp = format!("[service.a]\n{UDP}");
    let mut reader = Reader::new("a.toml".into(), file(&udp), Environment::default());
    let first = reader.read(&config::Services::new());
    assert!(first.outcome.diagnostics.is_empty());
    *reader.files() = file(&udp.replace("10.0.0.11", "10.0.0.12"));
    let changed = reader.read(&first.services);
    assert_eq!(changed.extent, Extent::Services(1));
    assert!(changed.outcome.diagnostics.is_empty());
    *reader.files() = file("");
    let gone = reader.read(&changed.services);
    let codes: Vec<_> = gone
        .outcome
        .diagnostics
        .iter()
        .map(|one| one.code)
        .collect();
    assert_eq!(codes, [Code::UnusedAllow]);
}
