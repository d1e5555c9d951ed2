//! `mcp-refreshd doctor`: one cause is one finding, and what is asked for is all that is told.

use crate::support::PATIENCE;
use crate::support::findings::{HOUR, doctor, document, entry, found, good, home_with};
use scripted_server::{Answer, Script, Server, credentials_json};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

fn servers(finding: &Value) -> Vec<&str> {
    finding["servers"].as_array().unwrap().iter().map(|server| server.as_str().unwrap()).collect()
}

#[test]
fn servers_that_are_all_away_are_one_finding_and_so_is_what_has_expired_meanwhile() {
    let sites: Vec<Server> = (0..12).map(|_| Server::start(Script::default()).unwrap()).collect();
    let names: Vec<String> = (0..12).map(|number| format!("lab{number:02}")).collect();
    let grants: Vec<_> = sites
        .iter()
        .zip(&names)
        .enumerate()
        .map(|(number, (site, name))| site.add(name, Script::default()).grant(HOUR * u32::from(number > 3)))
        .collect();
    let home = home_with(&credentials_json(names.iter().map(String::as_str).zip(&grants)));
    sites.iter().for_each(|site| site.stop_listening().unwrap());
    let run = doctor(&home, &[]);
    assert_eq!(run.names, ["agent-not-running", "expired-but-refreshable", "no-network"]);
    let mut expired = servers(run.finding("expired-but-refreshable"));
    expired.sort_unstable();
    assert_eq!(expired, names[..4]);
    assert_eq!(run.finding("expired-but-refreshable")["cure"], "mcp-refreshd refresh");
    assert_eq!(servers(run.finding("no-network")).len(), 12);
    assert_eq!(run.finding("no-network")["server"], Value::Null);
    let (_, told, _) = home.told(&["doctor"]);
    assert!(told.contains("  servers lab") && told.ends_with("3 problems, 0 notes\n"), "{told}");

    let daemon = home.daemon();
    let run = doctor(&home, &[]);
    assert_eq!(run.names, ["no-network"], "the agent refreshes them when it can");
    let means = run.finding("no-network")["means"].as_str().unwrap();
    assert!(names[..4].iter().all(|name| means.contains(name)), "{means}");

    // Some answer: it is not this machine.
    sites[11].listen().unwrap();
    let run = doctor(&home, &[]);
    assert!(!run.has("no-network"), "{:?}", run.names);
    assert_eq!(servers(run.finding("server-unreachable")).len(), 11);
    assert!(daemon.terminate().0.success());
}

