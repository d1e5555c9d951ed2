//! `own` and `disown` of a server whose `headersHelper` somebody wrote by hand, as the documentation says.

use crate::support::configured::Scene;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// The lines that the documentation tells people to write, and their like.
fn by_hand() -> [String; 5] {
    let program = env!("CARGO_BIN_EXE_mcp-refreshd");
    [
        "mcp-refreshd headers".to_owned(),
        "mcp-refreshd headers lab".to_owned(),
        "mcp-refreshd headers -- \"lab\"".to_owned(),
        format!("{program} headers"),
        format!("{program} headers lab"),
    ]
}

impl Scene {
    fn user_config(&self) -> PathBuf {
        self.home.path().join(".claude.json")
    }

    /// The user has this helper; a trusted project has the server without one.
    fn helped(helper: &str) -> (Self, [String; 2]) {
        let scene = Self::new();
        let url = scene.lab.mcp_url();
        let project = scene.home.path().join("project");
        fs::create_dir(&project).unwrap();
        let user = json!({
            "mcpServers": {"lab": {"headersHelper": helper, "type": "http", "url": url}},
            "projects": {project.to_str().unwrap(): {"hasTrustDialogAccepted": true}},
        });
        fs::write(scene.user_config(), serde_json::to_string_pretty(&user).unwrap()).unwrap();
        fs::write(project.join(".mcp.json"), json!({"mcpServers": {"lab": {"url": url}}}).to_string())
            .unwrap();
        let files = scene.files();
        (scene, files)
    }

    fn files(&self) -> [String; 2] {
        [self.user_config(), self.home.path().join("project/.mcp.json")]
            .map(|file| fs::read_to_string(file).unwrap())
    }

    fn is_owned(&self) -> bool {
        let vault = fs::read_to_string(self.home.state().join("vault/.credentials.json")).unwrap_or_default();
        vault.contains(&self.grant.refresh_token) && !self.home.stored().contains(&self.grant.refresh_token)
    }
}

#[test]
fn a_helper_that_the_user_wrote_stays_and_the_login_moves_and_comes_back() {
    for helper in by_hand() {
        let (scene, files) = Scene::helped(&helper);
        let (_, planned, _) = scene.home.told(&["own", "lab", "--dry-run"]);
        assert!(planned.contains(".claude.json is yours, and stays\n"), "{helper}: {planned}");
        // Twice, as after a command that was cut off.
        for _ in 0..2 {
            let (code, out, err) = scene.home.told(&["own", "lab"]);
            assert_eq!(code, 0, "{helper}: {out}{err}");
            let [user, shared] = scene.files();
            assert_eq!(user, files[0], "{helper}");
            assert!(scene.is_owned() && shared.contains("/mcp-refreshd headers lab"), "{helper}: {shared}");
        }
        let (_, found, _) = scene.home.told(&["doctor", "lab", "--offline"]);
        assert!(!found.contains("helper") && !found.contains("owned-not-configured"), "{helper}: {found}");
        for _ in 0..2 {
            let (code, out, err) = scene.home.told(&["disown", "lab"]);
            assert_eq!(code, 0, "{helper}: {out}{err}");
            assert_eq!((scene.files(), scene.is_owned()), (files.clone(), false), "{helper}");
        }
        let (_, found, _) = scene.home.told(&["doctor", "lab", "--offline"]);
        assert!(!found.contains("helper"), "{helper}: {found}");
    }
}

#[test]
fn a_configuration_that_holds_only_helpers_of_the_user_may_be_read_only() {
    let (scene, files) = Scene::helped("mcp-refreshd headers");
    let shared = scene.home.path().join("project/.mcp.json");
    fs::write(&shared, files[1].replace("\"url\"", "\"headersHelper\":\"mcp-refreshd headers\",\"url\""))
        .unwrap();
    let files = scene.files();
    for file in [scene.user_config(), shared] {
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&file, permissions).unwrap();
    }
    let (code, out, err) = scene.home.told(&["own", "lab"]);
    assert_eq!((code, err.as_str(), scene.is_owned()), (0, "", true), "{out}");
    assert!(!out.contains("no configuration"), "{out}");
    let (code, out, err) = scene.home.told(&["disown", "lab"]);
    assert_eq!((code, err.as_str(), scene.files()), (0, "", files), "{out}");
}

#[test]
fn a_helper_of_the_user_whose_program_is_gone_is_set_anew() {
    let (scene, _) = Scene::helped("/nowhere/mcp-refreshd headers");
    let (code, out, err) = scene.home.told(&["own", "lab"]);
    assert_eq!(code, 0, "{out}{err}");
    let [user, _] = scene.files();
    assert!(
        scene.is_owned() && !user.contains("/nowhere") && user.contains("mcp-refreshd headers lab"),
        "{user}"
    );
}

#[test]
fn a_helper_that_was_set_before_a_command_was_cut_off_is_no_helper_of_the_user() {
    let (scene, files) = Scene::helped("mcp-refreshd headers");
    assert_eq!(scene.home.told(&["own", "lab"]).0, 0);
    // As if it had died before the login was removed: Claude Code's store decides, and the helper is left.
    let ledger = scene.home.state().join("vault/ledger.json");
    let text = fs::read_to_string(&ledger).unwrap().replace("\"owned\"", "\"entering\"");
    fs::write(&ledger, text).unwrap();
    scene.home.store(&scripted_server::credentials_json([("lab", &scene.grant)]));
    for command in ["own", "disown"] {
        let (code, out, err) = scene.home.told(&[command, "lab"]);
        assert_eq!(code, 0, "{out}{err}");
    }
    assert_eq!(scene.files(), files);
}

#[test]
fn a_helper_for_another_server_or_of_another_program_is_refused_as_before() {
    for helper in ["mcp-refreshd headers other", "mcp-refreshd token lab", "echo; mcp-refreshd headers"] {
        let (scene, files) = Scene::helped(helper);
        let (code, _, err) = scene.home.told(&["own", "lab"]);
        assert!(code == 1 && err.contains("`headersHelper` of its own"), "{helper}: {err}");
        assert_eq!((scene.files(), scene.is_owned()), (files, false));
    }
}
