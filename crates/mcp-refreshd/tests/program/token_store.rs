//! `token` and `headers` where several stores hold a login of one name: which is meant, and how to say it.

use crate::support::Home;
use scripted_server::{Grant, Script, Server, credentials_json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Two stores that no shell uses, each with a login to the same server.
struct Two {
    home: Home,
    folders: [PathBuf; 2],
    grants: [Grant; 2],
    _server: Server,
}

impl Two {
    fn new() -> Self {
        let server = Server::start(Script::default()).unwrap();
        let lab = server.add("lab", Script::default());
        let home = Home::new();
        home.configure("stores = [\"~/play\", \"~/my work\"]\n");
        let grants = [lab.grant(HOUR), lab.grant(HOUR)];
        let folders = ["play", "my work"].map(|name| home.path().join(name));
        for (folder, grant) in folders.iter().zip(&grants) {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join(".credentials.json"), credentials_json([("lab", grant)])).unwrap();
        }
        Self { home, folders, grants, _server: server }
    }

    fn document(&self, store: usize) -> PathBuf {
        self.folders[store].join(".credentials.json")
    }
}

#[test]
fn a_name_that_two_stores_have_is_refused_with_both_and_with_the_option() {
    let two = Two::new();
    for with_agent in [false, true] {
        let daemon = with_agent.then(|| two.home.daemon());
        for command in ["token", "headers"] {
            let (code, out, why) = two.home.told(&[command, "lab"]);
            assert_eq!((code, out.as_str()), (1, ""), "{with_agent} {command}: {why}");
            for words in
                [two.document(0).to_str().unwrap(), two.document(1).to_str().unwrap(), "with --store"]
            {
                assert!(why.contains(words), "{with_agent} {command}: {why}");
            }
        }
        drop(daemon);
    }
}

#[test]
fn the_option_chooses_the_store_by_its_folder_or_its_file_with_an_agent_and_without() {
    let two = Two::new();
    for with_agent in [false, true] {
        let daemon = with_agent.then(|| two.home.daemon());
        for (number, grant) in two.grants.iter().enumerate() {
            let (folder, file) = (two.folders[number].clone(), two.document(number));
            for path in [folder.as_path(), &file] {
                let path = path.to_str().unwrap();
                let token = format!("{}\n", grant.access_token);
                assert_eq!(
                    two.home.told(&["token", "lab", "--store", path]),
                    (0, token.clone(), String::new()),
                    "{with_agent} {path}"
                );
                let (code, out, _) = two.home.told(&["headers", "lab", "--store", path]);
                assert!(code == 0 && out.contains(token.trim()), "{with_agent} {path}: {out}");
            }
        }
        // As who typed it sees it, wherever the agent is.
        let mut relative = two.home.command(&["token", "lab", "--store", "my work"]);
        let output = relative.current_dir(two.home.path()).output().unwrap();
        assert_eq!(output.stdout, format!("{}\n", two.grants[1].access_token).as_bytes(), "{with_agent}");
        let (code, out, why) = two.home.told(&["token", "lab", "--store", "/nowhere"]);
        assert_eq!((code, out.as_str()), (2, ""), "{with_agent}");
        assert!(why.contains("no store is at /nowhere; the stores are: "), "{with_agent}: {why}");
        drop(daemon);
    }
}

#[test]
fn a_store_without_that_login_hands_out_none_of_another() {
    let two = Two::new();
    fs::write(two.document(0), r#"{"mcpOAuth":{}}"#).unwrap();
    for with_agent in [false, true] {
        let daemon = with_agent.then(|| two.home.daemon());
        assert_eq!(two.home.told(&["token", "lab"]).0, 0);
        let (code, out, why) = two.home.told(&["token", "lab", "--store", two.folders[0].to_str().unwrap()]);
        assert_eq!((code, out.as_str()), (2, ""), "{with_agent}: {why}");
        assert!(why.contains("no server is called lab"), "{with_agent}: {why}");
        drop(daemon);
    }
}

#[test]
fn what_own_left_in_a_store_is_no_login_of_that_store() {
    let home = crate::support::configured::Scene::new();
    let told = |arguments: &[&str]| home.home.told(arguments);
    assert_eq!(told(&["own", "lab"]).0, 0);
    let (store, vault) = (home.home.claude(), home.home.state().join("vault"));
    for with_agent in [false, true] {
        let daemon = with_agent.then(|| home.home.daemon());
        let of = |folder: &Path| told(&["token", "lab", "--store", folder.to_str().unwrap()]);
        assert_eq!(of(&vault), (0, format!("{}\n", home.grant.access_token), String::new()), "{with_agent}");
        let (code, _, why) = of(&store);
        assert!(code == 2 && why.contains("no server is called lab") && !why.contains("mean lab"), "{why}");
        drop(daemon);
    }
}

#[test]
fn an_agent_elsewhere_has_no_store_that_could_be_named() {
    let two = Two::new();
    let mut command = two.home.command(&["token", "lab", "--store", "/x"]);
    let output = command.env("MCP_REFRESHD_SOCKET", "/nowhere").output().unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(2) && why.contains("--store") && why.contains("MCP_REFRESHD_SOCKET"),
        "{why}"
    );
}

#[test]
fn a_store_that_cannot_be_read_may_hold_the_name_with_an_agent_and_without() {
    let two = Two::new();
    fs::write(two.document(0), r#"{"mcpOAuth":{}}"#).unwrap();
    fs::write(two.document(1), "[]").unwrap();
    for with_agent in [false, true] {
        let daemon = with_agent.then(|| two.home.daemon());
        for command in ["token", "headers"] {
            let (code, out, why) = two.home.told(&[command, "lab"]);
            assert_eq!((code, out.as_str()), (4, ""), "{with_agent} {command}: {why}");
            assert!(
                why.contains("must be a JSON object") && !why.contains("is called"),
                "{with_agent}: {why}"
            );
        }
        // That one is known not to hold it.
        let (code, _, why) = two.home.told(&["token", "lab", "--store", two.folders[0].to_str().unwrap()]);
        assert!(code == 2 && why.contains("no server is called lab"), "{with_agent}: {code} {why}");
        drop(daemon);
    }
}
