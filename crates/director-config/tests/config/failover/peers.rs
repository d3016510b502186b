//! `[peer.NAME]`.

use super::*;
use director_config::state::failover::{PeerCertificates, PeerProof};

#[test]
fn a_peer_has_a_key_or_certificates() {
    let found = read(
        r#"
        [peer.lb1]
        address = "10.0.0.1"
        tls = { ca = "/etc/ca.pem", certificate = "/etc/peer.pem" }

        [peer.lb2]
        address = "10.0.0.2"
        tls = { ca = "/etc/ca.pem", certificate = "/etc/peer.pem", name = "lb2.example.org" }
        "#,
    );
    let files = |name: Option<&str>| {
        PeerProof::Certificates(PeerCertificates {
            ca: "/etc/ca.pem".into(),
            certificate: "/etc/peer.pem".into(),
            key: None,
            name: name.map(str::to_owned),
        })
    };
    let proofs: Vec<_> = found.peers.iter().map(|peer| peer.proof.clone()).collect();
    assert_eq!(proofs, [files(None), files(Some("lb2.example.org"))]);
    let found = read("[peer.lb1]\naddress = \"10.0.0.1\"\nkey_file = \"/etc/peer.key\"");
    assert_eq!(found.peers[0].proof, PeerProof::Key("/etc/peer.key".into()));
}
