//! Kills `install` and `uninstall` at each of their steps, runs them again, and checks that the result is as if nothing had happened. As
//! root, also cuts the power there.

mod machine;
mod story;

use crate::apart::Apart;
use crate::disk::Kind;
use crate::points::next_of;
use crate::trace::Step;
use crate::{Fallible, Tally};
use machine::{Machine, Picture, difference};
use std::path::Path;
use std::sync::Mutex;
use story::Story;

/// The names of these parts in their own processes.
pub(crate) const KILLS_HERE: &str = "install-here";
pub(crate) const CUTS_HERE: &str = "install-power-here";
const AT_ONCE: usize = 4;
const TRIES: usize = 8;
/// Steps without effect: output for the user, and threads that read a tool's output.
const OF_NO_MATTER: [&str; 3] = ["to pipe", "to a pipe", "start a thread"];

/// Where the command is interrupted.
#[derive(Clone, Debug)]
enum End {
    /// Right before this step.
    Before(Step),
    /// Not at all; then the power is cut.
    Whole,
}

struct Point<'a> {
    undisturbed: &'a Undisturbed,
    end: End,
    disk: Option<Kind>,
}

/// An uninterrupted run.
struct Undisturbed {
    story: Story,
    before: Picture,
    after: Picture,
    runs: bool,
    steps: Vec<Step>,
}

/// Starts it in another process, which sees a machine with systemd: kills, or power cuts.
pub(crate) fn begin(power: bool, times: usize) -> Fallible<Apart> {
    let (what, part) = match power {
        false => ("install and uninstall killed at each step", KILLS_HERE),
        true => ("the power cut at each step of install and uninstall", CUTS_HERE),
    };
    Apart::begin(what, part, times, &["--mount"], "mount -t tmpfs none /run && mkdir -p /run/systemd/system")
}

/// Interrupts each command `times` times at each of its steps.
pub(crate) fn run(program: &Path, power: bool, times: usize, tally: &mut Tally) -> Fallible<()> {
    let stories: Vec<_> =
        Story::ALL.into_iter().map(|story| undisturbed(program, story)).collect::<Fallible<_>>()?;
    let disks = if power { Kind::ALL.map(Some).to_vec() } else { vec![None] };
    let mut points = Vec::new();
    for disk in disks {
        for undisturbed in &stories {
            let whole = disk.map(|_| End::Whole);
            let ends: Vec<_> = undisturbed.steps.iter().cloned().map(End::Before).chain(whole).collect();
            for end in ends.iter().cycle().take(ends.len() * times) {
                points.push(Point { undisturbed, end: end.clone(), disk });
            }
        }
    }
    println!("{} ends of install and uninstall", points.len());
    for (point, unmet) in points.iter().zip(end_everywhere(program, &points)) {
        let how = point.disk.map_or("killed".to_owned(), |disk| format!("power of {} cut", disk.name()));
        let place = match &point.end {
            End::Before(step) => format!("before: {}", step.label),
            End::Whole => "after its end".to_owned(),
        };
        let unmet = unmet.unwrap_or_else(|error| vec![error.to_string()]);
        tally.note(&format!("[{}] {how} {place}", point.undisturbed.story.wording()), &unmet);
    }
    Ok(())
}

fn undisturbed(program: &Path, story: Story) -> Fallible<Undisturbed> {
    let machine = Machine::new(program, story, None)?;
    let before = machine.picture()?;
    let output = machine.traced(story.arguments(), None)?;
    let steps = steps_of(&machine);
    if story == Story::InstallRefused {
        story.mend(&machine)?;
        machine.command(story.arguments(), "")?;
    }
    let (after, runs) = (machine.picture()?, machine.runs());
    let mut unmet = machine.manager_is_behind()?;
    if machine.home().stored()? != Story::saved() {
        unmet.push("the store is not as it should be".to_owned());
    }
    if runs == story.arguments().contains(&"uninstall") || steps.is_empty() {
        unmet.push("it did not do its work".to_owned());
    }
    machine.command(story.arguments(), "")?;
    if machine.picture()? != after {
        unmet.push(format!("typed twice it does more: {}", difference(&after, &machine.picture()?)));
    }
    if unmet.is_empty() {
        return Ok(Undisturbed { story, before, after, runs, steps });
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("[{}] undisturbed: {}\n{out}{err}", story.wording(), unmet.join("; ")).into())
}

