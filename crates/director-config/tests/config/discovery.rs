//! Pools that find their servers: lists, and what the pool says of each server.

use std::path::Path;
use std::time::Duration;

use director_config::state::discovery::{Absent, RecordType, Source};
use director_config::state::health::Threshold;
use director_config::{Environment, Extent, Memory, Parsed, Reader, Services, Style, load_from};

const SERVICE: &str = "[service.web]\nlisten = [\"tcp://192.0.2.1:80\", \"tcp://[2001:db8::1]:80\"]\n\
                       pool = \"app\"\nforward = \"nat\"\ncheck = \"tcp\"\n\
                       [service.other]\nlisten = \"tcp://192.0.2.2:80\"\nservers = [\"10.0.0.99\"]\ncheck = \"tcp\"\n";
const DNS: &str = "discover = { type = \"dns\", name = \"app.example.org\" }\n";

fn file(pool: &str) -> String {
    format!("version = 1\n[pool.app]\n{pool}\n{SERVICE}")
}

fn list(servers: &str) -> String {
    format!("[pool.app]\nservers = [\n{servers}\n]\n")
}

fn here() -> Environment {
    Environment::default().with_lists("lists")
}

fn read(pool: &str, servers: Option<&str>) -> Parsed {
    let mut files = vec![("a.toml", file(pool))];
    files.extend(servers.map(|text| ("lists/app.toml", text.to_owned())));
    load_from(Path::new("a.toml"), &Memory::from_iter(files), &here())
}

#[track_caller]
fn well(parsed: Parsed) -> Parsed {
    assert!(parsed.desired.is_some(), "{}", parsed.render(Style::Plain));
    assert_eq!(parsed.render(Style::Plain), "");
    parsed
}

/// The servers of the services named `web`, with their weights.
fn servers(parsed: &Parsed) -> Vec<String> {
    let services = parsed.desired.as_ref().unwrap().services.values();
    let web = services.filter(|service| &*service.name == "web");
    let servers = web.flat_map(|service| service.servers.iter());
    let shown = servers.map(|(key, server)| format!("{key} {}", server.server.weight));
    shown.collect()
}

#[test]
fn a_pool_whose_list_is_not_there_yet_is_empty() {
    let parsed = well(read(DNS, None));
    assert!(servers(&parsed).is_empty());
    let found = &parsed.watch.as_ref().unwrap().run.discoveries[0];
    assert_eq!(&*found.pool, "app");
    assert_eq!(found.absent, Absent::Drain);
    assert_eq!(found.max_servers, 500);
    let Source::Dns(dns) = &found.source else {
        panic!("{found:?}");
    };
    assert_eq!(dns.record, RecordType::Address);
    assert_eq!(dns.min_ttl, Duration::from_secs(5));
}

#[test]
fn each_server_of_a_list_gets_what_the_pool_says_unless_the_list_does() {
    let pool = format!("{DNS}port = 8080\nweight = 7\ncheck = {{ type = \"tcp\", port = 81 }}\n");
    let listed = list(
        "{ address = \"10.0.0.1\" },\n{ address = \"10.0.0.2\", port = 9, weight = 3 },\n\
         { address = \"2001:db8::3\", name = \"c\" },",
    );
    let parsed = well(read(&pool, Some(&listed)));
    assert_eq!(
        servers(&parsed),
        ["10.0.0.1:8080 7", "10.0.0.2:9 3", "[2001:db8::3]:8080 7"]
    );
    let watch = parsed.watch.unwrap();
    let own = watch.services.values().flat_map(|watch| &watch.servers);
    assert_eq!(own.count(), 3, "each has the pool's check");
}

