//! The store goes while the agent's request is under way: nothing hangs, nothing is claimed that is not so.

use super::{Bench, stop, tries};
use crate::report::Report;
use crate::traffic::{is_by_agent, is_refresh};
use crate::user::{User, tail};
use crate::{Fallible, until};
use scripted_server::{Answer, Outcome, Script, Server, TokenState};
use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// After the answer nothing may take longer.
const SOON: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);
/// What the agent says when a pair was stored.
const CLAIMS: [&str; 2] = ["refreshed, valid for", "is now in the store"];

pub(super) async fn auth_logout_during_refresh(bench: Rc<Bench>) -> Fallible<Report> {
    let answer = Answer::default().before(Duration::from_secs(8));
    let server = Server::start(Script { next: [answer].into(), ..Script::default() })?;
    let person = bench.person(&server).await?;
    let grant = server.grant(Duration::ZERO);
    person.store_with_own_port(&grant)?;
    let refresher = bench.start(&person)?;
    asked(&server, &person).await?;
    let force = || -> Fallible<_> { Ok(refresher.spawn(&["refresh", "--force"])?.ok_or("no agent")?) };
    let mut forced = force()?;
    person.claude(&["auth", "logout"]).await?;
    let mut report = Report::default();
    report.demand("claude auth logout deletes the store", !person.credentials().exists());
    report.demand("the request is still under way then", is_under_way(&server));

    until(PATIENCE, || !is_under_way(&server)).await;
    let answered = Instant::now();
    let ended = until(SOON, || matches!(forced.try_wait(), Ok(Some(_)))).await;
    report.demand("refresh --force ends within 5 s of the answer", ended);
    report.figure("refresh --force ended after", seconds(answered));
    let (began, mut late) = (Instant::now(), force()?);
    let ended = until(SOON, || matches!(late.try_wait(), Ok(Some(_)))).await;
    report.demand("one that is typed afterwards ends within 5 s", ended);
    report.figure("one that was typed afterwards took", seconds(began));
    report.demand("the refresh lock is released", until(SOON, || locks(&person).is_empty()).await);
    report.demand("no store came back", !person.credentials().exists());
    let (ended, refresher) = (end(refresher, &mut report).await, bench.start(&person)?);
    report.figure("SIGTERM took", ended);
    until(PATIENCE, || said(&person).matches("started (process").count() > 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let said = said(&person);
    report.demand("nobody says that a pair was stored", !CLAIMS.iter().any(|claim| said.contains(claim)));

    let began = Instant::now();
    person.login().await?;
    report.figure("a login afterwards took", seconds(began));
    let landed = person.pair();
    tokio::time::sleep(Duration::from_secs(3)).await;
    report.demand("the login stands", landed.is_some() && person.pair() == landed);
    let lives = landed.is_some_and(|pair| server.state_of(&pair.refresh_token) == TokenState::Current);
    report.demand("the login lives", lives);
    let claims = self::said(&person);
    report.demand("nor does anybody later", !CLAIMS.iter().any(|claim| claims.contains(claim)));
    stop(refresher, &mut report).await;
    Ok(with_words(report, &person))
}

pub(super) async fn end_after_vanishing(bench: Rc<Bench>) -> Fallible<Report> {
    tries(bench, |bench, number| Box::pin(end_after(bench, number))).await
}

async fn end_after(bench: Rc<Bench>, number: usize) -> Fallible<Report> {
    let answer = Answer::default().before(Duration::from_secs(2));
    let server = Server::start(Script { answer, ..Script::default() })?;
    let person = bench.person(&server).await?;
    person.store(&server.grant(Duration::ZERO))?;
    let refresher = bench.start(&person)?;
    asked(&server, &person).await?;
    let mut forced = refresher.spawn(&["refresh", "--force"])?.ok_or("no agent")?;
    // The file, or the whole folder.
    if number.is_multiple_of(2) {
        fs::remove_file(person.credentials())?;
    } else {
        fs::remove_dir_all(person.home().join(".claude"))?;
    }
    let gone = Instant::now();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut report = Report::default();
    report.demand("the request is still under way", is_under_way(&server));
    // Asked for before, while there is nothing to refresh any more, and at the end.
    let mut late = refresher.spawn(&["refresh", "--force"])?.ok_or("no agent")?;
    if number % 4 < 2 {
        let ended = |child: &mut tokio::process::Child| matches!(child.try_wait(), Ok(Some(_)));
        let both = until(SOON, || ended(&mut forced) & ended(&mut late)).await;
        report.demand("refresh --force ends within 5 s", both && gone.elapsed() < SOON);
        report.figure("refresh --force ended after", seconds(gone));
    }
    let answer = async {
        until(PATIENCE, || !is_under_way(&server)).await;
        Instant::now()
    };
    let began = Instant::now();
    let (stopped, answered) = tokio::join!(refresher.stop(), answer);
    if let Err(error) = stopped {
        report.demand(&error.to_string(), false);
    }
    report.demand("it ends within 5 s of the answer", answered.elapsed() < SOON);
    if number % 4 >= 2 {
        report.demand("it ends within 5 s after the store went", gone.elapsed() < SOON);
    }
    report.figure("SIGTERM took", seconds(began));
    report.demand("no lock is left", locks(&person).is_empty());
    report.demand("no store came back", !person.credentials().exists());
    let said = said(&person);
    report.demand("nobody says that a pair was stored", !CLAIMS.iter().any(|claim| said.contains(claim)));
    Ok(with_words(report, &person))
}

async fn asked(server: &Server, person: &User) -> Fallible<()> {
    let asked = || server.count(|entry| is_refresh(entry) && is_by_agent(entry)) > 0;
    if until(PATIENCE, asked).await {
        Ok(())
    } else {
        Err(format!("the agent does not ask:\n{}", said(person)).into())
    }
}

fn is_under_way(server: &Server) -> bool {
    server.count(|entry| is_refresh(entry) && entry.outcome == Outcome::Pending) > 0
}

async fn end(refresher: crate::refresher::Refresher, report: &mut Report) -> String {
    let began = Instant::now();
    stop(refresher, report).await;
    report.demand("SIGTERM ends it within 5 s", began.elapsed() < SOON);
    seconds(began)
}

fn locks(person: &User) -> Vec<String> {
    let names = fs::read_dir(person.home().join(".claude")).into_iter().flatten().flatten();
    let names = names.map(|name| name.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".lock")).collect()
}

fn said(person: &User) -> String {
    fs::read_to_string(person.log("agent.log")).unwrap_or_default()
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

fn with_words(mut report: Report, person: &User) -> Report {
    if !report.unmet().is_empty() {
        report.demand(&format!("\n{}", tail(&person.log("agent.log"))), false);
    }
    report
}
