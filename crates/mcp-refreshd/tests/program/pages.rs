//! What the pages point to is there: files, headings, and the commands and programs that are named in a line of text.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every Markdown file of the repository.
fn pages() -> Vec<PathBuf> {
    let root = root();
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "tests", "packaging", "crates", "systemd", "launchd"] {
        pages_below(&root.join(folder), &mut pages);
    }
    pages.sort();
    pages
}

fn pages_below(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages_below(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}

/// The text of a page without its blocks of code, with the numbers of the lines.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside && !line.starts_with("    ") {
            lines.push((number + 1, line));
        }
    }
    lines
}

/// What stands between backquotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Everything between backquotes in the prose of every page, and where it stands.
fn quoted_in_pages() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for (number, line) in prose(&text) {
            let place = format!("{}:{number}", page.display());
            all.extend(quoted(line).map(|code| (place.clone(), code.to_owned())));
        }
    }
    all
}

/// A line without what stands between backquotes.
fn unquoted(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The targets of the links in a line.
fn links(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchors of a page, as they are made of its headings: small letters, spaces as hyphens, no other punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let name: String = heading.trim().to_lowercase().chars().filter(kept).collect();
        let name = name.replace(' ', "-");
        let again = (1..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(again).find(|name| !anchors.contains(name)).unwrap();
        anchors.insert(free);
    }
    anchors
}

/// What is wrong with a link, if anything.
fn broken(page: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    if !path.exists() {
        return Some(format!("{} does not exist", path.display()));
    }
    if anchor.is_empty() {
        return None;
    }
    let known = anchors(&std::fs::read_to_string(&path).unwrap());
    (!known.contains(anchor)).then(|| format!("no heading of {} makes #{anchor}: {known:?}", path.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for (number, line) in prose(&text) {
            for target in links(&unquoted(line)) {
                seen += 1;
                wrong.extend(broken(&page, target).map(|why| format!("{}:{number}: {why}", page.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "only {seen} links were found");
}

#[test]
fn a_link_to_nothing_is_noticed() {
    let page = root().join("docs/security.md");
    assert_eq!(broken(&page, "https://example.org/"), None);
    assert_eq!(broken(&page, "internals/how-it-works.md#the-words"), None);
    assert!(broken(&page, "no-such-page.md").is_some());
    assert!(broken(&page, "internals/how-it-works.md#no-such-heading").is_some());
    assert!(broken(&page, "#no-such-heading").is_some());
    let text = "# `a` b, c-d\n```\n# no heading\n```\n# a b c-d\n";
    assert_eq!(anchors(text), BTreeSet::from(["a-b-c-d".to_owned(), "a-b-c-d-1".to_owned()]));
}

/// Every page that the README's list does not reach is read by nobody.
#[test]
fn the_readme_names_every_page() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for folder in ["docs", "docs/internals"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                !name.ends_with(".md") || readme.contains(&format!("]({folder}/{name})")),
                "README.md does not name {name}"
            );
        }
    }
}

/// What a command of ours says to `--help`; `None` where there is no such command.
fn help(command: &str) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-refreshd")).args([command, "--help"]).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// What is wrong with a command of ours, if anything.
fn wrong_command(words: &[&str]) -> Option<String> {
    let [command, rest @ ..] = words else { return None };
    if command.starts_with('-') || !command.chars().all(|c| c.is_ascii_lowercase()) {
        return None;
    }
    let Some(help) = help(command) else { return Some(format!("there is no command {command}")) };
    let known = |option: &str| help.split([' ', ',', '\n', '=']).any(|word| word == option);
    rest.iter()
        .map(|word| word.trim_matches(['[', ']', ';', ',']).split('=').next().unwrap())
        .take_while(|word| !["|", "&&", ">", ";"].contains(word))
        .find(|word| word.starts_with('-') && word.len() > 1 && !known(word))
        .map(|option| format!("{command} has no option {option}"))
}

#[test]
fn every_command_that_is_named_exists_with_its_options() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (place, code) in quoted_in_pages() {
        let words: Vec<_> = code.split_whitespace().collect();
        if let Some(at) = words.iter().position(|word| *word == "mcp-refreshd") {
            seen += 1;
            wrong.extend(wrong_command(&words[at + 1..]).map(|why| format!("{place}: `{code}`: {why}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "only {seen} commands were found");
    assert!(wrong_command(&["frobnicate"]).is_some() && wrong_command(&["status", "--frobnicate"]).is_some());
}

/// The folder of a package of this workspace.
fn package(name: &str) -> Option<PathBuf> {
    let folders = ["crates", "tests"].map(|folder| root().join(folder).join(name));
    folders.into_iter().find(|folder| folder.join("Cargo.toml").exists())
}

/// What is wrong with a command of cargo's, if anything: the package, example or test that it names is not there.
fn wrong_cargo(words: &[&str]) -> Option<String> {
    let after = |option: &str| words.iter().skip_while(|word| **word != option).nth(1).copied();
    let Some(folder) = package(after("-p")?) else { return Some(format!("no package {:?}", after("-p"))) };
    if let Some(example) = after("--example")
        && !folder.join("examples").join(example).with_extension("rs").exists()
    {
        return Some(format!("no example {example}"));
    }
    let test = folder.join("tests").join(after("--test")?);
    (!test.with_extension("rs").exists() && !test.join("main.rs").exists())
        .then(|| format!("no test {}", test.display()))
}

#[test]
fn every_program_that_makes_a_figure_is_there() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (place, code) in quoted_in_pages() {
        let words: Vec<_> = code.split_whitespace().collect();
        let found = match words.iter().position(|word| *word == "cargo") {
            Some(at) => wrong_cargo(&words[at..]),
            None => {
                let is_script =
                    |word: &&&str| ["tests/", "benches/"].iter().any(|start| word.starts_with(start));
                let Some(script) = words.iter().find(is_script) else { continue };
                let path = root().join(script);
                (!path.exists()).then(|| format!("{} does not exist", path.display()))
            }
        };
        seen += 1;
        wrong.extend(found.map(|why| format!("{place}: `{code}`: {why}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 5, "only {seen} programs were found");
    assert!(wrong_cargo(&["cargo", "run", "-p", "demo", "--example", "none"]).is_some());
}

/// Every function of the workspace that could be a test.
fn functions_below(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions_below(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let after = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            names.extend(after.map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_a_promise_names_is_there() {
    let mut known = BTreeSet::new();
    ["crates", "tests"].iter().for_each(|folder| functions_below(&root().join(folder), &mut known));
    let is_sentence = |code: &str| {
        code.matches('_').count() >= 4
            && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (place, name) in quoted_in_pages().into_iter().filter(|(_, code)| is_sentence(code)) {
        seen += 1;
        if !known.contains(&name) {
            wrong.push(format!("{place}: no test is called {name}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 10, "only {seen} tests are named");
}

/// Whoever looks a key up finds it.
#[test]
fn every_key_of_the_configuration_is_in_its_reference() {
    let page = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_mcp-refreshd")).args(["config", "--defaults"]).output().unwrap();
    let mut section = String::new();
    let mut seen = 0;
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line = line.trim_start_matches("# ");
        if let Some((name, _)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            section = if name.starts_with("servers.") {
                "servers.\"NAME\".".to_owned()
            } else {
                format!("{name}.")
            };
        }
        let Some((key, _)) = line.split_once(" = ") else { continue };
        if key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            seen += 1;
            let whole = format!("`{section}{key}`");
            assert!(page.contains(&whole), "docs/configuration.md does not tell of {whole}");
        }
    }
    assert!(seen > 10, "only {seen} keys were found");
}

/// Whoever copies it has a configuration that works.
#[test]
fn every_configuration_that_is_shown_is_accepted() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```toml\n").skip(1) {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join(".config/mcp-refreshd/config.toml");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, block.split("```").next().unwrap()).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-refreshd"));
            let output = command.arg("config").env_clear().env("HOME", home.path()).output().unwrap();
            seen += 1;
            if !output.status.success() {
                wrong.push(format!("{}: {}", page.display(), String::from_utf8_lossy(&output.stderr)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 1, "only {seen} configurations were found");
}
