//! A progress bar on stderr, where there is a terminal and enough to do.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::apply::Progress;

/// Fewer steps are done before anybody could read a bar.
const WORTH_IT: usize = 5_000;

/// What is shown: the phase, the bar, how many steps of how many.
const PLAIN: &str = "  {msg:6} {bar:40} {pos}/{len}";
/// Whether there are colours is for --color and `NO_COLOR` to say, as everywhere: by a style of
/// indicatif's own it would decide itself.
const COLOURED: &str = "  {msg:6} \x1b[32m{bar:40}\x1b[0m {pos}/{len}";

/// The bar, if there is one. It is gone from the screen when it is dropped.
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar of that many steps.
    pub(crate) fn new(steps: usize, colour: bool) -> Self {
        // indicatif itself hides it where the terminal cannot move its cursor.
        let is_shown = steps >= WORTH_IT && io::stderr().is_terminal();
        Self(is_shown.then(|| {
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(number(steps)), target)
                .with_finish(ProgressFinish::AndClear);
            let template = if colour { COLOURED } else { PLAIN };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("█▌░"));
            }
            bar
        }))
    }

    pub(crate) fn show(&self, progress: Progress) {
        if let Self(Some(bar)) = self {
            bar.set_message(progress.phase.to_string());
            bar.set_position(number(progress.done));
        }
    }
}

fn number(steps: usize) -> u64 {
    u64::try_from(steps).unwrap_or(u64::MAX)
}
