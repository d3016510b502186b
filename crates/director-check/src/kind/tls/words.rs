//! Explains TLS failures: what they mean, and what to do.
//!
//! Users never see the library's raw names. An error without its own sentence gets the name in
//! words after a sentence that says whose fault it is.

use std::fmt::Debug;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use director_config::words::{calendar, printable};

/// The supported protocols.
const SPOKEN: &str = "director supports TLS 1.2 with ECDHE and TLS 1.3";

/// What went wrong, on the server or in this machine's own files.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => format!("certificate: {}", certificate(why)),
        Error::AlertReceived(alert) => format!("TLS: {}", alerted(*alert)),
        Error::PeerIncompatible(why) => format!("TLS: {}", incompatible(why)),
        Error::PeerMisbehaved(why) => broke(why),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => "no TLS on this port: the server answers in another protocol".into(),
        Error::InvalidMessage(why) => broke(why),
        Error::InappropriateMessage { got_type, .. } => {
            broke(&format_args!("unexpected {}", in_words(got_type)))
        }
        Error::InappropriateHandshakeMessage { got_type, .. } => {
            broke(&format_args!("unexpected {}", in_words(got_type)))
        }
        Error::InvalidEncryptedClientHello(why) => broke(why),
        Error::PeerSentOversizedRecord => broke(&format_args!("a record too large")),
        Error::DecryptError => {
            "TLS: cannot decrypt the server's data: it was corrupted on the way".into()
        }
        Error::NoCertificatesPresented => "TLS: the server presented no certificate".into(),
        Error::NoApplicationProtocol => {
            "TLS: the server uses another protocol (ALPN) than requested".into()
        }
        Error::InconsistentKeys(_) => "the key does not belong to the certificate".into(),
        Error::FailedToGetCurrentTime => "TLS: cannot read this machine's clock".into(),
        Error::FailedToGetRandomBytes => "TLS: this machine has no random bytes".into(),
        Error::General(text) => format!("TLS: {}", printable(text)),
        other => format!("TLS: {}", in_words(other)),
    }
}

/// The server violated TLS.
fn broke(why: &dyn Debug) -> String {
    format!("TLS: the server violated the protocol: {}", in_words(why))
}

fn certificate(why: &CertificateError) -> String {
    use CertificateError as E;
    match why {
        E::Expired => "it has expired".into(),
        E::ExpiredContext { time, not_after } => {
            let (then, now) = (at(*not_after), at(*time));
            format!("it expired on {then}; now it is {now}")
        }
        E::NotValidYet => "it is not valid yet".into(),
        E::NotValidYetContext { time, not_before } => {
            let (then, now) = (at(*not_before), at(*time));
            format!("it is not valid before {then}; now it is {now}")
        }
        E::UnknownIssuer => {
            "its issuer is not trusted: set its issuer, or the certificate itself if it is \
             self-signed, as `ca`"
                .into()
        }
        E::NotValidForName => "it is for another name".into(),
        E::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = printable(&expected.to_str());
            match names(presented) {
                None => format!(
                    "it is not for {expected}: it has no subjectAltName, and the CN does not \
                     count; set another `name`, or reissue it"
                ),
                Some(_) if presented.contains(&format!("DnsName(\"{expected}\")")) => format!(
                    "it is for a DNS name {expected}, not for this address: reissue it with \
                     IP:{expected} as its subjectAltName"
                ),
                Some(names) => format!("it is for {names}, not for {expected}"),
            }
        }
        E::BadSignature => {
            "its signature does not match: `ca` is another authority of the same name, or a key is \
             too short (RSA needs 2048 bits)"
                .into()
        }
        #[allow(deprecated, reason = "still made")]
        E::UnsupportedSignatureAlgorithm
        | E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its key or signature uses an algorithm that is no longer trusted (SHA-1, MD5, short \
             or unusual keys): reissue it"
                .into()
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "it is not for servers (extended key usage)".into()
        }
        E::BadEncoding => "its encoding is invalid".into(),
        E::Revoked => "it has been revoked".into(),
        E::UnhandledCriticalExtension => "it has an unknown critical extension".into(),
        E::UnknownRevocationStatus
        | E::ExpiredRevocationList
        | E::ExpiredRevocationListContext { .. } => "its revocation status is unknown".into(),
        E::InvalidOcspResponse => "its OCSP answer is invalid".into(),
        E::ApplicationVerificationFailure => "it was rejected".into(),
        E::Other(other) => path(&format!("{:?}", other.0)),
        other => in_words(other),
    }
}

