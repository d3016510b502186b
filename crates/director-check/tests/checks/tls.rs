//! `openssl s_server` with certificates and protocols of all sorts, and the resulting messages.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use director_config::state::health::{CheckKind, HttpCheck, TlsSpec};
use tempfile::TempDir;

use crate::ask::{Answer, ask, eventually};

/// A directory of keys and certificates.
struct Shop(TempDir);

impl Shop {
    fn new() -> Self {
        Self::named("authority")
    }

    /// A directory whose authority has this name.
    fn named(authority: &str) -> Self {
        let shop = Self(TempDir::new().unwrap());
        shop.openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN={authority} -keyout ca.key -out ca.pem"
        ));
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, line: &str) {
        let mut command = Command::new("openssl");
        command
            .args(line.split_whitespace())
            .current_dir(self.0.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {line}: {said}");
    }

    /// A certificate signed by the authority, with these options and extensions.
    fn signed(&self, name: &str, key: &str, options: &str, extensions: &str) -> String {
        std::fs::write(self.path("extensions"), extensions).unwrap();
        self.openssl(&format!(
            "req -new -newkey {key} -nodes -subj /CN=127.0.0.1 -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -extfile extensions {options} -out {name}.pem"
        ));
        format!("-cert {name}.pem -key {name}.key")
    }

    /// A valid one.
    fn good(&self) -> String {
        self.signed(
            "good",
            "rsa:2048",
            "-days 30",
            "subjectAltName = IP:127.0.0.1",
        )
    }

    fn serve(&self, options: &str) -> Served {
        let mut child = Command::new("openssl")
            .args("s_server -accept 127.0.0.1:0 -www".split_whitespace())
            .args(options.split_whitespace())
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let at = eventually(|| {
            let line = lines.next().expect("it says where it listens").unwrap();
            line.strip_prefix("ACCEPT ").map(|at| at.parse().unwrap())
        });
        std::thread::spawn(move || lines.for_each(drop));
        Served { child, at }
    }

    fn trusting(&self) -> TlsSpec {
        TlsSpec {
            ca: Some(self.path("ca.pem")),
            ..TlsSpec::default()
        }
    }

    /// The message of a check that trusts the authority about such a server.
    fn why(&self, options: &str) -> String {
        check(self.trusting(), self.serve(options).at)
            .failed()
            .to_owned()
    }
}

struct Served {
    child: Child,
    at: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn check(tls: TlsSpec, at: SocketAddr) -> Answer {
    let http = HttpCheck {
        tls: Some(tls),
        ..HttpCheck::default()
    };
    ask(CheckKind::Http(http), at)
}

/// Without verification the certificate is ignored, whatever it is.
fn unverified(at: SocketAddr) -> Answer {
    let tls = TlsSpec {
        verify: false,
        ..TlsSpec::default()
    };
    check(tls, at)
}

fn itself(path: &Path) -> TlsSpec {
    TlsSpec {
        ca: Some(path.to_owned()),
        ..TlsSpec::default()
    }
}

#[test]
fn certificates_that_cannot_be_accepted_say_why_and_what_to_do() {
    let shop = Shop::new();
    let served = shop.serve(&shop.good());
    check(shop.trusting(), served.at).passed();
    let stranger = Shop::named("stranger");
    let why = check(stranger.trusting(), served.at);
    assert!(
        why.failed()
            .starts_with("certificate: its issuer is not trusted: set"),
        "{why:?}"
    );
    drop(served);

    // `openssl req -x509` makes the certificate of an authority, which is often served and trusted
    // directly.
    let served = shop.serve("-cert ca.pem -key ca.key");
    let why = check(itself(&shop.path("ca.pem")), served.at);
    assert!(
        why.failed()
            .contains("certificate of an authority (CA:TRUE)")
            && why.failed().contains("verify = false"),
        "{why:?}"
    );
    unverified(served.at).passed();
    drop(served);

    // As in `docs/operating.md`.
    shop.openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=own -keyout own.key -out own.pem \
         -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1",
    );
    let served = shop.serve("-cert own.pem -key own.key");
    check(itself(&shop.path("own.pem")), served.at).passed();
    drop(served);

    let san = "subjectAltName = IP:127.0.0.1";
    for (options, said) in [
        (
            shop.signed("cn", "rsa:2048", "-days 30", "basicConstraints = CA:FALSE"),
            "it has no subjectAltName",
        ),
        (
            shop.signed(
                "other",
                "rsa:2048",
                "-days 30",
                "subjectAltName = DNS:a.example, IP:10.0.0.1",
            ),
            "it is for a.example, 10.0.0.1, not for 127.0.0.1",
        ),
        (
            shop.signed(
                "dns",
                "rsa:2048",
                "-days 30",
                "subjectAltName = DNS:127.0.0.1",
            ),
            "reissue it with IP:127.0.0.1",
        ),
        (
            shop.signed(
                "client",
                "rsa:2048",
                "-days 30",
                &format!("{san}\nextendedKeyUsage = clientAuth"),
            ),
            "it is not for servers (extended key usage)",
        ),
        (
            shop.signed("sha1", "rsa:2048", "-days 30 -sha1", san),
            "no longer trusted",
        ),
        (
            shop.signed(
                "critical",
                "rsa:2048",
                "-days 30",
                &format!("{san}\n1.2.3.4 = critical, ASN1:NULL"),
            ),
            "critical extension",
        ),
    ] {
        // openssl itself rejects old digests and short keys unless configured otherwise.
        let why = shop.why(&format!("{options} -cipher DEFAULT@SECLEVEL=0"));
        assert!(
            why.starts_with("certificate: ") && why.contains(said),
            "{options}: {why}"
        );
    }
    let short = shop.signed("short", "rsa:1024", "-days 30", san);
    let why = shop.why(&format!("{short} -cipher DEFAULT@SECLEVEL=0"));
    assert!(
        why.contains("RSA needs 2048 bits") || why.contains("short or unusual keys"),
        "{why}"
    );
}

