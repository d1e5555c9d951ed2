//! The program's sources lie in layers, drawn in docs/architecture.md: what stands higher may use what stands lower, never the other
//! way round; no file uses, by whatever detour, one that uses it; and what differs between systems stands in the lowest layer alone.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const DRAWING: &str = "## The layers of the program";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The layers from the top, each with its files (`cli.rs`) and folders (`agent/`), as the page draws them.
fn layers() -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("../../docs/architecture.md")).unwrap();
    let (_, drawing) = page.split_once(DRAWING).unwrap();
    let lines = drawing.split("```").nth(1).unwrap().lines().skip(1);
    let is_place = |word: &&str| word.ends_with('/') || word.ends_with(".rs");
    let places = |line: &str| line.split_whitespace().take_while(is_place).map(str::to_owned).collect();
    lines.map(places).filter(|places: &Vec<_>| !places.is_empty()).collect()
}

/// A module: its path below the crate, and its source without comments and tests.
type Modules = BTreeMap<Vec<String>, String>;

fn modules() -> Modules {
    let mut all = Modules::new();
    let source = root().join("src");
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let place = path.strip_prefix(&source).unwrap().with_extension("");
                let name = place.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                all.insert(name, code(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    all.retain(|module, _| module.last().unwrap() != "tests");
    all
}

/// Without tests, which may look at whatever they want, and without comments.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every path in a source that begins with this word, a group like `a::{b, c}` taken apart.
fn paths_from(word: &str, source: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices(&format!("{word}::")) {
        let before = source[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c)) {
            branches(&source[at..], &mut Vec::new(), &mut found);
        }
    }
    found
}

/// The paths of a tree of `use`, or the one of an expression; gives what follows it.
fn branches<'a>(text: &'a str, above: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        while !rest.trim_start().starts_with('}') {
            rest = branches(rest, &mut above.clone(), found).trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        return rest.trim_start().strip_prefix('}').unwrap();
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    above.push(name.to_owned());
    match rest.strip_prefix("::") {
        Some(rest) if rest.starts_with(|c: char| c.is_alphabetic() || "_{".contains(c)) => {
            branches(rest, above, found)
        }
        _ => {
            found.push(above.clone());
            rest
        }
    }
}

/// What a module uses: paths below the crate.
fn used(module: &[String], modules: &Modules) -> Vec<Vec<String>> {
    let source = &modules[module];
    let children = modules.keys().filter_map(|other| other.strip_prefix(module)?.first());
    let children: BTreeSet<_> = children.filter(|_| module != ["lib"]).collect();
    let mut paths = Vec::new();
    for path in paths_from("crate", source) {
        paths.push(path[1..].to_vec());
    }
    for path in paths_from("super", source) {
        let up = path.iter().take_while(|part| *part == "super").count();
        paths.push([&module[..module.len() - up], &path[up..]].concat());
    }
    for child in children {
        paths.extend(paths_from(child, source).into_iter().map(|path| [module, &path].concat()));
    }
    paths
}

/// The module in which the thing of this path is defined: a facade passes on what it re-exports.
fn home(path: &[String], modules: &Modules) -> Option<Vec<String>> {
    let module = (1..=path.len()).rev().map(|end| &path[..end]).find(|path| modules.contains_key(*path))?;
    let name = path.get(module.len());
    let reexported = |line: &str| {
        let (_, tree) = line.split_once("pub(crate) use ").or_else(|| line.split_once("pub(super) use "))?;
        let mut found = Vec::new();
        branches(tree, &mut Vec::new(), &mut found);
        let found = found
            .into_iter()
            .find(|path| path.last() == name && modules.contains_key(&[module, &path[..1]].concat()))?;
        home(&[module, &found].concat(), modules)
    };
    let statements = modules[module].split(';').find_map(reexported);
    Some(statements.unwrap_or_else(|| module.to_vec()))
}

fn shown(module: &[String]) -> String {
    format!("{}.rs", module.join("/"))
}

#[test]
fn nothing_uses_a_layer_above_its_own() {
    let (layers, modules) = (layers(), modules());
    let layer_of = |module: &[String]| {
        let (folder, file) = (format!("{}/", module[0]), format!("{}.rs", module[0]));
        layers.iter().position(|layer| layer.contains(&folder) || layer.contains(&file))
    };
    let mut upward = Vec::new();
    for module in modules.keys() {
        let layer = layer_of(module).unwrap_or_else(|| panic!("{} is in no layer", shown(module)));
        for path in used(module, &modules) {
            let other = layer_of(&path).unwrap_or_else(|| panic!("{} uses {path:?}", shown(module)));
            if other < layer {
                upward.push(format!("{} uses crate::{}", shown(module), path.join("::")));
            }
        }
    }
    assert!(layers.len() > 5 && upward.is_empty(), "{upward:#?}");
}

#[test]
fn no_file_uses_itself_by_a_detour() {
    let modules = modules();
    let uses: BTreeMap<_, BTreeSet<_>> = modules
        .keys()
        .map(|module| {
            let homes = used(module, &modules).into_iter().filter_map(|path| home(&path, &modules));
            (module.clone(), homes.filter(|home| home != module).collect())
        })
        .collect();
    let reached = |from: &Vec<String>| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = next.pop() {
            next.extend(uses[&module].iter().filter(|other| reached.insert((*other).clone())).cloned());
        }
        reached
    };
    let mut circles = Vec::new();
    for (module, others) in &uses {
        let back = others.iter().filter(|other| reached(other).contains(module));
        circles.extend(back.map(|other| format!("{} uses {}", shown(module), shown(other))));
    }
    assert!(uses.len() > 50 && circles.is_empty(), "{circles:#?}");
}

/// What only some systems have.
const OF_SOME_SYSTEMS: [&str; 5] =
    ["std::os::unix", "rustix::", "tokio::net::Unix", "tokio::signal::unix", "target_os"];

#[test]
fn nothing_but_the_platform_layer_knows_the_system() {
    let modules = modules();
    let names = |source: &str| OF_SOME_SYSTEMS.iter().find(|name| source.contains(**name)).copied();
    let (platform, others): (Vec<_>, Vec<_>) = modules
        .iter()
        .filter_map(|(module, source)| Some(format!("{}: {}", shown(module), names(source)?)))
        .partition(|found| found.starts_with("platform"));
    assert!(platform.len() > 5 && others.is_empty(), "{others:#?}");
}
