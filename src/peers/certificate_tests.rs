//! Directors with certificates, on loopback: each fault is named on the side that finds it, and on the
//! other one.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use director_peer::wire::{Frame, Hello, PROTOCOL};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use super::certificates::{certified, print};
use super::link::{Link, PATIENCE};
use super::own::Own;
use super::tls::Identity;
use crate::state::failover::{Peer, PeerCertificates, PeerProof};

/// The addresses of two directors.
const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

/// An authority, and its files.
struct Group {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    ca: PathBuf,
}

impl Group {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = directory.path().join("ca.pem");
        fs::write(&ca, params.self_signed(&key).unwrap().pem()).unwrap();
        Self {
            directory,
            issuer: Issuer::new(params, key),
            ca,
        }
    }

    /// The certificate of a director with this name, as `change` wants it.
    fn signed(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> PeerCertificates {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let number = fs::read_dir(self.directory.path()).unwrap().count();
        let path = self.directory.path().join(format!("{number}.pem"));
        write(&path, &(certificate.pem() + &key.serialize_pem()));
        PeerCertificates {
            ca: self.ca.clone(),
            certificate: path,
            key: None,
            name: None,
        }
    }

    fn of(&self, name: &str) -> PeerCertificates {
        self.signed(name, |_| {})
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn towards(files: &PeerCertificates, peer: &str) -> anyhow::Result<Identity> {
    certified(files, peer.parse::<IpAddr>().unwrap())
}

/// A asks B. What A sees, and why B refuses it, if so.
fn meet(a: &Identity, b: &Identity) -> (Result<Frame, String>, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    let own = Own::new();
    let generation = own.declare(&std::sync::Arc::from([]), false);
    let b = b.clone();
    let serving = super::tests::serving(own, generation);
    let answering = thread::spawn(move || serving.serve(far, &b));
    let mut link = Link::client(near, a).unwrap();
    let hello = Hello {
        protocol: PROTOCOL,
        version: "0.1.0".to_owned(),
        name: "a".to_owned(),
        instance: 1,
    };
    let said = link.send(&Frame::Hello(hello));
    let said = said.and_then(|()| link.receive(PATIENCE));
    drop(link);
    let end = answering.join().unwrap();
    let why = end.err().map_or(String::new(), |why| format!("{why:#}"));
    (said.map_err(|why| format!("{why:#}")), why)
}

/// A asks B, with these certificates and the right names.
fn between(a: &PeerCertificates, b: &PeerCertificates) -> (Result<Frame, String>, String) {
    meet(&towards(a, B).unwrap(), &towards(b, A).unwrap())
}

/// Neither connects; each says why.
#[track_caller]
fn fails(found: (Result<Frame, String>, String), a_says: &str, b_says: &str) {
    let why = found.0.expect_err("they do not connect");
    assert!(why.contains(a_says), "a: {why}");
    assert!(found.1.contains(b_says), "b: {}", found.1);
}

#[test]
fn directors_of_one_authority_connect() {
    let group = Group::new();
    let (said, _) = between(&group.of(A), &group.of(B));
    assert!(matches!(said, Ok(Frame::Hello(_))), "{said:?}");
}

#[test]
fn a_peer_can_have_a_name_in_place_of_its_address() {
    let group = Group::new();
    let (mut a, mut b) = (group.of("lb1.example.org"), group.of("lb2.example.org"));
    fails(
        between(&a, &b),
        "its certificate has another name",
        "refuses",
    );
    a.name = Some("lb2.example.org".to_owned());
    b.name = Some("lb1.example.org".to_owned());
    let (said, _) = between(&a, &b);
    assert!(matches!(said, Ok(Frame::Hello(_))), "{said:?}");
}

#[test]
fn an_expired_certificate_is_named_on_both_sides() {
    let group = Group::new();
    let old = |name| group.signed(name, |params| params.not_after = date_time_ymd(2020, 1, 1));
    let expired = "its certificate has expired";
    let refuses = "it refuses this director's certificate, which has expired";
    fails(between(&group.of(A), &old(B)), expired, refuses);
    fails(between(&old(A), &group.of(B)), refuses, expired);
}

#[test]
fn another_authority_is_named_on_both_sides() {
    let (group, other) = (Group::new(), Group::new());
    let mut stranger = other.of(A);
    let unknown = "no authority in `ca` signed its certificate";
    fails(between(&stranger, &group.of(B)), unknown, "it refuses");
    // It trusts the group, which does not trust it.
    stranger.ca.clone_from(&group.ca);
    let refuses = "as it does not know the authority";
    fails(between(&stranger, &group.of(B)), refuses, unknown);
}

#[test]
fn a_client_with_the_name_of_another_director_is_refused() {
    let group = Group::new();
    let found = between(&group.of("10.0.0.3"), &group.of(B));
    let name = "its certificate has another name";
    fails(found, "for example because of the name", name);
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let group = Group::new();
    let mut a = towards(&group.of(A), B).unwrap();
    let mut bare = rustls::ClientConfig::clone(&a.client);
    bare.client_auth_cert_resolver = std::sync::Arc::new(Nothing);
    a.client = std::sync::Arc::new(bare);
    let found = meet(&a, &towards(&group.of(B), A).unwrap());
    fails(
        found,
        "it wants a certificate of this director",
        "it has no certificate",
    );
}

/// No certificate.
#[derive(Debug)]
struct Nothing;

impl rustls::client::ResolvesClientCert for Nothing {
    fn resolve(
        &self,
        _: &[&[u8]],
        _: &[rustls::SignatureScheme],
    ) -> Option<std::sync::Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[test]
fn a_certificate_for_servers_alone_is_no_clients() {
    let group = Group::new();
    let purpose = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let found = between(&group.signed(A, purpose), &group.signed(B, purpose));
    fails(found, "", "needs both purposes");
}

#[test]
fn a_director_with_a_key_and_one_with_certificates_do_not_connect() {
    let group = Group::new();
    let key = Identity::parse(&"0123456789abcdef".repeat(4)).unwrap();
    let (said, why) = meet(&key, &towards(&group.of(B), A).unwrap());
    assert!(said.is_err() && !why.is_empty(), "{said:?}, {why}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let group = Group::new();
    let good = group.of(A);
    let says = |files: &PeerCertificates, part: &str| {
        let why = format!("{:#}", towards(files, B).unwrap_err());
        assert!(why.contains(part), "{why}");
    };
    let gone = PathBuf::from("/nonexistent/peer.pem");
    for files in [
        PeerCertificates {
            ca: gone.clone(),
            ..good.clone()
        },
        PeerCertificates {
            certificate: gone.clone(),
            ..good.clone()
        },
        PeerCertificates {
            key: Some(gone.clone()),
            ..good.clone()
        },
    ] {
        says(&files, "/nonexistent/peer.pem");
    }
    // The certificate's authority has no key in its file, and is not this key's.
    let files = PeerCertificates {
        key: Some(group.ca.clone()),
        ..good.clone()
    };
    fs::set_permissions(&group.ca, fs::Permissions::from_mode(0o600)).unwrap();
    says(&files, "has no usable key");
    let files = PeerCertificates {
        key: Some(group.of(B).certificate),
        ..good.clone()
    };
    says(&files, "cannot be used together");
    fs::set_permissions(&good.certificate, fs::Permissions::from_mode(0o644)).unwrap();
    says(&good, "everybody can read the key");
    write(&good.certificate, "nothing");
    says(&good, "has no certificate");
}

#[test]
fn another_file_in_the_place_of_a_certificate_is_noticed() {
    let group = Group::new();
    let files = group.of(A);
    let peer = |proof| Peer {
        name: "b".into(),
        address: B.parse().unwrap(),
        port: Peer::DEFAULT_PORT,
        proof,
        resync: None,
    };
    let with = peer(PeerProof::Certificates(files.clone()));
    let before = print(&with);
    assert_eq!(print(&with), before);
    fs::rename(group.of(A).certificate, &files.certificate).unwrap();
    assert_ne!(print(&with), before);
    fs::remove_file(&files.certificate).unwrap();
    assert_eq!(print(&with)[1], None);
    // A shared key changes on one director after the other.
    assert_eq!(print(&peer(PeerProof::Key(files.ca))), []);
}
