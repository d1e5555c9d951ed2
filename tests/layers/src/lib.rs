//! Checks a crate's sources against the layers drawn in docs/internals/architecture.md: a lower layer must not use a higher one, and no file may
//! use itself, directly or indirectly.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod paths;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module's path in the crate; `lib.rs` is `["lib"]`.
type Module = Vec<String>;

/// The sources of one crate, and its layers.
#[derive(Debug)]
pub struct Sources {
    /// From top to bottom, each with its files (`cli.rs`) and folders (`agent/`).
    layers: Vec<Vec<String>>,
    /// Without comments and tests, which may use anything.
    modules: BTreeMap<Module, String>,
}

impl Sources {
    /// Reads the crate in this folder (`CARGO_MANIFEST_DIR`) and the drawing under this heading of docs/internals/architecture.md.
    ///
    /// # Panics
    /// If either cannot be read.
    #[must_use]
    pub fn read(folder: &str, heading: &str) -> Self {
        let folder = Path::new(folder);
        let page = fs::read_to_string(folder.join("../../docs/internals/architecture.md")).unwrap();
        let (_, drawing) = page.split_once(heading).unwrap_or_else(|| panic!("no {heading}"));
        let lines = drawing.split("```").nth(1).unwrap().lines().skip(1);
        let is_place = |word: &&str| word.ends_with('/') || word.ends_with(".rs");
        let places = |line: &str| line.split_whitespace().take_while(is_place).map(str::to_owned).collect();
        let layers = lines.map(places).filter(|places: &Vec<_>| !places.is_empty()).collect();
        Self { layers, modules: modules(&folder.join("src")) }
    }

    /// The number of layers.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Every file by its path (`agent/network.rs`), with its code.
    pub fn files(&self) -> impl Iterator<Item = (String, &str)> {
        self.modules.iter().map(|(module, source)| (shown(module), source.as_str()))
    }

    /// Every use of a higher layer by a lower one.
    ///
    /// # Panics
    /// If a file is in no layer, or uses an unknown module.
    #[must_use]
    pub fn upward(&self) -> Vec<String> {
        let mut upward = Vec::new();
        for module in self.modules.keys() {
            let layer = self.layer_of(module);
            for path in self.used(module) {
                let home = self.home(&path).unwrap_or_else(|| panic!("{} uses {path:?}", shown(module)));
                if self.layer_of(&home) < layer {
                    upward.push(format!("{} uses crate::{}", shown(module), path.join("::")));
                }
            }
        }
        upward
    }

    fn layer_of(&self, module: &[String]) -> usize {
        let (folder, file) = (format!("{}/", module[0]), format!("{}.rs", module[0]));
        let layer = self.layers.iter().position(|layer| layer.contains(&folder) || layer.contains(&file));
        layer.unwrap_or_else(|| panic!("{} is in no layer", shown(module)))
    }

    /// Every use that is part of a cycle.
    #[must_use]
    pub fn circles(&self) -> Vec<String> {
        let homes_of = |module: &Module| {
            let homes = self.used(module).into_iter().filter_map(|path| self.home(&path));
            homes.filter(|home| home != module).collect()
        };
        let uses: BTreeMap<&Module, BTreeSet<Module>> =
            self.modules.keys().map(|module| (module, homes_of(module))).collect();
        let reached = |from: &Module| {
            let (mut reached, mut next) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = next.pop() {
                next.extend(uses[&module].iter().filter(|other| reached.insert((*other).clone())).cloned());
            }
            reached
        };
        let mut circles = Vec::new();
        for (module, others) in &uses {
            let back = others.iter().filter(|other| reached(other).contains(*module));
            circles.extend(back.map(|other| format!("{} uses {}", shown(module), shown(other))));
        }
        circles
    }

    /// What a module uses: paths in the crate.
    fn used(&self, module: &[String]) -> Vec<Vec<String>> {
        let source = &self.modules[module];
        let children = self.modules.keys().filter_map(|other| other.strip_prefix(module)?.first());
        let children: BTreeSet<_> = children.filter(|_| !is_root(module)).collect();
        let mut used = Vec::new();
        for path in paths::beginning_with("crate", source) {
            used.push(path[1..].to_vec());
        }
        for path in paths::beginning_with("super", source) {
            let up = path.iter().take_while(|part| *part == "super").count();
            used.push([&module[..module.len() - up], &path[up..]].concat());
        }
        for child in children {
            let paths = paths::beginning_with(child, source);
            used.extend(paths.into_iter().map(|path| [module, &path].concat()));
        }
        used
    }

    /// The module that defines the item at this path, following re-exports.
    fn home(&self, path: &[String]) -> Option<Module> {
        let prefixes = (1..=path.len()).rev().map(|end| &path[..end]);
        let module = prefixes.into_iter().find(|path| self.modules.contains_key(*path)).unwrap_or_default();
        let name = path.get(module.len());
        let root = ["lib".to_owned()];
        let facade = if module.is_empty() { root.as_slice() } else { module };
        let reexported = |statement: &str| {
            let found = paths::reexported(statement).into_iter().find(|path| {
                path.last() == name && self.modules.contains_key(&[module, &path[..1]].concat())
            })?;
            self.home(&[module, &found].concat())
        };
        let passed_on = self.modules.get(facade)?.split(';').find_map(reexported);
        passed_on.or_else(|| Some(module.to_vec()).filter(|module| !module.is_empty()))
    }
}

fn is_root(module: &[String]) -> bool {
    module == ["lib"]
}

fn shown(module: &[String]) -> String {
    format!("{}.rs", module.join("/"))
}

fn modules(source: &Path) -> BTreeMap<Module, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let place = path.strip_prefix(source).unwrap().with_extension("");
                let name: Module = place.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                all.insert(name, paths::code(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    all.retain(|module, _| !module.iter().any(|part| part == "tests"));
    all
}
