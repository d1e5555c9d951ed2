//! Sessions whose process runs, as `/proc` tells.

use super::*;

const SESSION: &str = "/home/u/.claude/sessions/4761.json";
const STAT: &str = "/proc/4761/stat";

fn session(status: &str) -> String {
    format!(r#"{{"pid":4761,"procStart":"90499","version":"2.1.330","status":"{status}","updatedAt":1}}"#)
}

/// `/proc/<pid>/stat` of a process that started then.
fn stat(state: &str, started: u64) -> String {
    format!("4761 (a) b) {state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 {started} 20 21\n")
}

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
