#[cfg(unix)]
mod unix;

use super::*;
use crate::platform::files;
use std::fs;

fn parsed(text: &str) -> Result<Config, Vec<String>> {
    parse::parse(text, Path::new("/home/me")).map_err(|problems| {
        problems.into_iter().map(|Problem { line, text }| format!("{line}: {text}")).collect()
    })
}

fn only_problem(text: &str) -> String {
    let problems = parsed(text).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

fn loaded(text: impl AsRef<[u8]>, mode: u32) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    files::set_mode(&path, mode).unwrap();
    Config::load(&path, Path::new("/home/me"))
        .map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), ""))
}

#[test]
fn an_absent_file_means_the_defaults() {
    let mut loaded = Config::load(Path::new("/nowhere/config.toml"), Path::new("/")).unwrap();
    assert_ne!(loaded.policy.jitter_seed, 0, "it differs between machines");
    loaded.policy.jitter_seed = 0;
    assert_eq!(loaded, Config::default());
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    assert_eq!(
        only_problem("\nkeepalive = \"1d\"\n"),
        "2: unknown key `keepalive`; did you mean `keep_alive`?"
    );
    assert_eq!(
        only_problem("[margin]\nflor = \"1h\"\n"),
        "2: unknown key `margin.flor`; did you mean `floor`?"
    );
    assert_eq!(
        only_problem("[servers.\"my lab\"]\nxyzzy = 1\n"),
        "2: unknown key `servers.'my lab'.xyzzy`; known keys: ignore, margin, keep_alive"
    );
}

#[test]
fn wrong_types_are_named() {
    for (text, expected) in [
        ("stores = \"~/.claude\"", "1: `stores` must be a list of strings, not string"),
        ("stores = [1]", "1: `stores` must be a list of strings, not integer"),
        ("margin = 5", "1: `margin` must be a table, not integer"),
        ("[servers]\nlab = true", "2: `servers.lab` must be a table, not boolean"),
        ("[servers.lab]\nignore = \"yes\"", "2: `servers.lab.ignore` must be true or false, not string"),
        (
            "keep_alive = 7",
            "1: `keep_alive` must be a duration like \"90s\", \"7m\", \"2h\" or \"1d\", not integer",
        ),
        (
            "keep_alive = \"a week\"",
            "1: `keep_alive` must be a duration like \"90s\", \"7m\", \"2h\" or \"1d\", not \"a week\"",
        ),
        ("[log]\nformat = \"xml\"", "2: `log.format` must be \"text\" or \"json\", not \"xml\""),
    ] {
        assert_eq!(only_problem(text), expected);
    }
}

#[test]
fn values_beyond_the_safe_limits_are_refused_with_the_reason() {
    for text in [
        "[margin]\nfloor = \"4m\"",
        "[margin]\npercent = 100",
        "[margin]\npercent = -1",
        "[margin]\nceiling = \"2d\"",
        "keep_alive = \"10s\"",
        "[servers.lab]\nmargin = \"1m\"",
    ] {
        let problem = only_problem(text);
        assert!(problem.contains("must be between"), "{problem}");
    }
    assert!(only_problem("[margin]\nfloor = \"4m\"").contains("Claude Code refreshes by itself"));
    assert_eq!(
        only_problem("[margin]\nfloor = \"1h\"\nceiling = \"30m\"\n"),
        "3: `margin.ceiling` must not be below `margin.floor`"
    );
}

#[test]
fn text_that_is_not_toml_is_told_with_its_line() {
    let problem = only_problem("keep_alive = \"1d\"\n[margin\n");
    assert!(problem.starts_with("2: not TOML: "), "{problem}");
    assert!(loaded([0x61, 0x0a, 0xff, 0xfe], 0o644).unwrap_err().contains(":2: not UTF-8"));
}

#[test]
fn a_folder_a_fifo_or_a_giant_in_its_place_is_told_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let told = Config::load(folder.path(), Path::new("/")).unwrap_err().to_string();
    assert!(told.contains("not a regular file"), "{told}");
    #[cfg(unix)] // Windows has none.
    {
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        let told = Config::load(&fifo, Path::new("/")).unwrap_err().to_string();
        assert!(told.contains("not a regular file"), "{told}");
    }
    assert!(loaded(vec![b'#'; 2 << 20], 0o644).unwrap_err().contains("1024 KiB"));
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_parser(text: String) {
        drop(parsed(&text));
    }
}

#[test]
fn a_keyring_that_this_program_cannot_reach_is_refused_with_what_to_do() {
    let problem = only_problem("\nkeychain = \"native\"");
    let problem = problem.strip_prefix("2: `keychain` cannot be \"native\": ").unwrap();
    if cfg!(feature = "keyring") {
        assert_eq!(problem, "this system does not have it; use \"secret-service\" here");
    } else {
        assert_eq!(problem, "this build does not include it; build with `--features keyring`");
    }
    let service = parsed("keychain = \"secret-service\"");
    assert_eq!(service.is_ok(), cfg!(feature = "keyring"));
    if let Ok(config) = service {
        assert!(effective(&config, None, &[]).contains("\nkeychain = \"secret-service\"\n"));
    }
    assert_eq!(
        only_problem("keychain = \"KWallet\""),
        "1: `keychain` must be \"off\" or \"security\" or \"native\" or \"secret-service\", not \"KWallet\""
    );
}
