//! What nobody would wish for: each ends in a login that is kept, or in a message that says what to do.

use super::{ensure, is_refresh, logged_in};
use crate::Fallible;
use crate::profile::{Machine, Profile, windows_path};
use scripted_server::{Script, Server, credentials_json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

/// One refresh of an expired login in this storage folder, whatever it is called.
fn refreshes(machine: &Machine, storage: &Path, called: String) -> Fallible<()> {
    let server = Server::start(Script::default())?;
    let profile = Profile::with_storage(machine, storage, called)?;
    let grant = server.grant(Duration::ZERO);
    profile.put_document(&credentials_json([("lab", &grant)]))?;
    let (code, said) = profile.said(&["refresh"])?;
    ensure(code == Some(0), || said.clone())?;
    ensure(profile.stored("refreshToken")? != grant.refresh_token, || said.clone())?;
    let (code, said) = profile.said(&["check"])?;
    ensure(code == Some(0), || said)
}

/// A document with the attribute `read-only` cannot be replaced: that is found before anything is asked. One that is hidden, or the
/// system's, is replaced.
pub(super) fn attributes(machine: &Machine) -> Fallible<String> {
    let (server, profile, grant) = logged_in(machine, Duration::ZERO, Script::default())?;
    let set = |words: &[&str]| -> Fallible<()> {
        let path = windows_path(&profile.document_path());
        let output = profile.of_windows(&[&["attrib"], words, &[&path]].concat())?;
        ensure(output.status.success(), || String::from_utf8_lossy(&output.stdout).into_owned())
    };
    set(&["+r"])?;
    let (code, said) = profile.said(&["refresh"])?;
    ensure(code != Some(0) && server.count(is_refresh) == 0 && said.contains("attrib -R"), || said.clone())?;
    let first = said.lines().next().unwrap_or_default().to_owned();
    set(&["-r", "+h", "+s"])?;
    let (code, said) = profile.said(&["refresh"])?;
    ensure(code == Some(0) && profile.stored("refreshToken")? != grant.refresh_token, || said)?;
    Ok(format!("hidden ones are replaced; {first}"))
}

/// As editors on Windows leave a document: lines that end with CR and LF are kept, a byte order mark is reported.
pub(super) fn documents(machine: &Machine) -> Fallible<String> {
    let (server, profile, grant) = logged_in(machine, Duration::ZERO, Script::default())?;
    let document: serde_json::Value = serde_json::from_str(&profile.document()?)?;
    let lines = serde_json::to_string_pretty(&document)?.replace('\n', "\r\n");
    profile.put_document(&format!("\u{feff}{lines}"))?;
    let (code, said) = profile.said(&["refresh"])?;
    let told = code == Some(4) && said.contains("byte order mark");
    ensure(told && server.count(is_refresh) == 0, || format!("{code:?} {said}"))?;
    ensure(profile.document()? == format!("\u{feff}{lines}"), || "it was changed".to_owned())?;
    profile.put_document(&lines)?;
    let (code, said) = profile.said(&["refresh"])?;
    ensure(code == Some(0) && profile.stored("refreshToken")? != grant.refresh_token, || said)?;
    let after = profile.document()?;
    ensure(after.matches("\r\n").count() == lines.matches("\r\n").count(), || after)?;
    Ok("CR LF is kept; a byte order mark is reported, and nothing is asked".to_owned())
}

/// Spaces and umlauts.
pub(super) fn folders(machine: &Machine) -> Fallible<String> {
    let scratch = tempfile::tempdir()?;
    let storage = scratch.path().join("Zoë Ä. Müller/my files");
    refreshes(machine, &storage, windows_path(&storage))?;
    Ok("a profile with spaces and umlauts".to_owned())
}

/// The document on a drive of its own.
pub(super) fn other_drive(machine: &Machine) -> Fallible<String> {
    let scratch = tempfile::tempdir()?;
    let drive = machine.prefix.join("dosdevices/q:");
    let _ = fs::remove_file(&drive);
    symlink(scratch.path(), &drive)?;
    let refreshed = refreshes(machine, &scratch.path().join("claude"), r"Q:\claude".to_owned());
    fs::remove_file(&drive)?;
    refreshed?;
    Ok(r"Q:\claude".to_owned())
}

/// More than 260 characters, which Windows takes in the verbatim form only.
pub(super) fn long_path(machine: &Machine) -> Fallible<String> {
    let scratch = tempfile::tempdir()?;
    let storage = scratch.path().join("f".repeat(120)).join("g".repeat(120)).join(".claude");
    let called = windows_path(&storage);
    let length = called.chars().count() + r"\.credentials.json".len();
    ensure(length > 260, || "too short".to_owned())?;
    refreshes(machine, &storage, called)?;
    Ok(format!("a document whose path has {length} characters"))
}