/// Errors that only the library below names.
fn path(name: &str) -> String {
    let known = match name.split(['(', ' ', '{']).next().unwrap_or_default() {
        "CaUsedAsEndEntity" => {
            "it is the certificate of an authority (CA:TRUE), which a server cannot use: issue \
             another one for the server (CA:FALSE), or set `verify = false`"
        }
        "EndEntityUsedAsCa" => {
            "its issuer is not an authority (CA:FALSE): set a real authority as `ca`"
        }
        "PathLenConstraintViolated" | "MaximumPathDepthExceeded" => {
            "there are too many authorities between it and `ca`"
        }
        "NameConstraintViolation" => "its authority may not issue certificates for this name",
        "UnsupportedCertVersion" => "its version is too old (X.509 version 1): reissue it",
        "UnsupportedCriticalExtension" => "it has an unknown critical extension",
        "SignatureAlgorithmMismatch" => "it contradicts itself about its signature algorithm",
        _ => return format!("it cannot be used: {}", in_words(&format_args!("{name}"))),
    };
    known.to_owned()
}

/// The names in the certificate, as far as they are parsed; `None` if there are none.
fn names(presented: &[String]) -> Option<String> {
    const MOST: usize = 4;
    let inner = |name: &String| {
        let (_, inner) = name.split_once('(')?;
        Some(printable(inner.trim_end_matches(')').trim_matches('"')))
    };
    let mut names: Vec<_> = presented.iter().filter_map(inner).collect();
    if names.is_empty() {
        return None;
    }
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    let names = names.join(", ");
    Some(match more {
        0 => names,
        more => format!("{names} and {more} more"),
    })
}

fn at(time: UnixTime) -> String {
    calendar(Duration::from_secs(time.as_secs()).as_secs())
}

/// The server sent an alert.
fn alerted(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let text = match alert {
        A::HandshakeFailure => {
            return format!(
                "the server shares no protocol version or cipher with director ({SPOKEN}), or \
                 requires a client certificate"
            );
        }
        A::InsufficientSecurity => {
            return format!("the server shares no cipher with director: {SPOKEN}");
        }
        A::ProtocolVersion | A::InappropriateFallback => {
            return format!("the server supports neither TLS 1.2 nor TLS 1.3: {SPOKEN}");
        }
        A::UnrecognisedName => "the server has no host of this name: set another `name` or `host`",
        A::CertificateRequired | A::NoCertificate => {
            "the server requires a client certificate: set `certificate` and `key`"
        }
        A::BadCertificate | A::UnsupportedCertificate => {
            "the server requires a client certificate, and rejects this one or its absence: see \
             `certificate` and `key`"
        }
        A::UnknownCA | A::CertificateUnknown => {
            "the server does not trust the issuer of director's `certificate`"
        }
        A::CertificateExpired => "the server considers director's `certificate` expired",
        A::CertificateRevoked => "the server considers director's `certificate` revoked",
        A::AccessDenied => "the server denies access to director's `certificate`",
        A::NoApplicationProtocol => {
            "the server does not support the requested protocol (ALPN): `http` checks request \
             HTTP/1.1, `grpc` checks for HTTP/2"
        }
        A::InternalError => "the server had an internal error",
        A::CloseNotify => "the server closed the session during the handshake",
        A::UserCanceled => "the server aborted the handshake",
        A::Unknown(number) => return format!("the server sent alert {number}"),
        other => return format!("the server refused the handshake: {}", in_words(&other)),
    };
    text.to_owned()
}

