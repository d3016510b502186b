//! Short names in the kernel's tables.

use std::fmt;
use std::str::FromStr;

/// A name in the kernel's tables: a scheduler, a persistence engine, a network interface.
///
/// 1 to 16 bytes without NUL, stored inline. The kernel's buffers hold 16 bytes with the
/// terminating NUL (`IP_VS_SCHEDNAME_MAXLEN`, `IP_VS_PENAME_MAXLEN`, `IP_VS_IFNAME_MAXLEN`). Its
/// attribute policy rejects a scheduler or an interface of 16 bytes (`EINVAL`) but accepts an
/// engine of 16 bytes, which it then never finds. The bytes need not be UTF-8; `Display` replaces
/// invalid ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    // Padded with NUL, so that the derived order equals that of the strings.
    bytes: [u8; Name::MAX],
}

impl Name {
    /// The longest name, in bytes.
    pub const MAX: usize = 16;

    /// Makes a name of bytes.
    ///
    /// # Errors
    /// [`NameError`] if it is empty, longer than [`Name::MAX`] or contains NUL.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > Self::MAX {
            return Err(NameError::TooLong { length: name.len() });
        }
        if name.contains(&0) {
            return Err(NameError::Nul);
        }
        let mut bytes = [0; Self::MAX];
        bytes[..name.len()].copy_from_slice(name);
        Ok(Self { bytes })
    }

    /// Makes a name of a string known at compile time.
    ///
    /// # Panics
    /// If the name is empty, longer than [`Name::MAX`] or contains NUL; in a `const`, at compile
    /// time.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        let name = name.as_bytes();
        assert!(
            !name.is_empty() && name.len() <= Self::MAX,
            "a name has 1 to 16 bytes"
        );
        let mut bytes = [0; Self::MAX];
        let mut index = 0;
        while index < name.len() {
            assert!(name[index] != 0, "a name has no NUL");
            bytes[index] = name[index];
            index += 1;
        }
        Self { bytes }
    }

    /// The name's bytes, without padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let length = self
            .bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(Self::MAX);
        &self.bytes[..length]
    }

    /// The name as text; `None` if it is not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        str::from_utf8(self.as_bytes()).ok()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

/// Why bytes are not a [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("a name needs at least one byte")]
    Empty,
    /// The name is longer than the kernel allows.
    #[error("a name has at most 16 bytes, this one has {length}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The name contains NUL: the kernel would see only the bytes before it.
    #[error("a name cannot contain a NUL byte")]
    Nul,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert_eq!(Name::new(""), Err(NameError::Empty));
        assert_eq!(Name::new("a\0b"), Err(NameError::Nul));
        assert_eq!(
            Name::new("12345678901234567"),
            Err(NameError::TooLong { length: 17 })
        );
        assert_eq!(Name::new("1234567890123456").unwrap().as_bytes().len(), 16);
        assert_eq!(Name::from_static("wlc"), Name::new("wlc").unwrap());
        assert_eq!(Name::new(b"\xff").unwrap().as_str(), None);
        assert_eq!(format!("{:<5}|", Name::from_static("wlc")), "wlc  |");
    }
}
