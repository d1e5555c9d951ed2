use crate::line;
use crate::print;
use crate::whole;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The tool's own exit codes: the low byte of the error's number.
const NOT_FOUND: i32 = 44;
const DUPLICATE: i32 = 45;
const LOCKED: i32 = 36;
const WRONG_USE: i32 = 2;
const UNKNOWN: i32 = 1;

/// A generic password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its service.
    pub service: String,
    /// Its account.
    pub account: String,
    /// Its secret.
    pub password: Vec<u8>,
    /// Creation time, in seconds since 1970.
    pub created: i64,
    /// Modification time, in seconds since 1970.
    pub modified: i64,
}

/// The Keychain's scripted behavior.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviour {
    /// It is locked and cannot ask the user.
    pub locked: bool,
    /// Every access to a secret fails with this code: 51, 128.
    pub refuses: Option<i32>,
    /// It shows a dialog that nobody answers: the tool never exits.
    pub hangs: bool,
    /// Delay before doing anything.
    pub delay: Duration,
    /// Delay after doing it.
    pub afterwards: Duration,
    /// This many writes leave half of the new document.
    pub damages: u32,
    /// This many writes succeed without effect.
    pub swallows: u32,
    /// After every write of ours, another process writes this.
    pub overwritten_with: Option<Vec<u8>>,
    /// Prints this instead of any secret.
    pub prints: Option<String>,
}

/// A Keychain and its tool, without a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its items.
    pub items: Vec<Item>,
    /// Its behavior.
    pub behaviour: Behaviour,
    /// Keychains besides the login Keychain, and their passwords. Items are not kept per Keychain.
    #[serde(default)]
    pub made: BTreeMap<String, String>,
    /// The search list.
    #[serde(default)]
    pub searched: Vec<String>,
    /// The default Keychain, unless it is the first in the search list.
    #[serde(default)]
    pub default: Option<String>,
}

/// The result of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Answer {
    pub(crate) fn failed(code: i32, says: &str) -> Self {
        Self { code, stdout: Vec::new(), stderr: format!("security: {says}\n").into_bytes() }
    }
}

/// The options of a command, and the rest.
#[derive(Default)]
struct Options {
    service: Option<String>,
    account: Option<String>,
    password: Option<Vec<u8>>,
    show: bool,
    update: bool,
    keychain: Option<String>,
}

impl Options {
    fn parse(words: &[Vec<u8>], writes: bool) -> Option<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        let text = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        while let Some(word) = words.next() {
            match word.as_slice() {
                b"-s" => options.service = Some(text(words.next()?)),
                b"-a" => options.account = Some(text(words.next()?)),
                b"-X" => options.password = Some(print::unhex(words.next()?)),
                b"-w" if writes => options.password = Some(words.next()?.clone()),
                b"-w" => options.show = true,
                b"-U" => options.update = true,
                [b'-', ..] => return None,
                _ => options.keychain = Some(text(word)),
            }
        }
        Some(options)
    }
}

impl Model {
    /// Whether a call reads or writes a secret and so may need a dialog.
    #[must_use]
    pub fn asks(arguments: &[String]) -> bool {
        let command = arguments.first().map(String::as_str);
        matches!(command, Some("-i" | "add-generic-password")) || arguments.iter().any(|word| word == "-w")
    }

    /// Runs the tool. `now` is in seconds since 1970.
    #[must_use]
    pub fn run(&mut self, arguments: &[String], input: &[u8], now: i64) -> Answer {
        let words: Vec<Vec<u8>> = arguments.iter().map(|word| word.clone().into_bytes()).collect();
        match words.first().map(Vec::as_slice) {
            Some(b"-i") => self.interactive(input, now),
            _ => self.command(&words, now),
        }
    }

    /// Runs commands one after the other; the result is the last one's.
    fn interactive(&mut self, input: &[u8], now: i64) -> Answer {
        let mut all = Answer::default();
        for line in line::lines(input) {
            let words = line::words(line);
            if words.is_empty() {
                continue;
            }
            let Answer { code, stdout, stderr } = self.command(&words, now);
            all.code = code;
            all.stdout.extend(stdout);
            all.stderr.extend(stderr);
        }
        all
    }

