use super::*;
use crate::{OsFileSystem, StorageFolder};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use tokio::task::LocalSet;

const URL: &str = "https://lab.test/mcp";
const HELPER_COMMAND: &str = "'/opt/my tools/mcp-refreshd' headers lab";
const USER: &str = r#"{
  "numStartups": 1e400,
  "mcpServers": {
    "lab": {
      "type": "http",
      "url": "https://lab.test/mcp"
    },
    "other": { "type": "http", "url": "https://other.test/mcp" }
  },
  "projects": {
    "PROJECT": { "history": [1, 2], "hasTrustDialogAccepted": true, "mcpServers": {"lab":{"url":"https://lab.test/mcp"}} }
  }
}"#;
const PROJECT: &str = "{\r\n\t\"mcpServers\": {\r\n\t\t\"lab\": {\r\n\t\t\t\"url\": \"https://lab.test/mcp\"\r\n\t\t}\r\n\t}\r\n}\r\n";

struct Home {
    place: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self { place: tempfile::tempdir().unwrap() };
        fs::create_dir(home.project()).unwrap();
        let user = USER.replace("PROJECT", home.project().to_str().unwrap());
        fs::write(home.user(), user).unwrap();
        fs::write(home.shared(), PROJECT).unwrap();
        home
    }

    fn user(&self) -> PathBuf {
        self.place.path().join(".claude.json")
    }

    fn project(&self) -> PathBuf {
        self.place.path().join("project")
    }

    fn shared(&self) -> PathBuf {
        self.project().join(".mcp.json")
    }

    fn places(&self) -> ServerPlaces<OsFileSystem> {
        ServerPlaces::new(OsFileSystem, &StorageFolder::from_env(&|_| None, self.place.path()))
    }

    fn content(&self) -> [String; 2] {
        [self.user(), self.shared()].map(|file| fs::read_to_string(file).unwrap())
    }

    fn names(&self) -> usize {
        [self.place.path(), &self.project()].map(|folder| fs::read_dir(folder).unwrap().count()).iter().sum()
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

#[test]
fn a_helper_is_set_at_every_place_of_the_server_and_removed_to_the_byte() {
    let home = Home::new();
    let before = home.content();
    let names = home.names();
    run(async {
        let places = home.places();
        let found = places.find("lab", URL).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
        for place in &found {
            assert!(place.helper.is_none() && place.trusted && !place.authorization);
            assert_eq!(places.set(place, "lab", HELPER_COMMAND).await.unwrap(), Edited::Written);
            assert_eq!(places.set(place, "lab", HELPER_COMMAND).await.unwrap(), Edited::Unchanged);
        }
        for place in places.find("lab", URL).unwrap() {
            assert_eq!(place.helper.as_deref(), Some(HELPER_COMMAND));
        }
        let [user, shared] = home.content();
        assert!(user.contains(",\n      \"headersHelper\": \"'/opt"), "{user}");
        assert!(shared.contains(",\r\n\t\t\t\"headersHelper\": \"'/opt"), "{shared}");
        assert!(user.contains("1e400"));
        for place in &found {
            assert_eq!(places.unset(place, "lab", HELPER_COMMAND).await.unwrap(), Edited::Written);
            assert_eq!(places.unset(place, "lab", HELPER_COMMAND).await.unwrap(), Edited::Unchanged);
        }
    });
    assert_eq!(home.content(), before);
    assert_eq!(home.names(), names, "no temporary file and no lock is left");
}

#[test]
fn what_was_edited_by_hand_meanwhile_stays() {
    let home = Home::new();
    run(async {
        let places = home.places();
        let found = places.find("lab", URL).unwrap();
        places.set(&found[0], "lab", HELPER_COMMAND).await.unwrap();
        let edited = home.content()[0].replace("headers lab\"", "headers lab\",\n      \"timeout\": 7");
        fs::write(home.user(), &edited).unwrap();
        places.unset(&found[0], "lab", HELPER_COMMAND).await.unwrap();
    });
    let user = home.content()[0].clone();
    assert!(user.contains("\"timeout\": 7") && !user.contains("headersHelper"), "{user}");
    assert!(serde_json::from_str::<serde_json::Value>(&user.replace("1e400", "1")).is_ok(), "{user}");
}

#[test]
fn another_helper_and_a_header_of_its_own_are_told_apart_and_left_alone() {
    let home = Home::new();
    let own = r#"{"mcpServers":{"lab":{"url":"https://lab.test/mcp","headersHelper":"mine","headers":{"authorization":"x"}}}}"#;
    fs::write(home.shared(), own).unwrap();
    run(async {
        let places = home.places();
        let found = places.find("lab", URL).unwrap();
        let shared = &found[2];
        assert_eq!((shared.helper.as_deref(), shared.authorization), (Some("mine"), true));
        let error = places.set(shared, "lab", HELPER_COMMAND).await.unwrap_err();
        assert!(matches!(error, ConfigError::OtherHelper { .. }), "{error}");
        assert_eq!(places.unset(shared, "lab", HELPER_COMMAND).await.unwrap(), Edited::Unchanged);
    });
    assert_eq!(home.content()[1], own);
}

#[test]
fn a_file_that_cannot_be_replaced_is_left_alone_with_words() {
    let home = Home::new();
    run(async {
        let places = home.places();
        let found = places.find("lab", URL).unwrap();
        fs::set_permissions(home.user(), fs::Permissions::from_mode(0o400)).unwrap();
        let error = places.writable(&found[0]).unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{error}");
        assert!(places.set(&found[0], "lab", HELPER_COMMAND).await.is_err());
        fs::set_permissions(home.user(), fs::Permissions::from_mode(0o640)).unwrap();
        places.set(&found[0], "lab", HELPER_COMMAND).await.unwrap();
        assert_eq!(fs::metadata(home.user()).unwrap().permissions().mode() & 0o777, 0o640);
        // A server that is gone needs no change.
        fs::remove_file(home.shared()).unwrap();
        assert_eq!(places.unset(&found[2], "lab", HELPER_COMMAND).await.unwrap(), Edited::Unchanged);
    });
}

#[test]
fn a_linked_configuration_is_written_where_it_leads() {
    let home = Home::new();
    let dotfiles = home.place.path().join("dotfiles");
    fs::create_dir(&dotfiles).unwrap();
    fs::rename(home.user(), dotfiles.join("claude.json")).unwrap();
    symlink(dotfiles.join("claude.json"), home.user()).unwrap();
    run(async {
        let found = home.places().find("lab", URL).unwrap();
        home.places().set(&found[0], "lab", HELPER_COMMAND).await.unwrap();
    });
    assert!(fs::symlink_metadata(home.user()).unwrap().is_symlink());
    assert!(fs::read_to_string(dotfiles.join("claude.json")).unwrap().contains("headersHelper"));
}

#[test]
fn a_lock_that_the_client_holds_is_waited_for() {
    let home = Home::new();
    let lock = home.place.path().join(".claude.json.lock");
    fs::create_dir(&lock).unwrap();
    run(async {
        let found = home.places().find("lab", URL).unwrap();
        let places = home.places();
        let set = places.set(&found[0], "lab", HELPER_COMMAND);
        let release = async {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            assert!(!home.content()[0].contains("headersHelper"));
            fs::remove_dir(&lock).unwrap();
        };
        let (set, ()) = tokio::join!(set, release);
        assert_eq!(set.unwrap(), Edited::Written);
    });
    assert!(!lock.exists());
}

proptest! {
    #[test]
    fn with_and_without_a_helper_are_inverse(
        gap in "[ \n\t]{0,4}", colon in " {0,2}", command in "\\PC{1,40}", more in prop::collection::vec("[a-z]{1,4}", 0..3),
    ) {
        let members: Vec<String> =
            more.iter().map(|name| format!("{gap}\"x{name}\":{colon}1")).chain([format!("{gap}\"url\":{colon}\"{URL}\"")]).collect();
        let text = format!("{{\"mcpServers\":{{\"lab\":{{{}{gap}}}}}}}", members.join(","));
        let place = Place {
            file: "f".into(), scope: Scope::User, helper: None, authorization: false, trusted: true,
        };
        let with = splice::with_helper(&text, &place, "lab", &command).unwrap().unwrap();
        let with = std::str::from_utf8(&with).unwrap();
        prop_assert!(with.contains("headersHelper"));
        let without = splice::without_helper(with, &place, "lab", &command).unwrap().unwrap();
        prop_assert_eq!(std::str::from_utf8(&without).unwrap(), text);
    }
}
