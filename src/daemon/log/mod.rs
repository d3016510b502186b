//! The log: events of [`tracing`] as lines on stderr.
//!
//! The levels tell what the operator must do:
//!
//! | level | means | `<N>` |
//! |---|---|---|
//! | error | act now: traffic suffers, or soon will | 3 |
//! | warn | look soon: it works, and something is wrong | 4 |
//! | info | nothing: this is normal life | 6 |
//! | debug, trace | nothing: for who looks for a mistake in director itself | 7 |
//!
//! A separate thread writes them. If the output does not accept them (a full pipe), they are
//! dropped and counted: no verdict waits for a log.

mod line;
mod queue;

use std::io;
use std::os::fd::AsFd;

use anyhow::Context;
use nix::sys::stat::fstat;
use tracing::Subscriber;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

pub use queue::LogGuard;

use line::Line;
use queue::Queue;

/// The settings of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as
    /// `info,director::check=debug`.
    pub filter: String,
    /// The format of a line.
    pub form: LogForm,
}

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// For people.
    Text,
    /// A JSON object.
    Json,
}

/// The kind of reader behind stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// The journal, which adds its own time and takes the level as `<N>` (sd-daemon(3)).
    Journal,
    /// A terminal that shows colours.
    Terminal,
    /// A file or a pipe.
    Other,
}

/// Starts the program's log. Dropping the guard writes the remaining lines.
///
/// # Errors
/// If the filter is invalid, or the log was started before.
pub fn start(options: &LogOptions, colour: bool) -> anyhow::Result<LogGuard> {
    let filter = filter(&options.filter)?;
    let (queue, guard) = Queue::start(options.form, io::stderr())?;
    let reader = match (is_journal(), colour) {
        (true, _) => Reader::Journal,
        (false, true) => Reader::Terminal,
        (false, false) => Reader::Other,
    };
    tracing_subscriber::registry()
        .with(layer(options.form, reader, queue).with_filter(filter))
        .try_init()
        .context("cannot start the log")?;
    Ok(guard)
}

fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    // A word that is no level would be taken as the name of a target, and nothing would be logged.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let bare = text.split(',').find(|part| {
        let part = part.trim();
        !part.contains(['=', '[']) && !levels.contains(&part.to_ascii_lowercase().as_str())
    });
    if let Some(bare) = bare {
        anyhow::bail!(
            "`{bare}` is not a log level: error, warn, info, debug, trace, off, or directives such \
             as info,director::check=debug"
        );
    }
    EnvFilter::builder().parse(text).with_context(|| {
        format!("`{text}` is not a log filter, such as info,director::check=debug")
    })
}

fn layer<S>(form: LogForm, reader: Reader, queue: Queue) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = fmt::layer()
        .with_ansi(reader == Reader::Terminal)
        .with_writer(queue);
    match (form, reader) {
        (LogForm::Text, Reader::Journal) => layer.event_format(Line).boxed(),
        (LogForm::Text, _) => layer.with_target(false).boxed(),
        (LogForm::Json, Reader::Journal) => layer
            .json()
            .flatten_event(true)
            .fmt_fields(JsonFields::new())
            .without_time()
            .boxed(),
        (LogForm::Json, _) => layer
            .json()
            .flatten_event(true)
            .fmt_fields(JsonFields::new())
            .boxed(),
    }
}

/// Whether stderr is the journal's own socket (systemd.exec(5), `JOURNAL_STREAM`): a child of a
/// service whose stderr goes elsewhere has the variable too.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    fstat(io::stderr().as_fd())
        .is_ok_and(|found| stream == format!("{}:{}", found.st_dev, found.st_ino))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn subscriber(form: LogForm, reader: Reader, queue: Queue) -> impl Subscriber {
        tracing_subscriber::registry().with(layer(form, reader, queue))
    }

    fn logged(form: LogForm, reader: Reader) -> String {
        written(form, reader, || {
            tracing::error!(service = "web", "two\nlines");
            tracing::warn!(count = 3, "one");
            tracing::info!("life");
            tracing::debug!("detail");
        })
    }

    fn written(form: LogForm, reader: Reader, happening: impl FnOnce()) -> String {
        let written = Written::default();
        let (queue, guard) = Queue::start(form, written.clone()).unwrap();
        tracing::subscriber::with_default(subscriber(form, reader, queue), happening);
        drop(guard);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_journal_gets_levels_and_no_time() {
        assert_eq!(
            logged(LogForm::Text, Reader::Journal),
            "<3>two\n<3>lines service=\"web\"\n<4>one count=3\n<6>life\n<7>detail\n"
        );
    }

    #[test]
    fn others_get_a_time_and_the_level_in_words() {
        let text = logged(LogForm::Text, Reader::Other);
        let line = text.lines().find(|line| line.contains("one")).unwrap();
        assert!(
            line.starts_with("20") && line.contains("Z  WARN one count=3"),
            "{line}"
        );
        assert!(!text.contains('\x1b'));
        assert!(logged(LogForm::Text, Reader::Terminal).contains('\x1b'));
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged(LogForm::Json, Reader::Other);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0]["message"], "two\nlines");
        assert_eq!(lines[0]["service"], "web");
        assert_eq!(lines[1]["level"], "WARN");
        assert!(lines[0]["timestamp"].is_string());
        let journal = logged(LogForm::Json, Reader::Journal);
        assert!(!journal.contains("timestamp"), "{journal}");
    }

    #[test]
    fn what_others_wrote_reorders_no_line_and_ends_none() {
        const HOSTILE: &str = "a\u{202e}b\u{e0041}c\u{2028}d\x1b[2Je\u{9b}f";
        for reader in [Reader::Journal, Reader::Terminal, Reader::Other] {
            for form in [LogForm::Text, LogForm::Json] {
                let text = written(form, reader, || {
                    tracing::warn!(service = HOSTILE, reason = %HOSTILE, "{HOSTILE}");
                });
                assert_eq!(text.lines().count(), 1, "{text:?}");
                let hidden = |c: char| c != '\n' && c != '\x1b' && crate::words::is_hidden(c);
                assert!(!text.contains(hidden), "{text:?}");
                assert!(!text.contains("\x1b[2J"), "{text:?}");
                if form == LogForm::Json {
                    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(line["message"], HOSTILE);
                }
            }
        }
    }

    #[test]
    fn filters() {
        for good in [
            "info",
            "WARN",
            "info,director::check=debug",
            "off",
            "director=trace",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["", "loud", "info,verbose", "director=loud"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }
}
