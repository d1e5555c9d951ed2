//! `mcp-refreshd completions`: the shells' scripts, and the servers' names that they ask for.
//!
//! clap's scripts are fixed; what they lack is asked for at each Tab by the hidden command `names`, which reads files alone: no network, no
//! agent, no Keychain that could ask for a password.

use crate::agent::stores::storage_folders;
use crate::cli::Cli;
use crate::control::protocol::VERSION;
use crate::observers::history::file;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::output;
use clap::{Arg, Command, CommandFactory};
use clap_complete::{Shell, generate};
use claude_store::{FileStore, OsFileSystem, Store as _};
use compact::Set;
use std::io;

/// Prints the completions for a shell.
///
/// # Errors
/// They cannot be written.
pub(crate) fn print(shell: Shell) -> io::Result<()> {
    output::result(&script(shell))
}

/// `mcp-refreshd names`: the names of the servers, one a line. What cannot be read has none, and a name that no shell could type is left out.
///
/// # Errors
/// They cannot be written.
pub(crate) async fn print_names(paths: &Paths) -> io::Result<()> {
    let names = names(paths).await;
    let typed = names.iter().filter(|name| !name.is_empty() && !name.chars().any(char::is_control));
    output::result(&typed.map(|name| format!("{name}\n")).collect::<String>())
}

/// Those of the credentials; where there are none, as on a Mac with a Keychain, those of the history.
async fn names(paths: &Paths) -> Set<String> {
    let mut names = Set::new();
    let config = Config::load(&paths.config, &paths.home).unwrap_or_default();
    for folder in storage_folders(&config, paths) {
        let read = FileStore::new(OsFileSystem, &folder).read().await;
        if let Ok(document) = read.as_ref().map_err(drop).and_then(|read| read.document().map_err(drop)) {
            names.extend(document.entries().map(|entry| entry.server_name.clone()));
        }
    }
    if names.is_empty() {
        let _ = file::each(&paths.state, |line| names.extend(line.server));
    }
    names
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    let mut command = shown();
    let name = command.get_name().to_owned();
    generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => {
            // clap_complete 4.6 names the commands of a program with a hyphen in one way and looks for them in another.
            let script = script.replace("mcp__subcmd__refreshd", "mcp__refreshd");
            script + &filled_in(include_str!("completions/names.bash"), &command)
        }
        Shell::Fish => script + &filled_in(include_str!("completions/names.fish"), &command),
        Shell::Zsh => {
            let name = ["'::name -- ", "':name -- ", "'*::names -- "];
            let asks = |line: &str| match name.iter().any(|name| line.starts_with(name)) {
                true => line.replacen(":_default'", ":_mcp-refreshd_names'", 1),
                false => line.to_owned(),
            };
            let lines: Vec<_> = script.lines().map(asks).collect();
            let names = format!("{}\n_mcp-refreshd() {{", include_str!("completions/names.zsh"));
            lines.join("\n").replacen("_mcp-refreshd() {", &names, 1) + "\n"
        }
        _ => script,
    }
}

/// The command line without what is hidden, which clap_complete would offer.
fn shown() -> Command {
    let all = Cli::command();
    Command::new("mcp-refreshd")
        .version(VERSION)
        .about(all.get_about().cloned().unwrap_or_default())
        .long_about(all.get_long_about().cloned().unwrap_or_default())
        .subcommands(all.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}

/// A script that knows which commands take names of servers, and which options take a value.
fn filled_in(template: &str, command: &Command) -> String {
    let takes_names = |command: &&Command| {
        command.get_positionals().any(|argument| matches!(argument.get_id().as_str(), "name" | "names"))
    };
    let commands: Vec<_> = command.get_subcommands().filter(takes_names).collect();
    let mut options = Set::new();
    let valued = |argument: &&Arg| argument.get_action().takes_values();
    for argument in commands.iter().flat_map(|command| command.get_opts()).filter(valued) {
        options.extend(argument.get_long().map(|long| format!("--{long}")));
        options.extend(argument.get_short().map(|short| format!("-{short}")));
    }
    let commands: Vec<_> = commands.iter().map(|command| command.get_name().to_owned()).collect();
    let options: Vec<_> = options.into_iter().collect();
    template
        .replace("@COMMANDS_AS_PATTERN@", &commands.join(" | "))
        .replace("@OPTIONS_AS_PATTERN@", &options.join(" | "))
        .replace("@COMMANDS@", &commands.join(" "))
}

/// The files that packages install are made from the same definitions as the program.
#[cfg(test)]
mod tests {
    use super::*;
    use clap_mangen::Man;
    use compact::Map;
    use std::path::{Path, PathBuf};

    /// Set to anything, the files are written instead of compared.
    const WRITE: &str = "UPDATE_PACKAGING";

    fn page(command: &clap::Command, pages: &mut Map<PathBuf, Vec<u8>>) {
        let mut page = Vec::new();
        let name = command.get_display_name().unwrap_or(command.get_name());
        let path = format!("man/{name}.1").into();
        Man::new(command.clone()).manual("mcp-refreshd").render(&mut page).unwrap();
        pages.insert(path, page);
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            self::page(below, pages);
        }
    }

    fn files() -> Map<PathBuf, Vec<u8>> {
        let mut files = Map::new();
        // Built, each command below knows its whole name.
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        page(&command, &mut files);
        for (shell, name) in [
            (Shell::Bash, "mcp-refreshd.bash"),
            (Shell::Zsh, "_mcp-refreshd"),
            (Shell::Fish, "mcp-refreshd.fish"),
            (Shell::PowerShell, "mcp-refreshd.ps1"),
        ] {
            files.insert(Path::new("completions").join(name), script(shell).into_bytes());
        }
        files
    }

    #[test]
    fn what_is_hidden_is_not_completed_and_every_command_that_takes_a_name_asks_for_names() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(
                !script.contains("Print the names of the servers")
                    && script.contains("mcp-refreshd names 2>/dev/null")
            );
            assert!(!script.contains('@') || !script.contains("_AS_PATTERN@"), "{script}");
        }
        assert!(script(Shell::Bash).contains("status | refresh | check | "));
        assert!(script(Shell::Bash).contains("--since"));
        assert_eq!(
            script(Shell::Zsh).matches(":_mcp-refreshd_names'").count(),
            filled_in("@COMMANDS@", &shown()).split(' ').count()
        );
        assert!(
            !script(Shell::Bash).contains("mcp__subcmd__refreshd"),
            "clap_complete's own names do not fit each other"
        );
    }

    // The pages name the folders of Unix.
    #[cfg(unix)]
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
