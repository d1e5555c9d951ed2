//! The program's sources lie in layers, drawn in docs/internals/architecture.md: what stands higher may use what stands lower, never the other
//! way round; no file uses, by whatever detour, one that uses it; and what differs between systems stands in the lowest layer alone.

use layers::Sources;

fn sources() -> Sources {
    Sources::read(env!("CARGO_MANIFEST_DIR"), "## The layers of the program")
}

#[test]
fn nothing_uses_a_layer_above_its_own() {
    let sources = sources();
    let upward = sources.upward();
    assert!(sources.layers() > 5 && upward.is_empty(), "{upward:#?}");
}

#[test]
fn no_file_uses_itself_indirectly() {
    let sources = sources();
    let circles = sources.circles();
    assert!(sources.files().count() > 50 && circles.is_empty(), "{circles:#?}");
}

/// What only some systems have.
const OF_SOME_SYSTEMS: [&str; 5] =
    ["std::os::unix", "rustix::", "tokio::net::Unix", "tokio::signal::unix", "target_os"];

#[test]
fn nothing_but_the_platform_layer_knows_the_system() {
    let sources = sources();
    let names = |source: &str| OF_SOME_SYSTEMS.iter().find(|name| source.contains(**name)).copied();
    let (platform, others): (Vec<_>, Vec<_>) = sources
        .files()
        .filter_map(|(file, source)| Some(format!("{file}: {}", names(source)?)))
        .partition(|found| found.starts_with("platform"));
    assert!(platform.len() > 5 && others.is_empty(), "{others:#?}");
}
