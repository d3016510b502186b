//! Links the unwinder into the program instead of loading it.
//!
//! The standard library needs `_Unwind_*`, which rustc takes from `libgcc_s.so.1`. Loading that
//! takes a tenth of the time of a short run such as `ipvsadm -a`, and 70 KiB of memory. GCC has
//! the same as an archive beside it, which is put before the shared one; as that then has nothing
//! left to give, the linker leaves it out (`--as-needed`). Where there is no such archive,
//! everything is as usual.

use std::path::Path;
use std::process::Command;

/// Tells cargo where the archive is, if there is one.
pub(crate) fn tell_cargo() {
    let gnu = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    // A cross build has another compiler than `cc`.
    let native = std::env::var("TARGET").ok() == std::env::var("HOST").ok();
    if !(gnu && native) {
        return;
    }
    let answer = Command::new("cc")
        .arg("-print-file-name=libgcc_eh.a")
        .output();
    let Ok(answer) = answer else { return };
    let path = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    // GCC repeats the bare name when it does not find the file.
    if let Some(directory) = Path::new(&path)
        .parent()
        .filter(|_| Path::new(&path).is_absolute())
    {
        println!("cargo:rustc-link-search=native={}", directory.display());
        println!("cargo:rustc-link-lib=static:+whole-archive=gcc_eh");
    }
}
