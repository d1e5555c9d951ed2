//! What `doctor` says, and the stores it is asked about.

use crate::support::Home;
use serde_json::{Value, json};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// One run of `doctor`.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) names: Vec<String>,
    pub(crate) findings: Vec<Value>,
}

impl Run {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    pub(crate) fn finding(&self, name: &str) -> &Value {
        self.findings
            .iter()
            .find(|finding| finding["name"] == name)
            .unwrap_or_else(|| panic!("{:?}", self.names))
    }
}

pub(crate) fn doctor_with(home: &Home, arguments: &[&str], env: &[(&str, &Path)]) -> Run {
    let mut all = vec!["doctor", "--json"];
    all.extend(arguments);
    let output = home.command(&all).envs(env.iter().copied()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{said}"));
    for word in
        [&text, &said].into_iter().flat_map(|shown| shown.split(|c: char| !c.is_alphanumeric() && c != '_'))
    {
        assert!(!word.starts_with("at_") && !word.starts_with("rt_"), "a token is shown: {text}{said}");
    }
    assert_eq!(told["format_version"], 1);
    let findings = told["findings"].as_array().unwrap().clone();
    findings.iter().for_each(assert_leads_on);
    let names = findings.iter().map(|finding| finding["name"].as_str().unwrap().to_owned()).collect();
    Run { code: output.status.code().unwrap(), names, findings }
}

/// No cure of `doctor` is to type `doctor` again, unless `--fix` does something about the finding.
fn assert_leads_on(finding: &Value) {
    let cure = finding["cure"].as_str().unwrap();
    let again = cure.contains("mcp-refreshd doctor");
    assert!(!again || (cure.contains("mcp-refreshd doctor --fix") && !finding["fix"].is_null()), "{finding}");
    assert!(!cure.is_empty() && !cure.contains("the message says"), "{finding}");
}

pub(crate) fn doctor(home: &Home, arguments: &[&str]) -> Run {
    doctor_with(home, arguments, &[])
}

/// What is found without asking any server, apart from the agent that does not run.
pub(crate) fn found(home: &Home) -> Vec<String> {
    let mut names = doctor(home, &["--offline"]).names;
    names.retain(|name| name != "agent-not-running");
    names
}

pub(crate) fn private(home: &Home) {
    fs::set_permissions(home.credentials(), Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn home_with(text: &str) -> Home {
    let home = Home::new();
    rewrite(&home, text);
    home
}

pub(crate) fn rewrite(home: &Home, text: &str) {
    home.store(text);
    private(home);
}

pub(crate) fn entry(name: &str, more: Value) -> Value {
    let soon = jiff::Timestamp::now().as_millisecond() + 3_600_000;
    let mut entry = json!({
        "serverName": name, "serverUrl": format!("https://{name}.example/mcp"), "accessToken": format!("at_{name}"),
        "refreshToken": format!("rt_{name}"), "expiresAt": soon, "clientId": "made-up"
    });
    for (member, value) in more.as_object().unwrap() {
        entry[member] = value.clone();
    }
    entry
}

pub(crate) fn document(entries: &[(&str, Value)]) -> String {
    let entries: serde_json::Map<_, _> =
        entries.iter().map(|(name, entry)| (format!("{name}|00"), entry.clone())).collect();
    json!({"mcpOAuth": entries}).to_string()
}

pub(crate) fn good() -> String {
    document(&[("lab", entry("lab", json!({})))])
}

/// A file of this age.
pub(crate) fn aged(path: &Path, age: Duration) -> PathBuf {
    let file = File::create(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
    path.to_owned()
}
