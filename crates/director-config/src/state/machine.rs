//! The codes of warnings about the machine, which a service can allow.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! codes {
    ($($variant:ident $name:literal $summary:literal;)*) => {
        /// A kind of warning about the machine. The file alone does not cause it, so `director check`
        /// never reports it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum MachineCode {
            $(#[doc = $summary] $variant,)*
        }

        impl MachineCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code in print: words joined by hyphens.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// A sentence that explains the code.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary,)* }
            }
        }
    };
}

codes! {
    AddressMissing "address-missing" "The machine does not have a listen address.";
    AddressUnready "address-unready" "A listen address is not in use yet.";
    AddressTaken "address-taken" "Another machine uses a listen address.";
    NoRoute "no-route" "A server has no route.";
    NotForwarded "not-forwarded" "The machine does not forward the replies of NAT servers.";
    SourceRefused "source-refused" "The source check drops clients.";
    VirtualSource "virtual-source" "Checks leave from a virtual address that the servers hold, too.";
}

impl MachineCode {
    /// The code of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|code| code.name() == name).copied()
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for MachineCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of codes. (Small: every service has one.)
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct MachineCodes(u16);

impl MachineCodes {
    /// Whether it has no code.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Whether it has this code.
    #[must_use]
    pub const fn contains(self, code: MachineCode) -> bool {
        self.0 & code.bit() != 0
    }

    /// The codes of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Its codes, in the order of [`MachineCode::ALL`].
    pub fn iter(self) -> impl Iterator<Item = MachineCode> {
        let all = MachineCode::ALL.iter().copied();
        all.filter(move |code| self.contains(*code))
    }
}

impl Extend<MachineCode> for MachineCodes {
    fn extend<I: IntoIterator<Item = MachineCode>>(&mut self, codes: I) {
        for code in codes {
            self.0 |= code.bit();
        }
    }
}

impl fmt::Debug for MachineCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for MachineCodes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(MachineCode::name))
    }
}

/// Codes of a later version are left out: they allow a warning that this one does not have.
impl<'de> Deserialize<'de> for MachineCodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let mut codes = Self::default();
        codes.extend(names.iter().filter_map(|name| MachineCode::named(name)));
        Ok(codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_as_the_names_of_its_codes() {
        let mut codes = MachineCodes::default();
        assert!(codes.is_empty());
        codes.extend([MachineCode::SourceRefused, MachineCode::NoRoute]);
        let text = serde_json::to_string(&codes).unwrap();
        assert_eq!(text, r#"["no-route","source-refused"]"#);
        assert_eq!(serde_json::from_str::<MachineCodes>(&text).unwrap(), codes);
        let later = r#"["no-route","of-a-later-version"]"#;
        let read: MachineCodes = serde_json::from_str(later).unwrap();
        assert!(read.contains(MachineCode::NoRoute));
        assert!(!read.contains(MachineCode::AddressTaken));
    }
}
