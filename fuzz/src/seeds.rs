//! Writes seeds for every target below `corpus/`: real requests, the answers of the in-memory
//! kernel to them, and the service files of the tests.

use std::fs;
use std::io;
use std::path::Path;

use ipvs::fake::FakeKernel;
use ipvs::transport::{Transport, Wait};
use ipvs::wire::Encoder;
use ipvs::{
    DaemonRole, Family, ForwardMethod, Fwmark, Name, Operation, Query, Server, ServerKey, Service,
    ServiceKey, SyncDaemon, SyncId, Tunnel, TunnelFlags,
};

/// The headers of a message and of the family.
const HEADERS: usize = 20;
/// The header of a nest.
const NEST: usize = 4;

const CONNECTIONS: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A010002 E5CE 0A010064 0050 0A020102 0050 ESTABLISHED     898
UDP 0A010002 0000 0A010064 13C4 0A020102 13C4 ASSURED          57 sip 7@phone.example.org
IP  0A010002 0000 00000007 0000 0A020102 0000 NONE            296
TCP fd01:0000:0000:0000:0000:0000:0000:0002 A76A fd01:0000:0000:0000:0000:0000:0000:0100 1F90 0A020102 1F90 TIME_WAIT       116
";

/// Answers to HTTP checks, which `decode_answer` calls 7.
const HTTP: [&str; 3] = [
    "HTTP/1.1 200 OK\r\nX-Weight: 5\r\n 0\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nx: y\r\n\r\n",
    "\r\nHTTP/1.0 404 Not Found\nX : y\n\nnothing",
];

/// Messages of version 2 with a password, of version 3 over IPv6 and over IPv4; the first byte is
/// the target's choice.
const VRRP: [&[u8]; 3] = [
    b"\x04\x21\x33\x96\x01\x01\x04\xcf\xe4\x0a\x00\x00\x64secret12",
    b"\x01\x31\x33\x96\x01\x00\x64\x38\x5d\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00",
    b"\x02\x31\x33\x96\x01\x00\x64\x2e\x03\x0a\x00\x00\x64",
];

fn main() -> io::Result<()> {
    let sync = include_bytes!("../../crates/ipvs-sync/tests/kernel-6.1.bin");
    write("sync", "kernel", sync)?;
    write("peer", "entries", &[&[5], &sync[..]].concat())?;
    // A record of the name that was asked for, and an alias.
    write("names", "address", b"\x01\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\0\0\x0b")?;
    write("names", "alias", b"\x01\xc0\x0c\0\x05\0\x01\0\0\0\x1e\0\x02\xc0\x10")?;
    write("peer", "state", b"\x03{\"served\":1,\"sections\":[]}")?;
    for (number, message) in VRRP.iter().enumerate() {
        write("vrrp", &number.to_string(), message)?;
    }
    for directory in [
        "../crates/director-config/tests/config",
        "../crates/director-config/tests/config/mistakes",
        "../crates/director-config/tests/config/warnings",
    ] {
        service_files(Path::new(directory))?;
    }
    let web = ServiceKey::tcp([192, 0, 2, 10], 80);
    let mut kernel = FakeKernel::new();
    let mut encoder = Encoder::new(0x1c);
    let mut requests = Vec::new();
    for (number, operation) in operations(web).iter().enumerate() {
        encoder.clear();
        encoder.operation(operation, 1, true);
        requests.extend_from_slice(encoder.as_bytes());
        write("kernel", &format!("operation-{number}"), encoder.as_bytes())?;
        // In place, so that the queries have something to answer.
        let _ = kernel.meddle(operation);
    }
    write("kernel", "all", &requests)?;
    for (target, query, call) in [
        ("family", Query::Family, 0u8),
        ("info", Query::Info, 0),
        ("timeouts", Query::Timeouts, 1),
        ("service", Query::Services, 2),
        ("server", Query::Servers(web), 4),
        ("daemon", Query::Daemons, 5),
    ] {
        encoder.clear();
        encoder.query(&query, 2);
        kernel.send(encoder.as_bytes())?;
        let mut script = vec![call];
        let mut buffer = Vec::with_capacity(65_536);
        for number in 0.. {
            match kernel.receive(&mut buffer, Wait::Poll) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            let length = u16::try_from(buffer.len()).map_err(io::Error::other)?;
            script.extend(length.to_le_bytes());
            script.extend_from_slice(&buffer);
            write("messages", &format!("{target}-{number}"), &buffer)?;
            let skipped = if query.is_dump() {
                HEADERS + NEST
            } else {
                HEADERS
            };
            // Of a dump, the first entry; the end of it has nothing to decode.
            let first = first_message(&buffer);
            if let Some(payload) = first.get(skipped..).filter(|payload| payload.len() > 8) {
                write(target, &format!("{number}"), payload)?;
            }
        }
        write("client", target, &script)?;
    }
    for (number, answer) in HTTP.iter().enumerate() {
        write(
            "checks",
            &format!("http-{number}"),
            &[b"\x07", answer.as_bytes()].concat(),
        )?;
    }
    write("connections", "table", CONNECTIONS.as_bytes())
}

/// The service files of a directory.
fn service_files(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let known = path.extension().is_some_and(|e| e == "toml" || e == "json");
        if let (true, Some(name)) = (known && path.is_file(), path.file_name()) {
            write("config", &name.to_string_lossy(), &fs::read(&path)?)?;
        }
    }
    Ok(())
}

fn operations(web: ServiceKey) -> Vec<Operation> {
    let v6 = ServiceKey::tcp([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10], 443);
    let mark = Fwmark::new(7).expect("it is not 0");
    let sip = Name::from_static("sip");
    let gue = Server::new(ServerKey::new([10, 0, 0, 11], 80), ForwardMethod::Tunnel)
        .tunnel(Tunnel::gue(6080, TunnelFlags::CSUM))
        .thresholds(5000, 4000);
    let daemon = SyncDaemon {
        max_length: 1400,
        group: Some([224, 0, 1, 2].into()),
        port: 8850,
        ttl: 3,
        ..SyncDaemon::new(DaemonRole::Master, Name::from_static("eth0"), SyncId(7))
    };
    vec![
        Operation::AddService(Service::new(web, Service::WLC).persistent(300).engine(sip)),
        Operation::AddService(Service::new(v6, Service::RR)),
        Operation::AddService(Service::new(
            ServiceKey::fwmark(Family::V6, mark),
            Service::RR,
        )),
        Operation::AddServer(web, gue),
        Operation::UpdateServer(web, gue),
        Operation::UpdateService(Service::new(v6, Service::WLC)),
        Operation::DeleteService(v6),
        Operation::DeleteServer(web, ServerKey::new([10, 0, 0, 99], 80)),
        Operation::ZeroService(web),
        Operation::ZeroAll,
        Operation::StartDaemon(daemon),
        Operation::StopDaemon(DaemonRole::Backup),
        Operation::SetTimeouts(ipvs::Timeouts {
            tcp: 900,
            tcp_fin: 120,
            udp: 300,
        }),
    ]
}

/// The first message of a datagram.
fn first_message(datagram: &[u8]) -> &[u8] {
    let length = datagram
        .first_chunk()
        .and_then(|length| usize::try_from(u32::from_ne_bytes(*length)).ok())
        .unwrap_or(0);
    &datagram[..length.min(datagram.len())]
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("seed-{name}")), bytes)
}
