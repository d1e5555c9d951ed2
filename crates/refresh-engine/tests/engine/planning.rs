//! The plan's rules as they show over time.

use crate::world::{Answering, HOUR, MINUTE, SECOND, World};
use claude_store::FileSystem;
use refresh_engine::{Event, Freshness, Need, Outcome, ServerPolicy, State, Until};
use std::time::Duration;

/// A session that is active at every moment until told otherwise.
async fn pass_while_active(world: &World, life: &crate::world::Life, time: Duration) {
    let mut passed = Duration::ZERO;
    while passed < time {
        world.session.active_at.set(Some(world.now()));
        life.pass(2 * SECOND).await;
        passed += 2 * SECOND;
    }
}

#[tokio::test(start_paused = true)]
async fn inside_the_margin_it_waits_for_a_quiet_moment() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let life = world.live().await;
    pass_while_active(&world, &life, 50 * MINUTE).await;
    assert_eq!(world.server.requests(), 0, "sessions are active");
    assert_eq!(life.entry("lab").waits_for, Some(Until::Quiet));
    life.pass(62 * SECOND).await;
    assert_eq!(world.server.requests(), 1, "quiet for a minute");
}

#[tokio::test(start_paused = true)]
async fn at_seven_minutes_left_it_acts_regardless() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let life = world.live().await;
    pass_while_active(&world, &life, 52 * MINUTE + 50 * SECOND).await;
    assert_eq!(world.server.requests(), 0);
    pass_while_active(&world, &life, 20 * SECOND).await;
    assert_eq!(world.server.requests(), 1);
    assert!(world.left("lab") > 59 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn short_lived_tokens_never_expire_while_a_session_is_active_and_rest_when_none_is() {
    let mut world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.policy.fresh = Freshness::Always;
    world.server.lifetime.set(60 * SECOND);
    let life = world.live().await;
    life.pass(SECOND).await;
    // The first use of a token with less than 300 s left makes the client write the store, and that wakes the engine.
    world.session.active_at.set(Some(world.now()));
    life.notice().await;
    for _ in 0..300 {
        pass_while_active(&world, &life, 2 * SECOND).await;
        assert!(world.left("lab") > 25 * SECOND, "{:?}", world.left("lab"));
    }
    let active = world.server.requests();
    assert!((18..=23).contains(&active), "{active} requests in ten minutes");
    life.pass(15 * MINUTE + 40 * SECOND).await;
    let before = world.server.requests();
    life.pass(10 * HOUR).await;
    let idle = world.server.requests() - before;
    assert!((19..=21).contains(&idle), "{idle} keep-alives in ten hours");
}

#[tokio::test(start_paused = true)]
async fn a_session_resumed_after_a_break_has_a_fresh_token_within_a_minute() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.lifetime.set(5 * MINUTE);
    let life = world.live().await;
    world.session.active_at.set(Some(world.now()));
    life.notice().await;
    life.pass(22 * MINUTE).await;
    assert_eq!(world.left("lab"), Duration::ZERO, "nobody used it");
    // A prompt in the open session: nothing in the storage folder tells.
    world.session.active_at.set(Some(world.now()));
    life.pass(MINUTE + SECOND).await;
    assert!(world.left("lab") > 3 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_clock_briefly_a_year_ahead_does_not_stop_refreshes() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.lifetime.set(5 * MINUTE);
    let year = 365 * 24 * HOUR;
    let life = world.live().await;
    life.pass(SECOND).await;
    world.clock.suspend(year);
    life.pass(HOUR).await;
    world.clock.set_back(year);
    let before = world.server.requests();
    life.pass(10 * HOUR).await;
    let since = world.server.requests() - before;
    assert!((18..=24).contains(&since), "{since} keep-alives in ten hours");
}

#[tokio::test(start_paused = true)]
async fn very_short_lived_tokens_are_refreshed_at_most_every_ten_seconds() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.lifetime.set(5 * SECOND);
    world.session.active_at.set(Some(world.now()));
    let life = world.live().await;
    pass_while_active(&world, &life, 2 * MINUTE).await;
    assert!(world.server.requests() <= 13, "{}", world.server.requests());
    assert!(world.server.requests() >= 10, "{}", world.server.requests());
}

