//! Messages of the PostgreSQL protocol 3.0, decoded and encoded.

use std::fmt;

use md5::{Digest as _, Md5};

use crate::kind::talk::LIMIT;
use crate::net;

/// A message from the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// `R`.
    Authentication(Authentication<'a>),
    /// `E`.
    Error(ServerError),
    /// `S`: a parameter's value.
    Parameter { name: &'a [u8], value: &'a [u8] },
    /// `Z`: ready for a query.
    Ready,
    /// `N`, `K`, `v`: not needed here.
    Notice,
}

/// A message about authentication.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Authentication<'a> {
    Ok,
    Cleartext,
    Md5([u8; 4]),
    Sasl(Vec<&'a [u8]>),
    SaslContinue(&'a [u8]),
    SaslFinal(&'a [u8]),
    Other(u32),
}

/// An error in the server's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerError {
    /// The severity, untranslated if the server sends it.
    severity: String,
    /// SQLSTATE, five letters; empty if the server sends none.
    pub(super) code: String,
    message: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.severity, self.code, self.message)
    }
}

impl<'a> Message<'a> {
    /// The first message and its length; `None` if it is incomplete.
    pub(super) fn decode(heard: &'a [u8]) -> Result<Option<(Self, usize)>, Box<str>> {
        let alien = || format!("this is not PostgreSQL: {}", net::quote(heard)).into();
        // Check the type before trusting the length: another protocol's greeting would have
        // gigabytes.
        if heard.first().is_some_and(|kind| !b"RESZNKv".contains(kind)) {
            return Err(alien());
        }
        let Some((kind, rest)) = heard.split_first() else {
            return Ok(None);
        };
        let Some(length) = rest.first_chunk() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if !(4..LIMIT).contains(&length) {
            return Err(alien());
        }
        let Some(body) = rest.get(4..length) else {
            return Ok(None);
        };
        let message = match kind {
            b'R' => Authentication::decode(body).map(Self::Authentication),
            b'E' => Some(Self::Error(ServerError::decode(body))),
            b'S' => parameter(body),
            b'Z' => Some(Self::Ready),
            _ => Some(Self::Notice),
        };
        message
            .map(|message| Some((message, 1 + length)))
            .ok_or_else(alien)
    }
}

fn parameter(body: &[u8]) -> Option<Message<'_>> {
    let mut strings = body.split(|byte| *byte == 0);
    let (name, value) = (strings.next()?, strings.next()?);
    Some(Message::Parameter { name, value })
}

impl<'a> Authentication<'a> {
    fn decode(body: &'a [u8]) -> Option<Self> {
        let (number, rest) = body.split_first_chunk()?;
        Some(match u32::from_be_bytes(*number) {
            0 => Self::Ok,
            3 => Self::Cleartext,
            5 => Self::Md5(*rest.first_chunk()?),
            10 => Self::Sasl(
                rest.split(|byte| *byte == 0)
                    .filter(|name| !name.is_empty())
                    .collect(),
            ),
            11 => Self::SaslContinue(rest),
            12 => Self::SaslFinal(rest),
            other => Self::Other(other),
        })
    }
}

impl ServerError {
    /// Fields of a letter and a string; missing ones are empty.
    fn decode(body: &[u8]) -> Self {
        let field = |letter: u8| {
            let mut fields = body.split(|byte| *byte == 0);
            let found = fields.find_map(|field| field.strip_prefix(&[letter]));
            found.map(net::message)
        };
        Self {
            // `V` is `S` untranslated, since 9.6.
            severity: field(b'V').or_else(|| field(b'S')).unwrap_or_default(),
            code: field(b'C').unwrap_or_default(),
            message: field(b'M').unwrap_or_default(),
        }
    }
}

/// `StartupMessage`. A zero byte ends a name: the rest is left out.
pub(super) fn startup(user: &str, database: Option<&str>) -> Vec<u8> {
    let mut body = 0x0003_0000_u32.to_be_bytes().to_vec();
    let parameters = [
        ("user", Some(user)),
        ("database", database),
        ("application_name", Some("director")),
    ];
    for (name, value) in parameters {
        if let Some(value) = value {
            let value = value.split('\0').next().unwrap_or_default();
            body.extend([name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
        }
    }
    body.push(0);
    with_length(body)
}

/// `GSSENCRequest`.
pub(super) fn gss_request() -> Vec<u8> {
    with_length(80_877_104_u32.to_be_bytes().to_vec())
}

/// `PasswordMessage`.
pub(super) fn password(password: &[u8]) -> Vec<u8> {
    message(b'p', &[password, &[0]].concat())
}

/// `SASLInitialResponse`.
pub(super) fn sasl_first(mechanism: &str, data: &[u8]) -> Vec<u8> {
    let data = with_plain_length(data);
    message(b'p', &[mechanism.as_bytes(), &[0], &data].concat())
}

/// `SASLResponse`.
pub(super) fn sasl_next(data: &[u8]) -> Vec<u8> {
    message(b'p', data)
}

/// `Terminate`.
pub(super) fn terminate() -> Vec<u8> {
    message(b'X', &[])
}

/// `md5` and the hash of (the hash of password and user, and the salt).
pub(super) fn md5(user: &str, password: &str, salt: [u8; 4]) -> String {
    let inner = hex(&Md5::digest(
        [password.as_bytes(), user.as_bytes()].concat(),
    ));
    let outer = hex(&Md5::digest([inner.as_bytes(), &salt].concat()));
    format!("md5{outer}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(with_length(body.to_vec()));
    bytes
}

/// Prepends the length, which includes itself. Nothing sent here is near 4 GiB.
fn with_length(body: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}

fn with_plain_length(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), data].concat()
}
