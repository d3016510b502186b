use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use proptest::prelude::*;

use super::super::talk::endure;
use super::super::talk::script::play;
use super::*;

/// The nonce of all these servers: 1 to 20.
fn nonce() -> Vec<u8> {
    (1..=20).collect()
}

/// A greeting as MariaDB 10.11 sends it.
fn greeting(plugin: &str) -> Vec<u8> {
    let nonce = nonce();
    let payload = [
        b"\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\0",
        &[0x1f, 0, 0, 0][..],
        &nonce[..8],
        &[0],
        &[0xfe, 0xf7],
        &[45, 2, 0],
        &[0xff, 0x81],
        &[21],
        &[0; 10],
        &nonce[8..],
        &[0],
        plugin.as_bytes(),
        &[0],
    ];
    frame(0, &payload.concat())
}

const OK: &[u8] = &[7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0];

fn login(password: Option<&str>) -> Mysql {
    Mysql::new(&LoginCheck {
        user: Some("lb".to_owned()),
        password: password.map(str::to_owned),
        database: None,
    })
}

/// The proof within a login packet of the user `lb`.
fn proof(packet: &[u8]) -> &[u8] {
    let at = 4 + 32 + b"lb\0".len();
    &packet[at + 1..at + 1 + usize::from(packet[at])]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_greeting_is_enough_without_a_user() {
    let greeting = greeting("mysql_native_password");
    let (said, outcome) = play(&mut Mysql::new(&LoginCheck::default()), &[&greeting]);
    assert_eq!(said, [b"", b""]);
    assert_eq!(outcome, Ok(Some("10.11.6-MariaDB-0+deb12u1".into())));
}

#[test]
fn errors_are_told_in_the_servers_words() {
    let too_many = frame(0, b"\xff\x10\x04Too many connections");
    let (_, outcome) = play(&mut Mysql::new(&LoginCheck::default()), &[&too_many]);
    assert_eq!(outcome, Err("error 1040: Too many connections".into()));
    let denied = frame(
        2,
        b"\xff\x15\x04#28000Access denied for user 'lb'@'10.0.0.1'",
    );
    let greeting = greeting("mysql_native_password");
    let (_, outcome) = play(&mut login(Some("x")), &[&greeting, &denied]);
    let words = "error 1045: Access denied for user 'lb'@'10.0.0.1'";
    assert_eq!(outcome, Err(words.into()));
    let (_, outcome) = play(&mut login(None), &[b"\x06\0\0\x00220 hi"]);
    assert_eq!(outcome, Err("this is not MySQL: 220 hi".into()));
}

#[test]
fn a_password_is_proved_by_sha1() {
    let greeting = greeting("mysql_native_password");
    let (said, outcome) = play(&mut login(Some("secret")), &[&greeting, OK]);
    assert_eq!(
        said[1][..4],
        [u8::try_from(said[1].len() - 4).unwrap(), 0, 0, 1]
    );
    assert!(said[1].ends_with(b"mysql_native_password\0"));
    // By Python's hashlib.
    assert_eq!(
        hex(proof(&said[1])),
        "b32bb3a583e1340c0a1108d58b1be49781ad8c2f"
    );
    assert_eq!(said[2], [1, 0, 0, 0, 1], "COM_QUIT");
    assert!(outcome.is_ok());
    let (said, _) = play(&mut login(None), &[&greeting, OK]);
    assert_eq!(proof(&said[1]), b"", "no password, no proof");
}

#[test]
fn a_database_is_named() {
    let mut talk = Mysql::new(&LoginCheck {
        user: Some("lb".to_owned()),
        password: None,
        database: Some("shop".to_owned()),
    });
    let (said, _) = play(&mut talk, &[&greeting(""), OK]);
    assert_eq!(said[1][4] & 0x8, 0x8, "CLIENT_CONNECT_WITH_DB");
    assert!(said[1].ends_with(b"lb\0\0shop\0mysql_native_password\0"));
}

#[test]
fn a_password_is_proved_by_sha256_from_the_cache() {
    let greeting = greeting("caching_sha2_password");
    let hit = frame(2, &[1, 3]);
    let (said, outcome) = play(&mut login(Some("secret")), &[&greeting, &hit, OK]);
    let wanted = "746ebe205d56a0707acb3e796e834e0dd7b1d61743b26bd5202c7a623230c7c9";
    assert_eq!(hex(proof(&said[1])), wanted);
    assert!(outcome.is_ok());
}

#[test]
fn without_a_cached_hash_the_password_goes_under_the_servers_key() {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let base64 = base64::engine::general_purpose::STANDARD.encode(public.as_ref());
    let lines: Vec<_> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| [line, b"\n"].concat())
        .collect();
    let pem = [
        b"-----BEGIN PUBLIC KEY-----\n",
        &lines.concat()[..],
        b"-----END PUBLIC KEY-----\n",
    ];
    let (miss, pem) = (
        frame(2, &[1, 4]),
        frame(4, &[&[1], &pem.concat()[..]].concat()),
    );
    let greeting = greeting("caching_sha2_password");
    let password = "a password longer than the nonce is";
    let (said, outcome) = play(&mut login(Some(password)), &[&greeting, &miss, &pem, OK]);
    assert_eq!(said[2], [1, 0, 0, 3, 2], "the key is asked for");
    assert!(outcome.is_ok());
    let key = OaepPrivateDecryptingKey::new(key).unwrap();
    let mut room = vec![0; key.min_output_size()];
    let plain = key
        .decrypt(&OAEP_SHA1_MGF1SHA1, &said[3][4..], &mut room, None)
        .unwrap();
    let pairs = plain.iter().zip(nonce().into_iter().cycle());
    let plain: Vec<u8> = pairs.map(|(byte, mask)| byte ^ mask).collect();
    assert_eq!(plain, [password.as_bytes(), b"\0"].concat());
    let junk = frame(4, b"\x01no key");
    let (_, outcome) = play(&mut login(Some(password)), &[&greeting, &miss, &junk]);
    assert!(outcome.unwrap_err().contains("no public key"));
}

