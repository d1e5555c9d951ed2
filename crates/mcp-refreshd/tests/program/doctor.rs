//! `mcp-refreshd doctor`: each finding in a situation made for real, and gone after the cure.

use crate::support::findings::{
    HOUR, aged, doctor, doctor_with, document, entry, found, good, home_with, rewrite,
};
use rustix::process::Signal;
use scripted_server::{ClientAuth, Grant, Script, Server, credentials_json};
use serde_json::{Value, json};
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[test]
fn a_healthy_machine_gives_no_finding() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = home_with(&credentials_json([("lab", &lab.grant(HOUR))]));
    fs::write(
        home.path().join(".claude.json"),
        json!({"mcpServers": {"lab": {"url": lab.mcp_url()}}}).to_string(),
    )
    .unwrap();
    let _daemon = home.daemon();
    let before = home.stored();
    assert_eq!(home.told(&["doctor"]), (0, "no problems found\n".into(), String::new()));
    assert_eq!(home.told(&["doctor", "--fix"]), (0, "no problems found\n".into(), String::new()));
    assert_eq!(home.stored(), before);
    assert_eq!(server.token_requests_by("mcp-refreshd"), 0);
}

#[test]
fn an_agent_that_does_not_run_is_found_until_it_does() {
    let home = home_with(&good());
    let run = doctor(&home, &["--offline"]);
    assert_eq!((run.code, run.names.as_slice()), (1, &["agent-not-running".to_owned()][..]));
    // Nothing was made by looking.
    assert!(!home.state().exists());
    let daemon = home.daemon();
    assert!(!doctor(&home, &["--offline"]).has("agent-not-running"));
    daemon.signal(Signal::STOP);
    let run = doctor(&home, &["--offline"]);
    let resume = format!("kill -CONT {}", daemon.pid());
    let finding = run.finding("agent-unreachable");
    if cfg!(target_os = "linux") {
        assert_eq!(finding["cure"], resume);
        // Every command says the same.
        for command in [&["status"][..], &["reload"], &["refresh"]] {
            let (_, told, said) = home.told(command);
            assert!(
                format!("{told}{said}").contains(&format!("o resume it, type: {resume}")),
                "{command:?}: {said}"
            );
        }
    }
    daemon.signal(Signal::CONT);
    assert_eq!(doctor(&home, &["--offline"]).code, 0);
}

#[test]
fn a_store_that_others_can_read_is_made_private() {
    let home = home_with(&good());
    fs::set_permissions(home.credentials(), Permissions::from_mode(0o644)).unwrap();
    assert_eq!(found(&home), ["store-mode"]);
    let mode = || fs::metadata(home.credentials()).unwrap().permissions().mode() & 0o777;
    let run = doctor(&home, &["--offline", "--fix", "--dry-run"]);
    assert_eq!((run.finding("store-mode")["fixed"].clone(), mode()), (Value::Null, 0o644));
    assert!(run.finding("store-mode")["fix"].as_str().unwrap().starts_with("chmod 600 "));
    assert_eq!(doctor(&home, &["--offline", "--fix"]).finding("store-mode")["fixed"], true);
    assert_eq!(mode(), 0o600);
    assert!(found(&home).is_empty());
}

