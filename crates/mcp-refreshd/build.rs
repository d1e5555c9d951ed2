//! Links release builds for Linux by two scripts: what runs together (`release-order.ld`), and the rest without what only unwinding needs, and what
//! seldom runs apart (`release-layout.ld`).

use std::env;
use std::process::Command;

/// A linker takes a function where it finds it first.
const SCRIPTS: [&str; 2] = ["release-order.ld", "release-layout.ld"];
/// With these flags another linker may run than the compiler's usual one.
const CHOICES_OF_A_LINKER: [&str; 4] = ["linker", "fuse-ld", "--ld-path", "link-self-contained"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for script in SCRIPTS {
        println!("cargo::rerun-if-changed={script}");
    }
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_chosen = CHOICES_OF_A_LINKER.iter().any(|choice| flags.contains(choice));
    if is("PROFILE", "release")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && !is_chosen
        && understands_the_script()
    {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        for script in SCRIPTS {
            println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/{script}");
        }
    }
}

/// Whether the linker that the compiler runs is GNU's or LLVM's. Others (gold, mold) link as usual.
fn understands_the_script() -> bool {
    let compiler = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let Ok(output) = Command::new(compiler).arg("-Wl,--version").output() else { return false };
    let version = String::from_utf8_lossy(&output.stdout);
    version.starts_with("GNU ld") || version.contains("LLD")
}