#[test]
fn the_plugin_can_be_changed_but_not_to_one_that_tells_the_password() {
    let greeting = greeting("caching_sha2_password");
    let switch = |name: &str| {
        let payload = [&[0xfe], name.as_bytes(), &[0], &nonce(), &[0]].concat();
        frame(2, &payload)
    };
    let native = switch("mysql_native_password");
    let (said, outcome) = play(&mut login(Some("secret")), &[&greeting, &native, OK]);
    assert_eq!(
        hex(&said[2]),
        "14000003b32bb3a583e1340c0a1108d58b1be49781ad8c2f"
    );
    assert!(outcome.is_ok());
    for plugin in ["mysql_clear_password", "dialog"] {
        let (said, outcome) = play(&mut login(Some("secret")), &[&greeting, &switch(plugin)]);
        assert!(outcome.unwrap_err().contains(plugin));
        assert!(!said.concat().windows(6).any(|bytes| bytes == b"secret"));
    }
}

proptest! {
    #[test]
    fn no_server_makes_it_panic(first: Vec<u8>, payloads: Vec<Vec<u8>>, sha2: bool) {
        endure(&mut login(Some("x")), &first);
        let plugin = if sha2 { "caching_sha2_password" } else { "" };
        let mut bytes = greeting(plugin);
        for (number, payload) in payloads.iter().enumerate() {
            bytes.extend(frame(u8::try_from(number).unwrap_or(0), payload));
        }
        endure(&mut login(Some("x")), &bytes);
    }

    #[test]
    fn no_cut_or_changed_greeting_makes_it_panic(cut in 0_usize..100, at in 0_usize..90, byte: u8) {
        let mut bytes = greeting("mysql_native_password");
        let index = at % bytes.len();
        bytes[index] = byte;
        bytes.truncate(cut);
        endure(&mut login(Some("x")), &bytes);
    }
}
