//! `director.toml(5)`: the reference of the service file in `docs/service-file.md`, which a test
//! generates from the schema, as roff.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{FORMATS, MANUAL, SOURCE};

/// Where the package has the examples.
const EXAMPLES: &str = "/usr/share/doc/director/examples";

const REFERENCE: &str = include_str!("../../../docs/service-file.md");

/// The page.
pub(super) fn page(date: &str) -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["director.toml", FORMATS, date, SOURCE, MANUAL])
        .control("SH", ["NAME"])
        .text([roman("director.toml - the service file of director")])
        .control("SH", ["DESCRIPTION"])
        .text([
            bold("director"),
            roman(
                " keeps the kernel's IPVS as this file declares it. director.service reads \
                 /etc/director/director.toml; the verbs take any file.",
            ),
        ]);
    let mut writer = Writer {
        roff,
        ..Writer::default()
    };
    for event in Parser::new_ext(REFERENCE, Options::ENABLE_TABLES) {
        writer.event(event);
    }
    writer.flush();
    let mut roff = writer.roff;
    roff.control("SH", ["FILES"])
        .control("TP", [])
        .text([roman("/etc/director/director.toml")])
        .text([roman("The service file of director.service.")])
        .control("TP", [])
        .text([roman("/usr/share/director/director.schema.json")])
        .text([roman("Its JSON Schema, for editors.")])
        .control("TP", [])
        .text([roman(EXAMPLES)])
        .text([roman("Service files to start from.")])
        .control("SH", ["SEE ALSO"])
        .text([
            bold("director"),
            roman("(8), "),
            bold("director-check"),
            roman("(8), "),
            bold("director-schema"),
            roman("(8)"),
        ]);
    roff.render()
}

/// What has been read of the reference, and not yet written.
#[derive(Default)]
struct Writer {
    roff: Roff,
    /// The current line.
    line: Vec<Inline>,
    /// The finished cells of the current row of a table.
    cells: Vec<Vec<Inline>>,
    code: bool,
    head: bool,
    /// The page's own title, which the section NAME has.
    title: bool,
    item: bool,
    strong: bool,
    /// Whether a heading came last, after which a paragraph needs no distance.
    heading: bool,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            // A list in JSON has no blanks, and a line must break somewhere.
            Event::Code(text) => self.line.push(bold(text.replace("\",\"", "\", \""))),
            Event::Text(text) if self.code => {
                for line in text.lines() {
                    self.roff.text([roman(line)]);
                }
            }
            Event::Text(text) if self.strong => self.line.push(bold(text.into_string())),
            Event::Text(text) => self.line.push(roman(text.replace("../examples", EXAMPLES))),
            Event::SoftBreak | Event::HardBreak => self.line.push(roman(" ")),
            // The page has nothing else: a test looks for what is lost.
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        let heading = std::mem::take(&mut self.heading);
        match tag {
            Tag::Heading { level, .. } => self.title = *level == HeadingLevel::H1,
            Tag::CodeBlock(_) => {
                self.flush();
                self.code = true;
                self.roff
                    .control("PP", [])
                    .control("RS", ["4"])
                    .control("nf", []);
            }
            Tag::Item => {
                self.item = true;
                self.roff.control("IP", ["\\(bu", "2"]);
            }
            Tag::Paragraph if !self.item && !heading => {
                self.roff.control("PP", []);
            }
            Tag::TableHead => self.head = true,
            Tag::Strong => self.strong = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => {
                let line = std::mem::take(&mut self.line);
                if !std::mem::take(&mut self.title) {
                    let control = match level {
                        HeadingLevel::H2 => "SH",
                        _ => "SS",
                    };
                    self.heading = true;
                    self.roff.control(control, [quoted(&plain(&line)).as_str()]);
                }
            }
            TagEnd::CodeBlock => {
                self.code = false;
                self.roff.control("fi", []).control("RE", []);
            }
            TagEnd::Item => {
                self.flush();
                self.item = false;
            }
            TagEnd::Paragraph => self.flush(),
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.line)),
            TagEnd::TableHead => {
                self.head = false;
                self.cells.clear();
            }
            TagEnd::TableRow => self.row(),
            TagEnd::Strong => self.strong = false,
            _ => {}
        }
    }

    /// A row: key, value, default, meaning.
    fn row(&mut self) {
        let mut cells = std::mem::take(&mut self.cells).into_iter();
        let mut next = || cells.next().unwrap_or_default();
        let (mut key, value, default, meaning) = (next(), next(), next(), next());
        if !value.is_empty() {
            key.push(roman("  "));
            key.extend(value.into_iter().map(slanted));
        }
        if !default.is_empty() {
            let required = plain(&default) == "required";
            key.push(roman(if required { "  (" } else { "  (default " }));
            key.extend(default);
            key.push(roman(")"));
        }
        self.roff.control("TP", []).text(key).text(meaning);
    }

    /// Writes the current line.
    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.roff.text(line);
        }
    }
}

/// A value, in italics where it is no code.
fn slanted(inline: Inline) -> Inline {
    match inline {
        Inline::Roman(text) => italic(text),
        other => other,
    }
}

/// An argument of a macro, in which a quote would end it.
fn quoted(text: &str) -> String {
    text.replace('\\', r"\e").replace('"', r"\(dq")
}

fn plain(line: &[Inline]) -> String {
    line.iter()
        .map(|inline| match inline {
            Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text.as_str(),
            Inline::LineBreak => " ",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_key_and_every_word_of_the_reference() {
        let page = page("");
        let mut keys = 0;
        for line in REFERENCE.lines() {
            let word = line
                .strip_prefix("| `")
                .or_else(|| line.strip_prefix("- `"))
                .and_then(|rest| rest.split('`').next());
            if let Some(word) = word {
                let word = word.replace('-', r"\-");
                assert!(page.contains(&format!(r"\fB{word}\fR")), "{word}");
                keys += 1;
            }
        }
        assert!(keys > 150, "{keys}");
    }

    #[test]
    fn nothing_of_the_reference_is_lost() {
        for event in Parser::new_ext(REFERENCE, Options::ENABLE_TABLES) {
            let known = matches!(
                event,
                Event::Start(_)
                    | Event::End(_)
                    | Event::Text(_)
                    | Event::Code(_)
                    | Event::SoftBreak
                    | Event::HardBreak
            );
            assert!(known, "{event:?}");
        }
    }
}