#[test]
fn servers_of_lower_priority_are_backup_servers_of_services_without_their_own() {
    let listed = "[pool.app]\nservers = [{ address = \"10.0.0.1\" }]\n\
                  backup = [{ address = \"10.0.0.8\" }]\n";
    let parsed = well(read(DNS, Some(listed)));
    let backups = |parsed: Parsed| -> Vec<String> {
        let watch = parsed.watch.unwrap();
        let all = watch
            .services
            .values()
            .flat_map(|watch| watch.backup.iter());
        all.map(|(key, _)| key.to_string()).collect()
    };
    assert_eq!(servers(&parsed), ["10.0.0.1:80 1"]);
    assert_eq!(backups(parsed), ["10.0.0.8:80"]);
    let own = file(DNS).replace(
        "check = \"tcp\"\n[",
        "backup = [\"10.0.0.9\"]\ncheck = \"tcp\"\n[",
    );
    let files = Memory::from_iter([("a.toml", own.as_str()), ("lists/app.toml", listed)]);
    let parsed = load_from(Path::new("a.toml"), &files, &here());
    assert_eq!(backups(well(parsed)), ["10.0.0.9:80"]);
}

#[test]
fn a_change_of_a_list_reads_only_the_services_of_its_pool() {
    let files = |servers: Option<&str>| {
        let mut all = vec![("a.toml", file(DNS))];
        all.extend(servers.map(|servers| ("lists/app.toml", list(servers))));
        Memory::from_iter(all)
    };
    let mut reader = Reader::new("a.toml".into(), files(None), here());
    let mut there = Services::new();
    let mut next = |servers: Option<&str>| {
        *reader.files() = files(servers);
        let reading = reader.read(&there);
        there = reading.services;
        let web = there
            .values()
            .filter(|(service, _)| &*service.name == "web");
        let found: usize = web.map(|(service, _)| service.servers.len()).sum();
        let watch = reading.outcome.watch.unwrap();
        assert_eq!(watch.run.discoveries.len(), 1);
        (reading.extent, found)
    };
    let (one, two) = (
        "{ address = \"10.0.0.1\" },",
        "{ address = \"10.0.0.1\" },\n{ address = \"10.0.0.2\" },",
    );
    assert_eq!(next(None), (Extent::Whole, 0));
    assert_eq!(next(None), (Extent::Whole, 0), "it may appear");
    assert_eq!(next(Some(one)), (Extent::Whole, 1));
    assert_eq!(next(Some(two)), (Extent::Services(1), 2));
    assert_eq!(next(Some(two)), (Extent::Services(0), 2));
    assert_eq!(next(Some(one)), (Extent::Services(1), 1));
    assert_eq!(next(Some("")), (Extent::Services(1), 0));
    assert_eq!(next(None), (Extent::Whole, 0), "the directory was deleted");
}

#[test]
fn removed_at_once_means_without_a_drain() {
    let drains = |pool: &str| {
        let parsed = well(read(pool, Some(&list("{ address = \"10.0.0.1\" }"))));
        let services = parsed.desired.unwrap().services;
        services.values().next().unwrap().drain
    };
    assert_eq!(drains(DNS), Duration::from_secs(30));
    assert_eq!(
        drains(&format!("{DNS}absent = \"remove\"\n")),
        Duration::ZERO
    );
}

#[test]
fn the_limits_are_those_of_the_file() {
    let pool = "discover = { type = \"file\", path = \"/a.json\" }\nmax_removed = 3\nsettle = { min = \"0s\" }\n";
    let parsed = well(read(pool, None));
    let found = &parsed.watch.as_ref().unwrap().run.discoveries[0];
    assert_eq!(found.max_removed, Threshold::Count(3));
    assert_eq!(found.settle.min, Duration::ZERO);
    assert_eq!(found.source.name(), "file");
}

