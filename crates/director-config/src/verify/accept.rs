//! What `accept = false` needs of the machine.

use std::path::Path;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::files::Files;
use super::super::model::FailoverDecl;

/// Where systems keep `nft`.
const NFT: [&str; 5] = [
    "/usr/sbin/nft",
    "/usr/bin/nft",
    "/sbin/nft",
    "/bin/nft",
    "/usr/local/sbin/nft",
];

/// Reports a missing `nft`. It is no mistake: the service file may be for another machine.
pub(super) fn check(sections: &[FailoverDecl], files: &dyn Files, findings: &mut Findings) {
    let mut closed = sections.iter().filter(|decl| !decl.failover.accept);
    let Some(at) = closed.next().and_then(|decl| decl.accept) else {
        return;
    };
    if NFT.iter().all(|path| files.lacks(Path::new(path))) {
        let message = "`accept = false` needs the program `nft`, which is not on this machine";
        findings.push(
            Diagnostic::new(Code::FileMissing, at, message)
                .help("install the package nftables; the kernel needs nf_tables, too")
                .reason(
                    "otherwise packets to these addresses that no service takes reach the \
                     machine's own programs",
                ),
        );
    }
}
