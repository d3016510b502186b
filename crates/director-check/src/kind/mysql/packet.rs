//! The packets of a handshake, decoded and encoded.

use std::fmt;

use super::auth::Nonce;
use crate::net;

/// `CLIENT_LONG_PASSWORD | CLIENT_LONG_FLAG | CLIENT_PROTOCOL_41 | CLIENT_TRANSACTIONS |
/// CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH`.
const CAPABILITIES: u32 = 0x1 | 0x4 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
/// `CLIENT_CONNECT_WITH_DB`.
const WITH_DATABASE: u32 = 0x8;
/// `CLIENT_SECURE_CONNECTION`: password hashes since 4.1, of 2004.
const SECURE: u16 = 0x8000;
/// `utf8mb4_general_ci`, which both MySQL and MariaDB support.
const CHARSET: u8 = 45;

/// The number, payload and total length of the first packet; `None` if it is incomplete.
pub(super) fn unframe(heard: &[u8]) -> Option<(u8, &[u8], usize)> {
    let [a, b, c, number] = *heard.first_chunk()?;
    let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
    let payload = heard.get(4..4 + length)?;
    Some((number, payload, 4 + length))
}

/// A packet. Everything sent here is far below the maximum of 16 MiB.
pub(super) fn frame(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    let mut bytes = vec![length[0], length[1], length[2], number];
    bytes.extend_from_slice(payload);
    bytes
}

/// `Protocol::HandshakeV10`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting<'a> {
    pub(super) version: &'a [u8],
    pub(super) nonce: Nonce,
    /// Empty if the server names none.
    pub(super) plugin: &'a [u8],
}

impl<'a> Greeting<'a> {
    pub(super) fn decode(payload: &'a [u8]) -> Option<Self> {
        let rest = payload.strip_prefix(&[10])?;
        let (version, rest) = until_nul(rest)?;
        // The thread's number, and a zero after the first part of the nonce.
        let rest = rest.get(4..)?;
        let (first, rest) = rest.split_at_checked(8)?;
        let rest = rest.get(1..)?;
        let capabilities = u16::from_le_bytes(*rest.first_chunk()?);
        // Character set, status, the upper capabilities, the nonce's length, ten zeros.
        let rest = rest.get(2 + 1 + 2 + 2 + 1 + 10..)?;
        let (second, rest) = rest.split_at_checked(12)?;
        let plugin = rest.strip_prefix(&[0]).unwrap_or_default();
        let plugin = until_nul(plugin).map_or(plugin, |(name, _)| name);
        let nonce = Nonce::from_parts(first, second)?;
        (capabilities & SECURE != 0).then_some(Self {
            version,
            nonce,
            plugin,
        })
    }
}

/// `ERR_Packet`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerError<'a> {
    pub(super) code: u16,
    message: &'a [u8],
}

impl<'a> ServerError<'a> {
    pub(super) fn decode(payload: &'a [u8]) -> Option<Self> {
        let rest = payload.strip_prefix(&[0xff])?;
        let (code, rest) = rest.split_first_chunk()?;
        // `#` and five letters of SQLSTATE, where the protocol is agreed upon.
        let state = rest.split_at_checked(6).filter(|_| rest.starts_with(b"#"));
        let message = state.map_or(rest, |(_, message)| message);
        Some(Self {
            code: u16::from_le_bytes(*code),
            message,
        })
    }
}

impl fmt::Display for ServerError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}: {}", self.code, net::message(self.message))?;
        match self.code {
            1129 => f.write_str(" (this machine, not its clients; FLUSH HOSTS ends this)"),
            _ => Ok(()),
        }
    }
}

/// An answer to a log-in, except for errors.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LoginReply<'a> {
    /// `OK_Packet`.
    Ok,
    /// `AuthSwitchRequest`. Old servers send it without a body, for passwords from before 4.1.
    Switch {
        plugin: &'a [u8],
        nonce: Option<Nonce>,
    },
    /// `AuthMoreData`.
    More(&'a [u8]),
}

impl<'a> LoginReply<'a> {
    pub(super) fn decode(payload: &'a [u8]) -> Option<Self> {
        match payload.split_first()? {
            (0, _) => Some(Self::Ok),
            (1, data) => Some(Self::More(data)),
            (0xfe, []) => Some(Self::Switch {
                plugin: b"mysql_old_password",
                nonce: None,
            }),
            (0xfe, rest) => {
                let (plugin, data) = until_nul(rest)?;
                let (first, second) = data.split_at_checked(8).unwrap_or_default();
                let nonce = second.get(..12);
                let nonce = nonce.and_then(|second| Nonce::from_parts(first, second));
                Some(Self::Switch { plugin, nonce })
            }
            _ => None,
        }
    }
}

/// `Protocol::HandshakeResponse41`.
///
/// # Errors
/// If a name contains a zero byte, which ends it in this protocol.
pub(super) fn login(
    user: &str,
    proof: &[u8],
    database: Option<&str>,
    plugin: &str,
) -> Result<Vec<u8>, Box<str>> {
    if [user, database.unwrap_or_default()]
        .iter()
        .any(|name| name.contains('\0'))
    {
        return Err("a user or database with a zero byte in its name".into());
    }
    let with = if database.is_some() { WITH_DATABASE } else { 0 };
    let mut payload = (CAPABILITIES | with).to_le_bytes().to_vec();
    payload.extend(0x00ff_ffff_u32.to_le_bytes());
    payload.push(CHARSET);
    payload.extend([0; 23]);
    payload.extend(user.as_bytes());
    payload.push(0);
    // A scramble has 20 or 32 bytes, or none.
    payload.push(u8::try_from(proof.len()).map_err(|_| "a proof of too many bytes")?);
    payload.extend(proof);
    if let Some(database) = database {
        payload.extend(database.as_bytes());
        payload.push(0);
    }
    payload.extend(plugin.as_bytes());
    payload.push(0);
    Ok(payload)
}

fn until_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}
