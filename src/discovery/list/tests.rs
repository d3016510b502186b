use super::*;

#[test]
fn a_list_on_disk_is_read_back_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let server = |address: &str, port, weight, name: Option<&str>, is_backup| {
        let listed = Listed {
            name: name.map(str::to_owned),
            weight,
            is_backup,
        };
        ((address.parse().unwrap(), port), listed)
    };
    let list = List::from([
        server("10.0.0.1", None, None, None, false),
        server("10.0.0.1", Some(81), Some(0), Some("a\"b\\c$d"), false),
        server("2001:db8::1", Some(80), Some(7), Some("ä"), true),
    ]);
    for pool in ["app", "my.app", "$x", "\"quoted\""] {
        assert_eq!(read(directory.path(), pool), None);
        write(directory.path(), pool, &list).unwrap();
        assert_eq!(read(directory.path(), pool), Some(list.clone()), "{pool}");
        write(directory.path(), pool, &List::new()).unwrap();
        assert_eq!(read(directory.path(), pool), Some(List::new()));
    }
}

#[test]
fn a_damaged_list_is_none() {
    let directory = tempfile::tempdir().unwrap();
    for text in [
        "",
        "[pool.app]\n",
        "[pool.app]\nservers = [{}]\nbackup = []\n",
        "\u{0}",
    ] {
        fs::write(path(directory.path(), "app"), text).unwrap();
        assert_eq!(read(directory.path(), "app"), None, "{text:?}");
    }
}
