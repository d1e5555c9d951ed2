//! What is read around the store: server configurations and signs of activity.

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

const SESSION: &str = "/home/u/.claude/sessions/4761.json";
const STAT: &str = "/proc/4761/stat";

fn session(status: &str) -> String {
    format!(r#"{{"pid":4761,"procStart":"90499","version":"2.1.330","status":"{status}","updatedAt":1}}"#)
}

/// `/proc/<pid>/stat` of a process that started then.
fn stat(state: &str, started: u64) -> String {
    format!("4761 (a) b) {state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 {started} 20 21\n")
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
    let logs = [
        ("/home/u/.claude/projects/-p/a.jsonl", 500),
        ("/home/u/.claude/projects/-p/a/subagents.jsonl", 400),
        ("/home/u/.cache/claude-cli-nodejs/-p/mcp-logs-lab/t.jsonl", 300),
        ("/home/u/.claude/sessions/1.json", 200),
    ];
    for (path, age) in logs {
        disk.put(path, "");
        disk.date(path, disk.now() - Duration::from_secs(age));
        assert_eq!(last_active_ago(&disk), Some(Duration::from_secs(age)), "{path}");
    }
    for other in [
        "/home/u/.claude/projects/-p/x.txt",
        "/home/u/.claude/history.jsonl",
        "/home/u/.cache/claude-cli-nodejs/-p/z/x",
    ] {
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

#[cfg(target_os = "linux")]
#[test]
fn a_busy_session_is_active_now_however_quiet_its_logs_are() {
    let hour = Duration::from_secs(3600);
    for (content, stat, active) in [
        (session("busy"), Some(stat("S", 90499)), Duration::ZERO),
        (session("idle"), Some(stat("S", 90499)), hour),
        (session("busy"), None, hour),
        (session("busy"), Some(stat("S", 90500)), hour),
        (session("busy"), Some(stat("Z", 90499)), hour),
        (session("busy"), Some("garbage".to_owned()), hour),
        (
            session("busy").replace(r#""pid""#, r#""pidDomain":"linux:x:pid:[1]","pid""#),
            Some(stat("S", 90499)),
            hour,
        ),
        (session("busy").replace("4761", "-4761"), Some(stat("S", 90499)), hour),
        ("{\"pid\":47".to_owned(), Some(stat("S", 90499)), hour),
    ] {
        let disk = VirtualDisk::new();
        disk.put(SESSION, &content);
        disk.date(SESSION, disk.now() - hour);
        if let Some(stat) = stat {
            disk.put(STAT, stat);
        }
        assert_eq!(last_active_ago(&disk), Some(active), "{content}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_busy_session_of_each_folders_own_client_counts_without_any_log_of_an_mcp_connection() {
    // `CLAUDE_CODE_SKIP_MCP_DEBUG_LOG_FILES` removes them.
    let disk = VirtualDisk::new();
    disk.put("/home/u/work/sessions/4761.json", session("busy"));
    disk.date("/home/u/work/sessions/4761.json", disk.now() - Duration::from_secs(3600));
    disk.put(STAT, stat("S", 90499));
    let home = Path::new("/home/u");
    let active = |folder: &StorageFolder| SessionActivity::new(disk.clone(), folder).last_active().unwrap();
    let work = StorageFolder::listed("/home/u/work", &|_| None, home);
    assert!(active(&work).is_some_and(|moment| disk.now().duration_since(moment).unwrap().as_secs() < 60));
    assert_eq!(active(&StorageFolder::listed("/home/u/.claude", &|_| None, home)), None);
    // One that waits for a person makes no request meanwhile.
    disk.put("/home/u/work/sessions/4761.json", session("waiting"));
    disk.date("/home/u/work/sessions/4761.json", disk.now() - Duration::from_secs(3600));
    assert!(active(&work).is_some_and(|moment| disk.now().duration_since(moment).unwrap().as_secs() >= 3600));
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_real_machine_this_very_process_is_found_alive() {
    let home = tempfile::tempdir().unwrap();
    let folder = StorageFolder::from_env(&|_| None, home.path());
    let sessions = folder.config_folder().join("sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let started = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap();
    let domain = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let (pid, domain) = (std::process::id(), domain.display());
    let path = sessions.join(format!("{pid}.json"));
    let write = |started: &str| {
        let text = format!(
            r#"{{"pid":{pid},"procStart":"{started}","pidDomain":"linux:m:{domain}","status":"busy"}}"#
        );
        std::fs::write(&path, text).unwrap();
        std::fs::File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    let active = || SessionActivity::new(OsFileSystem, &folder).last_active().unwrap().unwrap();
    write(started);
    assert!(active() > std::time::UNIX_EPOCH);
    write("1");
    assert_eq!(active(), std::time::UNIX_EPOCH);
}

#[test]
fn an_unreadable_log_folder_is_an_error_because_silence_proves_nothing() {
    let disk = VirtualDisk::new();
    disk.put_folder("/home/u/.claude/projects");
    disk.chmod("/home/u/.claude/projects", 0o000);
    assert!(SessionActivity::new(disk, &folder()).last_active().is_err());
}
