//! Who may see the page: the token, and the sessions of people who gave it.

use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustls::crypto::aws_lc_rs;
use subtle::ConstantTimeEq;

use super::file;
use crate::regular;

/// The shortest token: 16 bytes in hexadecimal digits.
const SHORTEST: usize = 32;
const LONGEST: usize = 512;
/// How long a session lasts.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 3600);
/// The most sessions; the oldest goes for a new one.
const SESSIONS: usize = 1000;

/// What scrapers send, and people type.
pub(super) struct Token(String);

impl Token {
    /// Reads the token from a file that others cannot read.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let what = || file("the token", path);
        let text = regular::read(path, 4096).with_context(|| format!("cannot read {}", what()))?;
        let found = std::fs::metadata(path).with_context(|| format!("cannot read {}", what()))?;
        // Group read stays allowed: a file with an access list for one user, as systemd's credentials
        // are, shows that list's mask there.
        let (mode, owner) = (found.mode() & 0o777, found.uid());
        if mode & 0o027 != 0 {
            bail!(
                "{} has mode {mode:04o}: others could read it; chmod 600",
                what()
            );
        }
        if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
            bail!("{} belongs to another user", what());
        }
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || !(SHORTEST..=LONGEST).contains(&text.len()) {
            bail!(
                "{} needs {SHORTEST} to {LONGEST} visible characters: `openssl rand -hex 32` writes some",
                what()
            );
        }
        Ok(Self(text))
    }

    pub(super) fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

/// Browsers that gave the token.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Vec<(String, Instant)>>);

impl Sessions {
    /// A new session; `None` without randomness.
    pub(super) fn open(&self, now: Instant) -> Option<String> {
        let mut bytes = [0; 32];
        let random = aws_lc_rs::default_provider().secure_random;
        random.fill(&mut bytes).ok()?;
        let id = bytes.iter().fold(String::new(), |mut id, byte| {
            // Writing to a String cannot fail.
            let _ = write!(id, "{byte:02x}");
            id
        });
        let mut sessions = self.lock();
        sessions.retain(|(_, since)| now.saturating_duration_since(*since) < SESSION);
        if sessions.len() >= SESSIONS {
            sessions.remove(0);
        }
        sessions.push((id.clone(), now));
        Some(id)
    }

    pub(super) fn has(&self, id: &str, now: Instant) -> bool {
        let same = |(known, since): &(String, Instant)| {
            let fresh = now.saturating_duration_since(*since) < SESSION;
            fresh & bool::from(known.as_bytes().ct_eq(id.as_bytes()))
        };
        self.lock().iter().any(same)
    }

    pub(super) fn close(&self, id: &str) {
        self.lock().retain(|(known, _)| known != id);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(text: &str, mode: u32) -> anyhow::Result<Token> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Token::read(&path)
    }

    #[test]
    fn a_token_that_others_can_read_or_guess_is_refused() {
        let good = "0123456789abcdef0123456789abcdef";
        let token = written(&format!("{good}\n"), 0o600).unwrap();
        assert!(token.is(good));
        assert!(!token.is(&good[1..]));
        assert!(!token.is(""));
        for (text, mode, said) in [
            (good, 0o604, "has mode 0604"),
            (good, 0o620, "has mode 0620"),
            (&good[1..], 0o600, "openssl rand -hex 32"),
            ("", 0o600, "openssl rand -hex 32"),
            (
                "0123456789abcdef 0123456789abcdef",
                0o600,
                "visible characters",
            ),
        ] {
            let error = written(text, mode).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_session_ends_with_its_time_and_when_it_is_closed() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let id = sessions.open(now).unwrap();
        assert!(sessions.has(&id, now + SESSION / 2));
        assert!(!sessions.has(&id, now + SESSION));
        assert!(!sessions.has("", now));
        sessions.close(&id);
        assert!(!sessions.has(&id, now));
    }

    #[test]
    fn the_oldest_of_too_many_sessions_goes() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.open(now).unwrap();
        let last = (0..SESSIONS).map(|_| sessions.open(now).unwrap()).last();
        assert!(!sessions.has(&first, now));
        assert!(sessions.has(&last.unwrap(), now));
    }
}