    fn command(&mut self, words: &[Vec<u8>], now: i64) -> Answer {
        let Some((command, rest)) = words.split_first() else {
            return Answer::failed(WRONG_USE, "no command");
        };
        if let Some(answer) = whole::run(self, words) {
            return answer;
        }
        match command.as_slice() {
            b"find-generic-password" => Options::parse(rest, false)
                .map_or_else(|| Answer::failed(WRONG_USE, "usage"), |options| self.find(&options)),
            b"add-generic-password" => Options::parse(rest, true)
                .map_or_else(|| Answer::failed(WRONG_USE, "usage"), |options| self.add(options, now)),
            b"dump-keychain" => {
                let all = self.items.iter().map(|item| print::attributes(item, whole::LOGIN));
                Answer { stdout: all.collect::<String>().into_bytes(), ..Answer::default() }
            }
            other => {
                // The real tool quotes it, too: the tail of a truncated line becomes visible here.
                Answer::failed(UNKNOWN, &format!("unknown command \"{}\"", String::from_utf8_lossy(other)))
            }
        }
    }

    fn index(&self, options: &Options) -> Option<usize> {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        self.items
            .iter()
            .position(|item| fits(&options.service, &item.service) && fits(&options.account, &item.account))
    }

    fn may_not(&self) -> Option<Answer> {
        if self.behaviour.locked {
            return Some(Answer::failed(LOCKED, "User interaction is not allowed."));
        }
        self.behaviour.refuses.map(|code| Answer::failed(code, "refused"))
    }

    fn knows(&self, keychain: Option<&str>) -> bool {
        keychain.is_none_or(|path| {
            path == whole::LOGIN
                || self.searched.iter().any(|known| known == path)
                || self.made.contains_key(path)
        })
    }

    fn find(&self, options: &Options) -> Answer {
        if !self.knows(options.keychain.as_deref()) {
            return Answer::failed(NOT_FOUND, "The specified item could not be found in the keychain.");
        }
        let Some(item) = self.index(options).and_then(|index| self.items.get(index)) else {
            return Answer::failed(NOT_FOUND, "The specified item could not be found in the keychain.");
        };
        if !options.show {
            return Answer {
                stdout: print::attributes(item, whole::LOGIN).into_bytes(),
                ..Answer::default()
            };
        }
        if let Some(answer) = self.may_not() {
            return answer;
        }
        let stdout = match &self.behaviour.prints {
            Some(text) => text.clone().into_bytes(),
            None => print::password(&item.password),
        };
        Answer { stdout, ..Answer::default() }
    }

    fn add(&mut self, options: Options, now: i64) -> Answer {
        if !self.knows(options.keychain.as_deref()) {
            return Answer::failed(50, "The specified keychain could not be found.");
        }
        if let Some(answer) = self.may_not() {
            return answer;
        }
        let index = self.index(&options);
        let (Some(service), Some(account)) = (options.service, options.account) else {
            return Answer::failed(WRONG_USE, "usage");
        };
        let mut password = options.password.unwrap_or_default();
        if self.behaviour.swallows > 0 {
            self.behaviour.swallows -= 1;
            return Answer::default();
        }
        if self.behaviour.damages > 0 {
            self.behaviour.damages -= 1;
            password.truncate(password.len() / 2);
        }
        if let Some(other) = self.behaviour.overwritten_with.take() {
            password = other;
        }
        match index.and_then(|index| self.items.get_mut(index)) {
            Some(_) if !options.update => {
                return Answer::failed(DUPLICATE, "The specified item already exists in the keychain.");
            }
            Some(item) => {
                item.password = password;
                item.modified = now;
            }
            None => self.items.push(Item { service, account, password, created: now, modified: now }),
        }
        Answer::default()
    }
}
