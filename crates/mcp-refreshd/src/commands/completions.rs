use crate::cli::Cli;
use crate::terminal::output;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io;

/// Prints the completions for a shell.
///
/// # Errors
/// They cannot be written.
pub(crate) fn print(shell: Shell) -> io::Result<()> {
    output::result(&String::from_utf8_lossy(&script(shell)))
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    generate(shell, &mut command, name, &mut script);
    script
}

/// The files that packages install are made from the same definitions as the program.
#[cfg(test)]
mod tests {
    use super::*;
    use clap_mangen::Man;
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    /// Set to anything, the files are written instead of compared.
    const WRITE: &str = "UPDATE_PACKAGING";

    fn page(command: &clap::Command, pages: &mut BTreeMap<PathBuf, Vec<u8>>) {
        let mut page = Vec::new();
        let name = command.get_display_name().unwrap_or(command.get_name());
        let path = format!("man/{name}.1").into();
        Man::new(command.clone()).manual("mcp-refreshd").render(&mut page).unwrap();
        pages.insert(path, page);
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            self::page(below, pages);
        }
    }

    fn files() -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        // Built, each command below knows its whole name.
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        page(&command, &mut files);
        for (shell, name) in [
            (Shell::Bash, "mcp-refreshd.bash"),
            (Shell::Zsh, "_mcp-refreshd"),
            (Shell::Fish, "mcp-refreshd.fish"),
        ] {
            files.insert(Path::new("completions").join(name), script(shell));
        }
        files
    }

    #[test]
    fn the_man_pages_and_completions_of_the_packages_are_those_of_this_program() {
        let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging");
        let files = files();
        assert!(files.contains_key(Path::new("man/mcp-refreshd-status.1")));
        if std::env::var_os(WRITE).is_some() {
            for folder in ["man", "completions"] {
                let _ = std::fs::remove_dir_all(packaging.join(folder));
                std::fs::create_dir_all(packaging.join(folder)).unwrap();
            }
            for (path, content) in &files {
                std::fs::write(packaging.join(path), content).unwrap();
            }
        }
        for (path, content) in &files {
            let there = std::fs::read(packaging.join(path)).unwrap_or_default();
            assert!(
                there == *content,
                "packaging/{} is not that of this program; run: {WRITE}=1 cargo test -p mcp-refreshd completions",
                path.display()
            );
        }
        for folder in ["man", "completions"] {
            for file in std::fs::read_dir(packaging.join(folder)).unwrap() {
                let path = Path::new(folder).join(file.unwrap().file_name());
                assert!(files.contains_key(&path), "packaging/{} belongs to no command", path.display());
            }
        }
    }
}
