use mcp_refreshd::fuzzed;
use std::path::Path;
use url::Url;

const PATH: &str = "/home/me/.config/mcp-refreshd/config.toml";
const HOME: &str = "/home/me";

/// The configuration file.
///
/// Every mistake is reported on its own line, which starts with the file and an existing line number and is safe on a terminal. A valid
/// configuration survives a round trip through its shown form, which lacks a proxy's password.
///
/// Input: the file's text.
pub fn configuration(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let read = |text: &str| fuzzed::configuration(text, Path::new(PATH), Path::new(HOME));
    let password = password(text);
    let shown = match read(text) {
        Ok(config) => {
            let again = read(&config.effective).expect("what is shown can be read");
            assert_eq!(again.effective, config.effective);
            config.effective + &config.debug
        }
        Err(told) => {
            let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
            for line in told.split('\n') {
                let place = line.strip_prefix(PATH).and_then(|rest| rest.strip_prefix(':'));
                let (number, problem) = place.and_then(|rest| rest.split_once(": ")).unwrap_or(("", ""));
                assert!(number.parse().is_ok_and(|number| (1..=lines).contains(&number)), "{told:?}");
                assert!(!problem.is_empty() && !problem.contains(char::is_control), "{told:?}");
            }
            told
        }
    };
    if let Some(password) = password {
        assert!(!shown.contains(&password), "{shown}");
    }
}

/// The proxy's password, if it occurs in the file once and is too long to match by chance.
fn password(text: &str) -> Option<String> {
    let config: toml::Table = text.parse().ok()?;
    let proxy = config.get("network")?.get("proxy")?.as_str()?;
    let password = Url::parse(proxy).ok()?.password()?.to_owned();
    (password.len() >= 8 && text.matches(&password).count() == 1).then_some(password)
}
