//! Peers that run another version of director: what it speaks is named, and none of its connections is
//! asked for unless both understand each other.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use director_peer::wire::{Frame, PROTOCOL, Request, Section};
use rustls::{ServerConnection, StreamOwned};

use super::message::{Report, Tell};
use super::own::Own;
use super::relay::Followed;
use super::tls::Identity;
use crate::control::peer::PeerStatus;
use crate::state::failover::{Peer, PeerProof};

/// On loopback, and of no interface: a peer with an own address would be the director itself.
const PEER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

const KEY: &str = "0123456789abcdef";

/// The longest time for a report.
const SOON: Duration = Duration::from_secs(30);

/// A frame as another version writes it.
fn raw(kind: u8, json: &str) -> Vec<u8> {
    let length = u32::try_from(json.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[kind], json.as_bytes()].concat()
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// The next frame's bytes, without its length; none at the end of the connection.
fn next(stream: &mut Stream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// A director that asks a peer which answers a hello and each question like this.
struct Asking {
    reports: Receiver<Report>,
    asked: Arc<Mutex<Vec<Request>>>,
    own: Own,
    asking: thread::JoinHandle<()>,
    _keys: tempfile::TempDir,
}

impl Asking {
    fn new(hello: Vec<u8>, answer: impl Fn(&Request) -> Vec<u8> + Send + 'static) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let file = keys.path().join("key");
        std::fs::write(&file, KEY.repeat(4)).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let listener = TcpListener::bind((PEER, 0)).unwrap();
        let SocketAddr::V4(at) = listener.local_addr().unwrap() else {
            panic!("not IPv4");
        };
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            let identity = Identity::parse(&KEY.repeat(4)).unwrap();
            while let Ok((socket, _)) = listener.accept() {
                let tls = ServerConnection::new(Arc::clone(&identity.server)).unwrap();
                let mut stream = StreamOwned::new(tls, socket);
                if next(&mut stream).is_none() || stream.write_all(&hello).is_err() {
                    continue;
                }
                while let Some(bytes) = next(&mut stream) {
                    let Ok(Frame::Request(request)) = Frame::decode(&bytes) else {
                        break;
                    };
                    let bytes = answer(&request);
                    seen.lock().unwrap().push(request);
                    if stream.write_all(&bytes).is_err() {
                        break;
                    }
                }
            }
        });
        let peer = Arc::new(Peer {
            name: "b".into(),
            address: PEER.into(),
            port: at.port(),
            proof: PeerProof::Key(file),
            resync: Some(Duration::from_secs(5)),
        });
        let peers: Arc<[Arc<Peer>]> = Arc::from([Arc::clone(&peer)]);
        let own = Own::new();
        let generation = own.declare(&peers, false);
        let (send, reports) = mpsc::channel();
        let tell: Tell = Arc::new(move |report| {
            let _ = send.send(report);
        });
        let of = own.clone();
        let asking = thread::spawn(move || {
            let followed = Followed::default();
            super::ask::ask(&peers, &peer, &of, generation, &followed, &tell);
        });
        Self {
            reports,
            asked,
            own,
            asking,
            _keys: keys,
        }
    }

    /// Waits for a status.
    #[track_caller]
    fn until(&self, is: impl Fn(&PeerStatus) -> bool) -> PeerStatus {
        loop {
            match self.reports.recv_timeout(SOON).unwrap() {
                Report::Status(status) if is(&status) => return *status,
                _ => {}
            }
        }
    }

    /// Ends it. Returns what the peer was asked.
    fn end(self) -> Vec<Request> {
        self.own.declare(&Arc::from([]), false);
        self.asking.join().unwrap();
        self.asked.lock().unwrap().clone()
    }
}

#[test]
fn a_peer_with_another_protocol_is_named_and_not_asked() {
    for (version, protocol) in [("0.0.1", PROTOCOL - 1), ("9.0.0", PROTOCOL + 1)] {
        let hello = format!(
            "{{\"protocol\": {protocol}, \"version\": \"{version}\", \"name\": \"b\", \"instance\": 7, \
             \"more\": [1]}}"
        );
        let asking = Asking::new(raw(1, &hello), |_| Vec::new());
        let status = asking.until(|status| !status.reason.is_empty());
        let named = format!("version {version} speaks protocol {protocol}");
        assert!(!status.up && status.reason.contains(&named), "{status:?}");
        assert_eq!(status.version, version);
        assert_eq!((status.resync, asking.end()), (None, Vec::new()));
    }
}

#[test]
fn a_peer_that_refuses_this_version_says_why() {
    let asking = Asking::new(raw(7, "\"version 0.1.0 is too old\""), |_| Vec::new());
    let status = asking.until(|status| !status.reason.is_empty());
    let why = "refused by the peer: version 0.1.0 is too old";
    assert!(!status.up && status.reason.contains(why), "{status:?}");
    assert_eq!(asking.end(), []);
}

#[test]
fn a_peer_with_a_hello_of_another_kind_is_not_asked() {
    for hello in [raw(9, "{}"), raw(1, "{\"protocol\": \"two\"}")] {
        let asking = Asking::new(hello, |_| Vec::new());
        let status = asking.until(|status| !status.reason.is_empty());
        assert!(
            !status.up && status.reason.contains("a message of"),
            "{status:?}"
        );
        assert_eq!(asking.end(), []);
    }
}

/// Both directions of a change that needs no other protocol: keys that this version does not know, and the
/// lack of those that an older one does not send.
#[test]
fn a_peer_of_the_same_protocol_may_say_more_and_less() {
    let hello = raw(
        1,
        "{\"protocol\": 1, \"version\": \"0.0.9\", \"name\": \"b\", \"instance\": 7, \"more\": {}}",
    );
    let asking = Asking::new(hello, |request| match request {
        Request::State => raw(
            3,
            "{\"served\": 0, \"more\": 1, \"sections\": [{\"name\": \"front\", \"holds\": true, \
             \"priority\": 100, \"addresses\": [\"192.0.2.10\"], \"color\": \"red\"}]}",
        ),
        _ => raw(4, "{\"services\": {}, \"more\": false}"),
    });
    // This director holds the address, so that there is nothing to transfer.
    asking.own.hold(vec![Section {
        name: "front".to_owned(),
        holds: true,
        priority: 150,
        lowered: None,
        leaving: false,
        addresses: vec!["192.0.2.10".parse().unwrap()],
    }]);
    let status = asking.until(|status| !status.holds.is_empty());
    assert!(status.up && status.lowered.is_empty(), "{status:?}");
    assert_eq!(
        (status.version.as_str(), &*status.holds),
        ("0.0.9", &["front".to_owned()][..])
    );
    assert!(!asking.end().contains(&Request::Table));
}
