//! Commands on whole Keychains: as many as a script needs to create, use and delete one.

use crate::{Answer, Model};

const NO_SUCH_KEYCHAIN: i32 = 50;
const WRONG_PASSWORD: i32 = 51;
const WRONG_USE: i32 = 2;

/// The Keychain reported for all items.
pub(crate) const LOGIN: &str = "/Users/me/Library/Keychains/login.keychain-db";

/// Runs such a command; `None` if it is another kind of command.
pub(crate) fn run(model: &mut Model, words: &[Vec<u8>]) -> Option<Answer> {
    let words: Vec<String> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Some(match words.as_slice() {
        ["create-keychain", "-p", password, path] => {
            model.made.insert((*path).to_owned(), (*password).to_owned());
            Answer::default()
        }
        ["delete-keychain", path] => match model.made.remove(*path) {
            Some(_) => {
                model.searched.retain(|searched| searched != path);
                Answer::default()
            }
            None => no_such(),
        },
        ["set-keychain-settings", path] if model.made.contains_key(*path) => Answer::default(),
        ["lock-keychain", path] if model.made.contains_key(*path) => {
            model.behaviour.locked = true;
            Answer::default()
        }
        ["unlock-keychain", "-p", password, path] => match model.made.get(*path) {
            Some(right) if right == password => {
                model.behaviour.locked = false;
                Answer::default()
            }
            Some(_) => {
                Answer::failed(WRONG_PASSWORD, "The user name or passphrase you entered is not correct.")
            }
            None => no_such(),
        },
        ["list-keychains", "-d", "user"] => {
            let lines = model.searched.iter().map(|path| format!("    \"{path}\"\n"));
            Answer { stdout: lines.collect::<String>().into_bytes(), ..Answer::default() }
        }
        ["list-keychains", "-d", "user", "-s", paths @ ..] => {
            model.searched = paths.iter().map(|path| (*path).to_owned()).collect();
            Answer::default()
        }
        ["default-keychain", "-d", "user"] => {
            let path =
                model.default.as_deref().or(model.searched.first().map(String::as_str)).unwrap_or(LOGIN);
            Answer { stdout: format!("    \"{path}\"\n").into_bytes(), ..Answer::default() }
        }
        ["default-keychain", "-d", "user", "-s", path] => {
            model.default = Some((*path).to_owned());
            Answer::default()
        }
        ["set-keychain-settings" | "lock-keychain", _] => no_such(),
        [
            "create-keychain"
            | "delete-keychain"
            | "set-keychain-settings"
            | "lock-keychain"
            | "unlock-keychain"
            | "list-keychains"
            | "default-keychain",
            ..,
        ] => Answer::failed(WRONG_USE, "usage"),
        _ => return None,
    })
}

fn no_such() -> Answer {
    Answer::failed(NO_SUCH_KEYCHAIN, "The specified keychain could not be found.")
}
