use super::*;
use refresh_engine::{Freshness, ServerPolicy};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

fn parsed(text: &str) -> Result<Config, Vec<String>> {
    parse::parse(text, Path::new("/home/me")).map_err(|problems| {
        problems.into_iter().map(|Problem { line, text }| format!("{line}: {text}")).collect()
    })
}

fn folder(path: impl Into<PathBuf>) -> ListedStore {
    ListedStore::Folder(path.into())
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
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    Config::load(&path, Path::new("/home/me"))
        .map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), ""))
}

#[test]
fn the_default_file_says_what_the_defaults_are() {
    assert_eq!(parsed(DEFAULTS), Ok(Config::default()));
    let uncommented: String = DEFAULTS
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(example) if example.starts_with('[') || example.contains(" = ") => format!("{example}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let all = parsed(&uncommented).unwrap();
    assert!(
        all.stores.is_some() && all.network.proxy.is_some() && all.policy.servers.contains_key("my-server")
    );
}

#[test]
fn an_absent_file_means_the_defaults() {
    let mut loaded = Config::load(Path::new("/nowhere/config.toml"), Path::new("/")).unwrap();
    assert_ne!(loaded.policy.jitter_seed, 0, "it differs between machines");
    loaded.policy.jitter_seed = 0;
    assert_eq!(loaded, Config::default());
}

#[test]
fn every_setting_is_read() {
    let text = r#"
        stores = ["~/.claude", "/srv/claude"]
        keep_alive = "2d"
        fresh = "always"
        [margin]
        percent = 30
        floor = "10m"
        ceiling = "1h30m"
        [servers."plugin:slack:slack"]
        ignore = true
        [servers.lab]
        margin = "20m"
        keep_alive = "1d"
        [network]
        proxy = "http://proxy.example:3128"
        extra_ca = ["~/ca.pem"]
        [log]
        format = "json"
        level = "debug"
        [notices]
        desktop = false
        hook = "tell me"
        [token_socket]
        path = "~/tokens/socket"
        servers = ["lab"]
        secret_file = "/srv/secret"
    "#;
    let config = parsed(text).unwrap();
    assert_eq!(config.stores, Some(vec![folder("/home/me/.claude"), folder("/srv/claude")]));
    assert_eq!(config.policy.keep_alive, Duration::from_secs(2 * 86400));
    assert_eq!(config.policy.fresh, Freshness::Always);
    assert_eq!(config.policy.margin_percent, 30);
    assert_eq!(config.policy.margin_floor, Duration::from_secs(600));
    assert_eq!(config.policy.margin_ceiling, Duration::from_secs(5400));
    assert!(config.policy.ignores("plugin:slack:slack"));
    let lab = ServerPolicy {
        ignore: false,
        margin: Some(Duration::from_secs(1200)),
        keep_alive: Some(Duration::from_secs(86400)),
    };
    assert_eq!(config.policy.servers.get("lab"), Some(&lab));
    assert_eq!(config.network.proxy.unwrap().as_str(), "http://proxy.example:3128/");
    assert_eq!(config.network.extra_ca, [PathBuf::from("/home/me/ca.pem")]);
    assert_eq!(config.notices, NoticesConfig { desktop: false, hook: Some("tell me".into()) });
    let socket = TokenSocket {
        path: Some("/home/me/tokens/socket".into()),
        servers: vec!["lab".to_owned()],
        secret_file: Some("/srv/secret".into()),
    };
    assert_eq!(config.token_socket, Some(socket));
    assert_eq!(config.log, LogConfig { format: LogFormat::Json, level: LogLevel::Debug });
}

#[test]
fn the_effective_configuration_reads_back_as_itself() {
    let text = "keep_alive = \"36h\"\n[servers.\"a b\\\"c\"]\nmargin = \"9m\"\n[network]\nextra_ca = [\"/ca.pem\"]\n[token_socket]\nservers = [\"a\\nb\"]\nsecret_file = \"/s\"\n[log]\nlevel = \"warn\"\n";
    // A name of two lines cannot stand in a table's name as it could in a value.
    let odd = "[servers.\"a\\nb\\u007f\"]\nignore = true\n";
    for config in [Config::default(), parsed(text).unwrap(), parsed(odd).unwrap()] {
        let store = Path::new("/home/me/.claude");
        let again = parsed(&effective(&config, None, &[store])).unwrap();
        assert_eq!(again, Config { stores: Some(vec![folder(store)]), ..config });
    }
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
        "2: unknown key `servers.'my lab'.xyzzy`; known here: ignore, margin, keep_alive"
    );
}

