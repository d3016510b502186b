//! The kinds of sources from which a pool takes its servers: each has its own file, and one line in
//! the list below.
//!
//! The decoder, the messages and the schema use [`Kind`]. `discovery/` of the program matches
//! [`Source`] without a wildcard, so a kind that nothing asks does not compile.

mod consul;
mod dns;
mod etcd;
mod file;
mod http;
mod kubernetes;

pub use consul::{ConsulHealth, ConsulSource};
pub use dns::{DnsSource, RecordType};
pub use etcd::{EtcdSource, Login};
pub use file::FileSource;
pub use http::{HttpServers, HttpUrl};
pub use kubernetes::{AddressType, KubernetesAccess, KubernetesPort, KubernetesSource};

use crate::decode::fields::Fields;
use crate::diagnostic::Findings;
use crate::keys::Section;
use crate::vocabulary::Word;

/// A kind of source, as the service file has it.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The word for `type`.
    pub(crate) word: Word,
    /// Its keys.
    pub(crate) section: &'static Section,
    /// Decodes it; `None` if a required key is missing.
    pub(crate) decode: fn(&Fields<'_>, &mut Findings) -> Option<Source>,
}

macro_rules! sources {
    ($($variant:ident($spec:ty) is $kind:path;)*) => {
        /// Where the servers of a pool are listed.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the types in them say it")]
        pub enum Source {
            $($variant($spec),)*
        }

        impl Source {
            fn kind(&self) -> &'static Kind {
                match self {
                    $(Self::$variant(_) => &$kind,)*
                }
            }
        }

        const COUNT: usize = [$(stringify!($kind)),*].len();
        static KINDS: [&Kind; COUNT] = [$(&$kind),*];
        /// The words of `type`.
        pub(crate) static WORDS: [Word; COUNT] = [$($kind.word),*];
        /// Their sections, in the order of [`WORDS`].
        pub(crate) static SECTIONS: [&Section; COUNT] = [$($kind.section),*];
    };
}

sources! {
    File(FileSource) is file::FILE;
    Dns(DnsSource) is dns::DNS;
    Etcd(EtcdSource) is etcd::ETCD;
    Consul(ConsulSource) is consul::CONSUL;
    Kubernetes(KubernetesSource) is kubernetes::KUBERNETES;
}

impl Source {
    /// Its name in the service file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().word.name
    }
}

/// The kind of this name.
pub(crate) fn named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.word.name == name).copied()
}