#[test]
fn certificates_out_of_their_time_say_when_it_is_here() {
    let authority = crate::certificates::Authority::new();
    let tls = itself(&authority.ca());
    let at = crate::certificates::https(authority.expired("127.0.0.1").config());
    let why = check(tls.clone(), at);
    assert!(
        why.failed()
            .starts_with("certificate: it expired on 2002-01-01 00:00:00Z; now it is 20"),
        "{why:?}"
    );
    let at = crate::certificates::https(authority.early("127.0.0.1").config());
    let why = check(tls, at);
    assert!(
        why.failed()
            .starts_with("certificate: it is not valid before 2999-01-01 00:00:00Z; now it is 20"),
        "{why:?}"
    );
}

#[test]
fn servers_of_old_protocols_and_ciphers_say_what_is_missing() {
    let shop = Shop::new();
    let good = shop.good();
    for (options, said) in [
        (
            "-tls1 -cipher DEFAULT@SECLEVEL=0",
            "neither TLS 1.2 nor TLS 1.3",
        ),
        (
            "-tls1_1 -cipher DEFAULT@SECLEVEL=0",
            "neither TLS 1.2 nor TLS 1.3",
        ),
        (
            "-tls1_2 -cipher AES128-SHA",
            "shares no protocol version or cipher",
        ),
        (
            "-tls1_2 -cipher AES256-GCM-SHA384",
            "shares no protocol version or cipher",
        ),
        (
            "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256",
            "shares no protocol version or cipher",
        ),
    ] {
        let served = shop.serve(&format!("{good} {options}"));
        for answer in [check(shop.trusting(), served.at), unverified(served.at)] {
            let why = answer.failed();
            assert!(
                why.starts_with("TLS: ") && why.contains(said),
                "{options}: {why}"
            );
            assert!(why.contains("TLS 1.2 with ECDHE"), "{options}: {why}");
        }
    }
    for options in ["-tls1_2", "-tls1_3"] {
        check(shop.trusting(), shop.serve(&format!("{good} {options}")).at).passed();
    }
}

#[test]
fn a_server_that_wants_a_certificate_says_so() {
    let shop = Shop::new();
    let good = shop.good();
    for version in ["-tls1_2", "-tls1_3"] {
        let why = shop.why(&format!(
            "{good} {version} -Verify 1 -CAfile ca.pem -verify_return_error"
        ));
        assert!(
            why.contains("requires a client certificate"),
            "{version}: {why}"
        );
    }
    let stranger = Shop::named("stranger");
    stranger.good();
    let served = shop.serve(&format!(
        "{good} -tls1_3 -Verify 1 -CAfile ca.pem -verify_return_error"
    ));
    let tls = TlsSpec {
        certificate: Some(stranger.path("good.pem")),
        key: Some(stranger.path("good.key")),
        ..shop.trusting()
    };
    let why = check(tls, served.at);
    assert!(
        why.failed()
            .contains("does not trust the issuer of director's `certificate`"),
        "{why:?}"
    );
}

#[test]
fn a_key_of_another_certificate_is_this_machines_fault() {
    let shop = Shop::new();
    shop.good();
    let tls = TlsSpec {
        certificate: Some(shop.path("good.pem")),
        key: Some(shop.path("ca.key")),
        ..shop.trusting()
    };
    let mut running = crate::ask::Running::start();
    let kind = CheckKind::Http(HttpCheck {
        tls: Some(tls),
        ..HttpCheck::default()
    });
    let target = crate::ask::target(crate::ask::spec(kind), crate::serve::serve(|_| {}));
    running.add(
        director_check::TargetId(1),
        target,
        director_check::Verdict::Up,
    );
    let record = running.records[0].clone();
    let text = eventually(|| record.seen().text);
    assert!(
        text.starts_with("not checked: ")
            && text.ends_with("the key does not belong to the certificate"),
        "{text}"
    );
}

#[test]
fn what_does_not_speak_tls_is_told_from_what_speaks_it_badly() {
    use std::io::{Read, Write};
    let shop = Shop::new();
    for answer in [
        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n<html>...</html>",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "220 mail.example ESMTP\r\n",
        "<?xml version='1.0'?>",
    ] {
        let at = crate::serve::serve(move |mut stream| {
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.read(&mut [0; 4096]);
        });
        let why = check(shop.trusting(), at);
        let line = answer.lines().next().unwrap();
        assert_eq!(
            why.failed(),
            format!("no TLS on this port: the server answers `{line}`")
        );
    }
    let at = crate::serve::serve(|mut stream| drop(stream.read(&mut [0; 4096])));
    let why = check(shop.trusting(), at);
    assert!(
        why.failed()
            .contains("during the TLS handshake, without an answer"),
        "{why:?}"
    );
    // An alert as old servers send it: unrecognised name, fatal.
    for (alert, said) in [
        (112, "no host of this name"),
        (80, "internal error"),
        (40, "shares no protocol version"),
        (70, "neither TLS 1.2"),
    ] {
        let at = crate::serve::serve(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, alert]);
            let _ = stream.read(&mut [0; 4096]);
        });
        let why = check(shop.trusting(), at);
        assert!(why.failed().contains(said), "{alert}: {why:?}");
    }
}
