//! The validity of a certificate (RFC 5280, section 4.1.2.5).

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::CertificateDer;
use x509_cert::{
    Certificate,
    der::{DateTime, Decode as _},
};

/// The period of validity of a certificate, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    not_before: DateTime,
    not_after: DateTime,
}

/// Why a certificate is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    NotYet { not_before: DateTime },
    Expired { not_after: DateTime },
}

impl Validity {
    /// `None` if the certificate can't be parsed.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let validity = certificate.tbs_certificate().validity();
        Some(Self {
            not_before: validity.not_before.to_date_time(),
            not_after: validity.not_after.to_date_time(),
        })
    }

    /// The last second of validity.
    pub(crate) fn not_after(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(self.not_after.unix_duration())
    }

    /// Why it is not valid at `now`, if it isn't.
    pub(crate) fn invalid(&self, now: SystemTime) -> Option<Invalid> {
        let seconds = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs());
        if seconds < self.not_before.unix_duration().as_secs() {
            return Some(Invalid::NotYet {
                not_before: self.not_before,
            });
        }
        let not_after = self.not_after;
        (seconds > not_after.unix_duration().as_secs()).then_some(Invalid::Expired { not_after })
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet { not_before } => write!(f, "not valid before {not_before}"),
            Self::Expired { not_after } => write!(f, "expired at {not_after}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn both_ends_are_within() {
        let validity = Validity {
            not_before: "2026-11-01T00:00:00Z".parse().unwrap(),
            not_after: "2026-11-30T23:59:59Z".parse().unwrap(),
        };
        let at = |seconds| validity.invalid(UNIX_EPOCH + Duration::from_secs(seconds));
        let (begin, end) = (1_793_491_200, 1_796_083_199);
        let text = |invalid: Option<Invalid>| invalid.map(|invalid| invalid.to_string());
        assert_eq!(
            text(at(begin - 1)).as_deref(),
            Some("not valid before 2026-11-01T00:00:00Z")
        );
        assert_eq!((at(begin), at(end)), (None, None));
        assert_eq!(
            text(at(end + 1)).as_deref(),
            Some("expired at 2026-11-30T23:59:59Z")
        );
        let not_after = validity.not_after().unwrap();
        assert_eq!(not_after, UNIX_EPOCH + Duration::from_secs(end));
        let before_the_epoch = validity.invalid(UNIX_EPOCH - Duration::from_secs(1));
        assert!(matches!(before_the_epoch, Some(Invalid::NotYet { .. })));
    }
}
