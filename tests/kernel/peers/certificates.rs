//! A pair with certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::channel::{Pair, becomes, happens, peer};
use crate::daemon::Daemon;
use crate::lab::eventually;

/// An authority with its directory.
struct Authority {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        fs::write(directory.path().join("ca.pem"), pem).unwrap();
        let issuer = Issuer::new(params, key);
        Self { directory, issuer }
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The certificate of the director at this address, with its key, in place of the last one there.
    fn sign(&self, file: &str, address: &str) -> PathBuf {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![address.to_owned()]).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let (path, new) = (
            self.directory.path().join(file),
            self.directory.path().join("new"),
        );
        fs::write(&new, signed.pem() + &key.serialize_pem()).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, &path).unwrap();
        path
    }
}

/// The file of a pair with certificates in place of the key.
fn file(pair: &Pair, priority: u8, ca: &Path, certificate: &Path) -> String {
    let file = pair.file(priority, Path::new("/key"), [1, 1, 1]);
    let (ca, certificate) = (ca.display(), certificate.display());
    let tls = format!("tls = {{ ca = \"{ca}\", certificate = \"{certificate}\" }}");
    let file = file.replace("key_file = \"/key\"", &tls);
    assert!(file.contains("tls = "), "{file}");
    file
}

#[test]
#[ignore = "needs the lab"]
fn a_pair_with_certificates_connects_and_says_why_when_it_does_not() {
    let pair = Pair::new();
    let group = Authority::new();
    let of_a = group.sign("a.pem", "10.1.0.1");
    let of_b = group.sign("b.pem", "10.1.0.2");
    let a = Daemon::start(&pair.net.director, &file(&pair, 150, &group.ca(), &of_a));
    becomes(&a, "active");
    let b = Daemon::start(pair.b(), &file(&pair, 100, &group.ca(), &of_b));
    becomes(&b, "backup");
    happens(&a, "peer-up", "`b` is connected");
    happens(&b, "resync-done", "`a` sent");

    // A renewed certificate counts without a reload, and so does one with a wrong name.
    group.sign("b.pem", "10.1.0.2");
    eventually("b has connected again", || {
        let log = b.log();
        (log.matches("`a` is connected").count() == 2).then_some(())
    });
    assert!(!b.log().contains("`a` is not connected"), "{}", b.log());
    group.sign("b.pem", "10.1.0.3");
    let why = "it refuses this director's certificate";
    happens(&b, "peer-down", why);
    happens(&a, "peer-refused", "its certificate has another name");
    eventually("the status says why", || {
        let reason = peer(&b)["reason"].as_str()?.to_owned();
        reason.contains(why).then_some(())
    });
    // The addresses are VRRP's business.
    becomes(&a, "active");
    becomes(&b, "backup");

    // A stranger's certificate for the right address.
    let other = Authority::new();
    b.write(&file(
        &pair,
        100,
        &other.ca(),
        &other.sign("b.pem", "10.1.0.2"),
    ));
    happens(
        &b,
        "peer-down",
        "no authority in `ca` signed its certificate",
    );
    group.sign("b.pem", "10.1.0.2");
    b.write(&file(&pair, 100, &group.ca(), &of_b));
    eventually("both are connected", || {
        (peer(&a)["up"] == true && peer(&b)["up"] == true).then_some(())
    });
}
