//! Settings with paths, which are those of Unix, and modes.

use super::*;
use refresh_engine::{Freshness, ServerPolicy};
use std::time::Duration;

fn folder(path: impl Into<PathBuf>) -> ListedStore {
    ListedStore::Folder(path.into())
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