/// The relevant steps of the command.
fn steps_of(machine: &Machine) -> Vec<Step> {
    let mut steps = machine.trace().steps();
    steps.retain(|step| !OF_NO_MATTER.iter().any(|what| step.label.contains(what)));
    steps
}

fn end_everywhere(program: &Path, points: &[Point<'_>]) -> Vec<Fallible<Vec<String>>> {
    let found: Vec<_> = points.iter().map(|_| Mutex::new(Ok(Vec::new()))).collect();
    let queue = Mutex::new(points.iter().zip(&found));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((point, place)) = next_of(&queue) {
                    let result = end_somewhere(program, point);
                    if let Ok(mut place) = place.lock() {
                        *place = result;
                    }
                }
            });
        }
    });
    found.into_iter().map(|place| place.into_inner().unwrap_or_else(|_| Err("a panic".into()))).collect()
}

/// Interrupts the command at this point; the engine's steps in `uninstall` sometimes run in another order.
fn end_somewhere(program: &Path, point: &Point<'_>) -> Fallible<Vec<String>> {
    let story = point.undisturbed.story;
    let mut end = point.end.clone();
    for _ in 0..TRIES {
        let (died, unmet) = end_at(program, point, &end)?;
        let End::Before(step) = &end else { return Ok(unmet) };
        // Results at another point count as well if they are bad.
        if died.as_ref() == Some(&step.plain) || !unmet.is_empty() {
            return Ok(unmet);
        }
        let machine = Machine::new(program, story, None)?;
        machine.traced(story.arguments(), None)?;
        let place = steps_of(&machine).into_iter().find(|there| there.label == step.label);
        end = place.map_or(end, End::Before);
    }
    Ok(vec!["each time it ended elsewhere".to_owned()])
}

/// Interrupts the command once and runs it again. Returns what it was about to do, and the violations.
fn end_at(program: &Path, point: &Point<'_>, end: &End) -> Fallible<(Option<String>, Vec<String>)> {
    let Undisturbed { story, before, after, runs, .. } = point.undisturbed;
    let machine = Machine::new(program, *story, point.disk)?;
    let step = match end {
        End::Before(step) => Some(step),
        End::Whole => None,
    };
    machine.traced(story.arguments(), step)?;
    let mut unmet = Vec::new();
    let died = machine.trace().last_step();
    machine.cut_power()?;
    // At any step, each file must be as before or as in the end; and certainly as in the end once it has finished.
    let found = machine.picture()?;
    for name in before.keys().chain(after.keys()).filter(|name| is_ours(name)) {
        let (was, is, will) = (before.get(name), found.get(name), after.get(name));
        if is != will && (step.is_none() || is != was && is.is_some()) {
            let is = is.map(|is| String::from_utf8_lossy(&is.1).into_owned());
            unmet.push(format!("{name} is neither old nor new: {is:?}"));
        }
    }
    story.mend(&machine)?;
    let again = machine.command(story.arguments(), "")?;
    let mut demand = |what: String, holds: bool| {
        if !holds {
            unmet.push(what);
        }
    };
    let is = machine.picture()?;
    let said = String::from_utf8_lossy(&again.stderr);
    demand(format!("in the end there is {}; it said: {said}", difference(after, &is)), is == *after);
    demand("the store is not as it should be".to_owned(), machine.home().stored()? == Story::saved());
    demand(format!("in the end it runs: {}", machine.runs()), machine.runs() == *runs);
    unmet.extend(machine.manager_is_behind()?);
    Ok((died, unmet))
}

fn is_ours(name: &str) -> bool {
    name.starts_with(".config/systemd/user/mcp-refreshd.service") || name.ends_with("config.toml")
}
