//! How refreshes ended, in words for whoever asked for them.

use super::unwritable::{Unwritable, unwritable};
use crate::control::protocol::{Done, How};
use crate::terminal::remedy;
use crate::terminal::wording::{length, outcome_words};
use jiff::Timestamp;
use refresh_engine::{EntryReport, Held, Need, Outcome, Refreshed, RefreshedHow, StoreReport};
use std::time::Duration;

/// What the user is needed for once a server has answered like this.
fn need_after(outcome: Outcome, entry: Option<&EntryReport>) -> Option<Need> {
    let known = entry.and_then(|entry| entry.need.clone());
    match outcome {
        Outcome::Dead => known.or_else(|| Some(Need::Dead { code: String::new() })),
        Outcome::ClientDead => known.or_else(|| Some(Need::ClientDead { code: String::new() })),
        Outcome::Refused => known,
        // Whatever failed for now is tried again.
        Outcome::Transient | Outcome::Unsent | Outcome::Ambiguous | Outcome::Fresh | Outcome::Adopted => None,
    }
}

/// How a refresh ended, in words, with what to type.
pub(super) fn done(Refreshed { name, key, how }: Refreshed, report: &StoreReport) -> Done {
    let left = || {
        let entry = report.entries.iter().find(|entry| entry.key == key)?;
        let left = entry.expires_at?.duration_since(Timestamp::now());
        Duration::try_from(left).ok().map(length)
    };
    let has_expired = || {
        let entry = report.entries.iter().find(|entry| entry.key == key);
        entry.and_then(|entry| entry.expires_at).is_some_and(|end| end <= Timestamp::now())
    };
    let mut action = None;
    let (how, detail) = match how {
        RefreshedHow::Fresh => {
            (How::Fresh, left().map_or("refreshed".into(), |left| format!("refreshed, valid for {left}")))
        }
        RefreshedHow::NotNeeded if has_expired() => {
            let detail = match unwritable(&report.location) {
                Some(Unwritable { why, command }) => {
                    let typed =
                        command.as_ref().map(|command| format!("; type: {command}")).unwrap_or_default();
                    action = command;
                    format!("expired, and {why}{typed}")
                }
                None => {
                    let typed = remedy::refresh_by_force(&name);
                    let detail = format!(
                        "expired, and not retried so soon after a failure; to retry now, type: {typed}"
                    );
                    action = Some(typed);
                    detail
                }
            };
            (How::Failed, detail)
        }
        RefreshedHow::NotNeeded => {
            (How::NotNeeded, left().map_or("not due".into(), |left| format!("not due, {left} left")))
        }
        RefreshedHow::Running => (How::Running, "already being refreshed".into()),
        RefreshedHow::Ignored => (How::Ignored, "ignored, as configured".into()),
        RefreshedHow::NeedsPerson(need) => {
            let typed = remedy::what_to_type(&need, &name, &report.location);
            let detail = format!("needs you: {}; type: {typed}", remedy::why(&need));
            action = Some(typed);
            (How::NeedsPerson, detail)
        }
        RefreshedHow::Held(Held { why, wait }) => {
            let good =
                left().map_or_else(|| "may still be valid".to_owned(), |left| format!("is valid for {left}"));
            let detail = format!(
                "not retried: {why}, so its refresh token may be spent, and using it again may end the login; its access token {good}; \
                 retry in {}; if Claude Code cannot use it now, type: {}",
                length(wait),
                remedy::login(&name, &report.location)
            );
            (How::Failed, detail)
        }
        RefreshedHow::Ended { outcome, detail } => {
            let ended = format!("{}: {detail}", outcome_words(outcome));
            action = need_after(outcome, report.entries.iter().find(|entry| entry.key == key))
                .map(|need| remedy::what_to_type(&need, &name, &report.location));
            let typed = action.as_ref().map(|typed| match left() {
                // The agent asks once more before it expires; nobody has to wait for that.
                Some(left) => format!("; its access token is valid for {left}; to log in now, type: {typed}"),
                None => format!("; type: {typed}"),
            });
            (How::Failed, ended + &typed.unwrap_or_default())
        }
        RefreshedHow::Failed(why) => (How::Failed, why),
    };
    Done { name, key, store: report.location.clone(), how, detail, action }
}
