//! Tokens from files.

use std::path::Path;

use crate::regular;

/// The longest token, in bytes: those of Kubernetes have about a thousand.
const LONGEST: u64 = 64 << 10;

/// The token in a file, without the white space around it.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let bytes = regular::read(path, LONGEST).map_err(|error| error.to_string());
    let token = bytes.and_then(|bytes| of(&bytes).map_err(str::to_owned));
    token.map_err(|why| format!("cannot read the token in {}: {why}", path.display()))
}

/// A token as the value of a header.
pub(super) fn of(bytes: &[u8]) -> Result<String, &'static str> {
    match str::from_utf8(bytes.trim_ascii()) {
        Ok("") => Err("it is empty"),
        Ok(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(token.to_owned()),
        _ => Err("it has characters that no token has"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word() {
        assert_eq!(of(b" abc.d-e_f\n"), Ok("abc.d-e_f".to_owned()));
        for bytes in [
            &b""[..],
            b"\n",
            b"a b",
            b"a\nb",
            b"a\0",
            b"\xff",
            "\u{e4}".as_bytes(),
        ] {
            assert!(of(bytes).is_err(), "{bytes:?}");
        }
        let why = read(Path::new("/nowhere/token")).unwrap_err();
        assert!(
            why.contains("the token in /nowhere/token: No such file"),
            "{why}"
        );
    }
}
