//! A server as files and stores write it: `"10.0.0.1:80"`, or a table with `address`.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value};

use super::listed::{Listed, Place};
use crate::words::printable;

/// The most servers that are kept of an answer: more of them are refused anyway.
pub(super) const MOST: usize = 100_001;

/// A server from a table. `known` is its place if the table has no `address`.
pub(super) fn server(
    table: &Map<String, Value>,
    known: Option<Place>,
) -> Result<(Place, Listed), String> {
    let mut listed = Listed::default();
    let (mut address, mut port) = (None, None);
    for (key, value) in table {
        let wrong = || format!("`{}` cannot be {value}", printable(key));
        match key.as_str() {
            "address" => address = Some(place(value.as_str().ok_or_else(wrong)?)?),
            "port" => port = Some(number(value, u16::MAX.into()).ok_or_else(wrong)?),
            "weight" => {
                listed.weight = Some(number(value, i32::MAX as u32).ok_or_else(wrong)?);
            }
            "name" => listed.name = Some(value.as_str().ok_or_else(wrong)?.to_owned()),
            "backup" => listed.is_backup = value.as_bool().ok_or_else(wrong)?,
            _ => {
                return Err(format!(
                    "a server has no key `{}`; its keys are address, port, weight, name, backup",
                    printable(key)
                ));
            }
        }
    }
    let (address, own) = address.or(known).ok_or("a server without `address`")?;
    let port = port.and_then(|port| u16::try_from(port).ok());
    Ok(((address, port.or(own)), listed))
}

fn number(value: &Value, most: u32) -> Option<u32> {
    let number = u32::try_from(value.as_u64()?).ok()?;
    (number <= most).then_some(number)
}

/// An address, perhaps with a port. A name is none: `type = "dns"` resolves names.
pub(super) fn place(text: &str) -> Result<Place, String> {
    let alone = text.parse::<IpAddr>().map(|address| (address, None));
    let socket = text.parse::<SocketAddr>();
    let with_port = socket.map(|socket| (socket.ip(), Some(socket.port())));
    alone
        .or(with_port)
        .map_err(|_| format!("`{}` is not an address", printable(text)))
}
