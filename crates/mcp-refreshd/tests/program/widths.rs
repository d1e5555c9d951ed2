//! On a terminal no line is wider than it, and what is to be copied stays what it is; in a pipe nothing is wrapped.

use crate::support::Home;
use crate::support::terminal::Terminal;
use serde_json::{Value, json};
use std::fs;

/// Four servers: one that is not understood, one that is well, one without a login, and one with a long name and URL.
fn home() -> Home {
    let home = Home::new();
    let now = jiff::Timestamp::now().as_millisecond();
    let long = "https://figma.test/a/path/that/is/wider/than/any/terminal/of/eighty/columns/can/show/it";
    let entries = json!({
        "junk|1": {"serverName": "junk", "serverUrl": "https://junk.test", "accessToken": 5},
        "lab|1": {
            "serverName": "lab", "serverUrl": "https://lab.test/mcp", "accessToken": "at_made_up",
            "refreshToken": "rt_made_up", "expiresAt": now + 3_600_000,
        },
        "stub|1": {"serverName": "stub", "serverUrl": "https://stub.test/mcp", "accessToken": "", "expiresAt": 0},
        "plugin:figma:figma-desktop|1": {
            "serverName": "plugin:figma:figma-desktop", "serverUrl": long, "accessToken": "at_made_up",
            "expiresAt": now - 3_600_000,
        },
    });
    home.store(&json!({ "mcpOAuth": entries }).to_string());
    home
}

/// One server's past.
fn past(home: &Home) {
    let store = home.credentials();
    let at = |minutes: i64| jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
    let line = |event: &str, minutes: i64, more: Value| {
        let mut line = json!({
            "v": 1, "at": at(minutes), "event": event, "store": store, "key": "lab|1", "server": "lab",
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        format!("{line}\n")
    };
    let tokens = json!({"before": "1991dbc9", "after": "4492c049", "expires_at": at(-60), "holds": "tokens"});
    let lines = [
        line("found", 120, json!({"after": "1991dbc9", "expires_at": at(60), "holds": "tokens"})),
        line("refreshed", 60, tokens),
        line("failed", 30, json!({"cause": "failed for now: HTTP 503, the server is unavailable"})),
    ];
    fs::create_dir_all(home.state()).unwrap();
    fs::write(home.state().join("history.jsonl"), lines.concat()).unwrap();
}

fn on_a_terminal(home: &Home, arguments: &[&str], columns: u16) -> String {
    let mut command = home.command(arguments);
    command.envs([("TERM", "xterm"), ("NO_COLOR", "1"), ("LANG", "en_GB.UTF-8"), ("PAGER", "cat")]);
    let (_, text) = Terminal::whole(command, columns, 24).end();
    text.replace('\r', "")
}

#[test]
fn nothing_is_wider_than_its_terminal() {
    let home = home();
    past(&home);
    let commands: [&[&str]; 16] = [
        &["status"],
        &["status", "lab"],
        &["status", "junk"],
        &["status", "plugin:figma:figma-desktop"],
        &["status", "figma"],
        &["check"],
        &["check", "junk"],
        &["refresh", "--dry-run"],
        &["login", "--all", "--dry-run"],
        &["own", "--all", "--dry-run"],
        &["logs"],
        &["doctor", "--offline"],
        &["history"],
        &["history", "lab"],
        &["history", "-n", "all"],
        &["token", "junk"],
    ];
    for columns in [120, 80, 40, 20] {
        for command in commands {
            let text = on_a_terminal(&home, command, columns);
            if std::env::var_os("SHOW").is_some() {
                eprintln!("$ {} # {columns}\n{text}", command.join(" "));
            }
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(!text.is_empty() && widest <= Some(columns.into()), "{columns} {command:?}:\n{text}");
        }
    }
}

#[test]
fn a_command_in_several_lines_is_one_for_a_shell() {
    let home = home();
    let login = "claude mcp login plugin:figma:figma-desktop";
    for columns in [120, 80, 50, 40, 20] {
        for command in
            [["status", "figma-desktop"], ["check", ""], ["refresh", "--dry-run"], ["doctor", "--offline"]]
        {
            let command = match command {
                ["status", _] => vec!["status"],
                ["check", _] => vec!["check"],
                other => other.to_vec(),
            };
            let text = on_a_terminal(&home, &command, columns);
            // What a shell makes of a backslash at the end of a line.
            assert!(text.replace("\\\n", "").contains(login), "{columns} {command:?}:\n{text}");
        }
    }
}

#[test]
fn in_a_pipe_nothing_is_wrapped() {
    let home = home();
    let (_, told, said) = home.told(&["status"]);
    assert_eq!(told.lines().count(), 4, "{told}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let (_, told, said) = home.told(&["check"]);
    assert_eq!((told.lines().count(), said.lines().count()), (3, 1), "{told}{said}");
    let (_, told, _) = home.told(&["doctor", "--offline"]);
    assert!(
        told.lines().any(|line| line.starts_with("  cure    setsid") || line.starts_with("  cure    mcp-"))
    );
}

#[test]
fn an_entry_that_is_not_understood_has_a_row_of_its_own() {
    let home = home();
    let why = "left alone, as it is not understood: `accessToken` must be a string, not a number";
    let (code, told, said) = home.told(&["status"]);
    let row = told.lines().find(|line| line.starts_with("junk  ")).unwrap_or_default();
    assert!(code == 1 && row.contains("  needs you  ") && row.contains(why), "{told}");
    assert!(row.contains("type: claude mcp login junk  # ") && !said.contains("junk"), "{said}");
    let text = on_a_terminal(&home, &["status"], 120);
    assert!(text.contains(&format!("  {why}\n  type: claude mcp login junk\n")), "{text}");
    let (code, told, said) = home.told(&["status", "junk"]);
    assert!(
        code == 1 && told.contains("needs you") && told.contains(why) && !said.contains("junk"),
        "{told}"
    );
    // Programs get what they always got, and hear of it.
    let (code, told, said) = home.told(&["status", "--json"]);
    assert!(code == 1 && said.contains("junk: left alone, `accessToken` must be"), "{said}");
    let status: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(status["servers"].as_array().unwrap().len(), 3);
}
