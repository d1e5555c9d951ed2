//! What is built into the program besides its own code: docs/internals/security-tests.md says which of it sees a token and which can open a connection.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Our crates through which tokens go.
const WITH_TOKENS: [&str; 4] = ["claude-store", "oauth-secret", "refresh-engine", "token-endpoint"];
/// What stands in the source of whatever opens a connection, or hands a socket on.
const SOCKETS: [&str; 9] = [
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "UnixDatagram",
    "libc::socket",
    "libc::connect",
    "sys::socket",
    "SOCK_STREAM",
    "AF_INET",
];

fn page() -> String {
    std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/internals/security-tests.md"),
    )
    .unwrap()
}

/// The names in backquotes of the paragraph that begins with these words.
fn named(page: &str, beginning: &str) -> BTreeSet<String> {
    let (_, rest) = page.split_once(beginning).unwrap_or_else(|| panic!("no paragraph \"{beginning}\""));
    let paragraph = rest.split("\n\n").next().unwrap();
    paragraph.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A crate of the program.
struct Package {
    folder: PathBuf,
    dependencies: BTreeSet<String>,
    ours: bool,
}

/// Every crate that is built into the program on this system, by name; of two versions of one both count.
fn packages() -> BTreeMap<String, Vec<Package>> {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", &host];
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let about: BTreeMap<String, &Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let built_in = |id: &str| -> Vec<String> {
        let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
        let node = nodes.iter().find(|node| node["id"] == id).unwrap();
        let needed = node["deps"].as_array().unwrap().iter();
        let normal = needed.filter(|dependency| {
            dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null())
        });
        normal.map(|dependency| text(&dependency["pkg"])).collect()
    };
    let root = about.values().find(|package| package["name"] == "mcp-refreshd").unwrap();
    let (mut left, mut seen) = (vec![text(&root["id"])], BTreeSet::new());
    let mut packages = BTreeMap::<String, Vec<Package>>::new();
    while let Some(id) = left.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let needed = built_in(&id);
        packages.entry(text(&about[&id]["name"])).or_default().push(Package {
            folder: Path::new(&text(&about[&id]["manifest_path"])).parent().unwrap().to_owned(),
            dependencies: needed.iter().map(|id| text(&about[id]["name"])).collect(),
            ours: about[&id]["source"].is_null(),
        });
        left.extend(needed);
    }
    packages
}

fn names_a_socket(folder: &Path) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return names_a_socket(&path);
        }
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        is_source && {
            let source = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            SOCKETS.iter().any(|word| source.contains(word))
        }
    })
}

#[test]
fn whatever_our_code_with_tokens_uses_is_said_to_see_them_or_not() {
    let (page, packages) = (page(), packages());
    let sees = named(&page, "Dependencies that see a token:");
    let sees_none = named(&page, "Of what the same crates of ours use these see none:");
    let ours = |name: &String| packages[name].iter().all(|package| package.ours);
    for with_tokens in WITH_TOKENS {
        for name in &packages[with_tokens][0].dependencies {
            let said = (sees.contains(name), sees_none.contains(name));
            assert!(
                ours(name) || said.0 != said.1,
                "{with_tokens} uses {name}; docs/internals/security-tests.md says of it: (sees a token, sees none) {said:?}"
            );
        }
    }
    for name in sees.iter().chain(&sees_none) {
        assert!(
            packages.contains_key(name),
            "docs/internals/security-tests.md names {name}, which is not in the program"
        );
    }
}

#[test]
fn nothing_else_in_the_program_names_a_socket() {
    let packages = packages();
    let others = packages.iter().filter(|(_, versions)| versions.iter().all(|package| !package.ours));
    let found: BTreeSet<String> = others
        .filter(|(_, versions)| versions.iter().any(|package| names_a_socket(&package.folder.join("src"))))
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(found, named(&page(), "Sockets are named in the source of these only:"));
}

#[test]
fn what_is_used_with_a_feature_only_is_in_the_lock_file_and_not_in_the_program() {
    let (page, packages) = (page(), packages());
    let lock =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock")).unwrap();
    let chosen = named(&page, "With the feature `keyring`, which is off by default:");
    assert!(chosen.len() > 1, "{chosen:?}");
    for name in chosen {
        assert!(lock.contains(&format!("name = \"{name}\"\n")), "{name} is not in Cargo.lock");
        assert!(!packages.contains_key(&name), "{name} is in the program without its feature");
    }
}
