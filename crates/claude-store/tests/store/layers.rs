//! The store's sources lie in layers, drawn in docs/internals/architecture.md: what stands higher may use what stands lower, never the other way
//! round; and no file uses, by whatever detour, one that uses it.

use layers::Sources;

fn sources() -> Sources {
    Sources::read(env!("CARGO_MANIFEST_DIR"), "## The layers of the store")
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
    assert!(sources.files().count() > 30 && circles.is_empty(), "{circles:#?}");
}
