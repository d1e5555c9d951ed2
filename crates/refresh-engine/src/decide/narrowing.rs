//! A refresh that grants less than the login: notices it, and asks for the full scope once.
//!
//! RFC 6749, section 6: a refresh without a scope is for all that the login had, and Claude Code sends none. Some servers grant their own
//! default instead. Asked for the login's own scope they grant it; if they refuse, a few have already spent the refresh token
//! (@node-oauth/oauth2-server 5.3.0). So this is tried at most once per login.

use crate::{Narrowing, Record};
use token_endpoint::{Answer, RequestShape};

/// Scopes that servers omit from an answer though they are granted: they concern the login, not the access token's rights (OpenID Connect
/// Core, sections 5.4 and 11; Entra names none of them).
const NOT_OF_THE_TOKEN: &[&str] = &["openid", "profile", "email", "offline_access"];

/// Entra's scope for everything consented to; its answers name the actual scopes.
const DEFAULT: &str = ".default";

/// The longest list of scopes that is kept.
const LONGEST: usize = 300;

/// The part of the login's scope that an answer does not grant.
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

/// Whether the next request names the login's scope although no server demands it.
pub(crate) fn asks(record: &Record) -> bool {
    record.narrowing.as_ref().is_some_and(|narrowing| !narrowing.in_vain) && !record.shape.scope
}

/// Notes what an answer says about the scope. `shape` is the request's shape, `asked` whether this attempt named the scope because of
/// an earlier answer.
pub(crate) fn note(record: &mut Record, shape: RequestShape, asked: bool, answer: &Answer) {
    match answer {
        Answer::Fresh(pair) => {
            let lacks = record
                .login_scope
                .as_deref()
                .zip(pair.scope.as_deref())
                .and_then(|(login, granted)| lacking(login, granted));
            // Without `scope` in the answer it is the requested one (RFC 6749, section 5.1), or unchanged.
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
    fn scopes_of_the_login_that_an_answer_omits_are_missing() {
        assert_eq!(lacking("read write", "write read"), None);
        assert_eq!(lacking("read write", "read"), Some("write".to_owned()));
        assert_eq!(lacking("read  write admin", ""), Some("read write admin".to_owned()));
        assert_eq!(lacking("read", "read write"), None);
        assert_eq!(lacking("", "read"), None);
    }

    #[test]
    fn login_scopes_are_not_missed_and_default_matches_any_scope() {
        assert_eq!(lacking("openid profile email offline_access read", "read"), None);
        assert_eq!(lacking("api://lab/.default offline_access", "api://lab/read api://lab/write"), None);
        assert_eq!(lacking(".default", "User.Read"), None);
        assert_eq!(lacking("read.default.all", "read"), Some("read.default.all".to_owned()));
    }
}
