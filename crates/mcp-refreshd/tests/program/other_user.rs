//! Files of another user: a `sudo` that kept `HOME`, a folder that root made. One cause is one sentence, with a command that mends it and
//! nothing else. It needs root, and is also a step of `.ci/run`.

use crate::support::findings::{document, entry, good};
use crate::support::{Daemon, Home, PATIENCE};
use scripted_server::{Script, Server, credentials_json};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Users that no user database knows, so that they go by their number.
const ALICE: u32 = 12345;
const BOB: u32 = 12346;

fn without_root() -> bool {
    let without = !rustix::process::geteuid().is_root();
    if without {
        eprintln!("SKIPPED: files of two users need root: .ci/run does it");
    }
    without
}

/// Alice's home, into which everybody may look.
fn alices() -> Home {
    let home = Home::with([]);
    home.store(&good());
    // Where the harness keeps it, others may not pass.
    let above = home.path().ancestors().skip(1).take_while(|folder| *folder != Path::new("/tmp"));
    above.for_each(|folder| fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap());
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    given_to(ALICE, home.path());
    home
}

fn given_to(user: u32, folder: &Path) {
    let mut command = Command::new("chown");
    assert!(command.args(["-R", &user.to_string()]).arg(folder).status().unwrap().success());
}

fn told_by(user: u32, home: &Home, arguments: &[&str]) -> (i32, String, String) {
    let output = home.command(arguments).uid(user).current_dir("/").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The names of what the doctor finds, and the only cure.
fn found_by(user: u32, home: &Home) -> (Vec<String>, String) {
    let (code, told, said) = told_by(user, home, &["doctor", "--offline", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{code} {said}"));
    let findings = told["findings"].as_array().unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    (findings.iter().map(|finding| text(finding, "name")).collect(), text(&findings[0], "cure"))
}

#[test]
fn in_the_home_of_another_user_there_is_one_sentence_and_nothing_is_touched() {
    if without_root() {
        return;
    }
    let home = alices();
    let mut command = home.command(&["run"]);
    command.uid(ALICE).current_dir("/");
    let mut agent = Daemon::start(command);
    agent.wait_for("started (process");

    let says = format!("HOME is {}, which belongs to user 12345, and you are user ", home.path().display());
    let types = |user: &str, command: &str| {
        format!("{says}{user}; to run this as user 12345, type: sudo -u '#12345' mcp-refreshd {command}")
    };
    let (code, told, said) = told_by(0, &home, &["status"]);
    assert!(code == 1 && told.starts_with("lab  fresh "), "{code} {told}{said}");
    assert_eq!(said, format!("mcp-refreshd: {}\n", types("root", "status")));
    let (code, told, said) = told_by(0, &home, &["check"]);
    assert!(
        code == 0 && told.starts_with("lab: ok") && said.contains(&types("root", "check")),
        "{told}{said}"
    );
    for arguments in
        ["refresh --force", "stop", "restart", "reload", "install --allow-root", "login lab", "logs", "run"]
    {
        let (code, told, said) = told_by(0, &home, &arguments.split(' ').collect::<Vec<_>>());
        assert_eq!((code, told.as_str()), (2, ""), "{arguments}: {said}");
        assert_eq!(said, format!("mcp-refreshd: {}\n", types("root", arguments)));
    }
    for (user, cure) in [
        (0, "doctor --offline --json"),
        (BOB, "doctor --offline --json, or set HOME to your own home folder"),
    ] {
        let cure = format!("sudo -u '#12345' mcp-refreshd {cure}");
        assert_eq!(found_by(user, &home), (vec!["home-of-another-user".to_owned()], cure));
    }
    for arguments in ["status", "check", "history", "refresh", "token lab"] {
        let (code, told, said) = told_by(BOB, &home, &arguments.split(' ').collect::<Vec<_>>());
        assert_eq!((code, told.as_str()), (2, ""), "{arguments}: {said}");
        let whole = format!("{}, or set HOME to your own home folder", types("12346", arguments));
        assert_eq!(said, format!("mcp-refreshd: {whole}\n"));
    }
    let mut find = Command::new("find");
    let others = find.arg(home.path()).args(["!", "-user", &ALICE.to_string()]).output().unwrap().stdout;
    assert_eq!(String::from_utf8(others).unwrap(), "", "somebody else wrote there");
    let (code, told, said) = told_by(ALICE, &home, &["status"]);
    assert!(code == 0 && !said.contains("belongs to"), "{told}{said}");
    assert!(agent.terminate().0.success());
}

#[test]
fn a_token_that_has_expired_there_is_no_reason_to_take_the_store_away_from_its_user() {
    if without_root() {
        return;
    }
    let home = alices();
    home.store(&document(&[("lab", entry("lab", json!({"expiresAt": 1000}))), ("junk", json!(17))]));
    given_to(ALICE, &home.claude());
    let (code, told, said) = told_by(0, &home, &["check"]);
    assert_eq!(code, 1);
    assert!(told.starts_with("lab: not ok: expired ") && told.ends_with(" ago\n"), "{told}");
    assert!(said.contains("type: sudo -u '#12345' mcp-refreshd check\n"), "{said}");
    assert!(said.contains("junk: not understood") && !said.contains("claude mcp"), "{said}");
    let (_, told, _) = told_by(0, &home, &["check", "--json"]);
    assert!(!told.contains("chown") && told.contains("\"action\": null"), "{told}");
    // That user is told what to type.
    let (_, told, _) = told_by(ALICE, &home, &["check", "lab"]);
    assert!(told.ends_with("; type: mcp-refreshd refresh lab\n"), "{told}");
}

#[test]
fn a_home_of_somebody_else_with_logins_of_our_own_is_a_container() {
    if without_root() {
        return;
    }
    let home = alices();
    given_to(0, &home.claude());
    let mut agent = home.daemon();
    let (code, told, said) = home.told(&["status"]);
    assert!(code == 0 && !said.contains("belongs to"), "{told}{said}");
    agent.stop();
}

#[test]
fn a_state_folder_of_root_is_one_finding_whose_command_gives_back_that_folder_alone() {
    if without_root() {
        return;
    }
    let home = alices();
    let state = home.state();
    fs::create_dir_all(state.join("vault")).unwrap();
    given_to(ALICE, &home.path().join(".local"));
    given_to(0, &state);
    fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
    let give = format!("sudo chown -R 12345 {}", state.display());
    let (names, cure) = found_by(ALICE, &home);
    assert_eq!(names, ["state-folder-unusable"], "the vault in it and the agent have the same cause");
    assert_eq!(cure, format!("{give}, then: mcp-refreshd install"));
    for arguments in [&["status"][..], &["run"]] {
        let (_, _, said) = told_by(ALICE, &home, arguments);
        assert!(said.contains("belongs to user root, not to you") && said.contains(&give), "{said}");
    }
    given_to(ALICE, &state);
    assert_eq!(found_by(ALICE, &home).0, ["agent-not-running"]);
}

#[test]
fn an_agent_that_can_make_no_socket_is_named_and_never_to_be_started_again() {
    if without_root() {
        return;
    }
    let home = alices();
    let run = || {
        let mut command = home.command(&["run"]);
        command.uid(ALICE).current_dir("/").env_remove("XDG_RUNTIME_DIR");
        let mut agent = Daemon::start(command);
        agent.wait_for("started (process");
        agent
    };
    run().stop();
    let close = |mode| fs::set_permissions(home.state(), Permissions::from_mode(mode)).unwrap();
    close(0o500);
    let agent = run();
    let pid = agent.pid();
    let (_, _, said) = told_by(ALICE, &home, &["refresh"]);
    assert!(said.contains(&format!("already running (process {pid})")), "{said}");
    let (_, _, said) = told_by(ALICE, &home, &["status"]);
    assert!(said.contains(&format!("Agent without a control socket (process {pid})")), "{said}");
    assert!(!said.contains("type:") && !said.contains("not running"), "{said}");
    let (names, cure) = found_by(ALICE, &home);
    assert_eq!(names, ["state-folder-unusable"]);
    let closed = format!("chmod u+rwx {}, then: ", home.state().display());
    assert!(cure.starts_with(&closed) && cure.contains(&format!("kill {pid}")), "{cure}");
    close(0o700);
    assert_eq!(found_by(ALICE, &home).0, ["agent-unreachable"]);
    assert!(agent.terminate().0.success());
    assert_eq!(found_by(ALICE, &home).0, ["agent-not-running"]);
}

#[test]
fn a_folder_that_cannot_be_entered_is_one_finding_and_so_is_a_file_of_root_in_place_of_the_state() {
    if without_root() {
        return;
    }
    let home = alices();
    let found = || {
        let (mut names, cure) = found_by(ALICE, &home);
        names.retain(|name| name != "agent-not-running");
        (names, cure)
    };
    fs::set_permissions(home.claude(), Permissions::from_mode(0o000)).unwrap();
    assert_eq!(found().0, ["store-folder-read-only"]);
    let (_, told, _) = told_by(ALICE, &home, &["doctor", "--offline"]);
    assert!(told.contains(&format!("chmod u+rwx {}", home.claude().display())), "{told}");
    fs::remove_dir_all(home.claude()).unwrap();
    fs::write(home.claude(), "").unwrap();
    assert_eq!(found().0, ["store-folder-read-only"]);
    fs::remove_file(home.claude()).unwrap();

    fs::create_dir_all(home.state().parent().unwrap()).unwrap();
    given_to(ALICE, &home.path().join(".local"));
    fs::write(home.state(), "").unwrap();
    let (names, cure) = found_by(ALICE, &home);
    assert_eq!(names, ["state-folder-unusable"]);
    let state = home.state().display().to_string();
    assert!(cure.starts_with(&format!("mv {state} {state}.old, then: ")), "{cure}");
}

#[test]
fn a_folder_of_root_above_the_state_is_given_back_without_what_else_is_in_it() {
    if without_root() {
        return;
    }
    let home = alices();
    let local = home.path().join(".local");
    fs::create_dir(&local).unwrap();
    let (names, cure) = found_by(ALICE, &home);
    assert_eq!(names, ["state-folder-unusable"]);
    assert_eq!(cure, format!("sudo chown 12345 {}, then: mcp-refreshd install", local.display()));
    chown(&local, Some(ALICE), None).unwrap();
    assert_eq!(found_by(ALICE, &home).0, ["agent-not-running"]);
}

#[test]
fn a_document_of_root_has_a_command_with_its_path_and_no_variable_of_a_shell() {
    if without_root() {
        return;
    }
    let home = alices();
    chown(home.credentials(), Some(0), None).unwrap();
    let give = format!("type: sudo chown 12345 {}", home.credentials().display());
    let (code, _, said) = told_by(ALICE, &home, &["status"]);
    assert!(code == 4 && said.contains(&give) && !said.contains("$USER"), "{said}");
    let (names, cure) = found_by(ALICE, &home);
    assert_eq!(names, ["agent-not-running", "store-owner"]);
    assert!(cure.starts_with("mcp-refreshd install"), "{cure}");
}

#[test]
fn a_folder_that_is_closed_has_the_command_that_opens_it_and_no_backup_helps() {
    if without_root() {
        return;
    }
    let home = alices();
    let claude = home.claude();
    let shown = claude.display();
    let said_by_all = |cure: &str| {
        for command in ["status", "check", "refresh", "own --all", "token lab", "headers lab"] {
            let (code, told, said) = told_by(ALICE, &home, &command.split(' ').collect::<Vec<_>>());
            assert!(code == 4 && said.contains(cure), "{command}: {code} {told}{said}");
            assert!(!said.contains("backup") && !said.contains("unknown"), "{command}: {said}");
        }
    };
    fs::set_permissions(&claude, Permissions::from_mode(0o000)).unwrap();
    said_by_all(&format!("; type: chmod u+rwx {shown}\n"));
    fs::set_permissions(&claude, Permissions::from_mode(0o700)).unwrap();
    chown(&claude, Some(0), None).unwrap();
    said_by_all(&format!("; type: sudo chown 12345 {shown}\n"));
    // The same for the document alone, in the finding as well.
    chown(&claude, Some(ALICE), None).unwrap();
    fs::set_permissions(home.credentials(), Permissions::from_mode(0o000)).unwrap();
    let chmod = format!("chmod 600 {}", home.credentials().display());
    said_by_all(&format!("; type: {chmod}\n"));
    let told = told_by(ALICE, &home, &["doctor", "--offline", "--json"]).1;
    let told: Value = serde_json::from_str(&told).unwrap();
    let unreadable = |finding: &&Value| finding["name"] == "store-unreadable";
    assert_eq!(told["findings"].as_array().unwrap().iter().find(unreadable).unwrap()["cure"], chmod);
    // A damaged one keeps its own.
    fs::set_permissions(home.credentials(), Permissions::from_mode(0o600)).unwrap();
    fs::write(home.credentials(), "[]").unwrap();
    let (code, _, said) = told_by(ALICE, &home, &["status"]);
    assert!(code == 4 && said.contains("restore the latest backup") && !said.contains("chmod"), "{said}");
}

#[test]
fn a_closed_vault_has_the_command_that_opens_it_and_nobody_is_told_to_log_in() {
    if without_root() {
        return;
    }
    let home = alices();
    let vault = home.state().join("vault");
    let ledger = vault.join("ledger.json");
    let url = "http://127.0.0.1:9/mcp";
    let configured = serde_json::json!({"mcpServers": {"lab": {"type": "http", "url": url}}});
    fs::write(home.path().join(".claude.json"), configured.to_string()).unwrap();
    let soon = (jiff::Timestamp::now().as_second() + 7200) * 1000;
    home.store(&format!(
        r#"{{"mcpOAuth":{{"lab|00":{{"serverName":"lab","serverUrl":"{url}","accessToken":"at_made_up","refreshToken":"rt_made_up","expiresAt":{soon}}}}}}}"#
    ));
    given_to(ALICE, home.path());
    assert_eq!(told_by(ALICE, &home, &["own", "lab"]).0, 0);
    let closed: [(&dyn Fn(), String); 3] = [
        (
            &|| fs::set_permissions(&ledger, Permissions::from_mode(0o000)).unwrap(),
            format!("chmod 600 {}", ledger.display()),
        ),
        (&|| chown(&ledger, Some(0), None).unwrap(), format!("sudo chown 12345 {}", ledger.display())),
        (
            &|| fs::set_permissions(&vault, Permissions::from_mode(0o000)).unwrap(),
            format!("chmod u+rwx {}", vault.display()),
        ),
    ];
    for (close, cure) in closed {
        close();
        for command in
            ["status", "check", "token lab", "headers lab", "disown lab", "doctor --offline --json"]
        {
            let (code, told, said) = told_by(ALICE, &home, &command.split(' ').collect::<Vec<_>>());
            let all = format!("{told}{said}");
            assert!(code != 0 && all.contains(&cure), "{command}: {all}");
            assert!(!all.contains("mcp login") && !all.contains("backup"), "{command}: {all}");
        }
        fs::set_permissions(&vault, Permissions::from_mode(0o700)).unwrap();
        chown(&ledger, Some(ALICE), None).unwrap();
        fs::set_permissions(&ledger, Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn where_nothing_can_be_saved_every_command_says_what_mends_that_with_an_agent_and_without() {
    if without_root() {
        return;
    }
    let home = alices();
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    let mut grant = lab.grant(Duration::ZERO);
    // Longer ago than an expired token is handed out.
    grant.expires_at_ms -= 3_600_000;
    home.store(&credentials_json([("lab", &grant)]));
    given_to(ALICE, &home.claude());
    let closed = Permissions::from_mode(0o500);
    fs::set_permissions(home.claude(), closed).unwrap();
    let cure = format!("chmod u+rwx {}", home.claude().display());
    let every = |cure: &str| {
        for arguments in
            [&["status"][..], &["status", "lab"], &["check"], &["token", "lab"], &["headers", "lab"]]
        {
            // While it asks the server, an agent calls it a refresh.
            let mut last = String::new();
            let is_said = harness::until(PATIENCE, || {
                let (code, told, said) = told_by(ALICE, &home, arguments);
                last = format!("{code} {told}{said}");
                code == 1 && last.contains(cure) && !last.contains("--force")
            });
            assert!(is_said, "{arguments:?}: {last}");
        }
        let rows = [format!("type            {cure}\n"), format!("type\n{cure}\n")];
        let typed = || told_by(ALICE, &home, &["status", "lab"]).1;
        assert!(harness::until(PATIENCE, || rows.iter().any(|row| typed().contains(row))), "{}", typed());
    };
    every(&cure);
    let mut command = home.command(&["run"]);
    command.uid(ALICE).current_dir("/");
    let mut agent = Daemon::start(command);
    agent.wait_for("started (process");
    every(&cure);
    // What is cured is no reason any longer, whenever the agent looks again.
    let status = || told_by(ALICE, &home, &["status"]).1;
    assert!(harness::until(PATIENCE, || status().contains("not refreshed since")), "{}", status());
    fs::set_permissions(home.claude(), Permissions::from_mode(0o700)).unwrap();
    let told = status();
    assert!(!told.contains("may not write") && !told.contains("chmod"), "{told}");
    assert!(agent.terminate().0.success());
    home.store(&credentials_json([("lab", &grant)]));
    chown(home.credentials(), Some(0), None).unwrap();
    fs::set_permissions(home.credentials(), Permissions::from_mode(0o644)).unwrap();
    every(&format!("sudo chown 12345 {}", home.credentials().display()));
    let (_, told, _) = told_by(ALICE, &home, &["status"]);
    assert!(told.contains("the store belongs to user root, and you are user 12345"), "{told}");
}
