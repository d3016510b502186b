//! The end of a tunnel: what a real server needs to unpack a director's packets.
//!
//! ```text
//!   outer \ inner      IPv4              IPv6
//!   IPv4               ipip              sit          ip | gue(udp)+ip
//!   IPv4               gre               gre          ip | gre
//!   IPv6               ip6tnl            ip6tnl       ip6 | gue(udp)+ip
//!   IPv6               ip6gre            ip6gre       ip6 | gre
//! ```
//!
//! All devices exist at the same time, so that a test can switch the type under a live connection.
//! They only receive: a real server's answers go to the client by the ordinary route. The `fou`
//! module unpacks GUE and passes the rest to the device of that row and column.

use super::drawing::Sketch;

/// The UDP port on which real servers listen for GUE, as assigned by IANA.
pub(crate) const GUE_PORT: u16 = 6080;

/// Adds the devices to a real server whose addresses are `v4` and `v6`.
///
/// `gre_checksum`: a GRE device accepts either packets with a checksum or packets without one
/// (`ip_tunnel_rcv` in the kernel), never both.
pub(super) fn unpack(sketch: Sketch, v4: &str, v6: &str, gre_checksum: bool) -> Sketch {
    let checksum = if gre_checksum { "icsum" } else { "" };
    let mut sketch = sketch;
    for (device, kind) in [
        ("ipip", format!("ipip local {v4}")),
        ("sit", format!("sit local {v4}")),
        ("gre", format!("gre local {v4} {checksum}")),
        ("ip6tnl", format!("ip6tnl mode any local {v6} remote ::")),
        ("ip6gre", format!("ip6gre local {v6} remote :: {checksum}")),
    ] {
        sketch = sketch.line(&format!("link add {device} up type {kind}"));
    }
    sketch
        .line(&format!("fou add port {GUE_PORT} gue"))
        .line(&format!("fou add port {GUE_PORT} gue -6"))
}
