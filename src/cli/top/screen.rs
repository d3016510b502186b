//! The terminal: taken over, given back whatever happens, and what comes from it.

use std::io::{self, BufWriter, Stdout, Write};
use std::panic;
use std::sync::Once;
use std::sync::mpsc::Sender;
use std::thread;

use nix::sys::signal::{Signal, raise};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event;
use ratatui::crossterm::terminal::{self, disable_raw_mode, enable_raw_mode};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::message::{Message, Signalled};

/// The alternate screen without a cursor, and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
const HIDE: &[u8] = b"\x1b[?25l";
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";

/// One write takes as much as fits: a picture in pieces flickers.
const BUFFER: usize = 64 * 1024;

/// The size of a serial console, which does not know its own.
const UNKNOWN: Rect = Rect::new(0, 0, 80, 24);

type Drawn = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// The terminal while it is ours; dropping this gives it back, and so does a panic.
pub(super) struct Screen {
    terminal: Drawn,
}

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        leave_on_panic();
        let stdout = BufWriter::with_capacity(BUFFER, io::stdout());
        let backend = CrosstermBackend::new(stdout);
        let terminal = match size() {
            Some(_) => Terminal::new(backend)?,
            None => {
                let viewport = Viewport::Fixed(UNKNOWN);
                Terminal::with_options(backend, TerminalOptions { viewport })?
            }
        };
        take()?;
        Ok(Self { terminal })
    }

    /// Draws what changed.
    pub(super) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(picture).map(|_| ())
    }

    /// Sets the modes again, which a shell may have changed, and draws everything. Does not enter the
    /// alternate screen a second time: not every terminal keeps the first cursor then.
    pub(super) fn again(&mut self) -> io::Result<()> {
        // Otherwise crossterm believes that the mode is still set.
        disable_raw_mode()?;
        enable_raw_mode()?;
        write(HIDE)?;
        // `clear` would ask the terminal where its cursor is, and wait for the answer in vain: it
        // goes to the thread that hears keys.
        self.terminal.resize(size().unwrap_or(UNKNOWN))
    }

    /// Gives the terminal to the shell until it continues this process.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        raise(Signal::SIGSTOP)?;
        write(ENTER)?;
        self.again()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// The size of the terminal, if it knows one.
fn size() -> Option<Rect> {
    let (width, height) = terminal::size().ok()?;
    (width > 0 && height > 0).then_some(Rect::new(0, 0, width, height))
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    write(ENTER).inspect_err(|_| leave())
}

/// The terminal may be gone: there is nothing to be done about errors.
fn leave() {
    let _ = write(LEAVE);
    let _ = disable_raw_mode();
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Before the panic's message is written, which otherwise goes to the hidden screen.
fn leave_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            leave();
            before(panicked);
        }));
    });
}

/// Hears signals from now on.
pub(super) fn hear_signals(sender: Sender<Message>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let hear = |kind| runtime.block_on(async { signal(kind) });
    let mut interrupt = hear(SignalKind::interrupt())?;
    let mut terminate = hear(SignalKind::terminate())?;
    let mut hangup = hear(SignalKind::hangup())?;
    let mut stop = hear(SignalKind::from_raw(Signal::SIGTSTP as i32))?;
    let mut resume = hear(SignalKind::from_raw(Signal::SIGCONT as i32))?;
    spawn("signals", sender, move |sender| {
        runtime.block_on(async {
            loop {
                let signalled = tokio::select! {
                    _ = interrupt.recv() => Signalled::End,
                    _ = terminate.recv() => Signalled::End,
                    _ = hangup.recv() => Signalled::End,
                    _ = stop.recv() => Signalled::Stop,
                    _ = resume.recv() => Signalled::Continue,
                };
                if sender.send(Message::Signal(signalled)).is_err() {
                    return;
                }
            }
        });
    })
}

/// Hears keys and new sizes from now on.
pub(super) fn hear_keys(sender: Sender<Message>) -> io::Result<()> {
    spawn("keys", sender, |sender| {
        loop {
            let message = match event::read() {
                Ok(input) => Message::Input(input),
                Err(error) => {
                    let why = format!("cannot read from the terminal: {error}");
                    let _ = sender.send(Message::Over(why));
                    return;
                }
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    })
}

/// Starts a thread that sends messages. If it panics, which gives the terminal back, the loop ends.
pub(super) fn spawn(
    name: &'static str,
    sender: Sender<Message>,
    work: impl FnOnce(&Sender<Message>) + Send + 'static,
) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        let over = Over { name, sender };
        work(&over.sender);
    })?;
    Ok(())
}

/// Tells of the thread's panic when it is dropped by one.
struct Over {
    name: &'static str,
    sender: Sender<Message>,
}

impl Drop for Over {
    fn drop(&mut self) {
        if thread::panicking() {
            let why = format!("thread `{}` panicked", self.name);
            let _ = self.sender.send(Message::Over(why));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// What a person types. The test below ends by a panic, with the terminal in its hands.
    const TYPED: &str = r#"stty rows 24 cols 80; echo "as it was: $(stty -g)"
"$PROGRAM" --exact cli::top::screen::tests::ends_by_a_panic --ignored --nocapture
echo "as it is: $(stty -g)""#;

    #[test]
    #[ignore = "is run by the test below, on a terminal"]
    fn ends_by_a_panic() {
        let mut screen = Screen::enter().unwrap();
        screen.draw(|_| {}).unwrap();
        panic!("the reason");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_its_message() {
        let output = Command::new("script")
            .args(["-qec", TYPED, "/dev/null"])
            .env("PROGRAM", std::env::current_exe().unwrap())
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let place = |what: &str| printed.find(what).unwrap_or_else(|| panic!("{printed:?}"));
        assert!(place("\x1b[?1049h") < place("\x1b[?1049l"), "{printed:?}");
        assert!(place("\x1b[?1049l") < place("the reason"), "{printed:?}");
        let setting = |what: &str| {
            let rest = printed[place(what)..].split_once(": ").unwrap().1;
            rest.lines().next().unwrap().to_owned()
        };
        assert_eq!(setting("as it was"), setting("as it is"));
    }
}
