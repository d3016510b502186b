//! A file that can take the server out.
//!
//! The server is up if the file does not exist; an empty file drains it; otherwise its first line
//! has the words of an agent. Unlike an agent's, they hold only as long as they are in the file.

use std::io::{self, Read};

use super::attempt::{Attempt, Memory};
use super::words::Words;
use crate::failure::{self, Failure, Passed};
use crate::{Admin, Advice, Target, net};
use director_config::regular;
use director_config::state::health::FileCheck;

/// The part of a file that is read, in bytes.
const LIMIT: u64 = 1024;

pub(super) async fn run(spec: &FileCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    attempt.stage("reading the file");
    let path = path(&spec.path, attempt.target);
    let reading = {
        let path = path.clone();
        move || read(&path)
    };
    let contents = attempt
        .touch("reading", path.as_ref(), reading)
        .await?
        .map_err(|error| Failure::ours(format!("{path}: {}", failure::describe(&error))))?;
    match contents {
        None => Ok(Passed {
            text: None,
            advice: Some(Advice::default()),
        }),
        Some(contents) => hear(&contents),
    }
}

/// The contents of the file; `None` if it does not exist.
fn read(path: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match regular::open(path.as_ref()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut contents = Vec::new();
    file.take(LIMIT).read_to_end(&mut contents)?;
    Ok(Some(contents))
}

fn hear(contents: &[u8]) -> Result<Passed, Failure> {
    let text = String::from_utf8_lossy(contents);
    let told = net::quote(contents);
    let words = Words::parse(&text);
    if text.trim().is_empty() {
        let admin = Admin::Drain;
        return Ok(Passed {
            text: Some("the file is empty: drain".into()),
            advice: Some(Advice {
                admin,
                ..Advice::default()
            }),
        });
    }
    if words.is_empty() {
        // The author intended something, but it is unclear what, so the server stays as it is.
        let text = format!("the file contains no known word: {told}");
        return Err(Failure::ours(text));
    }
    let memory = words.after(Memory::default());
    let advice = Some(memory.advice);
    if memory.down {
        let text = format!("the file says {told}, expected \"up\" or no file").into();
        let ours = false;
        Err(Failure {
            text,
            ours,
            cut_off: false,
            advice,
        })
    } else {
        let text = Some(format!("the file says {told}").into());
        Ok(Passed { text, advice })
    }
}

/// The path with its placeholders replaced. A name cannot leave the directory.
fn path(pattern: &str, target: &Target) -> String {
    let plain = |name: &str| name.replace('/', "_");
    let service = target.service_name.as_deref().map(plain);
    let (address, port) = target.server;
    let server = target.server_name.as_deref().map(plain);
    let mut path = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            path.push('{');
            rest = after;
            continue;
        };
        match name {
            "service" => path.push_str(service.as_deref().unwrap_or_default()),
            "server" => match &server {
                Some(server) => path.push_str(server),
                None => path.push_str(&address.to_string()),
            },
            "address" => path.push_str(&address.to_string()),
            "port" => path.push_str(&port.to_string()),
            _ => {
                path.push('{');
                path.push_str(name);
                path.push('}');
            }
        }
        rest = after;
    }
    path + rest
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use director_config::state::health::{CheckAt, CheckKind, CheckSpec, Pace};

    #[test]
    fn placeholders() {
        let address = "192.0.2.1".parse().expect("an address");
        let spec = CheckSpec {
            kind: CheckKind::File(FileCheck {
                path: String::new(),
            }),
            pace: Pace::default(),
            at: CheckAt::default(),
        };
        let mut target = Target {
            spec: Arc::new(spec),
            address,
            port: 0,
            service: None,
            server: (address, 80),
            service_name: Some("web/../x".into()),
            server_name: None,
        };
        let pattern = "/run/{service}/{server}-{address}:{port}{other}{";
        assert_eq!(
            path(pattern, &target),
            "/run/web_.._x/192.0.2.1-192.0.2.1:80{other}{"
        );
        target.server_name = Some("{port}".into());
        assert_eq!(path("{server}", &target), "{port}");
    }
}
