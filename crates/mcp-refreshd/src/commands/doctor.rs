//! `mcp-refreshd doctor`: everything that can be wrong with the tokens and around them, named, with the cure.
//!
//! Facts are gathered first, without a change and without a lock; each file of findings then judges them, as a pure function. Only
//! `--fix` changes anything, through the few [`Fix`]es.

mod facts;
mod finding;
mod findings;
mod fix;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use facts::proxy_variables;

use crate::cli::DoctorArgs;
use crate::settings::config::Config;
use crate::settings::foreign_home::ForeignHome;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::style::Style;
use compact::spawn_local;
use facts::{Facts, Reach, Wanted};
use finding::{Confidence::Certain, Finding, Severity};
use findings::findings;
use fix::{Fix, Fixed};
use std::io;
use tokio::task::JoinHandle;

/// Carries out the command.
///
/// # Errors
/// A name or a store that is not known, or a result that cannot be printed.
pub(crate) async fn doctor(paths: &Paths, args: DoctorArgs) -> Result<Exit, Failure> {
    if let Some(foreign) = ForeignHome::of(paths) {
        let finding = Finding::trouble("home-of-another-user", Certain, foreign.means(), foreign.cure());
        return told(&[(&finding.at(&paths.home), None)], &args);
    }
    // What else is wrong is no less so because the configuration is.
    let (config, config_trouble) = match Config::load(&paths.config, &paths.home) {
        Ok(config) => (config, None),
        Err(error) => (Config::default(), Some(error.to_string())),
    };
    let (server, store) = (args.name.as_deref(), args.store.as_deref());
    let wanted = Wanted { reach: reach(&args), server, store, config_trouble };
    let facts = Facts::gather(&config, paths, wanted).await?;
    let findings = findings(&facts);
    let fixed = match args.fix && !args.dry_run {
        true => apply(&findings, paths, args.yes).await,
        false => findings.iter().map(|_| None).collect(),
    };
    let shown: Vec<_> = findings.iter().zip(fixed).collect();
    told(&shown, &args)
}

/// Shows the findings, and says whether something is left to do.
fn told(shown: &[(&Finding, Option<Fixed>)], args: &DoctorArgs) -> Result<Exit, Failure> {
    let text = if args.json {
        text::json(shown).map_err(io::Error::from)?
    } else {
        text::text(shown, args.dry_run, &Style::of_stdout())
    };
    output::result(&text)?;
    let left = |(finding, fixed): &(&Finding, Option<Fixed>)| {
        finding.severity == Severity::Trouble && !matches!(fixed, Some(Fixed::Done(_)))
    };
    Ok(if shown.iter().any(left) { Exit::Person } else { Exit::Well })
}

fn reach(args: &DoctorArgs) -> Reach {
    match (args.offline, args.live) {
        (true, _) => Reach::Nobody,
        (false, false) => Reach::Metadata,
        (false, true) => Reach::Tokens,
    }
}

/// Fixes what can be fixed. Dead locks are watched at the same time, since each takes 12 s.
async fn apply(findings: &[Finding], paths: &Paths, yes: bool) -> Vec<Option<Fixed>> {
    let begun: Vec<_> = findings
        .iter()
        .map(|finding| match finding.fix.clone()? {
            fix @ Fix::TakeLock { .. } => {
                let paths = paths.clone();
                Some(Begun::Task(spawn_local(async move { fix.apply(&paths, yes).await })))
            }
            fix => Some(Begun::InTurn(fix)),
        })
        .collect();
    let mut fixed = Vec::new();
    for begun in begun {
        fixed.push(match begun {
            None => None,
            Some(Begun::InTurn(fix)) => Some(fix.apply(paths, yes).await),
            Some(Begun::Task(task)) => {
                Some(task.await.unwrap_or_else(|_| Fixed::Failed("it was stopped".to_owned())))
            }
        });
    }
    fixed
}

/// A fix that runs, or that waits for its turn.
enum Begun {
    Task(JoinHandle<Fixed>),
    InTurn(Fix),
}
