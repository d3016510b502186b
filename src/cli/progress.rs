//! A progress bar on stderr, if there is a terminal and enough to do.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::apply::Progress;

/// Fewer steps are done before anyone could read a bar.
const WORTH_IT: usize = 5_000;

/// The phase, the bar, and the number of steps done of all.
const PLAIN: &str = "  {msg:6} {bar:40} {pos}/{len}";
/// Colours follow --color and `NO_COLOR`, as everywhere; a style of indicatif would decide by
/// itself.
const COLOURED: &str = "  {msg:6} \x1b[32m{bar:40}\x1b[0m {pos}/{len}";

/// The bar, if there is one. Dropping it clears it from the screen.
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar for this many steps.
    pub(crate) fn new(steps: usize, colour: bool) -> Self {
        // indicatif itself hides it if the terminal cannot move its cursor.
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
