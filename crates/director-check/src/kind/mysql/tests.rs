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

/// A greeting of MariaDB 10.11.
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

/// The proof in a log-in packet of the user `lb`.
fn proof(packet: &[u8]) -> &[u8] {
    let at = 4 + 32 + b"lb\0".len();
    &packet[at + 1..at + 1 + usize::from(packet[at])]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn anybody() -> Mysql {
    Mysql::new(&LoginCheck::default())
}

fn refusal(code: u16, message: &str) -> Vec<u8> {
    let payload = [&[0xff], &code.to_le_bytes()[..], message.as_bytes()].concat();
    frame(2, &payload)
}

fn switch(plugin: &str) -> Vec<u8> {
    let payload = [&[0xfe], plugin.as_bytes(), &[0], &nonce(), &[0]].concat();
    frame(2, &payload)
}

#[test]
fn without_a_user_the_handshake_is_ended_by_a_refusal_which_is_an_answer() {
    let greeting = greeting("mysql_native_password");
    for code in [
        1044, 1045, 1129, 1130, 1203, 1226, 1251, 1698, 3118, 3159, 4151,
    ] {
        let (said, outcome) = play(&mut anybody(), &[&greeting, &refusal(code, "#28000no")]);
        assert_eq!(said.len(), 3);
        assert!(
            said[1]
                .windows(22)
                .any(|bytes| bytes == b"director-health-check\0")
        );
        assert_eq!(said[2], b"", "the server has ended it");
        assert_eq!(
            outcome,
            Ok(Some("10.11.6-MariaDB-0+deb12u1".into())),
            "{code}"
        );
        // A named user must be able to log in.
        let (_, outcome) = play(&mut login(None), &[&greeting, &refusal(code, "#28000no")]);
        assert!(outcome.is_err(), "{code}");
    }
    for code in [1040, 1041, 1043, 1053, 1135, 1047] {
        let (_, outcome) = play(&mut anybody(), &[&greeting, &refusal(code, "#08S01no")]);
        let told = format!("error {code}: no (expected a log-in)");
        assert_eq!(outcome, Err(told.into()));
    }
    // It may have an anonymous user, who can log in under any name.
    let (said, outcome) = play(&mut anybody(), &[&greeting, OK]);
    assert_eq!(said[2], [1, 0, 0, 0, 1], "COM_QUIT");
    assert!(outcome.is_ok());
}

#[test]
fn a_refusal_instead_of_the_greeting_is_about_the_server_or_about_this_machine() {
    let blocked = "Host '192.0.2.1' is blocked because of many connection errors";
    for (code, message, well) in [
        (1040, "Too many connections", false),
        (1129, blocked, true),
        (
            1130,
            "Host '192.0.2.1' is not allowed to connect to this MariaDB server",
            true,
        ),
    ] {
        let (_, outcome) = play(&mut anybody(), &[&refusal(code, message)]);
        assert_eq!(outcome.is_ok(), well, "{outcome:?}");
        let text = outcome.unwrap_or_else(Some).unwrap();
        assert!(
            text.starts_with(&format!("error {code}: {message}")),
            "{text}"
        );
        assert_eq!(text.contains("FLUSH HOSTS"), code == 1129, "{text}");
        let (_, outcome) = play(&mut login(Some("x")), &[&refusal(code, message)]);
        assert!(outcome.is_err());
    }
}

#[test]
fn a_made_up_user_is_refused_by_whatever_plugin_he_gets() {
    let greeting = greeting("mysql_native_password");
    let denied = refusal(1045, "#28000Access denied");
    for (plugin, answer) in [
        ("mysql_native_password", 0),
        ("caching_sha2_password", 1),
        ("sha256_password", 1),
        ("mysql_clear_password", 1),
        ("client_ed25519", 64),
        ("auth_gssapi_client", 1),
        ("not_yet_known", 1),
    ] {
        let (said, outcome) = play(&mut anybody(), &[&greeting, &switch(plugin), &denied]);
        assert_eq!(said[2].len(), 4 + answer, "{plugin}");
        assert!(outcome.is_ok(), "{plugin}");
    }
    // Two requests: the salt of parsec, the prompts of PAM.
    let salt = frame(4, &[b"P\0", &[7; 16][..]].concat());
    let steps = [&greeting[..], &switch("parsec"), &salt, &denied];
    let (said, outcome) = play(&mut anybody(), &steps);
    assert_eq!((said[2].len(), said[3].len()), (4, 4 + 96));
    assert!(outcome.is_ok());
    let prompt = frame(4, b"\x04Password: ");
    let steps = [&greeting[..], &switch("dialog"), &prompt, &prompt, &denied];
    let (said, outcome) = play(&mut anybody(), &steps);
    assert_eq!(said[4], [1, 0, 0, 5, 0]);
    assert!(outcome.is_ok());
}

#[test]
fn errors_are_told_in_the_servers_words() {
    let too_many = frame(0, b"\xff\x10\x04Too many connections");
    let (_, outcome) = play(&mut anybody(), &[&too_many]);
    assert_eq!(
        outcome,
        Err("error 1040: Too many connections (expected a greeting)".into())
    );
    let denied = frame(
        2,
        b"\xff\x15\x04#28000Access denied for user 'lb'@'10.0.0.1'",
    );
    let greeting = greeting("mysql_native_password");
    let (_, outcome) = play(&mut login(Some("x")), &[&greeting, &denied]);
    let words = "error 1045: Access denied for user 'lb'@'10.0.0.1' (expected a log-in)";
    assert_eq!(outcome, Err(words.into()));
}

#[test]
fn garbage_is_quoted_as_short_as_that_of_http_is() {
    let (_, outcome) = play(&mut login(None), &[b"\x06\0\0\x00220 hi"]);
    assert_eq!(outcome, Err("this is not MySQL: \"220 hi\"".into()));
    let garbage = frame(0, &[b'x'; 5000]);
    let (_, outcome) = play(&mut login(None), &[&garbage]);
    let words = format!("this is not MySQL: \"{}...\"", "x".repeat(60));
    assert_eq!(outcome, Err(words.into()));
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
    // Computed with Python's hashlib.
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
    // The handshake is not aborted, since that counts against this machine.
    let (junk, denied) = (frame(4, b"\x01no key"), refusal(1045, "#28000no"));
    let steps = [&greeting[..], &miss, &junk, &denied];
    let (said, outcome) = play(&mut login(Some(password)), &steps);
    assert_eq!(said[3], [1, 0, 0, 5, 0]);
    assert!(outcome.unwrap_err().contains("no public key"));
}

#[test]
fn the_plugin_can_be_changed_but_not_to_one_that_tells_the_password() {
    let greeting = greeting("caching_sha2_password");
    let native = switch("mysql_native_password");
    let (said, outcome) = play(&mut login(Some("secret")), &[&greeting, &native, OK]);
    assert_eq!(
        hex(&said[2]),
        "14000003b32bb3a583e1340c0a1108d58b1be49781ad8c2f"
    );
    assert!(outcome.is_ok());
    let denied = refusal(1045, "#28000no");
    for plugin in ["mysql_clear_password", "dialog"] {
        let steps = [&greeting[..], &switch(plugin), &denied];
        let (said, outcome) = play(&mut login(Some("secret")), &steps);
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
