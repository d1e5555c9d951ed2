//! Interprets `launchctl`. Its exit code is usually the number in "… failed: 5: Input/output error"; numbers and messages vary between
//! versions, so both are checked.

use crate::Said;
use std::fmt;

/// A launchctl result, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Success.
    Done,
    /// The service is unknown: 3 "No such process", 113 "Could not find service".
    NotLoaded,
    /// 37 "Operation already in progress", "service already loaded": loaded, or being unloaded.
    AlreadyLoaded,
    /// 36 "Operation now in progress": being unloaded.
    InProgress,
    /// 119 "Service is disabled".
    Disabled,
    /// 112 "Could not find domain", 125 "Domain does not support specified action": no graphical login.
    NoDomain,
    /// 1 "Operation not permitted", 150 "Operation not permitted while System Integrity Protection is engaged".
    NotPermitted,
    /// 5 "Input/output error": almost anything; usually a service that is already loaded, or not gone yet.
    InputOutput,
    /// Anything else.
    Other,
}

pub(super) fn understood(said: &Said) -> Answer {
    if said.well() {
        return Answer::Done;
    }
    let text = format!("{}\n{}", said.err, said.out).to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    // Check the messages first: code 113 is used for services and for domains.
    if says(&["could not find domain", "domain does not support", "no such domain"]) {
        Answer::NoDomain
    } else if says(&["could not find service", "could not find specified service", "no such process"]) {
        Answer::NotLoaded
    } else if says(&["already loaded", "already bootstrapped", "operation already in progress"]) {
        Answer::AlreadyLoaded
    } else if says(&["operation now in progress"]) {
        Answer::InProgress
    } else if says(&["service is disabled"]) {
        Answer::Disabled
    } else {
        match said.code {
            Some(1 | 150) => Answer::NotPermitted,
            Some(3 | 113) => Answer::NotLoaded,
            Some(5) => Answer::InputOutput,
            Some(36) => Answer::InProgress,
            Some(37) => Answer::AlreadyLoaded,
            Some(112 | 125) => Answer::NoDomain,
            Some(119) => Answer::Disabled,
            _ => Answer::Other,
        }
    }
}

/// A service's state according to `launchctl print`. "This output is not API", so only what every version prints is parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Job {
    state: String,
    pid: Option<String>,
    last_exit: Option<String>,
}

pub(super) fn job(printed: &str) -> Job {
    let mut job = Job::default();
    // The service's own members are indented by one tab; deeper ones belong to its parts.
    for line in printed.lines().filter(|line| !line.starts_with("\t\t")) {
        let Some((name, value)) = line.trim().split_once(" = ") else { continue };
        match name {
            "state" => value.clone_into(&mut job.state),
            "pid" => job.pid = Some(value.to_owned()),
            "last exit code" => job.last_exit = Some(value.to_owned()),
            _ => {}
        }
    }
    job
}

impl Job {
    /// It has a process, and is not being stopped.
    pub(super) fn runs(&self) -> bool {
        self.state == "running" || (self.pid.is_some() && !self.is_leaving())
    }

    /// It was signaled ("SIGTERMed", "SIGKILLed") and has not ended yet.
    pub(super) fn is_leaving(&self) -> bool {
        self.state.starts_with("SIG")
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.state.is_empty() {
            write!(f, " (state: {}", self.state)?;
            if let Some(code) = &self.last_exit {
                write!(f, ", last exit code: {code}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// Whether `launchctl print-disabled` lists this service as disabled. Old versions print `true`, new ones `disabled`.
pub(super) fn disabled_in(printed: &str, label: &str) -> bool {
    let name = format!("\"{label}\"");
    printed
        .lines()
        .filter_map(|line| line.trim().split_once(" => "))
        .any(|(service, how)| service == name && matches!(how.trim_end_matches(';'), "disabled" | "true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: i32, err: &str) -> Said {
        Said { code: Some(code), out: String::new(), err: err.to_owned() }
    }

    #[test]
    fn each_known_answer_is_understood() {
        for (code, words, meaning) in [
            (0, "", Answer::Done),
            (3, "Boot-out failed: 3: No such process\n", Answer::NotLoaded),
            (
                113,
                "Could not find service \"dev.mcp-refreshd\" in domain for user gui: 501\n",
                Answer::NotLoaded,
            ),
            (37, "Bootstrap failed: 37: Operation already in progress\n", Answer::AlreadyLoaded),
            (17, "Bootstrap failed: 17: File exists\nservice already loaded\n", Answer::AlreadyLoaded),
            (36, "Boot-out failed: 36: Operation now in progress\n", Answer::InProgress),
            (119, "Bootstrap failed: 119: Service is disabled\n", Answer::Disabled),
            (125, "Bootstrap failed: 125: Domain does not support specified action\n", Answer::NoDomain),
            (113, "Bad request.\nCould not find domain for user gui: 501\n", Answer::NoDomain),
            (112, "", Answer::NoDomain),
            (1, "Could not enable service: 1: Operation not permitted\n", Answer::NotPermitted),
            (5, "Bootstrap failed: 5: Input/output error\n", Answer::InputOutput),
            (64, "Unrecognized target specifier.\n", Answer::Other),
        ] {
            assert_eq!(understood(&said(code, words)), meaning, "{code} {words}");
        }
    }

    #[test]
    fn the_state_is_the_services_own() {
        let printed = "gui/501/dev.mcp-refreshd = {\n\tactive count = 1\n\tpath = /x\n\tstate = running\n\n\tendpoints = {\n\t\tstate = dead\n\t}\n\tpid = 77\n\tlast exit code = (never exited)\n}\n";
        let job = job(printed);
        assert!(job.runs() && !job.is_leaving());
        assert_eq!(job.to_string(), " (state: running, last exit code: (never exited))");
        let leaving = super::job("x = {\n\tstate = SIGTERMed\n\tpid = 77\n}\n");
        assert!(!leaving.runs() && leaving.is_leaving());
        assert_eq!(super::job("nonsense"), Job::default());
    }

    #[test]
    fn disabled_is_known_in_the_words_of_old_and_new_versions() {
        let printed = "disabled services = {\n\t\"a.b\" => enabled\n\t\"dev.mcp-refreshd\" => disabled\n}\n";
        assert!(disabled_in(printed, "dev.mcp-refreshd"));
        assert!(disabled_in("\t\"dev.mcp-refreshd\" => true;\n", "dev.mcp-refreshd"));
        assert!(!disabled_in(printed, "a.b"));
        assert!(!disabled_in(printed, "mcp-refreshd"));
    }
}
