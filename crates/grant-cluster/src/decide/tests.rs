use super::*;
use crate::Claim;
use oauth_secret::TokenDigest;
use zeroize::Zeroizing;

const KEY: &str = "lab|00";
const NOW: &str = "2026-11-29T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn key() -> EntryKey {
    EntryKey::new(KEY)
}

fn record(phase: Phase, left: SignedDuration) -> GrantRecord {
    let ends = (now() + left).as_millisecond();
    let entry = format!(
        r#"{{"serverName":"lab","accessToken":"at_1","refreshToken":"rt_1","expiresAt":{ends},"kept":1e400}}"#
    );
    GrantRecord { serial: 7, entry: Zeroizing::new(entry), phase, refreshed: None, lifetime_s: Some(3600) }
}

fn intent(lease: LeaseId) -> Intent {
    Intent {
        id: 1,
        member: "host-a".into(),
        lease,
        presented: TokenDigest::of("rt_1"),
        at: now(),
        unclear_before: 0,
    }
}

fn seen(phase: Phase, left: SignedDuration) -> Seen {
    Seen {
        record: record(phase, left),
        refresh: None,
        revision: 5,
        claim: None,
        unclaimed_since: Some(Duration::ZERO),
        went_back: false,
    }
}

fn asked(seen: &Seen, lease: LeaseId, after: u64) -> Permission {
    may_present(seen, &key(), lease, now(), Duration::from_secs(after))
}

fn owed(id: u64, answer: Option<RawAnswer>, unsent: bool) -> Owed {
    Owed {
        key: KEY.into(),
        intent: Intent { id, ..intent(9) },
        sent_at: now(),
        answer,
        unsent,
        why: "cut".into(),
    }
}

