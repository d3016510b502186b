//! The beginning of a connection to a peer.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context, bail};
use director_peer::wire::{Frame, Hello};
use socket2::{Domain, SockAddr, Socket, Type};

use super::certificates::identity;
use super::link::{Link, PATIENCE};
use super::own::{Own, itself};
use crate::state::failover::Peer;

/// A connection, over which the hellos have gone. The caller checks the peer's.
pub(super) fn greet(peers: &[Arc<Peer>], peer: &Peer, own: &Own) -> anyhow::Result<(Link, Hello)> {
    let identity = identity(peer)?;
    let from = itself(peers).map(|own| own.address);
    let stream = connect(peer, from)?;
    let mut link = Link::client(stream, &identity)?;
    link.send(&Frame::Hello(own.hello()))?;
    let Frame::Hello(hello) = link.receive(PATIENCE).context("no hello")? else {
        bail!("it does not begin with a hello");
    };
    Ok((link, hello))
}

/// Connects from the own address of peers: by that the other side knows who it is.
fn connect(peer: &Peer, from: Option<IpAddr>) -> anyhow::Result<TcpStream> {
    let to = SocketAddr::new(peer.address, peer.port);
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if let Some(from) = from.filter(|from| from.is_ipv4() == to.is_ipv4()) {
        socket.bind(&SockAddr::from(SocketAddr::new(from, 0)))?;
    }
    socket.connect_timeout(&to.into(), PATIENCE)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}
