//! The page over TLS.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::fake::{run_with, snapshot};
use super::raw::{Answer, connect};
use super::site::{Site, TOKEN, start, token_file};

/// A page that all machines could reach, and the certificate to trust.
fn public() -> (Site, ClientConfig) {
    let running = run_with(snapshot());
    let directory = running.directory.path().to_owned();
    let made = rcgen::generate_simple_self_signed(vec!["lb1.example.net".to_owned()]).unwrap();
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let token = token_file(&directory);
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let options = [
        "--listen".to_owned(),
        "0.0.0.0:0".to_owned(),
        "--tls-cert".to_owned(),
        text(&cert),
        "--tls-key".to_owned(),
        text(&key),
        "--token-file".to_owned(),
        text(&token),
        "--host".to_owned(),
        "lb1.example.net".to_owned(),
    ];
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let mut site = start(running, &options);
    site.address.set_ip([127, 0, 0, 1].into());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (site, config)
}

fn get(site: &Site, config: &ClientConfig, request: &str) -> Answer {
    let name = ServerName::try_from("lb1.example.net").unwrap();
    let client = ClientConnection::new(Arc::new(config.clone()), name).unwrap();
    let mut stream = StreamOwned::new(client, connect(site.address));
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    Answer::parse(&bytes)
}

#[test]
fn beyond_this_machine_it_is_seen_with_tls_and_the_token() {
    let (site, config) = public();
    assert!(site.url.starts_with("https://"));
    let head = "Host: lb1.example.net:9180\r\nConnection: close\r\n";
    let bare = get(
        &site,
        &config,
        &format!("GET /metrics HTTP/1.1\r\n{head}\r\n"),
    );
    assert_eq!(bare.status, 401);
    let bearer = format!("GET /metrics HTTP/1.1\r\n{head}Authorization: Bearer {TOKEN}\r\n\r\n");
    let answer = get(&site, &config, &bearer);
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("director_build_info"));
    let body = format!("token={TOKEN}");
    let form = format!(
        "{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}",
        body.len()
    );
    let login = get(
        &site,
        &config,
        &format!("POST /login HTTP/1.1\r\n{form}\r\n\r\n{body}"),
    );
    let cookie = login.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; secure"), "{cookie}");
}

#[test]
fn plain_http_on_the_port_of_tls_gets_nothing() {
    let (site, config) = public();
    let mut stream = connect(site.address);
    write!(stream, "GET / HTTP/1.1\r\nHost: lb1.example.net\r\n\r\n").unwrap();
    let bytes = super::site::rest(&mut stream);
    assert!(!String::from_utf8_lossy(&bytes).contains("director"));
    // Idle connections before TLS are not kept for ever.
    super::site::rest(&mut connect(site.address));
    let head = "Host: lb1.example.net\r\nConnection: close\r\n\r\n";
    assert_eq!(
        get(&site, &config, &format!("GET /login HTTP/1.1\r\n{head}")).status,
        200
    );
}