#[test]
fn wrong_types_are_named() {
    for (text, expected) in [
        ("stores = \"~/.claude\"", "1: `stores` must be a list of texts, not string"),
        ("stores = [1]", "1: `stores` must be a list of texts, not integer"),
        ("margin = 5", "1: `margin` must be a table, not integer"),
        ("[servers]\nlab = true", "2: `servers.lab` must be a table, not boolean"),
        ("[servers.lab]\nignore = \"yes\"", "2: `servers.lab.ignore` must be true or false, not string"),
        (
            "keep_alive = 7",
            "1: `keep_alive` must be a length of time like \"90s\", \"7m\", \"2h\" or \"1d\", not integer",
        ),
        (
            "keep_alive = \"a week\"",
            "1: `keep_alive` must be a length of time like \"90s\", \"7m\", \"2h\" or \"1d\", not \"a week\"",
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
fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_lines() {
    let told = loaded("nonsense = 1\n[log]\nlevel = \"loud\"\n[margin]\npercent = 99\n", 0o644).unwrap_err();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].starts_with("/config.toml:1: ") && lines[1].starts_with("/config.toml:3: "));
    assert!(lines[2].starts_with("/config.toml:5: "), "{told}");
}

#[test]
fn relative_paths_and_doubled_stores_are_refused() {
    assert!(only_problem("stores = [\".claude\"]").contains("absolute"));
    assert!(only_problem("stores = [\"~other/.claude\"]").contains("absolute"));
    assert!(only_problem("stores = [\"/a\", \"/a\"]").contains("twice"));
    assert!(only_problem("stores = [\"default\", \"default\"]").contains("twice"));
    assert!(only_problem("stores = [\"Default\"]").contains("and \"default\", not \"Default\""));
}

#[test]
fn the_word_default_adds_folders_to_the_one_that_claude_code_uses() {
    let config = parsed("stores = [\"default\", \"/srv/claude\"]").unwrap();
    assert_eq!(config.stores, Some(vec![ListedStore::Default, folder("/srv/claude")]));
}

#[test]
fn text_that_is_not_toml_is_told_with_its_line() {
    let problem = only_problem("keep_alive = \"1d\"\n[margin\n");
    assert!(problem.starts_with("2: not TOML: "), "{problem}");
    assert!(loaded([0x61, 0x0a, 0xff, 0xfe], 0o644).unwrap_err().contains(":2: not UTF-8"));
}

#[test]
fn a_proxy_password_wants_a_private_file_and_is_never_shown() {
    let text = "[network]\nproxy = \"http://me:made-up-password@proxy.example:3128\"\n";
    let refused = loaded(text, 0o644).unwrap_err();
    assert!(refused.contains("chmod 600") && refused.contains("0644"), "{refused}");
    let config = loaded(text, 0o600).unwrap();
    let shown = format!("{config:?} {}", effective(&config, None, &[]));
    assert!(!shown.contains("made-up-password") && shown.contains("me:hidden@proxy.example"), "{shown}");
    for broken in [
        "[network]\nproxy = \"ftp://me:made-up-password@x\"",
        "[network]\nproxy = \"http://me:made-up-password@x",
    ] {
        assert!(!only_problem(broken).contains("made-up-password"));
    }
}

#[test]
fn a_folder_a_fifo_or_a_giant_in_its_place_is_told_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let told = Config::load(folder.path(), Path::new("/")).unwrap_err().to_string();
    assert!(told.contains("not a regular file"), "{told}");
    let fifo = folder.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    assert!(Config::load(&fifo, Path::new("/")).unwrap_err().to_string().contains("not a regular file"));
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
