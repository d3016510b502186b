//! `GET /metrics`: the text that Prometheus scrapes.

use std::io::Write;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::asked::{Asked, Parameters};
use super::caller::Caller;
use super::failure::Failure;
use super::routes::Desk;
use super::stream::Sink;
use crate::metrics::{Exposition, Format, Scrape, Servers};

/// The size up to which text is collected, in bytes.
const PIECE: usize = 32 * 1024;

/// The fastest level: a scrape has hundreds of near copies of each line, and shrinks to a seventh.
const LEVEL: Compression = Compression::fast();

pub(super) async fn metrics(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    query: Parameters,
) -> Result<Response, Failure> {
    let asked = Asked::take(query, &[&["service", "servers"]])?;
    let selection = asked.selection()?;
    let servers = match asked.one("servers")? {
        // A request for some services is about their servers.
        None if !selection.is_all() => Servers::All,
        None => Servers::Few,
        Some("all") => Servers::All,
        Some("none") => Servers::None,
        Some(_) => return Err(Failure::invalid("`servers` must be all or none")),
    };
    let snapshot = desk.director.published().snapshot();
    let services = match selection.is_all() {
        true => None,
        false => Some(selection.of(&snapshot)?.into_iter().map(|one| one.key)),
    };
    let services = services.map(Iterator::collect);
    let counted = desk.counted(caller, None).await?;
    let format = format(&headers);
    let exposition = Exposition::new(
        Scrape {
            snapshot,
            table: counted.table,
            buckets: counted.buckets,
            meters: desk.director.published().meters.read(),
            checks: desk.director.checks(),
            services,
            servers,
        },
        format,
    );
    let gzip = accepts_gzip(&headers);
    let mut response = body(exposition, gzip).into_response();
    let head = response.headers_mut();
    let media_type = HeaderValue::from_static(format.media_type());
    head.insert(header::CONTENT_TYPE, media_type);
    head.insert(
        header::VARY,
        HeaderValue::from_static("accept, accept-encoding"),
    );
    if gzip {
        head.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// The text, made while it is sent.
fn body(exposition: Exposition, gzip: bool) -> Body {
    let (sink, body) = Sink::new();
    tokio::spawn(async move {
        let mut encoder = gzip.then(|| GzEncoder::new(Vec::new(), LEVEL));
        let mut plain = Vec::new();
        for piece in exposition {
            let waiting = match &mut encoder {
                Some(encoder) => {
                    // Writing to memory does not fail.
                    let _ = encoder.write_all(piece.as_bytes());
                    encoder.get_mut()
                }
                None => {
                    plain.extend_from_slice(piece.as_bytes());
                    &mut plain
                }
            };
            if waiting.len() >= PIECE && sink.send_as_it_is(std::mem::take(waiting)).await.is_err()
            {
                return;
            }
        }
        let rest = match encoder {
            Some(encoder) => encoder.finish().unwrap_or_default(),
            None => plain,
        };
        // A client that is gone is no error.
        let _ = sink.send_as_it_is(rest).await;
    });
    body
}

/// OpenMetrics if the client likes it at least as much as plain text (RFC 9110, section 12.5.1).
fn format(headers: &HeaderMap) -> Format {
    let (mut open, mut plain) = (0.0, 0.0);
    for (range, parameters) in items(headers, &header::ACCEPT) {
        let quality = quality(&parameters);
        let version = parameter(&parameters, "version");
        match range.as_str() {
            "application/openmetrics-text" if version.is_none_or(|it| it == "1.0.0") => {
                open = quality.max(open);
            }
            "text/plain" | "text/*" | "*/*" => plain = quality.max(plain),
            _ => {}
        }
    }
    if open > 0.0 && open >= plain {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut codings = items(headers, &header::ACCEPT_ENCODING);
    codings.any(|(coding, parameters)| {
        matches!(coding.as_str(), "gzip" | "x-gzip") && quality(&parameters) > 0.0
    })
}

type Item = (String, Vec<(String, String)>);

/// The items of a list in a header, each with its parameters; names in lower case.
fn items(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = Item> {
    let values = headers.get_all(name).into_iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    let items: Vec<Item> = values
        .iter()
        .flat_map(|value| value.split(','))
        .map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let first = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters = parts.filter_map(|part| part.split_once('='));
            let parameters = parameters.map(|(name, value)| {
                let value = value.trim().trim_matches('"');
                (name.trim().to_ascii_lowercase(), value.to_owned())
            });
            (first, parameters.collect())
        })
        .collect();
    items.into_iter()
}

fn parameter<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let found = parameters.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// The weight of an item; 1 unless it says so, and 0 if it cannot be parsed.
fn quality(parameters: &[(String, String)]) -> f32 {
    parameter(parameters, "q").map_or(1.0, |value| value.parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn open_metrics_is_sent_to_those_who_prefer_it() {
        let format = |accept| format(&headers(header::ACCEPT, accept));
        // Prometheus 2.42, and 3.
        assert_eq!(
            format(
                "application/openmetrics-text;version=1.0.0,\
                 application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            ),
            Format::OpenMetrics
        );
        assert_eq!(format("application/openmetrics-text"), Format::OpenMetrics);
        assert_eq!(
            format("application/openmetrics-text; version=0.0.1, text/plain;q=0.1"),
            Format::Prometheus
        );
        assert_eq!(
            format("application/openmetrics-text;q=0.4, text/plain"),
            Format::Prometheus
        );
        assert_eq!(
            format("application/openmetrics-text;q=0"),
            Format::Prometheus
        );
        assert_eq!(format("*/*"), Format::Prometheus);
        assert_eq!(format(";;,,=;q=x"), Format::Prometheus);
        assert_eq!(super::format(&HeaderMap::new()), Format::Prometheus);
    }

    #[test]
    fn gzip_is_sent_to_those_who_accept_it() {
        let gzip = |accept| accepts_gzip(&headers(header::ACCEPT_ENCODING, accept));
        assert!(gzip("gzip"));
        assert!(gzip("br;q=1.0, GZIP;q=0.8, *;q=0.1"));
        assert!(!gzip("gzip;q=0, identity"));
        assert!(!gzip("identity"));
        assert!(!gzip(""));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
