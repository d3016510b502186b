//! `director top`: services and servers on the whole screen, live.
//!
//! ```text
//!   input, signals ─► this loop ─► state.rs (what a key means) ─► draw/ ─► ratatui ─► terminal
//!                        ▲                 ▲                                (only what changed)
//!   fetch.rs ────────────┘                 └─ data.rs: answers, rates
//!      ▲  └─► the view socket
//!      └── what the screen shows, so that nothing else is asked for
//! ```
//!
//! The loop waits for none but its channel: a director that does not answer stops no key.

mod data;
mod draw;
mod fetch;
mod message;
mod rows;
mod screen;
mod state;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::Event as Input;

use super::args::{Args, Live};
use super::clock::local;
use super::exit::Exit;
use super::output::style;
use message::{Fetched, Message, Signalled};
use screen::Screen;
use state::{Action, State};

/// The shortest interval between two readings.
const SHORTEST: Duration = Duration::from_millis(200);

/// The age of the data is drawn at this pace while the director does not answer.
const TICK: Duration = Duration::from_secs(1);

/// The most messages that are taken between two pictures: a key that is held down does not stop
/// them.
const BURST: usize = 256;

/// There is no terminal to draw on.
#[derive(Debug, thiserror::Error)]
#[error("{why}: `director top` draws on a terminal")]
pub(crate) struct NoTerminal {
    why: &'static str,
    /// The command that shows the same without a terminal.
    pub(crate) next: String,
}

pub(crate) fn run(args: &Args, verb: &Live) -> anyhow::Result<Exit> {
    needs_terminal(args)?;
    let client = args.viewer()?;
    let mut state = State::new(style(args).colour, local);
    let started = Instant::now();
    // If no director is running at the start, report it as any verb does.
    let answer = fetch::ask(&client, &state.want())?;
    state.take(Fetched::new(state.want(), started.elapsed(), Ok(answer)));
    let (sender, receiver) = mpsc::channel();
    // Before the terminal is changed: from here on, a signal no longer kills the process.
    screen::hear_signals(sender.clone())?;
    let screen = Screen::enter()?;
    screen::hear_keys(sender.clone())?;
    let wanted = fetch::start(
        client,
        state.want(),
        verb.interval.max(SHORTEST),
        started,
        sender,
    )?;
    let shown = show(&mut state, &receiver, &wanted, screen, started);
    shown.map(|()| Exit::Done)
}

/// Draws and takes messages until the user quits or a signal ends it.
fn show(
    state: &mut State,
    receiver: &Receiver<Message>,
    wanted: &fetch::Wanted,
    mut screen: Screen,
    started: Instant,
) -> anyhow::Result<()> {
    loop {
        screen.draw(|frame| draw::draw(frame, state, started.elapsed()))?;
        wanted.set(state.want());
        let mut message = match receiver.recv_timeout(TICK) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        for _ in 0..BURST {
            match message.map_or(Ok(Action::Nothing), |message| take(state, message))? {
                Action::Nothing => {}
                Action::Quit => return Ok(()),
                Action::Redraw => screen.again()?,
                Action::Suspend => screen.suspend()?,
            }
            message = receiver.try_recv().ok();
            if message.is_none() {
                break;
            }
        }
    }
}

fn take(state: &mut State, message: Message) -> anyhow::Result<Action> {
    Ok(match message {
        Message::Input(Input::Key(key)) => state.key(key),
        // ratatui asks for the size before each picture.
        Message::Input(_) => Action::Nothing,
        Message::Fetched(fetched) => {
            state.take(*fetched);
            Action::Nothing
        }
        Message::Signal(Signalled::End) => Action::Quit,
        Message::Signal(Signalled::Stop) => Action::Suspend,
        Message::Signal(Signalled::Continue) => Action::Redraw,
        Message::Over(why) => anyhow::bail!("{why}"),
    })
}

fn needs_terminal(args: &Args) -> Result<(), NoTerminal> {
    let why = if !io::stdout().is_terminal() {
        "stdout is not a terminal"
    } else if std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
        "TERM names a terminal that cannot be drawn on"
    } else {
        return Ok(());
    };
    let netns = args.netns.as_deref();
    let netns = netns.map_or(String::new(), |name| format!("--netns {name} "));
    Err(NoTerminal {
        why,
        next: format!("director {netns}status --watch"),
    })
}
