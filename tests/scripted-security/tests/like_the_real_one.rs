//! The stand-in does what reports say of the real tool.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use scripted_security::{Behaviour, Item, Keychain, Model, program};
use std::io::Write;
use std::process::{Command, Stdio};

fn model(password: &str) -> Model {
    let item = Item {
        service: "s".into(),
        account: "a".into(),
        password: password.into(),
        created: 1_790_000_000,
        modified: 1_790_000_000,
    };
    Model { items: vec![item], ..Model::default() }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn find(model: &mut Model) -> (i32, String) {
    let answer = model.run(&words("find-generic-password -s s -a a -w"), b"", 0);
    (answer.code, String::from_utf8(answer.stdout).unwrap())
}

#[test]
fn a_line_of_4095_bytes_is_written_and_a_longer_one_is_cut_and_its_tail_printed() {
    let start = "add-generic-password -U -a a -s s -X ";
    for longer in [0, 4] {
        let digits = (4095 - start.len() - 1) / 2 * 2 + longer;
        let mut model = model("old");
        let line = format!("{start}{}\n", "61".repeat(digits / 2));
        let answer = model.run(&words("-i"), line.as_bytes(), 0);
        let written = find(&mut model).1.trim_end().len();
        if longer == 0 {
            assert_eq!((answer.code, written), (0, digits / 2));
        } else {
            assert!(written < digits / 2, "{written}");
            let said = String::from_utf8(answer.stderr).unwrap();
            assert!(said.contains("unknown command"), "{said}");
        }
    }
}

#[test]
fn the_exit_codes_are_those_of_the_real_one() {
    let mut model = model("{}");
    assert_eq!(model.run(&words("find-generic-password -s other -a a -w"), b"", 0).code, 44);
    model.behaviour.locked = true;
    assert_eq!(find(&mut model).0, 36);
    assert_eq!(
        model.run(&words("find-generic-password -s s -a a"), b"", 0).code,
        0,
        "no secret, no question"
    );
    assert_eq!(model.run(&words("add-generic-password -U -s s -a a -X 7b7d"), b"", 0).code, 36);
    model.behaviour = Behaviour { refuses: Some(128), ..Behaviour::default() };
    assert_eq!(find(&mut model), (128, String::new()));
}

#[test]
fn what_is_not_printable_is_printed_in_hex() {
    assert_eq!(find(&mut model("{\"ä\":1}")).1, "7b22c3a4223a317d\n");
    assert_eq!(find(&mut model("{}")).1, "{}\n");
}

#[test]
fn names_are_quoted_in_a_line_as_in_a_shell() {
    let mut model = model("old");
    for (service, account) in [(r#""s \"x\" \\""#, "j"), ("'s \"x\" '\\\\", "j")] {
        let line = format!("add-generic-password -a {account} -s {service} -X 7b7d\n");
        let code = model.run(&words("-i"), line.as_bytes(), 0).code;
        assert!(code == 0 || code == 45);
    }
    assert_eq!(model.items.len(), 2, "{:?}", model.items);
    assert_eq!(model.items[1].service, r#"s "x" \"#);
}

#[test]
fn the_program_keeps_its_items_in_the_home_folder_and_records_every_call() {
    let home = tempfile::tempdir().unwrap();
    let keychain = Keychain::at(home.path()).unwrap();
    keychain.put("s", "a", "old").unwrap();
    let mut child = Command::new(program().unwrap())
        .arg("-i")
        .env_clear()
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"add-generic-password -U -a a -s s -X 6e6577\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(keychain.content("s").unwrap(), "new");
    let calls = keychain.calls().unwrap();
    assert_eq!((calls.len(), calls[0].input), (1, 44));
    assert_eq!(calls[0].arguments, ["-i"]);
    assert_eq!(calls[0].environment.keys().collect::<Vec<_>>(), ["HOME"]);
}
