use super::*;
use crate::platform::files;
use std::path::Path;
use tokio::task::LocalSet;

const KEY: &str = "lab|00";

fn paths(home: &Path) -> Paths {
    let variables = [("HOME", home), ("XDG_STATE_HOME", &home.join("state"))].map(|(k, v)| (k, v.to_owned()));
    let env = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone().into_os_string())
    };
    Paths::from_env(&env).unwrap()
}

fn entry(refresh: &str) -> RawEntry {
    RawEntry::new(format!(
        r#"{{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":"at","refreshToken":"{refresh}","kept":1e400}}"#
    ))
}

fn in_a_home(test: impl AsyncFnOnce(Paths)) {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test(paths(home.path())));
}

#[test]
fn a_vault_is_created_once_and_private() {
    in_a_home(async |paths| {
        let config = Config::default();
        assert!(Vault::open(&config, &paths).unwrap().is_none());
        let vault = Vault::open_or_create(&config, &paths).await.unwrap();
        vault.put(&KEY.into(), entry("rt_1")).await.unwrap();
        let again = Vault::open_or_create(&config, &paths).await.unwrap();
        assert_eq!(again.list().await.unwrap().len(), 1);
        let mode = |path: &Path| files::mode(&std::fs::metadata(path).unwrap()) & 0o777;
        assert_eq!(mode(&folder(&paths)), 0o700);
        for file in std::fs::read_dir(folder(&paths)).unwrap() {
            assert_eq!(mode(&file.unwrap().path()), 0o600);
        }
    });
}

#[test]
fn an_entry_keeps_every_byte_and_a_newer_one_replaces_it() {
    in_a_home(async |paths| {
        let vault = Vault::open_or_create(&Config::default(), &paths).await.unwrap();
        for refresh in ["rt_1", "rt_2"] {
            vault.put(&KEY.into(), entry(refresh)).await.unwrap();
            let snapshot = vault.store.read().await.unwrap();
            let document = snapshot.document().unwrap();
            assert_eq!(document.raw_entry(&KEY.into()), Some(entry(refresh).expose()));
        }
        remove(&vault.store, &KEY.into()).await.unwrap();
        assert_eq!(vault.store.read().await.unwrap().bytes(), br#"{"mcpOAuth":{}}"#);
    });
}

#[test]
fn a_damaged_ledger_is_no_reason_to_begin_an_empty_vault() {
    in_a_home(async |paths| {
        Vault::open_or_create(&Config::default(), &paths).await.unwrap();
        std::fs::write(folder(&paths).join("ledger.json"), "{").unwrap();
        let error = Vault::open_or_create(&Config::default(), &paths).await.unwrap_err().to_string();
        assert!(error.contains("cannot be understood"), "{error}");
    });
}
