use super::{Finding, Fixed, Weight};
use crate::words::{counted, visible};
use serde::Serialize;

/// What is said where everything is as it should be.
const HEALTHY: &str = "nothing wrong was found\n";

/// 80 columns, less those of the label.
const WIDTH: usize = 70;

type Shown<'a> = (&'a Finding, Option<Fixed>);

/// The findings for people.
pub(super) fn text(shown: &[Shown<'_>], dry_run: bool) -> String {
    if shown.is_empty() {
        return HEALTHY.to_owned();
    }
    let mut text = String::new();
    for (finding, fixed) in shown {
        let Finding { name, weight, sure, server, path, means, cure, fix } = finding;
        text.push_str(&format!("{}: {name} ({})\n", weight.word(), sure.word()));
        let fixed = match (fixed, fix) {
            (Some(Fixed::Done(what)), _) => Some(("mended", visible(what))),
            (Some(Fixed::Failed(why)), _) => Some(("not mended", visible(why))),
            (None, Some(fix)) if dry_run => Some(("would", visible(&fix.would()))),
            (None, _) => None,
        };
        let mended = matches!(fixed, Some(("mended", _)));
        let rows = [
            ("server", server.as_deref().map(visible)),
            ("where", path.as_deref().map(visible)),
            ("means", Some(wrapped(&visible(means)))),
            ("cure", Some(visible(cure)).filter(|_| !mended)),
        ];
        for (label, value) in rows.into_iter().chain([fixed.map_or(("", None), |(l, v)| (l, Some(v)))]) {
            if let Some(value) = value {
                text.push_str(&format!("  {label:7} {value}\n"));
            }
        }
        text.push('\n');
    }
    text.push_str(&summary(shown));
    text
}

/// Broken between words, behind the label's column. Paths and commands are never broken: they are there to be copied.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n          ")
}

fn summary(shown: &[Shown<'_>]) -> String {
    let mended = shown.iter().filter(|(_, fixed)| matches!(fixed, Some(Fixed::Done(_)))).count();
    let left = shown.iter().filter(|(_, fixed)| !matches!(fixed, Some(Fixed::Done(_))));
    let (troubles, notes): (Vec<_>, Vec<_>) = left.partition(|(found, _)| found.weight == Weight::Trouble);
    let mendable = troubles
        .iter()
        .chain(&notes)
        .filter(|(finding, fixed)| finding.fix.is_some() && fixed.is_none())
        .count();
    let mut parts =
        vec![counted(troubles.len(), "trouble", "troubles"), counted(notes.len(), "note", "notes")];
    if mended > 0 {
        parts.push(format!("{mended} mended"));
    }
    if mendable > 0 {
        parts.push(format!("{mendable} can be mended by: mcp-refreshd doctor --fix"));
    }
    format!("{}\n", parts.join(", "))
}

/// `doctor --json`, format version 1. Members are only ever added under the same version.
#[derive(Serialize)]
struct Json<'a> {
    format_version: u32,
    findings: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    weight: &'a str,
    sure: &'a str,
    server: Option<&'a str>,
    path: Option<&'a str>,
    means: &'a str,
    cure: &'a str,
    /// What `--fix` would do; `None` where it does nothing.
    fix: Option<String>,
    /// Whether it was mended now; `None` where nothing was tried.
    mended: Option<bool>,
    /// Why it could not be mended.
    not_mended: Option<&'a str>,
}

/// The findings for programs.
///
/// # Errors
/// None in practice: every member can be written.
pub(super) fn json(shown: &[Shown<'_>]) -> Result<String, serde_json::Error> {
    let row = |(finding, fixed): &'_ Shown<'_>| {
        let not_mended = match fixed {
            Some(Fixed::Failed(why)) => Some(why.clone()),
            _ => None,
        };
        (
            finding.fix.as_ref().map(super::Fix::would),
            fixed.as_ref().map(|f| matches!(f, Fixed::Done(_))),
            not_mended,
        )
    };
    let rows: Vec<_> = shown.iter().map(row).collect();
    let findings = shown.iter().zip(&rows).map(|((finding, _), (fix, mended, not_mended))| Row {
        name: finding.name,
        weight: finding.weight.word(),
        sure: finding.sure.word(),
        server: finding.server.as_deref(),
        path: finding.path.as_deref(),
        means: &finding.means,
        cure: &finding.cure,
        fix: fix.clone(),
        mended: *mended,
        not_mended: not_mended.as_deref(),
    });
    let mut text = serde_json::to_string_pretty(&Json { format_version: 1, findings: findings.collect() })?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_line_is_wider_than_its_longest_word_needs(text: String) {
            let text = visible(&text);
            let longest = text.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
            for line in wrapped(&text).lines() {
                prop_assert!(line.trim_start().chars().count() <= WIDTH.max(longest));
            }
        }
    }
}
