//! SCRAM-SHA-256 (RFC 5802, RFC 7677), as a client, without channel binding.
//!
//! ```text
//!   C: n,,n=,r=CLIENT                        PostgreSQL takes the user from the start-up message
//!   S: r=CLIENTSERVER,s=SALT,i=4096
//!   C: c=biws,r=CLIENTSERVER,p=PROOF
//!   S: v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=                           the server knows the password too
//! ```
//!
//! Passwords are used unchanged: those beyond ASCII must be in NFKC already (SASLprep is not
//! applied).

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The most rounds accepted from a server, so that it cannot make the checks do its work; 4096 are
/// usual.
const MAX_ROUNDS: u32 = 40_960;

/// `n,,` in base 64: no channel binding.
const NO_BINDING: &str = "biws";

/// The client's side of the conversation.
#[derive(Debug)]
pub(super) struct Scram {
    nonce: Box<str>,
    /// The signature expected from the server, once its challenge is known.
    expected: Option<std::sync::mpsc::Receiver<hmac::Tag>>,
    proved: bool,
}

/// The input for the proof of the password: the expensive part, which can run elsewhere.
pub(super) struct Proving {
    auth_message: String,
    without_proof: String,
    salt: Vec<u8>,
    rounds: NonZeroU32,
    /// Receives the signature that the server has to present.
    expected: std::sync::mpsc::Sender<hmac::Tag>,
}

/// Random bytes as a nonce: printable, no comma.
pub(super) fn encode_nonce(bytes: &[u8]) -> Box<str> {
    BASE64.encode(bytes).into()
}

impl Scram {
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            nonce: nonce.into(),
            expected: None,
            proved: false,
        }
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare())
    }

    fn first_bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// Handles the server's first message.
    pub(super) fn challenge(&mut self, server_first: &[u8]) -> Result<Proving, Box<str>> {
        const ALIEN: &str = "its SCRAM challenge is invalid";
        let text = std::str::from_utf8(server_first).map_err(|_| ALIEN)?;
        let mut parts = text.split(',');
        let mut part = |name| parts.next().and_then(|part| part.strip_prefix(name));
        let (nonce, salt, rounds) = (part("r="), part("s="), part("i="));
        let (nonce, salt, rounds) = (
            nonce.ok_or(ALIEN)?,
            salt.ok_or(ALIEN)?,
            rounds.ok_or(ALIEN)?,
        );
        // It must be our nonce with the server's appended; otherwise it answers another client.
        if !nonce.starts_with(&*self.nonce) || nonce.len() == self.nonce.len() {
            return Err("its SCRAM challenge is not for this check".into());
        }
        let salt = BASE64.decode(salt).map_err(|_| ALIEN)?;
        let rounds: NonZeroU32 = rounds.parse().map_err(|_| ALIEN)?;
        if rounds.get() > MAX_ROUNDS {
            return Err(format!(
                "it demands {rounds} rounds of SCRAM; director does at most {MAX_ROUNDS}"
            )
            .into());
        }
        let without_proof = format!("c={NO_BINDING},r={nonce}");
        let (expected, receiver) = std::sync::mpsc::channel();
        self.expected = Some(receiver);
        Ok(Proving {
            auth_message: format!("{},{text},{without_proof}", self.first_bare()),
            without_proof,
            salt,
            rounds,
            expected,
        })
    }

    /// Verifies the server's last message: whether it knows the password too.
    pub(super) fn verify(&mut self, server_final: &[u8]) -> Result<(), Box<str>> {
        let expected = self
            .expected
            .take()
            .and_then(|expected| expected.try_recv().ok());
        let shown = server_final
            .strip_prefix(b"v=")
            .and_then(|shown| BASE64.decode(shown).ok());
        match (expected, shown) {
            (Some(expected), Some(shown)) if expected.as_ref() == shown => {
                self.proved = true;
                Ok(())
            }
            _ => Err("it does not know the password itself: another server?".into()),
        }
    }

    /// Whether the server proved that it knows the password.
    pub(super) fn is_proved(&self) -> bool {
        self.proved
    }
}

impl Proving {
    /// The final message, with the proof.
    pub(super) fn prove(self, password: &[u8]) -> String {
        let mut salted = [0; 32];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, self.rounds, &self.salt, password, &mut salted);
        let sign =
            |key: &[u8], data: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
        let message = self.auth_message.as_bytes();
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let signature = sign(stored_key.as_ref(), message);
        let server_key = sign(&salted, b"Server Key");
        // The receiver is gone if the check timed out.
        let _ = self.expected.send(sign(server_key.as_ref(), message));
        let pairs = client_key.as_ref().iter().zip(signature.as_ref());
        let proof: Vec<u8> = pairs.map(|(a, b)| a ^ b).collect();
        format!("{},p={}", self.without_proof, BASE64.encode(proof))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3, except for the user's name, which PostgreSQL omits: the proof therefore
    /// differs; both were computed with Python's hashlib.
    #[test]
    fn a_password_is_proved_on_both_sides() {
        let mut scram = Scram::new("rOprNGfwEbeRWgbNEkqO");
        let challenge = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = scram.challenge(challenge).unwrap().prove(b"pencil");
        let wanted = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k=";
        assert_eq!(last, wanted);
        assert!(!scram.is_proved());
        scram
            .verify(b"v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=")
            .unwrap();
        assert!(scram.is_proved());
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found() {
        let mut scram = Scram::new("abc");
        let last = scram.challenge(b"r=abcdef,s=c2FsdA==,i=1").unwrap();
        last.prove(b"pencil");
        let wrong = format!("v={}", BASE64.encode([7; 32]));
        assert!(scram.verify(wrong.as_bytes()).is_err());
        assert!(!scram.is_proved());
    }

    #[test]
    fn challenges_that_are_not_for_us_are_refused() {
        for wrong in [
            &b""[..],
            b"r=abc,s=c2FsdA==,i=1",
            b"r=xyzdef,s=c2FsdA==,i=1",
            b"r=abcdef,s=!,i=1",
            b"r=abcdef,s=c2FsdA==,i=0",
            b"r=abcdef,s=c2FsdA==,i=40961",
            b"e=other-error",
            b"\xff",
        ] {
            assert!(Scram::new("abc").challenge(wrong).is_err(), "{wrong:?}");
        }
    }
}
