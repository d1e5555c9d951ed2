use crate::stamp::stamp_line;
use crate::{Plan, ServiceError};
use launchd::{KeepAliveOptions, Launchd, ProcessType};
use plist::Value;
use std::path::{Path, PathBuf};

/// The agent's label, and the name of its file.
pub(super) const LABEL: &str = "dev.mcp-refreshd";
/// The agent's log, relative to the home folder: macOS's Console app shows files there. launchd does not rotate logs; the agent does.
pub(super) const LOG_FILE: &str = "Library/Logs/mcp-refreshd/mcp-refreshd.log";

/// More than the minute that the agent gives a request in flight; then launchd kills it.
const EXIT_TIME_OUT: u32 = 75;
/// launchd's default minimum between two starts, in seconds: an agent that fails at once must not spin.
const THROTTLE_INTERVAL: u32 = 10;

/// The agent's file for this program as shipped, without an installation's stamp.
///
/// # Errors
/// The path is not Unicode, so a property list cannot contain it.
pub(super) fn generated(program: &Path, variables: &[(String, String)]) -> Result<String, ServiceError> {
    let program = program.to_str().ok_or_else(|| not_unicode(program))?;
    let arguments = [program, "run", "--log-file", &format!("~/{LOG_FILE}")].map(str::to_owned).to_vec();
    let mut agent = Launchd::default()
        .with_label(LABEL)
        .with_program_arguments(arguments)
        .run_at_load()
        .with_keep_alive(KeepAliveOptions::new().with_successful_exit(false).into())
        .with_process_type(ProcessType::Background)
        .with_throttle_interval(THROTTLE_INTERVAL)
        .with_exit_timeout(EXIT_TIME_OUT)
        // Catches output before the log file is open: only that it cannot be opened.
        .with_standard_error_path("/dev/null")
        .map_err(|error| not_made(&error))?;
    if !variables.is_empty() {
        agent = agent.with_environment_variables(variables.iter().cloned().collect());
    }
    let mut value = plist::to_value(&agent).map_err(|error| not_made(&error))?;
    // Maps have no stable order; sort them so that the same agent gets the same file.
    if let Some(Value::Dictionary(variables)) =
        value.as_dictionary_mut().and_then(|agent| agent.get_mut("EnvironmentVariables"))
    {
        variables.sort_keys();
    }
    let mut text = Vec::new();
    plist::to_writer_xml(&mut text, &value).map_err(|error| not_made(&error))?;
    text.push(b'\n');
    String::from_utf8(text).map_err(|error| not_made(&error))
}

/// The agent's file as installed: with a stamp that reveals edits.
pub(super) fn stamped(plan: &Plan) -> Result<String, ServiceError> {
    let text = generated(&plan.program, &plan.variables)?;
    let stamp = format!("<!-- {} -->\n", stamp_line(&text));
    // After the two lines that declare the document type.
    let place = text.match_indices('\n').nth(1).map_or(0, |(end, _)| end + 1);
    let (head, rest) = text.split_at(place);
    Ok(format!("{head}{stamp}{rest}"))
}

/// The program named in an agent's file.
pub(super) fn program(content: &[u8]) -> Option<PathBuf> {
    let value: Value = plist::from_bytes(content).ok()?;
    let agent = value.as_dictionary()?;
    let first = agent.get("ProgramArguments").and_then(|arguments| arguments.as_array()?.first());
    agent.get("Program").or(first)?.as_string().map(PathBuf::from)
}

pub(super) fn not_unicode(path: &Path) -> ServiceError {
    ServiceError::Refused(format!(
        "launchd requires Unicode paths, but {} is not Unicode; move the program (or your home folder) and try again",
        path.display()
    ))
}

fn not_made(error: &dyn std::error::Error) -> ServiceError {
    ServiceError::Refused(format!("cannot generate the agent's property list: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authorship, authorship};

    /// If set, the shipped file is written instead of compared.
    const WRITE: &str = "UPDATE_PACKAGING";

    fn plan(program: &str) -> Plan {
        Plan { program: program.into(), version: "0".into(), writable: Vec::new(), variables: Vec::new() }
    }

    #[test]
    fn the_shipped_file_is_the_generated_one_with_a_placeholder_for_the_program() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launchd/dev.mcp-refreshd.plist");
        let generated = generated(Path::new("@MCP_REFRESHD@"), &[]).unwrap();
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&shipped, &generated).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&shipped).unwrap(),
            generated,
            "launchd/ is not what this program writes; run: {WRITE}=1 cargo test -p user-agent-service shipped"
        );
        assert_eq!(generated.matches("@MCP_REFRESHD@").count(), 1);
    }

    #[test]
    fn any_path_comes_back_as_it_went_in() {
        for path in
            ["/Users/me/bin/mcp-refreshd", "/Users/Zoë Ö/my <tools> & \"more\"/mcp-refreshd", "/a/]]>/--><b>"]
        {
            let text = stamped(&plan(path)).unwrap();
            assert_eq!(program(text.as_bytes()), Some(path.into()));
            assert_eq!(authorship(&text), Authorship::Ours);
        }
    }

    #[cfg(unix)] // Made of bytes: Windows has no such path.
    #[test]
    fn a_path_that_is_not_unicode_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/Users/\xff/mcp-refreshd"));
        assert!(generated(path, &[]).unwrap_err().to_string().contains("not Unicode"));
    }

    #[test]
    fn the_same_variables_make_the_same_file() {
        let variables: Vec<_> = (0..20).map(|n| (format!("V{n:02}"), format!("<{n}>"))).collect();
        let backwards: Vec<_> = variables.iter().rev().cloned().collect();
        let text = generated(Path::new("/bin/x"), &variables).unwrap();
        assert_eq!(text, generated(Path::new("/bin/x"), &backwards).unwrap());
        assert!(text.contains("<key>V07</key>\n\t\t<string>&lt;7&gt;</string>"), "{text}");
    }

    #[test]
    fn an_invalid_property_list_names_no_program() {
        for content in ["", "text", "<plist><dict/></plist>", "<plist><array/></plist>"] {
            assert_eq!(program(content.as_bytes()), None, "{content}");
        }
    }
}
