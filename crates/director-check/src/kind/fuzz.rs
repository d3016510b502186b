//! Feeds data from a server to each decoder of the checks: the entry point for `fuzz/`.

use super::mysql::Mysql;
use super::postgres::Postgres;
use super::redis::Redis;
use super::smtp::Smtp;
use super::talk::endure;
use super::{dns, http, ping};
use director_config::state::health::LoginCheck;

/// Decodes `bytes` as the answer to a check selected by `choice`.
///
/// # Panics
/// Never, except for a bug that fuzzing looks for.
pub fn decode_answer(choice: u8, bytes: &[u8]) {
    let nobody = LoginCheck::default();
    let somebody = LoginCheck {
        user: Some("user".to_owned()),
        password: Some("password".to_owned()),
        database: Some("database".to_owned()),
    };
    match choice % 9 {
        0 => endure(&mut Smtp::new("director.example.org"), bytes),
        1 => endure(&mut Redis::new(&somebody), bytes),
        2 => endure(&mut Mysql::new(&nobody), bytes),
        3 => endure(&mut Mysql::new(&somebody), bytes),
        4 => endure(&mut Postgres::new(&nobody, [7; 18]), bytes),
        5 => endure(&mut Postgres::new(&somebody, [7; 18]), bytes),
        6 => dns::decode(bytes),
        7 => http::endure(bytes),
        _ => ping::decode(bytes),
    }
}
