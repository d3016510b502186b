use proptest::prelude::*;

use super::super::talk::endure;
use super::super::talk::script::play;
use super::*;

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], &length[..], body].concat()
}

fn authentication(number: u32, data: &[u8]) -> Vec<u8> {
    frame(b'R', &[&number.to_be_bytes(), data].concat())
}

fn error(code: &str, message: &str) -> Vec<u8> {
    let body = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0Fpostmaster.c\0\0");
    frame(b'E', body.as_bytes())
}

fn login(user: Option<&str>, password: Option<&str>) -> Postgres {
    let login = LoginCheck {
        user: user.map(str::to_owned),
        password: password.map(str::to_owned),
        database: None,
    };
    Postgres::new(&login, [7; 18])
}

/// PostgreSQL 15's answer to a successful log-in.
fn let_in() -> Vec<u8> {
    [
        authentication(0, b""),
        frame(b'S', b"application_name\0director\0"),
        frame(b'S', b"server_version\x0015.10 (Debian 15.10-0+deb12u1)\0"),
        frame(b'K', &[0, 0, 1, 2, 3, 4, 5, 6]),
        frame(b'Z', b"I"),
    ]
    .concat()
}

#[test]
fn without_a_user_a_request_for_a_password_is_enough() {
    let (said, outcome) = play(
        &mut login(None, None),
        &[&authentication(10, b"SCRAM-SHA-256\0\0")],
    );
    let startup = b"\0\0\0\x31\0\x03\0\0user\0postgres\0application_name\0director\0\0";
    assert_eq!(said[0], startup);
    assert_eq!(said[1], b"", "Terminate would be an error in its log");
    assert_eq!(outcome, Ok(None));
    for code in ["28000", "28P01", "3D000"] {
        let mut talk = login(None, None);
        let (_, outcome) = play(&mut talk, &[&error(code, "no such user")]);
        assert_eq!(outcome, Ok(Some(REFUSES_US.into())), "{code}");
        assert!(talk.refused);
        let (_, outcome) = play(
            &mut login(Some("lb"), None),
            &[&error(code, "no such user")],
        );
        assert_eq!(
            outcome,
            Err(format!("FATAL {code}: no such user (expected a session)").into())
        );
    }
}

