//! Patterns of texts for the schema: what the decoder reads, as far as a regular expression can say
//! it in the dialects of JavaScript, Python and Rust.
//!
//! Each allows a variable, as its value is not known.

/// A number of 0 to 255 without leading zeros.
macro_rules! byte {
    () => {
        r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    };
}

macro_rules! v4 {
    () => {
        concat!(byte!(), r"(\.", byte!(), r"){3}")
    };
}

macro_rules! v6 {
    () => {
        concat!(
            "(([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}",
            "|([0-9a-fA-F]{1,4}:){1,7}:",
            "|([0-9a-fA-F]{1,4}:){1,6}:[0-9a-fA-F]{1,4}",
            "|([0-9a-fA-F]{1,4}:){1,5}(:[0-9a-fA-F]{1,4}){1,2}",
            "|([0-9a-fA-F]{1,4}:){1,4}(:[0-9a-fA-F]{1,4}){1,3}",
            "|([0-9a-fA-F]{1,4}:){1,3}(:[0-9a-fA-F]{1,4}){1,4}",
            "|([0-9a-fA-F]{1,4}:){1,2}(:[0-9a-fA-F]{1,4}){1,5}",
            "|[0-9a-fA-F]{1,4}:(:[0-9a-fA-F]{1,4}){1,6}",
            "|:((:[0-9a-fA-F]{1,4}){1,7}|:)",
            // The last 32 bits as an IPv4 address.
            "|([0-9a-fA-F]{0,4}:){2,6}",
            v4!(),
            ")"
        )
    };
}

/// 0 to 65535.
macro_rules! port {
    () => {
        "0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})"
    };
}

macro_rules! prefixed {
    ($or:literal) => {
        concat!(
            "^(",
            $or,
            v4!(),
            "(/0*(3[0-2]|[12]?[0-9]))?|(",
            v6!(),
            r"|\[",
            v6!(),
            r"\])(/0*(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$|\$"
        )
    };
}

/// An address.
pub(crate) const ADDRESS: &str = concat!("^(", v4!(), "|", v6!(), r"|\[", v6!(), r"\])$|\$");

/// An address, perhaps with the length of its prefix.
pub(crate) const PREFIXED: &str = prefixed!("");

/// The destination of a route.
pub(crate) const DESTINATION: &str = prefixed!("default|");

/// An IPv4 mask.
pub(crate) const MASK: &str = concat!("^", v4!(), r"$|\$");

/// A multicast address.
pub(crate) const MULTICAST: &str = concat!(
    r"^(2(2[4-9]|3[0-9])(\.",
    byte!(),
    r"){3}|[fF]{2}[0-9a-fA-F:.]+)$|\$"
);

/// A real server: an address, perhaps with a port.
pub(crate) const SERVER: &str = concat!(
    "^(",
    v4!(),
    "(:",
    port!(),
    ")?|",
    v6!(),
    r"|\[",
    v6!(),
    r"\](:",
    port!(),
    r")?)$|\$"
);

/// A listen address.
pub(crate) const LISTEN: &str = concat!(
    "^(tcp|udp|sctp)://(",
    v4!(),
    r"|\[",
    v6!(),
    r"\])(:",
    port!(),
    "(-",
    port!(),
    ")?)?$",
    r"|^fwmark6?://(0x0*[1-9a-fA-F][0-9a-fA-F]{0,7}|0*[1-9][0-9]{0,9})$|\$"
);

/// A percentage.
pub(crate) const SHARE: &str = r"^0*(100|[0-9]{1,2})%$|\$";

/// A percentage up to half.
pub(crate) const HALF: &str = r"^0*(50|[0-4]?[0-9])%$|\$";

/// A time.
pub(crate) const TIME: &str = r"^([0-9]+(ms|s|m|h|d))+$|\$";

/// A size on disk.
pub(crate) const SIZE: &str = r"^(off|[0-9]{1,9}(MB|GB|TB))$|\$";

/// A range of ports.
pub(crate) const PORTS: &str = concat!("^", port!(), "-", port!(), r"$|\$");

/// A range of firewall marks.
pub(crate) const MARKS: &str =
    r"^(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})-(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})$|\$";

/// Bytes, each of two hexadecimal digits.
pub(crate) const HEX: &str = r"^\s*([0-9a-fA-F]\s*[0-9a-fA-F]\s*)+$|\$";

/// A status code of HTTP, or a range of them.
pub(crate) const STATUS: &str = r"^[1-5][0-9]{2}(-[1-5][0-9]{2})?$|\$";

/// The path of a request.
pub(crate) const PATH: &str = r"^/[!-~]*$|\$";

/// The method of a request: a token of RFC 9110 section 5.6.2.
pub(crate) const METHOD: &str = r"^[!#%&'*+.^_`|~0-9A-Za-z-]+$|\$";

/// An interface's name: `IFNAMSIZ` with its end.
pub(crate) const INTERFACE: &str = r"^[^/\s]{1,15}$|\$";