#[tokio::test(start_paused = true)]
async fn an_unused_refresh_token_is_exercised_once_a_week() {
    let world = World::with_entries(&[("lab", 10_000 * HOUR)]);
    world.server.lifetime.set(10_000 * HOUR);
    let life = world.live().await;
    life.pass(29 * 24 * HOUR).await;
    assert_eq!(world.server.requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_unknown_expiry_is_refreshed_every_twelve_hours() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let entry = world.entry("lab", HOUR);
    let without = regex_free_removal(&entry, ",\"expiresAt\":", ",");
    world.put_members(&[format!("{:?}:{without}", crate::world::key("lab"))]);
    world.server.lifetime.set(100 * HOUR);
    let life = world.live().await;
    life.pass(11 * HOUR).await;
    assert_eq!(world.server.requests(), 0);
    life.pass(HOUR + MINUTE).await;
    assert_eq!(world.server.requests(), 1);
}

/// Takes one member out of an object's text.
fn regex_free_removal(text: &str, from: &str, to: &str) -> String {
    let start = text.find(from).unwrap();
    let rest = &text[start + from.len()..];
    format!("{}{}", &text[..start], &rest[rest.find(to).unwrap()..])
}

#[tokio::test(start_paused = true)]
async fn the_refresh_tokens_own_lifetime_bounds_every_wait() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.lifetime.set(24 * HOUR);
    world.server.refresh_expires_in.set(Some(4 * 3600));
    let life = world.live().await;
    life.pass(2 * HOUR + 55 * MINUTE).await;
    assert_eq!(world.server.requests(), 1);
    life.pass(6 * MINUTE).await;
    assert_eq!(world.server.requests(), 2, "at three quarters of its life");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_quiet_moment_ends_before_the_refresh_token_expires() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.refresh_expires_in.set(Some(30 * 60));
    let life = world.live().await;
    pass_while_active(&world, &life, 27 * MINUTE).await;
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_ignored_server_is_left_alone_until_reconfigured() {
    let mut world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.policy.servers.insert("lab".into(), ServerPolicy { ignore: true, ..ServerPolicy::default() });
    let life = world.live().await;
    life.pass(HOUR).await;
    assert_eq!((world.server.requests(), life.entry("lab").state), (0, State::Ignored));
    life.keeper.set_policy(refresh_engine::Policy::default());
    life.pass(SECOND).await;
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_entry_without_refresh_token_is_reported_shortly_before_expiry() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let entry = regex_free_removal(&world.entry("lab", HOUR), ",\"refreshToken\":", ",");
    world.put_members(&[format!("{:?}:{entry}", crate::world::key("lab"))]);
    let life = world.live().await;
    life.pass(40 * MINUTE).await;
    assert_eq!(life.entry("lab").state, State::Ending);
    life.pass(6 * MINUTE).await;
    assert_eq!(life.entry("lab").need, Some(Need::NoRefreshToken));
}

#[tokio::test(start_paused = true)]
async fn an_entry_first_seen_shortly_before_expiry_is_not_short_lived() {
    let world = World::with_entries(&[("lab", 6 * MINUTE)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(world.server.requests(), 1);
    drop(life);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_without_force_skips_entries_that_are_not_due() {
    use refresh_engine::RefreshedHow::{Ended, Fresh, NotNeeded};
    let world = World::with_entries(&[("lab", 10 * HOUR), ("old", Duration::ZERO), ("dead", Duration::ZERO)]);
    world.server.revoke("dead");
    let life = world.live_as(world.disk.process(), refresh_engine::Mode::OnlyAsked).await.unwrap();
    life.pass(HOUR).await;
    assert_eq!(world.server.requests(), 0, "nobody asked");
    let ends = life.run(life.keeper.refresh(&[], false)).await;
    let how = |name: &str| ends.iter().find(|end| end.name == name).unwrap().how.clone();
    assert_eq!(how("lab"), NotNeeded);
    assert_eq!(how("old"), Fresh);
    let ends = life.run(life.keeper.refresh(&["lab".into()], true)).await;
    assert_eq!(ends[0].how, Fresh);
    let ends = life.run(life.keeper.refresh(&["dead".into()], true)).await;
    assert!(
        matches!(ends[0].how, Ended { outcome: Outcome::Dead, .. }),
        "who insists is told what the server says"
    );
    let _ = world.disk.now();
}

#[tokio::test(start_paused = true)]
async fn a_margin_above_the_lifetime_causes_no_refresh_loop() {
    let mut world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.lifetime.set(15 * MINUTE);
    let margin = Some(20 * MINUTE);
    world.policy.servers.insert("lab".into(), ServerPolicy { margin, ..ServerPolicy::default() });
    let life = world.live().await;
    life.pass(HOUR).await;
    assert!(world.server.requests() <= 20, "{}", world.server.requests());
}

#[tokio::test(start_paused = true)]
async fn a_token_issued_as_expired_has_unknown_expiry() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    // {"alg":"none"}.{"exp":1000000000}.made-up, and no expires_in
    world.server.always.replace(Some(Answering::Status(
        200,
        r#"{"access_token":"eyJhbGciOiJub25lIn0.eyJleHAiOjEwMDAwMDAwMDB9.bWFkZS11cA","token_type":"Bearer"}"#,
    )));
    let life = world.live().await;
    life.pass(25 * HOUR).await;
    assert_eq!(world.server.requests(), 3, "now, and every twelve hours");
    drop(life);
}

#[tokio::test(start_paused = true)]
async fn a_resting_token_may_expire_and_is_fresh_at_a_sessions_first_sign() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.session.active_at.set(Some(world.now()));
    let life = world.live().await;
    life.pass(3 * HOUR + 50 * MINUTE).await;
    assert!(world.left("lab") > 7 * MINUTE, "somebody was here within four hours");
    life.pass(2 * HOUR).await;
    let before = world.server.requests();
    life.pass(14 * HOUR).await;
    assert_eq!(world.server.requests(), before, "nobody is expected");
    assert_eq!(world.left("lab"), Duration::ZERO);
    let entry = life.entry("lab");
    assert_eq!((entry.state, entry.waits_for), (State::Resting, Some(Until::Use)));
    // A session at an unusual time.
    world.session.active_at.set(Some(world.now()));
    life.notice().await;
    assert!(world.left("lab") > 50 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_new_session_wakes_resting_entries_even_during_a_burst() {
    for changes in [false, true] {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        world.session.active_at.set(Some(world.now() - 9 * HOUR));
        let life = world.live().await;
        life.pass(MINUTE).await;
        assert_eq!((world.server.requests(), life.entry("lab").state), (0, State::Resting));
        world.session.active_at.set(Some(world.now()));
        if changes {
            life.keeper.store_changed();
            life.pass(Duration::from_millis(1)).await;
        }
        life.keeper.session_began();
        // A Keychain's tool takes its time; a store that changes is waited for longer than this.
        life.pass(Duration::from_millis(if crate::IN_KEYCHAIN { 200 } else { 100 })).await;
        assert_eq!(world.server.requests(), 1, "before the store has come to rest");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fresh_before_the_usual_time_of_day() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.session.active_at.set(Some(world.now()));
    let life = world.live().await;
    life.pass(20 * HOUR).await;
    assert_eq!(world.left("lab"), Duration::ZERO);
    for quarter in 0..16 {
        if quarter > 8 {
            assert!(world.left("lab") > 7 * MINUTE, "{quarter} quarters of an hour after 20 hours");
        }
        life.pass(15 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_starts_near_expiry_has_a_fresh_token_within_a_minute() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.session.active_at.set(Some(world.now() - 9 * HOUR));
    let life = world.live().await;
    life.pass(50 * MINUTE).await;
    assert_eq!(world.server.requests(), 0, "nobody is expected");
    // Nothing in the storage folder tells.
    world.session.active_at.set(Some(world.now() - 61 * SECOND));
    life.pass(MINUTE + SECOND).await;
    assert!(world.left("lab") > 50 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_resting_entry_is_reported_even_if_its_keep_alive_is_due_earlier() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.session.active_at.set(Some(world.now() - 15 * 24 * HOUR));
    let life = world.live().await;
    let told = |event: Event| world.log.count(|known| *known == event);
    life.pass(MINUTE).await;
    for hours in 0..30 {
        life.pass(HOUR).await;
        let entry = life.entry("lab");
        if world.left("lab").is_zero() {
            assert_eq!((entry.state, entry.waits_for), (State::Resting, Some(Until::Use)), "after {hours} h");
        }
    }
    assert_eq!(world.server.requests(), 1, "once a day");
    // Before its end, and after the keep-alive.
    assert_eq!((told(Event::Rests), told(Event::RestOver)), (2, 1));
    let ends = life.run(life.keeper.refresh(&["lab".into()], false)).await;
    assert_eq!(ends[0].how, refresh_engine::RefreshedHow::Fresh, "who asks for it is who uses it");
    life.pass(SECOND).await;
    assert_eq!((told(Event::Rests), told(Event::RestOver)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_on_demand_keeper_reports_no_rests() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.session.active_at.set(Some(world.now() - 15 * 24 * HOUR));
    let life = world.live_as(world.disk.process(), refresh_engine::Mode::OnlyAsked).await.unwrap();
    life.pass(MINUTE).await;
    assert_eq!(world.log.count(|event| matches!(event, Event::Rests | Event::RestOver)), 0);
}

#[tokio::test(start_paused = true)]
async fn a_resting_refresh_token_is_used_once_a_day() {
    let world = World::with_entries(&[("lab", HOUR)]);
    world.session.active_at.set(Some(world.now() - 15 * 24 * HOUR));
    let life = world.live().await;
    life.pass(10 * 24 * HOUR + HOUR).await;
    assert_eq!(world.server.requests(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_session_resumed_after_hours_has_a_fresh_short_lived_token_within_a_minute() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.lifetime.set(15 * MINUTE);
    world.session.active_at.set(Some(world.now()));
    let life = world.live().await;
    life.pass(2 * HOUR).await;
    assert_eq!(world.left("lab"), Duration::ZERO, "nobody was here for an hour");
    // A prompt in the open session: nothing in the storage folder tells.
    world.session.active_at.set(Some(world.now()));
    life.pass(MINUTE + SECOND).await;
    assert!(world.left("lab") > 13 * MINUTE);
}
