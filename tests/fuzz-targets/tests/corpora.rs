//! Every target over its whole corpus.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets anything unexpected should end"
)]

use fuzz_targets::TARGETS;
use std::collections::BTreeSet;
use std::fs;
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

#[test]
fn no_input_of_the_corpora_breaks_a_promise() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let folder = fuzz().join("corpus").join(name);
        let inputs: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(inputs.len() >= 3, "{} is no corpus", folder.display());
        for path in inputs {
            let input = fs::read(&path).unwrap();
            if catch_unwind(|| target(&input)).is_err() {
                broken.push(path);
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
    let size = |name: &&str| -> u64 {
        let folder = fuzz().join("corpus").join(name);
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let all: u64 = TARGETS.iter().map(|(name, _)| size(name)).sum();
    assert!(all <= 256 * 1024, "{all} bytes");
}
