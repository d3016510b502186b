//! Sources as the service file declares them.

use std::path::Path;

use crate::config::{Environment, Memory, Style, load_from};
use crate::state::discovery::Source;

/// The source with these keys of `discover`.
pub(super) fn source(keys: &str) -> Source {
    let text = format!(
        "version = 1\n[pool.app]\ndiscover = {{ {keys} }}\n[service.web]\n\
         listen = \"tcp://192.0.2.1:80\"\nforward = \"nat\"\npool = \"app\"\ncheck = false\n"
    );
    let files = Memory::from_iter([("a.toml", text)]);
    let parsed = load_from(Path::new("a.toml"), &files, &Environment::default());
    let said = parsed.render(Style::Plain);
    let watch = parsed.watch.unwrap_or_else(|| panic!("{said}"));
    watch.run.discoveries[0].source.clone()
}
