use super::json::Row;
use crate::control::protocol::How;
use crate::control::report::{EntryStatus, Status, waiting};
use crate::terminal::remedy;
use crate::terminal::wording::length;
use jiff::Timestamp;
use refresh_engine::{Need, State, Until};
use std::time::Duration;

/// What a refresh of the wanted entries would do, from what is known without asking any server.
pub(super) fn rows(
    status: &Status,
    wanted: &dyn Fn(&EntryStatus) -> bool,
    force: bool,
    now: Timestamp,
) -> Vec<Row> {
    let entries =
        status.stores.iter().flat_map(|store| store.entries.iter().map(move |entry| (store, entry)));
    let row = |(store, entry): (_, &EntryStatus)| {
        let store: &crate::control::report::StoreStatus = store;
        let (how, detail, action) = would(entry, &store.location, force, now);
        let (name, key) = (entry.name.clone(), entry.key.clone());
        Row { name, key, store: store.location.clone(), how, detail, action }
    };
    entries.filter(|(_, entry)| wanted(entry)).map(row).collect()
}

/// How it would end, where that is known; in words; what to type.
fn would(
    entry: &EntryStatus,
    store: &str,
    force: bool,
    now: Timestamp,
) -> (Option<How>, String, Option<String>) {
    let left = entry.expires_at.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
    let due = matches!(entry.state, State::Expired | State::Due | State::Retrying | State::Resting);
    let needs = |why: &str, action: String| {
        (Some(How::NeedsPerson), format!("needs you: {why}; type: {action}"), Some(action))
    };
    let left_alone =
        |why: String| (Some(How::NotNeeded), format!("would be left alone: {why}"), None::<String>);
    match entry.state {
        State::NeedsPerson => {
            let action = entry.action.clone().unwrap_or_else(|| remedy::login(&entry.name, store));
            needs(entry.why.as_deref().unwrap_or_default(), action)
        }
        State::Ignored => (Some(How::Ignored), "would be ignored, as configured".to_owned(), None),
        State::Refreshing => (Some(How::Running), "is already being refreshed".to_owned(), None),
        _ if entry.refresh.is_none() && force => needs(
            &remedy::why(&Need::NoRefreshToken),
            remedy::what_to_type(&Need::NoRefreshToken, &entry.name, store),
        ),
        _ if entry.waits_for.as_deref() == waiting(Until::AmbiguousHold) && left.is_some() => left_alone(
            "an answer was lost, so its refresh token may be spent, and using it again may end the login"
                .to_owned(),
        ),
        _ if entry.refresh.is_none() => left_alone("it has no refresh token".to_owned()),
        _ if due || force => (None, "would be refreshed".to_owned(), None),
        _ => left_alone(match left {
            Some(left) => format!("{} left (--force refreshes it)", length(left)),
            None => "not due (--force refreshes it)".to_owned(),
        }),
    }
}
