//! Links release builds for Linux by `release-layout.ld`: without what only unwinding needs, and what the agent never runs apart.

use std::env;

/// Other linkers may not understand the script; which one runs is unknown where somebody chose it.
const CHOICES_OF_A_LINKER: [&str; 4] = ["linker", "fuse-ld", "--ld-path", "link-self-contained"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=release-layout.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_chosen = CHOICES_OF_A_LINKER.iter().any(|choice| flags.contains(choice));
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && !is_chosen {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/release-layout.ld");
    }
}