fn pair(number: u32) -> RawAnswer {
    RawAnswer::new(
        200,
        format!(r#"{{"access_token":"at_{number}","refresh_token":"rt_{number}","expires_in":60}}"#),
    )
}

fn written(lateness: Lateness) -> GrantRecord {
    match lateness {
        Lateness::Write(record) => *record,
        other => panic!("{other:?}"),
    }
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MINUTES: SignedDuration = SignedDuration::from_mins(6);

#[test]
fn a_good_token_is_presented_by_whoever_claims_it() {
    assert_eq!(asked(&seen(Phase::Good, HOUR), 9, 0), Permission::Granted);
    let claim = Some(Claim { member: "host-b".into(), lease: 8, revision: 5 });
    for phase in [Phase::Good, Phase::Presenting(intent(8))] {
        let claimed = Seen { claim: claim.clone(), ..seen(phase, HOUR) };
        let busy = Permission::Refused(Refusal::Busy { member: "host-b".into() });
        assert_eq!(asked(&claimed, 9, 1_000_000), busy);
        assert_eq!(asked(&claimed, 8, 1_000_000), busy, "not twice by one member either");
    }
}

#[test]
fn an_intent_without_an_answer_is_presented_late_and_not_soon_after_the_death_of_its_member() {
    let unclear = Permission::Refused(Refusal::Unclear { member: "host-a".into() });
    let dead = |left| seen(Phase::Presenting(intent(8)), left);
    assert_eq!(asked(&dead(HOUR), 9, 100_000), unclear);
    assert_eq!(asked(&dead(MINUTES), 9, 59), unclear);
    assert_eq!(asked(&dead(MINUTES), 9, 60), Permission::Granted);
    // Not even by the member itself, whose lease stands: it was restarted, or its answer is on its way.
    assert_eq!(asked(&dead(HOUR), 8, 100_000), unclear);
    let again = Seen { record: with_intent(&dead(MINUTES).record, intent(7)), ..dead(MINUTES) };
    assert_eq!(asked(&again, 9, 60), unclear);
    assert_eq!(asked(&again, 9, 300), Permission::Granted);
}

#[test]
fn after_an_unclear_answer_its_own_member_decides_and_others_wait() {
    let unclear = seen(Phase::Unclear { intent: intent(8), why: "cut".into() }, HOUR);
    assert_eq!(asked(&unclear, 8, 0), Permission::Granted);
    assert_eq!(
        asked(&unclear, 9, 100_000),
        Permission::Refused(Refusal::Unclear { member: "host-a".into() })
    );
}

#[test]
fn a_refusal_answers_the_other_members_for_some_minutes() {
    let dead = RawAnswer::new(400, r#"{"error":"invalid_grant"}"#);
    let refused = |at| {
        let intent = Intent { at, ..intent(8) };
        seen(Phase::Refused { intent, answer: Box::new(dead.clone()) }, HOUR)
    };
    assert_eq!(asked(&refused(now()), 9, 0), Permission::Answered(Box::new(dead.clone())));
    assert_eq!(asked(&refused(now()), 8, 0), Permission::Granted);
    assert_eq!(asked(&refused(now() - SignedDuration::from_mins(11)), 9, 0), Permission::Granted);
}

#[test]
fn what_moves_or_went_back_is_presented_by_nobody() {
    assert_eq!(
        asked(&seen(Phase::Moving { by: "host-a".into() }, MINUTES), 9, 1000),
        Permission::Refused(Refusal::Moving { by: "host-a".into() })
    );
    let back = Seen { went_back: true, ..seen(Phase::Good, MINUTES) };
    assert_eq!(asked(&back, 9, 1000), Permission::Refused(Refusal::WentBack));
}

#[test]
fn a_pair_is_spliced_into_the_entry_and_everything_else_stays() {
    let presenting = record(Phase::Presenting(intent(9)), HOUR);
    let after = written(settle(&presenting, &key(), &owed(1, Some(pair(2)), false)));
    let ends = (now() + SignedDuration::from_secs(60)).as_millisecond();
    assert_eq!(
        after.entry.as_str(),
        format!(
            r#"{{"serverName":"lab","accessToken":"at_2","refreshToken":"rt_2","expiresAt":{ends},"kept":1e400}}"#
        )
    );
    assert_eq!((after.serial, &after.phase, after.lifetime_s), (8, &Phase::Good, Some(60)));
    assert_eq!(after.refreshed.unwrap().by, "host-a");
}

#[test]
fn an_answer_without_a_pair_says_what_is_known_of_the_token() {
    let phase = |answer, unsent| {
        let presenting = record(Phase::Presenting(intent(9)), HOUR);
        written(settle(&presenting, &key(), &owed(1, answer, unsent))).phase
    };
    assert_eq!(phase(None, true), Phase::Good);
    assert_eq!(phase(Some(RawAnswer::new(503, "")), false), Phase::Good);
    assert!(matches!(phase(None, false), Phase::Unclear { .. }));
    assert!(matches!(phase(Some(RawAnswer::new(500, "")), false), Phase::Unclear { .. }));
    assert!(matches!(
        phase(Some(RawAnswer::new(400, r#"{"error":"invalid_grant"}"#)), false),
        Phase::Refused { .. }
    ));
}

#[test]
fn an_earlier_lost_answer_stays_lost_when_the_next_request_is_not_processed() {
    let lost = record(Phase::Presenting(intent(8)), MINUTES);
    let again = with_intent(&lost, Intent { id: 2, ..intent(9) });
    let after = written(settle(&again, &key(), &owed(2, Some(RawAnswer::new(503, "")), false)));
    assert!(
        matches!(&after.phase, Phase::Unclear { intent, .. } if intent.unclear_before == 0 && intent.lease == 0)
    );
}

#[test]
fn a_late_pair_is_kept_as_long_as_its_token_is_the_present_one() {
    let late = owed(1, Some(pair(2)), false);
    // Others saw the member die, and nobody has presented it again, or somebody has without a clear end.
    for phase in [
        Phase::Presenting(intent(8)),
        Phase::Unclear { intent: Intent { id: 2, ..intent(7) }, why: "cut".into() },
    ] {
        let after = written(settle(&record(phase, HOUR), &key(), &late));
        assert_eq!(after.refresh_token(&key()), Some(TokenDigest::of("rt_2")));
    }
    let other = record(Phase::Presenting(Intent { id: 2, ..intent(7) }), HOUR);
    assert!(matches!(settle(&other, &key(), &late), Lateness::Wait));
    let mut gone_on = record(Phase::Good, HOUR);
    gone_on.entry = Zeroizing::new(gone_on.entry.replace("rt_1", "rt_9"));
    assert!(matches!(settle(&gone_on, &key(), &late), Lateness::Obsolete));
    let newer = GrantRecord {
        refreshed: Some(Refreshed { by: "host-b".into(), at: now() }),
        ..record(Phase::Good, HOUR)
    };
    assert!(matches!(settle(&newer, &key(), &late), Lateness::Obsolete), "a server that does not rotate");
    // Anything but a pair is news only to its own intent.
    assert!(matches!(settle(&other, &key(), &owed(1, None, false)), Lateness::Obsolete));
}