#[test]
fn errors_are_told_in_the_servers_words() {
    for (code, message) in [
        ("57P03", "the database system is starting up"),
        ("53300", "sorry, too many clients already"),
    ] {
        let (_, outcome) = play(&mut login(None, None), &[&error(code, message)]);
        assert_eq!(
            outcome,
            Err(format!("FATAL {code}: {message} (expected to be asked for a password)").into())
        );
    }
    let (_, outcome) = play(&mut login(None, None), &[b"220 mail.example.org\r\n"]);
    assert_eq!(outcome, Err(r#"this is not PostgreSQL: "2""#.into()));
    let (_, outcome) = play(&mut login(None, None), &[b"E\xff\xff\xff\xff"]);
    assert!(outcome.is_err(), "not four gigabytes");
}

#[test]
fn a_server_that_refuses_the_user_is_asked_for_encryption_instead() {
    for answer in [&b"G"[..], b"N", b"E\0\0\0\x10"] {
        let (said, outcome) = play(&mut Quiet, &[answer]);
        assert_eq!(said, [&b"\0\0\0\x08\x04\xd2\x16\x30"[..], b""]);
        assert_eq!(outcome, Ok(Some(REFUSES_US.into())));
    }
    let (_, outcome) = play(&mut Quiet, &[b"220 mail"]);
    assert!(outcome.is_err());
}

#[test]
fn a_session_is_ended_by_terminate_and_nothing_before_it_is() {
    let (said, outcome) = play(&mut login(None, None), &[&let_in()]);
    assert_eq!(
        said.concat(),
        [said[0].clone(), b"X\0\0\0\x04".to_vec()].concat()
    );
    assert!(outcome.is_ok());
    let (said, outcome) = play(&mut login(Some("lb"), None), &[&authentication(3, b"")]);
    assert_eq!(said[1], b"");
    assert!(outcome.is_err());
}

#[test]
fn a_trusted_user_needs_no_password() {
    let (_, outcome) = play(&mut login(Some("lb"), None), &[&let_in()]);
    assert_eq!(
        outcome,
        Ok(Some("PostgreSQL 15.10 (Debian 15.10-0+deb12u1)".into()))
    );
    let (_, outcome) = play(&mut login(Some("lb"), None), &[&authentication(3, b"")]);
    assert_eq!(
        outcome,
        Err("it asks for a password, and the check has none".into())
    );
}

#[test]
fn passwords_go_in_the_clear_or_hashed() {
    let script = [&authentication(3, b""), &let_in()[..]];
    let (said, outcome) = play(&mut login(Some("lb"), Some("secret")), &script);
    assert_eq!(said[1], b"p\0\0\0\x0bsecret\0");
    assert!(outcome.is_ok());
    let script = [&authentication(5, &[1, 2, 3, 4]), &let_in()[..]];
    let (said, outcome) = play(&mut login(Some("lb"), Some("secret")), &script);
    // Computed with Python's hashlib.
    assert_eq!(said[1], b"p\0\0\0\x28md536507163f20dc0a8a8bfafa8b76f371e\0");
    assert!(outcome.is_ok());
    let (_, outcome) = play(
        &mut login(Some("lb"), Some("x")),
        &[&authentication(7, b"")],
    );
    assert!(outcome.unwrap_err().contains("method 7"));
}

/// The server's half of SCRAM, for a password that it knows or does not know.
#[test]
fn scram_is_held_with_the_server_as_with_the_client() {
    // Computed with Python's hashlib: the signature of a server that knows the password `pencil`,
    // for this nonce, salt and count.
    let nonce = scram::encode_nonce(&[7; 18]);
    let challenge = format!("r={nonce}server,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=64");
    let challenge = authentication(11, challenge.as_bytes());
    let methods = authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    let signed = |signature: &str| authentication(12, format!("v={signature}").as_bytes());
    let (right, wrong) = (
        signed("EaYbHeSwE5CWpLSPgilEtRKLbg54vHMo2JWG24P0aD0="),
        signed("AAAA"),
    );

    let script = [&methods, &challenge, &right, &let_in()[..]];
    let (said, outcome) = play(&mut login(Some("lb"), Some("pencil")), &script);
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(said[1].starts_with(b"p\0\0\0\x36SCRAM-SHA-256\0\0\0\0\x20n,,n=,r="));
    assert!(said[2].ends_with(b"p=Gcokc08hoWAJ2jMJXhJ9/1c7z3ejxiDx/Q9eOg8Q5H4="));

    let script = [&methods, &challenge, &wrong[..]];
    let (_, outcome) = play(&mut login(Some("lb"), Some("pencil")), &script);
    assert!(outcome.unwrap_err().contains("does not know the password"));
    let script = [&methods, &challenge, &let_in()[..]];
    let (_, outcome) = play(&mut login(Some("lb"), Some("pencil")), &script);
    assert!(outcome.unwrap_err().contains("without proving"));
}

proptest! {
    #[test]
    fn no_server_makes_it_panic(first: Vec<u8>, messages: Vec<(u8, Vec<u8>)>, number in 0_u32..14) {
        endure(&mut login(Some("lb"), Some("x")), &first);
        let kinds = b"RESZNKv";
        let mut bytes = authentication(number, &first);
        for (kind, body) in messages {
            bytes.extend(frame(kinds[usize::from(kind) % kinds.len()], &body));
        }
        endure(&mut login(Some("lb"), Some("x")), &bytes);
        endure(&mut login(None, None), &bytes);
    }
}
