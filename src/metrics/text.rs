//! The text formats of Prometheus and OpenMetrics: families, samples, labels.
//!
//! The two differ in three things. OpenMetrics names a counter's family without `_total`, says a
//! family's unit, and ends with `# EOF`.

use std::fmt::{self, Write};

/// The format of an exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The media type of the exposition.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric family. The name ends with its unit, and has no `_total`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

impl Family {
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        let kind = Kind::Counter;
        Self { name, kind, help }
    }

    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        let kind = Kind::Gauge;
        Self { name, kind, help }
    }

    pub(super) const fn histogram(name: &'static str, help: &'static str) -> Self {
        let kind = Kind::Histogram;
        Self { name, kind, help }
    }

    /// The unit by which the name ends, if any.
    fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"].into_iter().find(|unit| {
            let before = self.name.strip_suffix(unit);
            before.is_some_and(|before| before.ends_with('_'))
        })
    }
}

/// A family, and how an item writes its samples.
pub(super) type Each<T> = (Family, fn(&Family, &T, &mut Text));

/// Text in one of the formats.
#[derive(Debug)]
pub(super) struct Text {
    format: Format,
    out: String,
}

impl Text {
    pub(super) const fn new(format: Format) -> Self {
        let out = String::new();
        Self { format, out }
    }

    /// What was written since the last time.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// The lines before the samples of a family.
    pub(super) fn family(&mut self, family: &Family) {
        let Family { name, kind, help } = *family;
        let (kind, total) = match (kind, self.format) {
            (Kind::Counter, Format::Prometheus) => ("counter", "_total"),
            (Kind::Counter, Format::OpenMetrics) => ("counter", ""),
            (Kind::Gauge, _) => ("gauge", ""),
            (Kind::Histogram, _) => ("histogram", ""),
        };
        self.write(format_args!("# HELP {name}{total} {}\n", Escaped(help)));
        self.write(format_args!("# TYPE {name}{total} {kind}\n"));
        if let (Format::OpenMetrics, Some(unit)) = (self.format, family.unit()) {
            self.write(format_args!("# UNIT {name} {unit}\n"));
        }
    }

    /// One sample. `labels` has the form of [`labels`], or is empty.
    pub(super) fn sample(&mut self, family: &Family, labels: &str, value: impl fmt::Display) {
        let suffix = match family.kind {
            Kind::Counter => "_total",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.line(family.name, suffix, labels, value);
    }

    /// The samples of a histogram: the number of observations up to each bound in seconds, of all,
    /// and their sum in seconds.
    pub(super) fn histogram(
        &mut self,
        family: &Family,
        buckets: &[(f64, u64)],
        count: u64,
        sum: f64,
    ) {
        for (bound, up_to) in buckets {
            // OpenMetrics wants a decimal point in a bound.
            let bound = format!("le=\"{bound:?}\"");
            self.line(family.name, "_bucket", &bound, up_to);
        }
        self.line(family.name, "_bucket", "le=\"+Inf\"", count);
        self.line(family.name, "_sum", "", sum);
        self.line(family.name, "_count", "", count);
    }

    /// Families with a series for each item; none without items.
    pub(super) fn each<T>(&mut self, families: &[Each<T>], items: &[T]) {
        for (family, write) in families.iter().filter(|_| !items.is_empty()) {
            self.family(family);
            for item in items {
                write(family, item, self);
            }
        }
    }

    /// The end of the exposition.
    pub(super) fn end(&mut self) {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
    }

    fn line(&mut self, name: &str, suffix: &str, labels: &str, value: impl fmt::Display) {
        if labels.is_empty() {
            self.write(format_args!("{name}{suffix} {value}\n"));
        } else {
            self.write(format_args!("{name}{suffix}{{{labels}}} {value}\n"));
        }
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.out.write_fmt(text);
    }
}

/// Labels and their values as a sample has them: `service="web",direction="in"`.
pub(super) fn labels(labels: &[(&str, &dyn fmt::Display)]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{name}=\"{}\"", Escaped(value));
    }
    text
}

/// A text with backslash, quotation mark and line feed escaped. In a help text a quotation mark
/// needs no escape, and none of ours has one.
struct Escaped<T>(T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escape<'a, 'f>(&'a mut fmt::Formatter<'f>);
        impl fmt::Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                let mut rest = text;
                while let Some(at) = rest.find(['\\', '"', '\n']) {
                    let (plain, special) = rest.split_at(at);
                    self.0.write_str(plain)?;
                    self.0.write_str(match special.as_bytes()[0] {
                        b'\\' => "\\\\",
                        b'"' => "\\\"",
                        _ => "\\n",
                    })?;
                    rest = &special[1..];
                }
                self.0.write_str(rest)
            }
        }
        write!(Escape(f), "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES: Family = Family::counter("director_service_bytes", "Bytes forwarded.");

    fn both(write: impl Fn(&mut Text)) -> (String, String) {
        let text = |format| {
            let mut text = Text::new(format);
            write(&mut text);
            text.end();
            text.take()
        };
        (text(Format::Prometheus), text(Format::OpenMetrics))
    }

    #[test]
    fn a_counter_has_total_in_its_family_only_for_prometheus() {
        let (prometheus, open) = both(|text| {
            text.family(&BYTES);
            text.sample(&BYTES, &labels(&[("service", &"web")]), 7);
        });
        assert_eq!(
            prometheus,
            "# HELP director_service_bytes_total Bytes forwarded.\n\
             # TYPE director_service_bytes_total counter\n\
             director_service_bytes_total{service=\"web\"} 7\n"
        );
        assert_eq!(
            open,
            "# HELP director_service_bytes Bytes forwarded.\n\
             # TYPE director_service_bytes counter\n\
             # UNIT director_service_bytes bytes\n\
             director_service_bytes_total{service=\"web\"} 7\n\
             # EOF\n"
        );
    }

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let late = Family::histogram("late_seconds", "How late.");
        let (text, _) = both(|text| text.histogram(&late, &[(0.005, 3), (1.0, 4)], 5, 2.5));
        assert_eq!(
            text,
            "late_seconds_bucket{le=\"0.005\"} 3\nlate_seconds_bucket{le=\"1.0\"} 4\n\
             late_seconds_bucket{le=\"+Inf\"} 5\nlate_seconds_sum 2.5\nlate_seconds_count 5\n"
        );
    }

    /// The value of a label, as a reader of the format finds it; `None` if the text is no label.
    fn read(label: &str) -> Option<String> {
        let quoted = label.strip_prefix("name=\"")?.strip_suffix('"')?;
        let mut value = String::new();
        let mut characters = quoted.chars();
        while let Some(next) = characters.next() {
            value.push(match next {
                '\\' => match characters.next()? {
                    'n' => '\n',
                    same @ ('\\' | '"') => same,
                    _ => return None,
                },
                '"' | '\n' => return None,
                plain => plain,
            });
        }
        Some(value)
    }

    proptest! {
        #[test]
        fn any_text_can_be_the_value_of_a_label(value: String) {
            let label = labels(&[("name", &value)]);
            prop_assert_eq!(read(&label), Some(value));
        }

        #[test]
        fn texts_of_special_characters_can_be_values(value in "[\\\\\"\n a]{0,12}") {
            let label = labels(&[("name", &value)]);
            prop_assert_eq!(read(&label), Some(value));
        }
    }
}
