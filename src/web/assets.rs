//! The files of the page, which are in the program.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

pub(super) struct Asset {
    pub(super) name: &'static str,
    media_type: &'static str,
    text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) const PAGE: Asset = Asset {
    name: "index.html",
    media_type: "text/html; charset=utf-8",
    text: include_str!("assets/index.html"),
};

/// A script of that name.
macro_rules! script {
    ($name:literal) => {
        Asset {
            name: $name,
            media_type: SCRIPT,
            text: include_str!(concat!("assets/", $name)),
        }
    };
}

pub(super) const ASSETS: &[Asset] = &[
    script!("app.js"),
    script!("ask.js"),
    script!("chart.js"),
    script!("connections.js"),
    script!("directors.js"),
    script!("dom.js"),
    script!("events.js"),
    script!("history.js"),
    script!("list.js"),
    script!("overview.js"),
    script!("plan.js"),
    script!("service.js"),
    script!("steps.js"),
    script!("stream.js"),
    script!("words.js"),
    Asset {
        name: "style.css",
        media_type: "text/css; charset=utf-8",
        text: include_str!("assets/style.css"),
    },
    Asset {
        name: "icon.svg",
        media_type: "image/svg+xml",
        text: include_str!("assets/icon.svg"),
    },
];

/// The asset, or that the browser has it already.
pub(super) fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let mut hasher = DefaultHasher::new();
    asset.text.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, asset.media_type)], asset.text).into_response(),
    };
    let head = response.headers_mut();
    // The browser asks each time whether it is still the same: another version may run by then.
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        head.insert(header::ETAG, tag);
    }
    response
}
