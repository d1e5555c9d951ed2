//! What is read around the store: server configurations and signs of activity.

#[cfg(target_os = "linux")]
mod processes;

use claude_store::{FileSystem, OsFileSystem, ServerConfigs, SessionActivity, StorageFolder};
use std::path::Path;
use std::time::Duration;
use virtual_disk::VirtualDisk;

fn folder() -> StorageFolder {
    StorageFolder::from_env(&|_| None, Path::new("/home/u"))
}

const USER_CONFIG: &str = r#"{
    "numStartups": 7, "history": ["x", 1e400],
    "mcpServers": {
        "lab": {"type": "http", "url": "https://lab/mcp", "oauth": {"authServerMetadataUrl": "https://as/meta"}},
        "plain": {"type": "http", "url": "https://plain/mcp"},
        "odd": 7, "odder": {"url": 8, "oauth": []}
    },
    "projects": {
        "/home/u/p": {"mcpServers": {"lab": {"url": "https://lab2/mcp", "oauth": {"authServerMetadataUrl": "https://as2/meta", "clientId": "cl_configured"}}}},
        "/home/u/q": {"mcpServers": 5}, "/home/u/r": null
    }
}"#;

#[test]
fn a_metadata_url_and_a_client_belong_to_a_name_and_a_url() {
    let disk = VirtualDisk::new();
    disk.put("/home/u/.claude.json", USER_CONFIG);
    disk.put("/home/u/p/.mcp.json", r#"{"mcpServers":{"shared":{"url":"https://s/mcp"}}}"#);
    disk.put("/home/u/q/.mcp.json", "{half");
    let configs = ServerConfigs::read(&disk, &folder());
    assert_eq!(configs.metadata_url("lab", "https://lab/mcp").as_deref(), Some("https://as/meta"));
    assert_eq!(configs.metadata_url("lab", "https://lab2/mcp").as_deref(), Some("https://as2/meta"));
    assert_eq!(configs.metadata_url("lab", "https://other/mcp"), None);
    assert_eq!(configs.metadata_url("plain", "https://plain/mcp"), None);
    assert_eq!(configs.client_id("lab", "https://lab2/mcp").as_deref(), Some("cl_configured"));
    assert_eq!(configs.client_id("lab", "https://lab/mcp"), None, "the same name at another server");
    for known in ["lab", "plain", "shared", "odder"] {
        assert!(configs.knows(known), "{known}");
    }
    assert!(!configs.knows("gone") && !configs.knows("odd"));
}

#[test]
fn odd_or_missing_configurations_count_as_empty() {
    for odd in ["", "[]", "{\"mcpServers\":", "{\"mcpServers\":[],\"projects\":[]}"] {
        let disk = VirtualDisk::new();
        disk.put("/home/u/.claude.json", odd);
        assert!(!ServerConfigs::read(&disk, &folder()).knows("lab"), "{odd}");
    }
    assert!(!ServerConfigs::read(&VirtualDisk::new(), &folder()).knows("lab"));
}

/// Real ones of 40 to 100 MB were seen; a debug build takes long, so this one is just beyond the old limit; the histories in them are passed over.
#[test]
fn a_configuration_full_of_histories_is_read() {
    let home = tempfile::tempdir().unwrap();
    let history = format!("[{}]", vec![format!("{{\"display\":\"{}\"}}", "x".repeat(65_536)); 270].join(","));
    let text = format!(
        r#"{{"history":{history},"projects":{{"/p":{{"history":{history},"mcpServers":{{"late":{{"url":"https://l/mcp"}}}}}}}},"mcpServers":{{"lab":{{}}}}}}"#
    );
    assert!(text.len() > 32 << 20);
    std::fs::write(home.path().join(".claude.json"), text).unwrap();
    let folder = StorageFolder::from_env(&|_| None, home.path());
    let configs = ServerConfigs::read(&OsFileSystem, &folder);
    assert!(configs.knows("lab") && configs.knows("late"));
}

fn last_active_ago(disk: &VirtualDisk) -> Option<Duration> {
    let active = SessionActivity::new(disk.clone(), &folder()).last_active().unwrap();
    // The disk's clock runs with the machine's here: whole seconds are meant.
    active.map(|moment| Duration::from_secs(disk.now().duration_since(moment).unwrap().as_secs()))
}

#[test]
fn the_latest_log_tells_when_a_session_was_active() {
    let disk = VirtualDisk::new();
    assert_eq!(last_active_ago(&disk), None);
    let cache = match cfg!(windows) {
        true => "/home/u/AppData/Local/claude-cli-nodejs/Cache",
        false => "/home/u/.cache/claude-cli-nodejs",
    };
    let (of_server, stranger) = (format!("{cache}/-p/mcp-logs-lab/t.jsonl"), format!("{cache}/-p/z/x"));
    let logs = [
        ("/home/u/.claude/projects/-p/a.jsonl", 500),
        ("/home/u/.claude/projects/-p/a/subagents.jsonl", 400),
        (&of_server, 300),
        ("/home/u/.claude/sessions/1.json", 200),
    ];
    for (path, age) in logs {
        disk.put(path, "");
        disk.date(path, disk.now() - Duration::from_secs(age));
        assert_eq!(last_active_ago(&disk), Some(Duration::from_secs(age)), "{path}");
    }
    for other in ["/home/u/.claude/projects/-p/x.txt", "/home/u/.claude/history.jsonl", &stranger] {
        disk.put(other, "");
        assert_eq!(last_active_ago(&disk), Some(Duration::from_secs(200)), "{other}");
    }
}

#[test]
fn each_log_shows_when_a_session_was_active() {
    let disk = VirtualDisk::new();
    for (number, age) in [(1_u32, 7200), (2, 86_400)] {
        let path = format!("/home/u/.claude/projects/-p/{number}.jsonl");
        disk.put(&path, "");
        disk.date(&path, disk.now() - Duration::from_secs(age));
    }
    let mut ages = Vec::new();
    let mut note = |moment| ages.push(disk.now().duration_since(moment).unwrap().as_secs());
    SessionActivity::new(disk.clone(), &folder()).each_moment(&mut note).unwrap();
    ages.sort_unstable();
    assert_eq!(ages, [7200, 86_400]);
}

#[test]
fn an_unreadable_log_folder_is_an_error_because_silence_proves_nothing() {
    let disk = VirtualDisk::new();
    disk.put_folder("/home/u/.claude/projects");
    disk.chmod("/home/u/.claude/projects", 0o000);
    assert!(SessionActivity::new(disk, &folder()).last_active().is_err());
}
