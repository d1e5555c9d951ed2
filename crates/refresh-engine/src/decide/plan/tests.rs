use super::*;
use crate::Freshness;
use crate::decide::policy::RESTING_LOOK;
use crate::records::record::Retry;
use claude_store::Document;
use jiff::Timestamp;
use proptest::prelude::*;

const NOW: Now = Now { wall: Timestamp::UNIX_EPOCH, boot: Duration::from_secs(1000) };

fn now() -> Now {
    Now { wall: Timestamp::from_second(1_795_000_000).unwrap(), ..NOW }
}

/// An entry with this remaining life in seconds (`None`: nobody knows), and its record after the first look.
fn entry(left: Option<i64>) -> (ObservedEntry, Record) {
    let expires = left.map_or(String::new(), |left| {
        format!(r#","expiresAt":{}"#, now().wall.as_millisecond() + left * 1000)
    });
    let text = format!(
        r#"{{"mcpOAuth":{{"lab|0":{{"serverName":"lab","serverUrl":"https://lab.test/mcp","accessToken":"at","refreshToken":"rt"{expires}}}}}}}"#
    );
    let document = Document::parse(text.as_bytes()).unwrap();
    let seen = ObservedEntry::new(document.entries().next().unwrap().clone());
    let mut record = Record::default();
    record.observe(now(), &seen);
    (seen, record)
}

fn nobody() -> Activity {
    Activity::default()
}

#[test]
fn a_spent_token_needs_the_user_even_if_forced() {
    let (seen, mut record) = entry(Some(-5));
    record.spend(seen.refresh.unwrap());
    let policy = Policy::default();
    assert_eq!(plan(now(), &seen, &record, &nobody, &policy), Plan::NeedsPerson(Need::Spent));
    assert_eq!(plan_forced(&seen, &record, &policy), Plan::NeedsPerson(Need::Spent));
}

#[test]
fn a_pause_ends_if_the_clock_is_set_back() {
    let (seen, mut record) = entry(Some(-5));
    let later = Now { wall: crate::later(now().wall, Duration::from_secs(86_400)), ..now() };
    record.retry = Some(Retry::after(later, Duration::from_secs(60)));
    let planned = plan(now(), &seen, &record, &nobody, &Policy::default());
    assert_eq!(planned, Plan::Refresh(Reason::Expired));
}

#[test]
fn activity_is_read_only_if_it_matters() {
    let asked = std::cell::Cell::new(0);
    let activity = || {
        asked.set(asked.get() + 1);
        Activity::default()
    };
    for left in [Some(86_400), None] {
        let (seen, record) = entry(left);
        let _ = plan(now(), &seen, &record, &activity, &Policy::default());
    }
    assert_eq!(asked.get(), 0);
    let (seen, mut record) = entry(Some(900));
    record.lifetime_s = Some(3600);
    assert_eq!(plan(now(), &seen, &record, &activity, &Policy::default()), Plan::Refresh(Reason::Due));
    assert_eq!(asked.get(), 2, "whether anybody is expected, and whether it is quiet");
}

proptest! {
    #[test]
    fn no_sleep_extends_past_seven_minutes_before_expiry(
        left in -100_000_i64..10_000_000,
        lifetime in proptest::option::of(600_u64..10_000_000),
        // Somebody was here within the hour.
        idle in proptest::option::of(0_u64..3_600),
    ) {
        let (seen, mut record) = entry(Some(left));
        if lifetime.is_some() {
            (record.lifetime_s, record.lifetime_answered) = (lifetime, true);
        }
        let active = idle.map(|idle| now().wall - SignedDuration::from_secs(idle as i64));
        match plan(now(), &seen, &record, &|| active.into(), &Policy::default()) {
            Plan::Refresh(_) => {}
            Plan::Sleep { wait, .. } => {
                prop_assert!(left > 420, "{left} s left");
                prop_assert!(wait <= Duration::from_secs(left as u64 - 420), "{wait:?} with {left} s left");
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn with_fresh_always_expected_use_does_not_matter(
        left in -100_000_i64..10_000_000,
        idle in proptest::option::of(0_u64..3_000_000),
    ) {
        let (seen, record) = entry(Some(left));
        let active = idle.map(|idle| now().wall - SignedDuration::from_secs(idle as i64));
        let policy = Policy { fresh: Freshness::Always, ..Policy::default() };
        if let Plan::Sleep { wait, .. } = plan(now(), &seen, &record, &|| active.into(), &policy) {
            prop_assert!(left > 420 && wait <= Duration::from_secs(left as u64 - 420), "{wait:?} with {left} s left");
        }
    }

    #[test]
    fn no_sleep_extends_past_the_expected_use(
        left in -100_000_i64..420,
        idle in 14_400_u64..3_000_000,
        lifetime in proptest::option::of(60_u64..100_000),
    ) {
        let (seen, mut record) = entry(Some(left));
        if lifetime.is_some() {
            (record.lifetime_s, record.lifetime_answered) = (lifetime, true);
        }
        let activity = Activity::from(Some(now().wall - SignedDuration::from_secs(idle as i64)));
        let rest = activity.nobody_for(now(), lifetime.map_or(Duration::MAX, Duration::from_secs));
        match plan(now(), &seen, &record, &|| activity, &Policy::default()) {
            Plan::Sleep { wait, until: Until::Use } => {
                prop_assert!(wait <= rest, "{wait:?}, and somebody is expected in {rest:?}");
                prop_assert!(left <= 0 || wait <= RESTING_LOOK, "whoever comes now finds it good, and nothing tells");
            }
            _ => prop_assert!(rest.is_zero()),
        }
    }

    #[test]
    fn a_sleep_is_never_zero(left in proptest::option::of(-1000_i64..100_000), pause in 0_u64..1000) {
        let (seen, mut record) = entry(left);
        record.retry = Some(Retry::after(now(), Duration::from_secs(pause)));
        if let Plan::Sleep { wait, .. } = plan(now(), &seen, &record, &nobody, &Policy::default()) {
            prop_assert!(!wait.is_zero());
        }
    }
}
