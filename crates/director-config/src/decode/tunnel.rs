//! `forward` and `tunnel`: how packets reach a server.

use ipvs::{ForwardMethod, TunnelFlags, TunnelKind};

use super::super::diagnostic::Findings;
use super::super::keys;
use super::super::model::TunnelDecl;
use super::super::source::Spanned;
use super::super::vocabulary::{FORWARD, TUNNELS};
use super::fields::Field;
use super::word::{meant, unknown, word};

/// A forwarding method.
pub(super) fn forward(
    field: &Field<'_>,
    findings: &mut Findings,
) -> Option<Spanned<ForwardMethod>> {
    // After a mistake, the likely meaning; otherwise the method that allows most, so that servers
    // are not reported for the service's mistake.
    let text = field.text(findings)?;
    let fallback = meant(text.value, FORWARD).unwrap_or("nat");
    let method = match word(field, FORWARD, findings).unwrap_or(fallback) {
        "nat" => ForwardMethod::Masquerade,
        "dr" => ForwardMethod::DirectRoute,
        "tun" => ForwardMethod::Tunnel,
        "local" => ForwardMethod::Local,
        "bypass" => ForwardMethod::Bypass,
        "method-5" => ForwardMethod::Other(5),
        "method-6" => ForwardMethod::Other(6),
        _ => ForwardMethod::Other(7),
    };
    Some(Spanned::new(method, field.span()))
}

/// The word for a forwarding method.
pub(in super::super) const fn forward_word(method: ForwardMethod) -> &'static str {
    match method.number() {
        0 => "nat",
        1 => "local",
        2 => "tun",
        3 => "dr",
        4 => "bypass",
        5 => "method-5",
        6 => "method-6",
        _ => "method-7",
    }
}

/// An encapsulation.
pub(super) fn tunnel(field: &Field<'_>, findings: &mut Findings) -> Option<TunnelDecl> {
    let fields = field.table(&keys::TUNNEL, findings)?;
    let port = fields.get("port");
    let checksum = fields.get("checksum");
    let flags = fields.get("flags");
    let kind = fields.get("type");
    let checksum = checksum.and_then(|field| self::checksum(&field, findings));
    let word = flags.and_then(|field| field.whole::<u16>(findings));
    let word = word.map(|word| word.map(TunnelFlags::from_bits_retain));
    Some(TunnelDecl {
        span: field.at,
        kind: kind.and_then(|field| self::kind(&field, findings)),
        port: port.and_then(|field| field.whole(findings)),
        flags: word.or(checksum),
    })
}

fn kind(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<TunnelKind>> {
    let text = field.text(findings)?;
    let kind = match text.value {
        "ipip" => TunnelKind::Ipip,
        "gue" => TunnelKind::Gue,
        "gre" => TunnelKind::Gre,
        other => {
            // What a newer kernel has is exported by number.
            let number = other
                .strip_prefix("type-")
                .and_then(|digits| digits.parse().ok());
            match number.map(TunnelKind::from_number) {
                Some(kind @ TunnelKind::Other(_)) => kind,
                _ => {
                    findings.push(unknown(other, field.span(), TUNNELS));
                    return None;
                }
            }
        }
    };
    Some(Spanned::new(kind, field.span()))
}

fn checksum(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<TunnelFlags>> {
    let flags = match (field.as_bool(), field.as_text()) {
        (Some(true), _) => TunnelFlags::CSUM,
        (Some(false), _) => TunnelFlags::NONE,
        (None, Some(text)) if text.value == "remote" => TunnelFlags::REMCSUM,
        _ => return field.wrong_type(findings),
    };
    Some(Spanned::new(flags, field.span()))
}
