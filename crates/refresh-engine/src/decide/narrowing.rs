//! A refresh whose answer grants less than the login: noticed, and asked about once.
//!
//! RFC 6749, section 6: a refresh that names no scope is for all that the login had, and Claude Code names none. Some servers give a default of
//! theirs instead. Asked for the login's own scope they give it; where they refuse it, a few have spent the refresh token by then
//! (@node-oauth/oauth2-server 5.3.0). So each login is asked for in this way once at most.

use crate::{Narrowing, Record};
use token_endpoint::{Answer, RequestShape};

/// What servers leave out of an answer though it holds: they are about the login and not about what the access token may do (OpenID Connect
/// Core, sections 5.4 and 11; Entra names none of them).
const NOT_OF_THE_TOKEN: &[&str] = &["openid", "profile", "email", "offline_access"];

/// Entra's word for everything that was consented to; its answers name what stands behind it.
const DEFAULT: &str = ".default";

/// More of a list of scopes is not kept.
const LONGEST: usize = 300;

/// What of the login's scope is missing in what an answer grants.
pub(crate) fn lacking(login: &str, granted: &str) -> Option<String> {
    let is_default = |item: &str| item == DEFAULT || item.ends_with("/.default");
    if login.split_whitespace().any(is_default) {
        return None;
    }
    let has = |item: &&str| granted.split_whitespace().any(|other| other == *item);
    let missing: Vec<&str> =
        login.split_whitespace().filter(|item| !has(item) && !NOT_OF_THE_TOKEN.contains(item)).collect();
    let text: String = missing.join(" ").chars().take(LONGEST).collect();
    (!text.is_empty()).then_some(text)
}

/// Whether the next request is to name the login's scope although nobody demands it.
pub(crate) fn asks(record: &Record) -> bool {
    record.narrowing.as_ref().is_some_and(|narrowing| !narrowing.in_vain) && !record.shape.scope
}

/// Notes what an answer says of the scope. `shape` is that of the request it came for, `asked` whether this attempt named the scope because of
/// an earlier answer.
pub(crate) fn note(record: &mut Record, shape: RequestShape, asked: bool, answer: &Answer) {
    match answer {
        Answer::Fresh(pair) => {
            let lacks = record
                .login_scope
                .as_deref()
                .zip(pair.scope.as_deref())
                .and_then(|(login, granted)| lacking(login, granted));
            // Without a word on the scope it is the one that was asked for (RFC 6749, section 5.1), or as it was.
            let unsaid = pair.scope.is_none() && !shape.scope;
            if let Some(lacks) = lacks {
                let in_vain =
                    asked || shape.scope || record.narrowing.as_ref().is_some_and(|known| known.in_vain);
                record.narrowing = Some(Narrowing { lacks, in_vain });
            } else if !unsaid {
                record.narrowing = None;
            }
        }
        Answer::Transient { .. } | Answer::Unsent { .. } | Answer::Ambiguous { .. } => {}
        Answer::Dead { .. } | Answer::ClientDead { .. } | Answer::Refused { .. } => {
            if let Some(narrowing) = record.narrowing.as_mut().filter(|_| asked) {
                narrowing.in_vain = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_login_has_and_an_answer_does_not_grant_is_missing() {
        assert_eq!(lacking("read write", "write read"), None);
        assert_eq!(lacking("read write", "read"), Some("write".to_owned()));
        assert_eq!(lacking("read  write admin", ""), Some("read write admin".to_owned()));
        assert_eq!(lacking("read", "read write"), None);
        assert_eq!(lacking("", "read"), None);
    }

    #[test]
    fn what_is_about_the_login_alone_is_not_missed_and_default_stands_for_whatever_is_granted() {
        assert_eq!(lacking("openid profile email offline_access read", "read"), None);
        assert_eq!(lacking("api://lab/.default offline_access", "api://lab/read api://lab/write"), None);
        assert_eq!(lacking(".default", "User.Read"), None);
        assert_eq!(lacking("read.default.all", "read"), Some("read.default.all".to_owned()));
    }
}
