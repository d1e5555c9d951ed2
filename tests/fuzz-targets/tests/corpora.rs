//! Every target over its whole corpus.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets anything unexpected should end"
)]

use flate2::read::GzDecoder;
use fuzz_targets::TARGETS;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The names in a folder, up to their first dot.
fn names_in(folder: &str) -> BTreeSet<String> {
    let names = fs::read_dir(fuzz().join(folder)).unwrap().map(|file| file.unwrap().file_name());
    names.map(|name| name.to_str().unwrap().split('.').next().unwrap().to_owned()).collect()
}

/// A target's inputs, each by where it lies: those with a name of their own in its folder, those that the fuzzer found in its archive.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target);
    let mut inputs = Vec::new();
    for file in fs::read_dir(&folder).into_iter().flatten() {
        let path = file.unwrap().path();
        inputs.push((path.display().to_string(), fs::read(&path).unwrap()));
    }
    let archive = folder.with_extension("tar.gz");
    if let Ok(packed) = fs::File::open(&archive) {
        for entry in tar::Archive::new(GzDecoder::new(packed)).entries().unwrap() {
            let mut entry = entry.unwrap();
            let place = format!("{} in {}", entry.path().unwrap().display(), archive.display());
            let mut input = Vec::new();
            entry.read_to_end(&mut input).unwrap();
            inputs.push((place, input));
        }
    }
    inputs
}

#[test]
fn no_input_of_the_corpora_breaks_a_promise() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() >= 3, "{name} has no corpus");
        for (place, input) in inputs {
            if catch_unwind(|| target(&input)).is_err() {
                broken.push(place);
            }
        }
    }
    assert!(broken.is_empty(), "promises broken (see above) by {broken:#?}");
}

#[test]
fn every_target_has_its_corpus_its_dictionary_and_its_place_in_the_fuzzer() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for folder in ["corpus", "dictionaries", "fuzz_targets"] {
        assert_eq!(names_in(folder), targets, "{folder}");
    }
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let bins = manifest.lines().filter(|line| *line == "[[bin]]").count();
    assert_eq!(bins, targets.len());
}

#[test]
fn the_corpora_stay_small() {
    let all: usize = TARGETS.iter().flat_map(|(name, _)| corpus(name)).map(|(_, input)| input.len()).sum();
    assert!(all <= 256 * 1024, "{all} bytes");
}
