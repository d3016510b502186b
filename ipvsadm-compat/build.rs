//! The build details that `ipvsadm --version` adds to 1.31's line, and an unwinder that need not be
//! loaded.

#[path = "../build/unwinder.rs"]
mod unwinder;
#[path = "../build/version.rs"]
mod version;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    version::tell_cargo("..");
    unwinder::tell_cargo();
}
