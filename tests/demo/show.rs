//! The appearance of the demo: scenes, commands, bars. Colour if `DIRECTOR_DEMO_COLOUR` is set,
//! which `scripts/demo` does on a terminal.

use std::env;

use crate::lab::Answers;

/// The widest bar.
const WIDTH: usize = 45;

pub(crate) struct Show {
    colour: bool,
}

impl Show {
    pub(crate) fn new() -> Self {
        Self {
            colour: env::var_os("DIRECTOR_DEMO_COLOUR").is_some(),
        }
    }

    pub(crate) fn colour(&self) -> bool {
        self.colour
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A drawing or paragraph, without its common indentation.
    pub(crate) fn text(&self, text: &str) {
        for line in text.lines().skip(1) {
            println!(
                "{}",
                self.paint("36", line.strip_prefix("            ").unwrap_or(line))
            );
        }
    }

    pub(crate) fn scene(&self, title: &str) {
        println!("\n{}", self.paint("1", &format!("── {title}")));
    }

    pub(crate) fn command(&self, host: &str, words: &str) {
        println!("   {} {words}", self.paint("33", &format!("{host}#")));
    }

    pub(crate) fn note(&self, text: &str) {
        println!("   {} {text}", self.paint("32", "✓"));
    }

    pub(crate) fn output(&self, text: &str) {
        for line in text.lines() {
            println!("     {line}");
        }
    }

    /// How often each server answered.
    pub(crate) fn bars(&self, title: &str, names: &[&str], answers: &Answers) {
        println!("   {title}");
        let most = names
            .iter()
            .map(|name| answers.by(name))
            .max()
            .unwrap_or(0)
            .max(1);
        for name in names {
            let count = answers.by(name);
            let bar = "█".repeat(count * WIDTH / most);
            println!("     {name:<6} {count:>3}  {}", self.paint("34", &bar));
        }
    }

    pub(crate) fn end(&self) {
        println!(
            "\n{}\nNext: README.md for what there is, scripts/test to see all of it proved.",
            self.paint("1", "── That was a load balancer.")
        );
    }
}