#[test]
fn mistakes_are_named_once_whether_or_not_there_is_a_list() {
    let cases = [
        (
            "servers = [\"10.0.0.1\"]\ndiscover = { type = \"file\", path = \"/a\" }",
            "either `servers` or `discover`",
        ),
        ("weight = 3", "neither `servers` nor `discover` is set"),
        (
            "servers = [\"10.0.0.1\", \"2001:db8::5\"]\nmax_servers = 3",
            "`max_servers` is about servers that are discovered",
        ),
        (
            "servers = [\"10.0.0.1\", \"2001:db8::5\"]\nport = 3",
            "`port` is about servers that are discovered",
        ),
        ("discover = { name = \"a\" }", "`discover` needs `type`"),
        ("discover = { type = 3 }", "is a word"),
        ("discover = { type = \"dsn\" }", "did you mean `dns`?"),
        ("discover = \"dns\"", "expected a table"),
        ("discover = { type = \"dns\" }", "needs `name`"),
        (
            "discover = { type = \"dns\", name = \"a..b\" }",
            "not a domain name",
        ),
        (
            "discover = { type = \"dns\", name = \"a\", resolvers = \"ns1\" }",
            "not the address of a resolver",
        ),
        (
            "discover = { type = \"dns\", name = \"a\", min_ttl = \"1m\", max_ttl = \"1s\" }",
            "shorter than `min_ttl`",
        ),
        (
            "discover = { type = \"file\", path = \"a.json\" }",
            "does not start with a slash",
        ),
        (
            "discover = { type = \"consul\", url = \"http://c\" }",
            "needs `service`",
        ),
        (
            "discover = { type = \"consul\", url = \"http://c\", service = \"\" }",
            "not a name of Consul: it is empty",
        ),
        (
            "discover = { type = \"consul\", url = \"http://c\", service = \"a\", health = \"critical\" }",
            "did you mean `any`?",
        ),
        (
            "discover = { type = \"consul\", url = \"http://c\", service = \"a\", max_stale = \"2h\" }",
            "max_stale",
        ),
        (
            "discover = { type = \"consul\", url = \"http://c\", service = \"a\", tags = [\"b\", \"\"] }",
            "not a name of Consul: it is empty",
        ),
        (
            "discover = { type = \"consul\", url = \"http://c\", service = \"a\", passing = true }",
            "`health`",
        ),
        (
            "discover = { type = \"k8s\" }",
            "did you mean `kubernetes`?",
        ),
        (
            "discover = { type = \"kubernetes\", service = \"a.b\" }",
            "`a.b` is not a name of Kubernetes",
        ),
        (
            "discover = { type = \"kubernetes\", service = \"a\", namespace = \"-b\" }",
            "it begins with a hyphen",
        ),
        (
            "discover = { type = \"kubernetes\", service = \"a\", port = 0 }",
            "within 1 and 65535",
        ),
        (
            "discover = { type = \"kubernetes\", service = \"a\", port = \"\" }",
            "the name of a port is empty",
        ),
        (
            "discover = { type = \"kubernetes\", service = \"a\", addresses = \"IPv4\" }",
            "did you mean `ipv4`?",
        ),
        (
            "discover = { type = \"kubernetes\", service = \"a\", kubeconfig = \"~/.kube/config\" }",
            "does not start with a slash",
        ),
        (
            "discover = { type = \"kubernetes\", service = \"a\", kubeconfig = \"/a\", url = \"https://b\" }",
            "`url` is not used: `kubeconfig` says it",
        ),
        (
            "discover = { type = \"kubernetes\", service = \"a\", token_file = \"/a\" }",
            "`token_file` is not used: the service account says it",
        ),
        (
            "discover = { type = \"file\", path = \"/a\" }\nsettle = { min = \"1m\", max = \"1s\" }",
            "longest time",
        ),
        (
            "discover = { type = \"file\", path = \"/a\" }\nweight = -1",
            "within 0 and",
        ),
        (
            "discover = { type = \"file\", path = \"/a\" }\nmax_removed = 0",
            "max_removed",
        ),
    ];
    let listed = list("{ address = \"10.0.0.1\" },\n{ address = \"10.0.0.2\" },");
    for (pool, expected) in cases {
        let said = [None, Some(&*listed)].map(|list| read(pool, list).render(Style::Plain));
        assert!(said[0].contains(expected), "{pool}\n{}", said[0]);
        assert_eq!(said[0], said[1], "{pool}");
        assert_eq!(said[0].matches("error").count(), 1, "{}", said[0]);
    }
}