#[test]
fn while_the_agent_tries_again_what_has_expired_is_a_note_and_there_is_nothing_to_type() {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    lab.answer_always(Answer::status(503).retry_after(HOUR / 4));
    let home = home_with(&credentials_json([("lab", &lab.grant(Duration::ZERO))]));
    let cure = || doctor(&home, &["--offline"]).finding("expired-but-refreshable")["cure"].clone();
    assert_eq!(cure(), "mcp-refreshd refresh lab");
    let daemon = home.daemon();
    assert!(
        harness::until(PATIENCE, || cure().as_str().unwrap().starts_with("nothing to type: ")),
        "{}",
        cure()
    );
    let run = doctor(&home, &["--offline"]);
    let finding = run.finding("expired-but-refreshable");
    assert_eq!((run.code, &finding["severity"]), (0, &"note".into()), "{finding}");
    let means = finding["means"].as_str().unwrap();
    assert!(means.contains("HTTP 503") && means.contains("the agent tries again by itself"), "{means}");
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_configuration_that_cannot_be_used_hides_nothing_else() {
    let home = home_with(&document(&[("lab", entry("lab", json!({"refreshToken": ""})))]));
    home.configure("keepalive = \"1d\"\n\n[margin]\nfloor = \"4m\"\n");
    let run = doctor(&home, &["--offline"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.names, ["configuration-invalid", "agent-not-running", "no-refresh-token"]);
    let finding = run.finding("configuration-invalid");
    let means = finding["means"].as_str().unwrap();
    assert!(means.contains("config.toml:1: ") && means.contains("config.toml:4: "), "{means}");
    assert!(finding["path"].as_str().unwrap().ends_with("config.toml"));
    let cure = run.finding("agent-not-running")["cure"].as_str().unwrap();
    assert!(cure.starts_with("correct the configuration, then: mcp-refreshd install"), "{cure}");
    home.configure("");
    assert_eq!(found(&home), ["no-refresh-token"]);
}

#[test]
fn a_server_that_nobody_knows_is_named_though_a_listed_folder_does_not_exist_yet() {
    let home = home_with(&good());
    fs::write(home.path().join(".claude.json"), "{}").unwrap();
    home.configure("stores = [\"default\", \"~/later/on\"]\n\n[servers.labb]\nignore = true\n");
    let run = doctor(&home, &["--offline"]);
    let means = run.finding("configuration-without-effect")["means"].as_str().unwrap();
    assert!(means.contains("the server labb, which Claude Code does not have; did you mean lab?"), "{means}");
    let (_, told, said) = home.told(&["config"]);
    assert!(said.contains("did you mean lab?"), "{told}{said}");
}

#[test]
fn what_in_the_configuration_has_no_effect_is_noted_whether_the_agent_runs_or_not() {
    let home = home_with(&good());
    fs::write(home.path().join(".claude.json"), "{}").unwrap();
    fs::create_dir(home.path().join(".claude-work")).unwrap();
    let noted = || {
        let run = doctor(&home, &["--offline"]);
        let notes = run.findings.iter().filter(|finding| finding["name"] == "configuration-without-effect");
        let notes: Vec<_> = notes
            .map(|finding| (finding["means"].as_str().unwrap().to_owned(), finding["severity"].clone()))
            .collect();
        assert!(notes.iter().all(|(_, severity)| severity == "note"));
        notes.into_iter().map(|(means, _)| means).collect::<Vec<_>>().join("\n")
    };
    for (text, remark) in [
        ("stores = [\"default\", \"~/.claude-wrok\"]\n", "which does not exist; did you mean "),
        (
            "[servers.lba]\nignore = true\n",
            "the server lba, which Claude Code does not have; did you mean lab?",
        ),
    ] {
        home.configure(text);
        let stopped = noted();
        assert!(stopped.contains(remark), "{stopped}");
        let daemon = home.daemon();
        assert_eq!(noted(), stopped);
        let cure = doctor(&home, &["--offline"]).finding("configuration-without-effect")["cure"].clone();
        // The stores are read at the start alone.
        let reloads = cure.as_str().unwrap().ends_with("then: mcp-refreshd reload");
        assert_eq!(reloads, !text.starts_with("stores"), "{cure}");
        assert!(daemon.terminate().0.success());
    }
    home.configure("");
    assert_eq!(noted(), "");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "mount namespaces are Linux's")]
fn a_folder_that_is_mounted_read_only_is_found() {
    let home = home_with(&good());
    let inside = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-Urm", "sh", "-c", script, env!("CARGO_BIN_EXE_mcp-refreshd")]);
        command.env("HOME", home.path()).output()
    };
    let mount = r#"mount --bind "$HOME/.claude" "$HOME/.claude" && mount -o remount,bind,ro "$HOME/.claude""#;
    match inside(mount) {
        Ok(output) if output.status.success() => {}
        other => {
            eprintln!("no namespace can be made here ({other:?}); folders by permissions are judged below");
            return;
        }
    }
    let told = inside(&format!(r#"{mount} && exec "$0" doctor --offline --json"#)).unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let findings = told["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["name"] == "store-folder-read-only").unwrap();
    assert_eq!(finding["path"], home.claude().to_str().unwrap());
    assert!(finding["means"].as_str().unwrap().contains("mounted read-only"), "{finding}");
    assert!(finding["cure"].as_str().unwrap().starts_with("mount it read-write"), "{finding}");
    assert!(found(&home).is_empty());
}

#[test]
fn a_folder_that_its_permissions_close_is_found_and_so_is_a_file_where_the_state_belongs() {
    let home = home_with(&good());
    fs::create_dir_all(home.state().parent().unwrap()).unwrap();
    fs::write(home.state(), "").unwrap();
    assert!(found(&home).contains(&"state-folder-unusable".to_owned()), "{:?}", found(&home));
    fs::remove_file(home.state()).unwrap();
    assert!(found(&home).is_empty());

    let set = |mode| fs::set_permissions(home.claude(), Permissions::from_mode(mode)).unwrap();
    set(0o500);
    if fs::write(home.claude().join("probe"), "").is_ok() {
        // Nothing is closed to root.
        set(0o700);
        return;
    }
    let run = doctor(&home, &["--offline"]);
    let finding = run.finding("store-folder-read-only");
    assert_eq!(finding["cure"], format!("chmod u+rwx {}", home.claude().display()));
    set(0o700);
    assert!(found(&home).is_empty());
}

#[test]
fn of_one_server_only_what_concerns_it_is_told() {
    let home = home_with(&document(&[
        ("lab", entry("lab", json!({"refreshToken": ""}))),
        ("other", entry("other", json!({"refreshToken": "", "expiresAt": 1}))),
        ("good", entry("good", json!({}))),
    ]));
    let lock = home.credentials().with_file_name("mcp-refresh-other_00.lock.lock");
    fs::write(&lock, "").unwrap();
    assert_eq!(doctor(&home, &["--offline", "lab"]).names, ["agent-not-running", "no-refresh-token"]);
    let run = doctor(&home, &["--offline", "other"]);
    assert_eq!(run.names, ["agent-not-running", "no-refresh-token", "lock-is-file"]);
    assert_eq!(servers(run.finding("lock-is-file")), ["other"]);
    assert_eq!(doctor(&home, &["--offline", "good"]).names, ["agent-not-running"]);
    assert_eq!(doctor(&home, &["--offline", "other|00"]).names.len(), 3, "a key is as good as a name");
    let (code, told, said) = home.told(&["doctor", "--offline", "goo"]);
    assert_eq!((code, told.as_str()), (2, ""));
    assert!(said.contains("no server is called goo; did you mean good?"), "{said}");
    // Its own fix, and no other.
    let run = doctor(&home, &["--offline", "--fix", "lab"]);
    assert!(lock.exists(), "{:?}", run.names);
    assert_eq!(doctor(&home, &["--offline", "--fix", "other"]).finding("lock-is-file")["fixed"], true);
}

#[test]
fn of_one_server_only_its_own_authorization_server_is_asked() {
    let (one, two) = (Server::start(Script::default()).unwrap(), Server::start(Script::default()).unwrap());
    let grants = [
        ("one", one.add("one", Script::default()).grant(HOUR)),
        ("two", two.add("two", Script::default()).grant(HOUR)),
    ];
    let home = home_with(&credentials_json(grants.iter().map(|(name, grant)| (*name, grant))));
    assert_eq!(doctor(&home, &["one", "--live"]).names, ["agent-not-running"]);
    assert!(!one.log().is_empty() && two.log().is_empty());
}

#[test]
fn one_of_several_stores_is_named_by_its_folder_or_its_file() {
    let home = home_with(&document(&[("lab", entry("lab", json!({"refreshToken": ""})))]));
    let work = home.path().join("my work");
    fs::create_dir(&work).unwrap();
    let configured = json!({"mcpServers": {"jira": {"url": "https://jira.example/mcp"}}});
    fs::write(work.join(".claude.json"), configured.to_string()).unwrap();
    let file = work.join(".credentials.json");
    fs::write(&file, document(&[("jira", entry("jira", json!({"refreshToken": ""})))])).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    home.configure("stores = [\"~/.claude\", \"~/my work\"]\n");
    let (work, file) = (work.to_str().unwrap(), file.to_str().unwrap());
    for value in [work, file, "~/my work"] {
        let run = doctor(&home, &["--offline", "--store", value]);
        assert_eq!(run.names, ["agent-not-running", "no-refresh-token"], "{value}");
        let finding = run.finding("no-refresh-token");
        assert_eq!(finding["server"], "jira");
        let cure = format!("CLAUDE_CONFIG_DIR='{work}' claude mcp login jira (each time it expires)");
        assert_eq!(finding["cure"], cure);
    }
    let (code, _, said) = home.told(&["doctor", "--offline", "--store", "/nowhere"]);
    assert_eq!(code, 2);
    let usual = home.credentials();
    for part in ["no store is at /nowhere", usual.to_str().unwrap(), file] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn one_run_reads_a_configuration_with_long_histories_once() {
    let home = home_with(&good());
    let lab = json!({"lab": {"type": "http", "url": "https://lab.example/mcp"}});
    let history = json!({"/p": {"history": ["x".repeat(1 << 20)]}});
    let env = json!({"HTTPS_PROXY": "http://me:secret@127.0.0.1:9"});
    let text = json!({"mcpServers": lab, "env": env, "projects": history});
    let path = home.path().join(".claude.json");
    fs::write(&path, text.to_string()).unwrap();
    // Whether Claude Code has a server of this name takes no further look.
    home.configure("[servers.lab]\nignore = true\n[servers.nosuch]\nignore = true\n");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=open,openat", "-o"]).arg(home.trace());
    strace.arg(home.program()).args(["doctor", "--json"]);
    let told = match home.in_here(strace).output() {
        Ok(output) if matches!(output.status.code(), Some(0 | 1)) => {
            String::from_utf8(output.stdout).unwrap()
        }
        other => {
            eprintln!("strace may not trace here: {other:?}");
            return;
        }
    };
    // Its variables are in effect all the same.
    assert!(told.contains("127.0.0.1:9") && !told.contains("secret"), "{told}");
    assert!(told.contains("names the server nosuch, which Claude Code does not have"), "{told}");
    let opened = fs::read_to_string(home.trace()).unwrap();
    let reads = opened.lines().filter(|line| line.contains(path.to_str().unwrap())).count();
    assert_eq!(reads, 1, "{opened}");
}

#[test]
fn a_file_listed_as_a_store_is_one_finding_that_never_moves_the_logins_away() {
    let home = home_with(&good());
    let file = home.claude().join(".credentials.json");
    home.configure(&format!("stores = [\"{}\"]\n", file.display()));
    let run = doctor(&home, &["--offline"]);
    assert_eq!(run.names, ["store-is-file", "agent-not-running"]);
    let cure = format!("list its folder instead: {}", home.claude().display());
    assert_eq!(run.finding("store-is-file")["cure"], cure);
}

#[test]
fn what_the_configuration_names_and_nobody_knows_is_a_note() {
    let home = home_with(&good());
    fs::write(home.path().join(".claude.json"), "{}").unwrap();
    home.configure("[servers.nosuch]\nignore = true\n");
    let run = doctor(&home, &["--offline"]);
    let finding = run.finding("configuration-without-effect");
    assert_eq!(finding["severity"], "note");
    assert!(finding["means"].as_str().unwrap().contains("nosuch"), "{finding}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "mount namespaces are Linux's")]
fn a_full_disk_is_one_finding_and_what_expired_meanwhile_has_no_cure_of_its_own() {
    let home = home_with(&document(&[("lab", entry("lab", json!({"expiresAt": 1000})))]));
    assert!(found(&home).contains(&"expired-but-refreshable".to_owned()));
    let script = r#"
        mount -t tmpfs -o size=64k none "$HOME/.cache" && cp -a "$HOME/.claude" "$HOME/.cache/" && export HOME="$HOME/.cache" || exit 99
        head -c 1000000 /dev/zero > "$HOME/fill" 2>/dev/null
        exec "$0" doctor --offline --json"#;
    fs::create_dir_all(home.path().join(".cache")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script, env!("CARGO_BIN_EXE_mcp-refreshd")]).env("HOME", home.path());
    let output = match command.output() {
        Ok(output) if output.status.code() == Some(1) && !output.stdout.is_empty() => output,
        other => return eprintln!("no namespace can be made here ({other:?})"),
    };
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<_> = told["findings"].as_array().unwrap().iter().map(|finding| &finding["name"]).collect();
    assert_eq!(names, ["agent-not-running", "disk-full"]);
}
