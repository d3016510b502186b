//! How a password is proved.

use aws_lc_rs::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

/// Twenty random bytes from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonce([u8; 20]);

impl Nonce {
    pub(super) fn from_parts(first: &[u8], second: &[u8]) -> Option<Self> {
        let all = [first, second].concat();
        Some(Self(all.try_into().ok()?))
    }
}

/// An authentication plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plugin {
    /// SHA-1; the default of MariaDB, and of MySQL before 8.
    Native,
    /// SHA-256; the default of MySQL since 8.
    CachingSha2,
}

impl Plugin {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"mysql_native_password" => Some(Self::Native),
            b"caching_sha2_password" => Some(Self::CachingSha2),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }

    /// Proves knowledge of the password without revealing it.
    pub(super) fn scramble(self, password: &[u8], nonce: &Nonce) -> Vec<u8> {
        if password.is_empty() {
            return Vec::new();
        }
        let hash = |parts: &[&[u8]]| hash(self.algorithm(), parts);
        let once = hash(&[password]);
        let twice = hash(&[once.as_ref()]);
        let salted = match self {
            Self::Native => hash(&[&nonce.0, twice.as_ref()]),
            Self::CachingSha2 => hash(&[twice.as_ref(), &nonce.0]),
        };
        let pairs = once.as_ref().iter().zip(salted.as_ref());
        pairs.map(|(a, b)| a ^ b).collect()
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Native => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::CachingSha2 => &SHA256,
        }
    }
}

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> digest::Digest {
    let mut context = digest::Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish()
}

/// The password encrypted with the server's public key (PEM), for `caching_sha2_password` without
/// TLS.
///
/// # Errors
/// If it is not an RSA key, or the password does not fit.
pub(super) fn seal(password: &[u8], nonce: &Nonce, pem: &[u8]) -> Result<Vec<u8>, Box<str>> {
    const NO_KEY: &str = "the server sent no public key to encrypt the password with";
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| NO_KEY)?;
    let key = PublicEncryptingKey::from_der(&der).map_err(|_| NO_KEY)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| NO_KEY)?;
    let plain: Vec<u8> = password
        .iter()
        .chain(&[0])
        .zip(nonce.0.iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    let mut room = vec![0; key.ciphertext_size()];
    let sealed = key.encrypt(&OAEP_SHA1_MGF1SHA1, &plain, &mut room, None);
    let sealed = sealed.map_err(|_| "the password does not fit into its public key")?;
    Ok(sealed.to_vec())
}

/// An invalid proof in the form that a plugin expects, so that it refuses the log-in. In any other
/// form it would consider the handshake broken, which counts against this machine's address. If the
/// plugin continues instead, `asked` is its request.
pub(super) fn nothing(plugin: &[u8], asked: &[u8]) -> Vec<u8> {
    match (plugin, asked) {
        (b"mysql_native_password" | b"parsec", _) => Vec::new(),
        // A signature.
        (b"client_ed25519", _) => vec![0; 64],
        // The salt of `parsec`, answered by a nonce and a signature.
        (_, [b'P', ..]) if asked.len() == 18 => vec![0; 32 + 64],
        // An empty password, as text.
        _ => vec![0],
    }
}
