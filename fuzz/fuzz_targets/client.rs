//! The whole client over arbitrary datagrams. Each begins with two bytes for its length; the
//! length 65535 stands for a receive buffer that overran, 65534 for silence.
#![no_main]

use std::io;
use std::time::Duration;

use ipvs::transport::{Transport, Wait};
use ipvs::{Client, ForwardMethod, Operation, Server, ServerKey, Service, ServiceKey, Timeouts};
use libfuzzer_sys::fuzz_target;

/// The controller's answer to the first question: IPVS is the family 0x1c.
const FAMILY: [u8; 28] = [
    28, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 6, 0, 1, 0, 0x1c, 0, 0, 0,
];

#[derive(Clone)]
struct Script<'a> {
    rest: &'a [u8],
    asked: bool,
}

impl Transport for Script<'_> {
    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, _: Wait) -> io::Result<usize> {
        buffer.clear();
        if !self.asked {
            self.asked = true;
            buffer.extend_from_slice(&FAMILY);
            return Ok(FAMILY.len());
        }
        let Some((length, rest)) = self.rest.split_first_chunk() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        self.rest = rest;
        match u16::from_le_bytes(*length) {
            u16::MAX => Err(io::Error::from_raw_os_error(ipvs::Errno::ENOBUFS.0)),
            65_534 => Err(io::ErrorKind::WouldBlock.into()),
            length => {
                let (datagram, rest) = rest.split_at(rest.len().min(usize::from(length)));
                self.rest = rest;
                let fits = datagram.len().min(buffer.capacity());
                buffer.extend_from_slice(&datagram[..fits]);
                Ok(datagram.len())
            }
        }
    }

    fn acknowledgement_room(&self) -> usize {
        8
    }

    fn time_limit(&self) -> Duration {
        Duration::ZERO
    }

    fn second(&self) -> io::Result<Option<Self>> {
        Ok(Some(self.clone()))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((call, rest)) = bytes.split_first() else {
        return;
    };
    let script = Script { rest, asked: false };
    let mut client = Client::over(script).expect("the first answer is whole");
    let web = ServiceKey::tcp([192, 0, 2, 10], 80);
    let server = Server::new(
        ServerKey::new([10, 0, 0, 11], 80),
        ForwardMethod::Masquerade,
    );
    match call % 10 {
        0 => drop(client.info()),
        1 => drop(client.timeouts()),
        2 => drop(client.services()),
        3 => drop(client.service(&web)),
        4 => drop(client.servers(&web)),
        5 => drop(client.daemons()),
        6 => drop(client.table()),
        7 => drop(client.consistent_servers(&web)),
        8 => drop(client.set_timeouts(&Timeouts::default())),
        _ => {
            let mut operations = vec![Operation::AddService(Service::new(web, Service::WLC))];
            operations.extend([Operation::AddServer(web, server); 20]);
            let report = client.execute(&operations);
            assert!(report.applied() <= report.sent() && report.sent() <= report.total());
        }
    }
    // Whatever came, the next call is not confused by it.
    drop(client.services());
});