#[test]
fn a_broken_document_and_an_odd_entry_are_told_apart() {
    let home = home_with("{\"mcpOAuth\":{\"lab|00\":{");
    assert_eq!(found(&home), ["store-unreadable"]);
    rewrite(&home, r#"{"mcpOAuth":{"lab|00":{"serverName":"lab","accessToken":[1]}}}"#);
    assert_eq!(found(&home), ["entry-not-understood"]);
    rewrite(&home, &good());
    assert!(found(&home).is_empty());
}

#[test]
fn a_linked_store_is_noted_until_the_file_itself_is_there() {
    let home = home_with(&good());
    let elsewhere = home.path().join("elsewhere.json");
    fs::rename(home.credentials(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, home.credentials()).unwrap();
    assert_eq!(found(&home), ["store-is-link"]);
    fs::rename(&elsewhere, home.credentials()).unwrap();
    assert!(found(&home).is_empty());
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "mount namespaces are Linux's")]
fn a_store_that_is_a_mount_is_found() {
    let home = home_with(&good());
    let inside = |script: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(["-Urm", "sh", "-c", script, env!("CARGO_BIN_EXE_mcp-refreshd")]);
        command.env("HOME", home.path()).output()
    };
    let mount = r#"cd "$HOME/.claude" && mount --bind .credentials.json .credentials.json"#;
    match inside(mount) {
        Ok(output) if output.status.success() => {}
        other => {
            eprintln!(
                "no namespace can be made here ({other:?}); what a mount gives is judged in src/commands/doctor/tests.rs"
            );
            return;
        }
    }
    let told = inside(&format!(r#"{mount} && exec "$0" doctor --offline"#)).unwrap();
    assert!(String::from_utf8(told.stdout).unwrap().contains("problem: store-is-mount (certain)"));
    assert!(found(&home).is_empty());
}

#[test]
fn a_file_in_a_locks_place_is_removed() {
    let home = home_with(&good());
    let lock = home.credentials().with_file_name("mcp-refresh-lab_00.lock.lock");
    fs::write(&lock, "").unwrap();
    assert_eq!(found(&home), ["lock-is-file"]);
    let (code, told, _) = home.told(&["doctor", "--offline", "--fix", "--dry-run"]);
    assert_eq!(code, 1);
    assert!(told.contains("would   remove the file ") && lock.exists(), "{told}");
    let (code, told, _) = home.told(&["doctor", "--offline", "--fix"]);
    // The agent still does not run.
    assert_eq!(code, 1);
    assert!(told.contains("fixed   the file was removed") && !lock.exists(), "{told}");
    assert!(found(&home).is_empty());
}

#[test]
fn dead_locks_are_taken_by_the_clients_own_rules_and_a_live_one_is_no_finding() {
    let home = home_with(&good());
    let lock = home.credentials().with_file_name(".storage-write.lock");
    let other = home.credentials().with_file_name("mcp-refresh-lab_00.lock.lock");
    fs::create_dir(&lock).unwrap();
    fs::create_dir(&other).unwrap();
    assert!(found(&home).is_empty());
    File::open(&lock).unwrap().set_modified(SystemTime::now() - HOUR).unwrap();
    File::open(&other).unwrap().set_modified(SystemTime::now() + HOUR).unwrap();
    assert_eq!(found(&home), ["lock-orphaned", "lock-dated-ahead"]);
    let run = doctor(&home, &["--offline", "--fix"]);
    for name in ["lock-orphaned", "lock-dated-ahead"] {
        assert_eq!(run.finding(name)["fixed"], true);
    }
    assert!(!lock.exists() && !other.exists() && found(&home).is_empty());
}

#[test]
fn a_server_that_sessions_skip_though_its_token_is_good_is_taken_out_of_the_list() {
    let home = home_with(&good());
    let list = home.credentials().with_file_name("mcp-needs-auth-cache.json");
    let flagged = |minutes: i64| {
        let at = jiff::Timestamp::now().as_millisecond() - minutes * 60_000;
        fs::write(&list, format!(r#"{{"lab":{{"timestamp":{at}}},"other":{{"timestamp":{at}}}}}"#)).unwrap();
    };
    flagged(16);
    assert!(found(&home).is_empty());
    flagged(2);
    assert_eq!(found(&home), ["skipped-though-good"]);
    assert_eq!(doctor(&home, &["--offline", "--fix"]).finding("skipped-though-good")["fixed"], true);
    let rest = fs::read_to_string(&list).unwrap();
    assert!(found(&home).is_empty() && !rest.contains("lab") && rest.contains("other"), "{rest}");
    fs::write(&list, "[]").unwrap();
    assert_eq!(found(&home), ["skip-list-unreadable"]);
    fs::remove_file(&list).unwrap();
    assert!(found(&home).is_empty());
}

#[test]
fn leftovers_of_ours_are_swept_and_the_clients_are_named() {
    let home = home_with(&good());
    let beside = |name: &str| home.credentials().with_file_name(name);
    let ours = aged(&beside(".credentials.json.tmp.mcp-refreshd-0123abcd"), HOUR);
    let theirs = aged(&beside(".credentials.json.tmp.0123abcd"), HOUR);
    aged(&beside(".credentials.json.tmp.89abcdef"), Duration::ZERO);
    assert_eq!(found(&home), ["leftover-of-agent", "leftover-of-claude-code"]);
    assert_eq!(doctor(&home, &["--offline", "--fix"]).finding("leftover-of-agent")["fixed"], true);
    assert!(!ours.exists() && theirs.exists());
    assert_eq!(found(&home), ["leftover-of-claude-code"]);
    fs::remove_file(theirs).unwrap();
    assert!(found(&home).is_empty());
}

#[test]
fn a_wiped_login_is_told_from_one_that_never_was() {
    let hour_ago = jiff::Timestamp::now().as_millisecond() - 3_600_000;
    let stub = |more| {
        let mut stub = entry("lab", more);
        stub["accessToken"] = "".into();
        stub.as_object_mut().unwrap().remove("refreshToken");
        stub
    };
    let home = home_with(&document(&[("lab", stub(json!({"expiresAt": 0})))]));
    assert_eq!(found(&home), ["login-wiped"]);
    let logged_out = json!({"expiresAt": null, "discoveryState": {"tokenlessRejectedAt": hour_ago}});
    rewrite(&home, &document(&[("lab", stub(logged_out))]));
    let run = doctor(&home, &["--offline"]);
    let finding = run.finding("not-logged-in");
    assert!(finding["means"].as_str().unwrap().contains("1 h ago"), "{finding}");
    assert_eq!(finding["cure"], "claude mcp login lab");
    rewrite(&home, &good());
    assert!(found(&home).is_empty());
}

#[test]
fn what_no_refresh_can_help_is_told_by_its_cause() {
    let home = home_with(&document(&[("lab", entry("lab", json!({"refreshToken": ""})))]));
    assert_eq!(found(&home), ["no-refresh-token"]);
    let in_a_month = jiff::Timestamp::now().as_millisecond() + 30 * 86_400_000;
    rewrite(&home, &document(&[("lab", entry("lab", json!({"refreshToken": "", "expiresAt": in_a_month})))]));
    assert_eq!(doctor(&home, &["--offline"]).finding("no-refresh-token")["severity"], "note");
    rewrite(&home, &document(&[("lab", entry("lab", json!({"expiresAt": null})))]));
    assert_eq!(found(&home), ["unknown-expiry"]);
    rewrite(&home, &good());
    assert!(found(&home).is_empty());
}

#[test]
fn an_expired_login_with_a_refresh_token_is_no_lost_one() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = home_with(&credentials_json([("lab", &lab.grant(Duration::ZERO))]));
    let run = doctor(&home, &["--offline"]);
    let finding = run.finding("expired-but-refreshable");
    assert!(finding["means"].as_str().unwrap().contains("Token expired without refresh token"), "{finding}");
    assert_eq!(finding["cure"], "mcp-refreshd refresh lab");
    assert_eq!(home.told(&["refresh", "lab"]).0, 0);
    assert!(found(&home).is_empty());
}

#[test]
fn a_token_that_rests_is_no_trouble_while_an_agent_runs() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let home = home_with(&credentials_json([("lab", &lab.grant(Duration::ZERO))]));
    // A session a month ago: nobody is expected.
    let sessions = home.path().join(".claude/sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    let session = std::fs::File::create(sessions.join("4711.json")).unwrap();
    session.set_modified(std::time::SystemTime::now() - 30 * 24 * HOUR).unwrap();
    assert!(doctor(&home, &["--offline"]).has("expired-but-refreshable"), "nobody wakes it");
    let daemon = home.daemon();
    assert!(!doctor(&home, &["--offline"]).has("expired-but-refreshable"));
    assert_eq!(server.log().len(), 0);
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_dead_login_is_told_from_a_registration_that_is_gone() {
    let server = Server::start(Script::default()).unwrap();
    let dead = server.add("dead", Script::default());
    let gone = server.add("gone", Script { client_auth: ClientAuth::Post, ..Script::default() });
    let (one, other) = (dead.grant(Duration::ZERO), gone.grant(Duration::ZERO));
    assert!(dead.kill(&one.refresh_token) && gone.prune_client(&other.client_id));
    let home = home_with(&credentials_json([("dead", &one), ("gone", &other)]));
    assert_eq!(home.told(&["refresh"]).0, 1);
    let run = doctor(&home, &["--offline"]);
    assert_eq!(run.finding("login-ended")["cure"], "claude mcp login dead");
    assert_eq!(run.finding("registration-gone")["cure"], "claude mcp logout gone && claude mcp login gone");
    rewrite(&home, &credentials_json([("dead", &dead.grant(HOUR)), ("gone", &gone.grant(HOUR))]));
    assert!(found(&home).is_empty());
}

#[test]
fn a_token_that_the_server_refuses_though_the_store_calls_it_good_is_found_on_request() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let mut grant = lab.grant(HOUR);
    grant.access_token = "at_revoked".into();
    let home = home_with(&credentials_json([("lab", &grant)]));
    assert!(!doctor(&home, &[]).has("refused-though-good"));
    let run = doctor(&home, &["--live"]);
    assert_eq!(run.finding("refused-though-good")["cure"], "mcp-refreshd refresh lab --force");
    assert_eq!(home.told(&["refresh", "lab", "--force"]).0, 0);
    assert!(!doctor(&home, &["--live"]).has("refused-though-good"));
}

#[test]
fn tokens_that_live_for_minutes_are_noted() {
    let minutes = Script { lifetime: Duration::from_secs(420), ..Script::default() };
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", minutes);
    let home = home_with(&credentials_json([("lab", &lab.grant(Duration::ZERO))]));
    assert_eq!(home.told(&["refresh"]).0, 0);
    assert_eq!(found(&home), ["short-lived-token"]);
    lab.set(|script| script.lifetime = HOUR);
    assert_eq!(home.told(&["refresh", "--force"]).0, 0);
    assert!(found(&home).is_empty());
}

#[test]
fn two_entries_with_one_refresh_token_and_two_stores_that_disagree_are_found() {
    let twin = entry("twin", json!({"refreshToken": "rt_lab"}));
    let home = home_with(&document(&[("lab", entry("lab", json!({}))), ("twin", twin)]));
    assert_eq!(found(&home), ["same-refresh-token"]);
    rewrite(&home, &good());
    assert!(found(&home).is_empty());

    let work = home.path().join("work/.credentials.json");
    fs::create_dir(work.parent().unwrap()).unwrap();
    let second = |text: &str| {
        fs::write(&work, text).unwrap();
        fs::set_permissions(&work, Permissions::from_mode(0o600)).unwrap();
    };
    second(&document(&[(
        "lab",
        entry("lab", json!({"accessToken": "", "refreshToken": "", "expiresAt": 0})),
    )]));
    home.configure("stores = [\"~/.claude\", \"~/work\"]\n");
    assert_eq!(found(&home), ["login-wiped", "stores-disagree"]);
    second(&document(&[("lab", entry("lab", json!({"refreshToken": "rt_work"})))]));
    assert!(found(&home).is_empty());
}

#[test]
fn a_login_whose_server_is_in_no_configuration_is_noted() {
    let home = home_with(&document(&[
        ("lab", entry("lab", json!({}))),
        ("plugin:a:b", entry("plugin:a:b", json!({"serverUrl": "https://b.example/mcp"}))),
    ]));
    let configure = |name: &str| {
        let text =
            json!({"mcpServers": {name: {"type": "http", "url": "https://lab.example/mcp"}}}).to_string();
        fs::write(home.path().join(".claude.json"), text).unwrap();
    };
    configure("other");
    assert_eq!(found(&home), ["server-not-configured"]);
    // The cure is a line that can be pasted where it says, whatever the file holds.
    let cure = doctor(&home, &["--offline"]).finding("server-not-configured")["cure"].clone();
    let line = cure.as_str().unwrap().split('`').nth(1).unwrap().to_owned();
    assert!(cure.as_str().unwrap().contains("at the top of "), "{cure}");
    for rest in ["", "keep_alive = \"5d\"\n[log]\nlevel = \"warn\"\n[servers.other]\nmargin = \"9m\"\n"] {
        home.configure(&format!("{line}\n{rest}"));
        let (code, told, said) = home.told(&["config"]);
        assert!(code == 0 && said.is_empty(), "{told}{said}");
        let servers = home.status()["servers"].clone();
        let lab = servers.as_array().unwrap().iter().find(|server| server["name"] == "lab").unwrap();
        assert_eq!(lab["state"], "ignored", "{line}");
    }
    // Under a table that is there already, and nowhere once it is ignored.
    home.configure("[servers.'lab']\nmargin = \"9m\"\n");
    let cure = doctor(&home, &["--offline"]).finding("server-not-configured")["cure"].clone();
    let cure = cure.as_str().unwrap();
    assert!(
        cure.contains("; below [servers.'lab'] in ") && cure.ends_with(" add: `ignore = true`"),
        "{cure}"
    );
    home.configure("[servers.'lab']\nignore = true\nmargin = \"9m\"\n");
    assert!(found(&home).is_empty(), "{:?}", found(&home));
    home.configure("");
    configure("lab");
    assert!(found(&home).is_empty());
}

#[test]
fn a_server_of_a_second_store_is_looked_for_in_its_own_configuration_and_never_to_be_ignored_for_want_of_one()
{
    let home = home_with(&good());
    let configure = |path: &Path, name: &str| {
        let text =
            json!({"mcpServers": {name: {"type": "http", "url": "https://x.example/mcp"}}}).to_string();
        fs::write(path.join(".claude.json"), text).unwrap();
    };
    let work = home.path().join("work");
    fs::create_dir(&work).unwrap();
    let document = document(&[("jira", entry("jira", json!({})))]);
    fs::write(work.join(".credentials.json"), document).unwrap();
    fs::set_permissions(work.join(".credentials.json"), Permissions::from_mode(0o600)).unwrap();
    home.configure("stores = [\"~/.claude\", \"~/work\"]\n");
    configure(home.path(), "lab");
    configure(&work, "jira");
    assert!(found(&home).is_empty(), "{:?}", found(&home));
    // Half-written: nobody knows what it names.
    fs::write(work.join(".claude.json"), "{\"mcpServers\":{").unwrap();
    assert!(found(&home).is_empty(), "{:?}", found(&home));
    configure(&work, "other");
    assert_eq!(found(&home), ["server-not-configured"]);
}

#[test]
fn the_list_of_servers_to_skip_is_looked_for_where_the_client_of_each_store_keeps_it() {
    let home = home_with(&good());
    let work = home.path().join("work");
    fs::create_dir(&work).unwrap();
    fs::write(work.join(".claude.json"), "{}").unwrap();
    let document = document(&[("jira", entry("jira", json!({})))]);
    fs::write(work.join(".credentials.json"), document).unwrap();
    fs::set_permissions(work.join(".credentials.json"), Permissions::from_mode(0o600)).unwrap();
    home.configure("stores = [\"~/.claude\", \"~/work\"]\n");
    let list = work.join("mcp-needs-auth-cache.json");
    fs::write(&list, format!(r#"{{"jira":{{"timestamp":{}}}}}"#, jiff::Timestamp::now().as_millisecond()))
        .unwrap();
    assert_eq!(found(&home), ["skipped-though-good"]);
    assert_eq!(doctor(&home, &["--offline", "--fix"]).finding("skipped-though-good")["fixed"], true);
    assert_eq!(fs::read_to_string(&list).unwrap(), "{}");

    // A secure-storage folder does not move it.
    let home = home_with("{}");
    let secure = home.path().join("secure");
    fs::create_dir(&secure).unwrap();
    fs::write(secure.join(".credentials.json"), good()).unwrap();
    fs::set_permissions(secure.join(".credentials.json"), Permissions::from_mode(0o600)).unwrap();
    let list = home.credentials().with_file_name("mcp-needs-auth-cache.json");
    fs::write(&list, format!(r#"{{"lab":{{"timestamp":{}}}}}"#, jiff::Timestamp::now().as_millisecond()))
        .unwrap();
    let env = [("CLAUDE_SECURESTORAGE_CONFIG_DIR", secure.as_path())];
    assert!(doctor_with(&home, &["--offline"], &env).has("skipped-though-good"));
}

#[test]
fn a_store_of_this_shell_that_nobody_keeps_is_found() {
    let home = home_with(&good());
    let daemon = home.daemon();
    let work = home.path().join("work");
    fs::create_dir(&work).unwrap();
    let env = [("CLAUDE_CONFIG_DIR", work.as_path())];
    assert!(doctor_with(&home, &["--offline"], &env).has("store-not-kept"));
    home.configure("stores = [\"~/.claude\", \"~/work\"]\n");
    assert!(daemon.terminate().0.success());
    let _daemon = home.daemon();
    assert!(doctor_with(&home, &["--offline"], &env).names.is_empty());

    home.configure("stores = [\"~/work\"]\n");
    let run = doctor_with(&home, &["--offline"], &env);
    // The agent keeps both until it is started anew.
    assert!(!run.has("several-stores"));
}

#[test]
fn a_second_store_that_is_not_kept_is_noted() {
    let home = home_with(&good());
    fs::create_dir(home.path().join("work")).unwrap();
    home.configure("stores = [\"~/work\"]\n");
    assert_eq!(found(&home), ["several-stores"]);
    home.configure("stores = [\"~/.claude\", \"~/work\"]\n");
    assert!(found(&home).is_empty());
}

#[test]
fn a_server_that_is_away_is_found_and_so_is_a_certificate_that_nobody_knows() {
    let server = Server::start(Script::default()).unwrap();
    let home = home_with(&credentials_json([("lab", &server.add("lab", Script::default()).grant(HOUR))]));
    server.stop_listening().unwrap();
    assert!(doctor(&home, &[]).has("server-unreachable"));
    server.listen().unwrap();
    assert_eq!(doctor(&home, &[]).names, ["agent-not-running"]);

    let secure = Server::start_tls(Script::default()).unwrap();
    rewrite(&home, &credentials_json([("lab", &secure.add("lab", Script::default()).grant(HOUR))]));
    assert!(doctor(&home, &[]).has("certificate-trouble"));
    fs::write(home.path().join("ca.pem"), secure.ca_pem().unwrap()).unwrap();
    home.configure("[network]\nextra_ca = [\"~/ca.pem\"]\n");
    assert_eq!(doctor(&home, &[]).names, ["agent-not-running"]);
    home.configure("[network]\nextra_ca = [\"~/no.pem\"]\n");
    assert!(doctor(&home, &[]).has("network-settings"));
}

#[test]
fn a_clock_that_differs_from_the_servers_is_found() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let home = home_with(&document(&[("lab", entry("lab", json!({"serverUrl": url})))]));
    let answer = |ahead: Duration| {
        let listener = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let date = (jiff::Timestamp::now() + ahead).strftime("%a, %d %b %Y %H:%M:%S GMT");
            write!(stream, "HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n").unwrap();
        })
    };
    let server = answer(Duration::from_secs(400));
    let run = doctor(&home, &[]);
    server.join().unwrap();
    assert!(run.finding("clock-skew")["means"].as_str().unwrap().contains(" behind "));
    let server = answer(Duration::ZERO);
    assert_eq!(doctor(&home, &[]).names, ["agent-not-running"]);
    server.join().unwrap();
}

#[test]
fn a_proxy_that_the_agent_does_not_know_is_found() {
    let home = home_with(&good());
    let _daemon = home.daemon();
    let env = [("HTTPS_PROXY", Path::new("http://me:password@proxy.example:3128"))];
    let run = doctor_with(&home, &["--offline"], &env);
    let means = run.finding("proxy-unknown-to-agent")["means"].as_str().unwrap();
    assert!(means.contains("HTTPS_PROXY") && !means.contains("password"), "{means}");
    assert!(doctor(&home, &["--offline"]).names.is_empty());
    home.configure("[network]\nproxy = \"http://proxy.example:3128\"\n");
    assert!(doctor_with(&home, &["--offline"], &env).names.is_empty());
}

#[test]
fn an_old_claude_code_is_found_without_being_run() {
    let home = home_with(&good());
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let claude = bin.join("claude");
    let versions = home.path().join("versions");
    fs::create_dir(&versions).unwrap();
    let env = [("PATH", bin.as_path())];
    for (version, old) in [("2.1.119", true), ("2.1.160", false), ("2.1.330", false), ("1.9.999", true)] {
        fs::write(versions.join(version), "not a program").unwrap();
        let _ = fs::remove_file(&claude);
        std::os::unix::fs::symlink(versions.join(version), &claude).unwrap();
        assert_eq!(doctor_with(&home, &["--offline"], &env).has("old-claude-code"), old, "{version}");
    }
    let package = home.path().join("node_modules/@anthropic-ai/claude-code");
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("cli.js"), "").unwrap();
    fs::remove_file(&claude).unwrap();
    std::os::unix::fs::symlink(package.join("cli.js"), &claude).unwrap();
    for (version, old) in [("2.0.30", true), ("2.1.200", false)] {
        let text = json!({"name": "@anthropic-ai/claude-code", "version": version}).to_string();
        fs::write(package.join("package.json"), text).unwrap();
        assert_eq!(doctor_with(&home, &["--offline"], &env).has("old-claude-code"), old, "{version}");
    }
}

#[test]
fn a_store_that_was_deleted_is_said_to_be_gone_and_its_login_comes_back_on_request() {
    let text = r#"{"claudeAiOauth":{"accessToken":"made-up"}}"#;
    let home = home_with(&good());
    let with_account = home.stored().replacen('{', &format!("{},", &text[..text.len() - 1]), 1);
    home.store(&with_account);
    let mut daemon = home.daemon();
    fs::remove_file(home.credentials()).unwrap();
    daemon.wait_for("does not exist yet");
    let (code, told, said) = home.told(&["status"]);
    assert!(code == 4 && told.starts_with("lab "), "{told}{said}");
    assert!(said.contains("is gone, as after `claude auth logout`"), "{said}");
    let run = doctor(&home, &["--offline"]);
    assert_eq!((run.code, run.names.as_slice()), (1, &["store-gone".to_owned()][..]));
    assert_eq!(run.finding("store-gone")["server"], "lab");
    let (_, told, _) = home.told(&["history", "lab"]);
    assert!(told.contains("  lab  vanished ") && told.contains(": the whole store is gone"), "{told}");
    // As the message says: log in to Claude Code, then --fix.
    home.store(text);
    daemon.wait_for("vanished");
    let run = doctor(&home, &["--offline", "--fix", "--yes"]);
    assert_eq!((run.code, run.names.as_slice()), (0, &["entries-vanished".to_owned()][..]));
    assert!(home.stored().contains("\"lab|") && home.stored().contains("claudeAiOauth"));
}

#[test]
fn entries_that_vanished_at_once_come_back_only_when_somebody_says_so() {
    let server = Server::start(Script::default()).unwrap();
    let grants: Vec<(&str, Grant)> = ["one", "two"]
        .into_iter()
        .map(|name| (name, server.add(name, Script::default()).grant(HOUR)))
        .collect();
    // A member that nobody here knows.
    let text = credentials_json(grants.iter().map(|(name, grant)| (*name, grant)))
        .replace(r#""serverName":"#, r#""later":9007199254740993,"serverName":"#);
    let home = home_with(&text);
    let mut daemon = home.daemon();
    rewrite(&home, r#"{"mcpOAuth":{},"kept":1e400}"#);
    daemon.wait_for("vanished");
    let run = doctor(&home, &["--offline"]);
    assert_eq!((run.code, run.names.as_slice()), (1, &["entries-vanished".to_owned()][..]));

    // Nobody is there to be asked.
    let run = doctor(&home, &["--offline", "--fix"]);
    assert_eq!((run.code, &run.finding("entries-vanished")["fixed"]), (1, &Value::Bool(false)));
    assert!(!home.stored().contains("rt_"));

    let run = doctor(&home, &["--offline", "--fix", "--yes"]);
    assert_eq!((run.code, &run.finding("entries-vanished")["fixed"]), (0, &Value::Bool(true)));
    let (before, after): (Value, Value) = (
        serde_json::from_str(&text).unwrap(),
        serde_json::from_str(&home.stored().replace("1e400", "1")).unwrap(),
    );
    for (name, grant) in &grants {
        let key = grant.key(name);
        assert_eq!(before["mcpOAuth"][&key]["later"], 9_007_199_254_740_993_u64);
        assert_eq!(before["mcpOAuth"][&key], after["mcpOAuth"][&key]);
    }
    assert!(home.stored().contains("1e400"));
    assert!(found(&home).is_empty());
    let status = home.status();
    assert_eq!(status["servers"].as_array().unwrap().len(), 2);
}

#[test]
fn an_old_pair_that_came_back_is_known_to_be_spent() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let old = credentials_json([("lab", &lab.grant(Duration::ZERO))]);
    let home = home_with(&old);
    assert_eq!(home.told(&["refresh"]).0, 0);
    assert!(found(&home).is_empty());
    rewrite(&home, &old);
    assert_eq!(found(&home), ["token-spent"]);
    rewrite(&home, &credentials_json([("lab", &lab.grant(HOUR))]));
    assert!(found(&home).is_empty());
    assert_eq!(server.families_revoked(), 0);
}

#[test]
fn an_entry_that_names_no_usable_server_is_found() {
    let nowhere = document(&[("lab", entry("lab", json!({"serverUrl": null})))]);
    let home = home_with(&nowhere);
    assert_eq!(found(&home), ["entry-without-server"]);
    let plain = json!({"serverUrl": "http://lab.example/mcp", "expiresAt": 1});
    rewrite(&home, &document(&[("lab", entry("lab", plain))]));
    assert_eq!(home.told(&["refresh"]).0, 1);
    assert_eq!(found(&home), ["no-token-endpoint"]);
    // A login with the right address is another entry: its key has the address in it.
    rewrite(&home, &good().replace("lab|00", "lab|01"));
    assert!(found(&home).is_empty());
}

#[test]
fn a_journal_that_cannot_be_read_is_found() {
    let home = home_with(&good());
    fs::create_dir_all(home.state().join("journal")).unwrap();
    assert_eq!(found(&home), ["journal-unreadable"]);
    fs::remove_dir(home.state().join("journal")).unwrap();
    assert!(found(&home).is_empty());
}

#[test]
fn what_vanished_from_one_store_is_restored_there_alone() {
    let home = home_with(&document(&[("a", entry("a", json!({}))), ("b", entry("b", json!({})))]));
    let work = home.path().join("work/.credentials.json");
    fs::create_dir(work.parent().unwrap()).unwrap();
    fs::write(&work, document(&[("c", entry("c", json!({}))), ("d", entry("d", json!({})))])).unwrap();
    home.configure("stores = [\"~/.claude\", \"~/work\"]\n");
    let mut daemon = home.daemon();
    rewrite(&home, r#"{"mcpOAuth":{}}"#);
    daemon.wait_for("vanished");
    fs::write(&work, r#"{"mcpOAuth":{}}"#).unwrap();
    fs::set_permissions(&work, Permissions::from_mode(0o600)).unwrap();
    daemon.wait_for("vanished");
    let run = doctor(&home, &["--offline", "--fix", "--yes"]);
    assert_eq!(
        (run.code, run.names.as_slice()),
        (0, &["entries-vanished", "entries-vanished"].map(String::from)[..])
    );
    assert!(home.stored().contains("rt_a") && home.stored().contains("rt_b"));
    assert!(!home.stored().contains("rt_c") && fs::read_to_string(&work).unwrap().contains("rt_c"));
    assert!(found(&home).is_empty());
}

#[test]
fn a_name_that_would_move_the_cursor_is_shown_as_a_text() {
    let home = home_with(&document(&[("a\u{1b}[2J", entry("a\u{1b}[2J", json!({"refreshToken": ""})))]));
    let list = home.credentials().with_file_name("mcp-needs-auth-cache.json");
    let now = jiff::Timestamp::now().as_millisecond();
    fs::write(list, json!({"a\u{1b}[2J": {"timestamp": now}}).to_string()).unwrap();
    for arguments in
        [&["doctor", "--offline"][..], &["doctor", "--offline", "--fix", "--dry-run"], &["check"]]
    {
        let (_, told, _) = home.told(arguments);
        assert!(told.contains(r"\u{1b}[2J") && !told.contains('\u{1b}'), "{told}");
    }
}

#[test]
fn the_text_names_place_meaning_and_cure() {
    let home = home_with(&document(&[("lab", entry("lab", json!({"refreshToken": ""})))]));
    let (code, told, said) = home.told(&["doctor", "--offline"]);
    assert_eq!((code, said.as_str()), (1, ""));
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "problem: agent-not-running (certain)");
    assert!(told.contains("problem: no-refresh-token (certain)\n  server  lab\n  where   "), "{told}");
    assert!(told.contains("\n  cure    claude mcp login lab (each time it expires)\n"), "{told}");
    assert_eq!(lines.last(), Some(&"2 problems, 0 notes"));
    assert_eq!(home.told(&["doctor", "--dry-run"]).0, 2);
}

#[test]
fn every_finding_is_in_the_documentation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = |name: &str| fs::read_to_string(root.join("../../docs").join(name)).unwrap();
    // What is in no package is on no page for all users.
    let (documentation, of_cluster) = (page("doctor.md"), page("internals/cluster.md"));
    let is_name = |text: &str| {
        text.contains('-')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            && !text.starts_with('-')
    };
    let mut names = Vec::new();
    for file in fs::read_dir(root.join("src/commands/doctor/findings")).unwrap() {
        let path = file.unwrap().path();
        let page = if path.ends_with("cluster.rs") { &of_cluster } else { &documentation };
        let source = fs::read_to_string(path).unwrap();
        names.extend(source.split('"').filter(|text| is_name(text)).map(|name| (page, name.to_owned())));
    }
    assert!(names.len() > 40, "{names:?}");
    for (page, name) in names {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