fn incompatible(why: &PeerIncompatible) -> String {
    use PeerIncompatible as P;
    match why {
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled => {
            format!("the server supports neither TLS 1.2 nor TLS 1.3: {SPOKEN}")
        }
        P::NoCipherSuitesInCommon | P::NoKxGroupsInCommon | P::NoSignatureSchemesInCommon => {
            format!("the server shares no cipher or key exchange with director: {SPOKEN}")
        }
        P::NoCertificateRequestSignatureSchemesInCommon => {
            "the server accepts no signature that director's `key` can make".into()
        }
        other => format!(
            "the server lacks a feature that TLS requires: {}",
            in_words(other)
        ),
    }
}

/// A name of the library as words: `SelectedUnofferedKxGroup` is "selected unoffered kx group".
fn in_words(name: &dyn Debug) -> String {
    let name = format!("{name:?}");
    // The rest is for programmers.
    let end = name.find(['(', '{']).unwrap_or(name.len());
    let (mut words, mut small) = (String::new(), false);
    for letter in name[..end].trim().chars() {
        if letter.is_uppercase() && small {
            words.push(' ');
        }
        small = letter.is_lowercase() || letter.is_ascii_digit();
        words.extend(letter.to_lowercase());
    }
    printable(&words)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{
        CertRevocationListError, EncryptedClientHelloError, InconsistentKeys, OtherError,
        PeerMisbehaved,
    };

    use super::*;

    /// Every variant given to these macros.
    macro_rules! all {
        ($type:ident: $($name:ident)*) => { [$($type::$name),*] };
    }

    /// All errors that a check can meet, variant by variant.
    fn everything() -> Vec<Error> {
        let mut all: Vec<Error> = (0..=255)
            .map(|n| Error::AlertReceived(AlertDescription::from(n)))
            .collect();
        all.extend(all!(PeerIncompatible:
            EcPointsExtensionRequired ExtendedMasterSecretExtensionRequired IncorrectCertificateTypeExtension
            KeyShareExtensionRequired NamedGroupsExtensionRequired NoCertificateRequestSignatureSchemesInCommon
            NoCipherSuitesInCommon NoEcPointFormatsInCommon NoKxGroupsInCommon NoSignatureSchemesInCommon
            NullCompressionRequired ServerDoesNotSupportTls12Or13 ServerSentHelloRetryRequestWithUnknownExtension
            ServerTlsVersionIsDisabledByOurConfig SignatureAlgorithmsExtensionRequired
            SupportedVersionsExtensionRequired Tls12NotOffered Tls12NotOfferedOrEnabled Tls13RequiredForQuic
            UncompressedEcPointsRequired UnsolicitedCertificateTypeExtension).map(Error::from));
        all.extend(all!(PeerMisbehaved:
            AttemptedDowngradeToTls12WhenTls13IsSupported BadCertChainExtensions DuplicateServerHelloExtensions
            IllegalHelloRetryRequestWithNoChanges InvalidKeyShare MissingKeyShare
            SelectedUnofferedCipherSuite SelectedUnofferedKxGroup SelectedUnofferedApplicationProtocol
            SignedHandshakeWithUnadvertisedSigScheme TooManyWarningAlertsReceived
            UnsolicitedServerHelloExtension WrongGroupForKeyShare).map(Error::from));
        all.extend(all!(InvalidMessage:
            CertificatePayloadTooLarge HandshakePayloadTooLarge InvalidCcs InvalidContentType
            InvalidCertificateStatusType InvalidCertRequest InvalidDhParams InvalidEmptyPayload InvalidKeyUpdate
            InvalidServerName MessageTooLarge MessageTooShort MissingKeyExchange NoSignatureSchemes
            UnknownProtocolVersion UnsupportedCompression UnsupportedCurveType).map(Error::from));
        all.push(Error::from(InvalidMessage::MissingData("ServerHello")));
        all.push(Error::from(InvalidMessage::TrailingData(
            "CertificatePayload",
        )));
        all.extend(all!(CertificateError:
            BadEncoding Expired NotValidYet Revoked UnhandledCriticalExtension UnknownIssuer
            UnknownRevocationStatus ExpiredRevocationList BadSignature NotValidForName InvalidPurpose
            InvalidOcspResponse ApplicationVerificationFailure).map(Error::from));
        let time = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        all.push(
            CertificateError::ExpiredContext {
                time: time(9),
                not_after: time(8),
            }
            .into(),
        );
        all.push(
            CertificateError::NotValidYetContext {
                time: time(9),
                not_before: time(10),
            }
            .into(),
        );
        for presented in [
            vec![],
            vec![
                "DnsName(\"a.example\")".to_owned(),
                "IpAddress(10.0.0.1)".to_owned(),
            ],
        ] {
            let expected = ServerName::try_from("b.example").unwrap();
            all.push(
                CertificateError::NotValidForNameContext {
                    expected,
                    presented,
                }
                .into(),
            );
        }
        for name in [
            "CaUsedAsEndEntity",
            "EndEntityUsedAsCa",
            "UnsupportedCertVersion",
            "NameConstraintViolation",
            "PathLenConstraintViolated",
            "EmptyEkuExtension",
            "TrailingData(BasicConstraints)",
        ] {
            all.push(CertificateError::Other(OtherError(Arc::new(Named(name)))).into());
        }
        all.extend([
            Error::NoCertificatesPresented,
            Error::UnsupportedNameType,
            Error::DecryptError,
            Error::EncryptError,
            Error::FailedToGetCurrentTime,
            Error::FailedToGetRandomBytes,
            Error::HandshakeNotComplete,
            Error::PeerSentOversizedRecord,
            Error::NoApplicationProtocol,
            Error::BadMaxFragmentSize,
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch),
            Error::InvalidEncryptedClientHello(EncryptedClientHelloError::NoCompatibleConfig),
            Error::InvalidCertRevocationList(CertRevocationListError::BadSignature),
            Error::General("what it says".into()),
            Error::InappropriateMessage {
                expect_types: vec![rustls::ContentType::Handshake],
                got_type: rustls::ContentType::ApplicationData,
            },
            Error::InappropriateHandshakeMessage {
                expect_types: vec![rustls::HandshakeType::ServerHello],
                got_type: rustls::HandshakeType::CertificateRequest,
            },
        ]);
        all
    }

    /// An error of the library below, shown by its name.
    struct Named(&'static str);

    impl Debug for Named {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::fmt::Display for Named {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Named {}

    #[test]
    fn no_name_of_the_librarys_reaches_a_user() {
        for error in everything() {
            let text = describe(&error);
            // The terms of certificates and protocols stay as they are.
            let own = text.replace("subjectAltName", "").replace("gRPC", "");
            let camel = own
                .as_bytes()
                .windows(2)
                .any(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase());
            assert!(
                !camel && !text.contains('_') && !text.contains('{'),
                "{error:?}: {text}"
            );
            assert!(text.len() > 12, "{error:?}: {text}");
        }
    }

    #[test]
    fn names_of_certificates_are_listed_and_bounded() {
        let many: Vec<_> = (0..40)
            .map(|n| format!("DnsName(\"w{n}.example\")"))
            .collect();
        assert_eq!(
            names(&many).unwrap(),
            "w0.example, w1.example, w2.example, w3.example and 36 more"
        );
        assert_eq!(
            names(&["IpAddress(10.0.0.1)".to_owned()]).unwrap(),
            "10.0.0.1"
        );
        assert_eq!(names(&[]), None);
    }

    #[test]
    fn names_become_words() {
        assert_eq!(
            in_words(&PeerMisbehaved::SelectedUnofferedKxGroup),
            "selected unoffered kx group"
        );
        assert_eq!(in_words(&InvalidMessage::MissingData("x")), "missing data");
        assert_eq!(
            in_words(&AlertDescription::UnknownPSKIdentity),
            "unknown pskidentity"
        );
    }
}
