//! A terminal as an animated picture: scenes one after the other, in which commands and their
//! output appear.
//!
//! ```text
//!   0 s             6 s                                    SVG with CSS: every page that shows
//!   ├ title ────────┼ title ─────────                      pictures plays it; where nothing moves,
//!   │ # command     │ # command                            the third scene is seen
//!   │   output      │   output
//! ```
//!
//! The same text gives the same picture: times depend on the number of lines.

use std::fmt::Write;

/// Pixels. Common monospaced fonts are at most 0.61 of their height wide.
const FONT: usize = 13;
const LINE: usize = 18;
const MARGIN: usize = 18;
const BAR: usize = 34;

/// The seconds for a command, for each line below it, and for a scene.
const FOR_COMMAND: f64 = 0.9;
const FOR_LINE: f64 = 0.22;
const FOR_SCENE: f64 = 2.4;

/// The scene shown without animation.
const STILL: usize = 2;

/// A command and its output, with terminal colours.
#[derive(Clone)]
pub(super) struct Take {
    pub(super) typed: &'static str,
    pub(super) printed: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Scene {
    pub(super) title: &'static str,
    pub(super) takes: Vec<Take>,
}

pub(super) struct Film {
    pub(super) scenes: Vec<Scene>,
}

/// A piece of the picture, and when it is visible, in seconds.
struct Piece {
    from: f64,
    to: f64,
    still: bool,
    text: String,
}

impl Film {
    /// The picture.
    pub(super) fn draw(&self) -> String {
        let mut pieces = Vec::new();
        let mut now = 0.0;
        for (number, scene) in self.scenes.iter().enumerate() {
            now = scene.pieces(now, number == STILL, &mut pieces);
        }
        let rows = self.scenes.iter().map(Scene::rows).max().unwrap_or(0);
        let height = BAR + MARGIN + rows * LINE + MARGIN;
        let columns = self.scenes.iter().map(Scene::columns).max().unwrap_or(0);
        let width = (columns * FONT * 61).div_ceil(100) + 2 * MARGIN;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             role=\"img\" xml:space=\"preserve\" aria-label=\"director at work, in a terminal\">\n<style>\n\
             text {{ font: {FONT}px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; \
             fill: #d5d9e0; white-space: pre }}\n\
             .title {{ fill: #8ab4f8; font-weight: bold }} .prompt {{ fill: #f2c26b }} .typed {{ fill: #ffffff }}\n\
             .b {{ font-weight: bold }} .c1, .c9 {{ fill: #f07178 }} .c2, .c10 {{ fill: #8fd18f }} \
             .c3, .c11 {{ fill: #f2c26b }} .c4, .c12 {{ fill: #8ab4f8 }} .c5, .c13 {{ fill: #d3a6e8 }} \
             .c6, .c14 {{ fill: #7fd4d4 }} .c0, .c8 {{ fill: #8b93a1 }}\n\
             .p {{ opacity: 0 }} .still {{ opacity: 1 }}\n\
             @media (prefers-reduced-motion: no-preference) {{\n"
        );
        for (number, piece) in pieces.iter().enumerate() {
            let (from, to) = (100.0 * piece.from / now, 100.0 * piece.to / now);
            let _ = writeln!(
                svg,
                "#p{number} {{ animation: k{number} {now:.1}s step-end infinite }} \
                 @keyframes k{number} {{ 0% {{ opacity: 0 }} {from:.2}% {{ opacity: 1 }} {to:.2}% {{ opacity: 0 }} }}"
            );
        }
        let _ = writeln!(
            svg,
            "}}\n</style>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1d2129\"/>\n\
             <circle cx=\"20\" cy=\"17\" r=\"5\" fill=\"#f07178\"/><circle cx=\"38\" cy=\"17\" r=\"5\" \
             fill=\"#f2c26b\"/><circle cx=\"56\" cy=\"17\" r=\"5\" fill=\"#8fd18f\"/>"
        );
        for (number, piece) in pieces.iter().enumerate() {
            let class = if piece.still { "p still" } else { "p" };
            let _ = writeln!(
                svg,
                "<g id=\"p{number}\" class=\"{class}\">\n{}</g>",
                piece.text
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Scene {
    fn rows(&self) -> usize {
        self.takes.iter().map(|take| 1 + take.printed.len()).sum()
    }

    /// Its width, in characters.
    fn columns(&self) -> usize {
        let typed = self.takes.iter().map(|take| 2 + take.typed.chars().count());
        let printed = self.takes.iter().flat_map(|take| &take.printed);
        let printed = printed.map(|line| plain(line).chars().count());
        typed.chain(printed).max().unwrap_or(0)
    }

    /// Its pieces, from this second on; returns the second when it is over.
    fn pieces(&self, start: f64, still: bool, pieces: &mut Vec<Piece>) -> f64 {
        let mut now = start;
        let first = pieces.len();
        let mut piece = |from: f64, text: String| {
            let to = f64::INFINITY;
            pieces.push(Piece {
                from,
                to,
                still,
                text,
            });
        };
        piece(
            now,
            format!(
                "<text x=\"80\" y=\"22\" class=\"title\">{}</text>\n",
                escaped(self.title)
            ),
        );
        let mut row = 0;
        for take in &self.takes {
            now += FOR_COMMAND / 2.0;
            let typed = escaped(take.typed);
            piece(
                now,
                text(
                    row,
                    &format!(
                        "<tspan class=\"prompt\"># </tspan><tspan class=\"typed\">{typed}</tspan>"
                    ),
                ),
            );
            row += 1;
            now += FOR_COMMAND / 2.0;
            let mut printed = String::new();
            for line in &take.printed {
                printed.push_str(&text(row, &coloured(line)));
                row += 1;
                now += FOR_LINE;
            }
            if !printed.is_empty() {
                // It appears immediately; the time is for reading it.
                piece(now - FOR_LINE * count(take.printed.len()), printed);
            }
        }
        now += FOR_SCENE;
        for piece in &mut pieces[first..] {
            piece.to = now;
        }
        now
    }
}

/// A number of lines as a float.
fn count(lines: usize) -> f64 {
    f64::from(u16::try_from(lines).unwrap_or(u16::MAX))
}

fn text(row: usize, inner: &str) -> String {
    let y = BAR + MARGIN + row * LINE;
    format!("<text x=\"{MARGIN}\" y=\"{y}\">{inner}</text>\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A line without its colours.
fn plain(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    let coloured = parts.filter_map(|part| part.split_once('m'));
    coloured.fold(first, |all, (_, text)| all + text)
}

/// A line with a terminal's colours (SGR sequences) as spans.
fn coloured(line: &str) -> String {
    let mut spans = String::new();
    let (mut bold, mut colour) = (false, None);
    for (number, part) in line.split("\u{1b}[").enumerate() {
        let text = if number == 0 {
            part
        } else {
            let Some((codes, text)) = part.split_once('m') else {
                continue;
            };
            for code in codes.split(';').map(|code| code.parse::<u8>().unwrap_or(0)) {
                match code {
                    0 => (bold, colour) = (false, None),
                    1 => bold = true,
                    30..=37 => colour = Some(code - 30),
                    39 => colour = None,
                    90..=97 => colour = Some(code - 90 + 8),
                    _ => {}
                }
            }
            text
        };
        if text.is_empty() {
            continue;
        }
        let mut classes = Vec::new();
        classes.extend(bold.then(|| "b".to_owned()));
        classes.extend(colour.map(|colour| format!("c{colour}")));
        let text = escaped(text);
        if classes.is_empty() {
            spans.push_str(&text);
        } else {
            let _ = write!(
                spans,
                "<tspan class=\"{}\">{text}</tspan>",
                classes.join(" ")
            );
        }
    }
    spans
}

#[test]
fn colours_become_spans() {
    assert_eq!(plain("\u{1b}[1ma\u{1b}[0mb"), "ab");
    assert_eq!(coloured("a < b"), "a &lt; b");
    assert_eq!(
        coloured("\u{1b}[1m\u{1b}[91merror\u{1b}[0m: \u{1b}[32mok\u{1b}[0m"),
        "<tspan class=\"b c9\">error</tspan>: <tspan class=\"c2\">ok</tspan>"
    );
}

#[test]
fn a_scene_follows_the_other() {
    let take = |typed| Take {
        typed,
        printed: vec!["out".to_owned()],
    };
    let scene = |title| Scene {
        title,
        takes: vec![take("one"), take("two")],
    };
    let film = Film {
        scenes: vec![scene("first"), scene("second")],
    };
    let drawn = film.draw();
    assert_eq!(drawn, film.draw());
    // A title, two commands and two outputs each; the first scene starts and the last one ends it.
    assert_eq!(drawn.matches("<g id=").count(), 10);
    assert!(
        drawn.contains("k0 { 0% { opacity: 0 } 0.00% { opacity: 1 } 50.00%"),
        "{drawn}"
    );
    assert!(drawn.contains("50.00% { opacity: 1 } 100.00%"), "{drawn}");
}
