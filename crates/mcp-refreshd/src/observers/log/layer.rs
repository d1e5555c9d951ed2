use crate::observers::rotating::RotatingFile;
use crate::platform::terminal;
use crate::settings::config::{LogConfig, LogFormat, LogLevel};
use crate::terminal::wording::visible;
use jiff::Timestamp;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// Only this program's own messages are logged: the HTTP library's traces could hold tokens.
const OURS: &str = "mcp_refreshd";

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);
static JSON: AtomicBool = AtomicBool::new(false);
/// The file that replaces standard error, and whether the last write to it failed.
static FILE: Mutex<Option<(RotatingFile, bool)>> = Mutex::new(None);

/// Starts logging. Call once.
pub(crate) fn init(config: LogConfig) {
    set(config);
    // Fails only if a logger is already installed, and that one is ours.
    let _ = tracing::subscriber::set_global_default(Stderr { journal: goes_to_journal() });
}

/// Changes level and format.
pub(crate) fn set(config: LogConfig) {
    LEVEL.store(config.level as u8, Ordering::Relaxed);
    JSON.store(config.format == LogFormat::Json, Ordering::Relaxed);
}

/// Logs to this file from now on, and to standard error while the file cannot be written.
pub(crate) fn into_file(path: PathBuf) {
    *file() = Some((RotatingFile::new(path), false));
}

/// The log file, if there is one.
pub(crate) fn goes_to() -> Option<PathBuf> {
    file().as_ref().map(|(file, _)| file.path().to_owned())
}

/// Logs why the program could not go on, for readers of the log file. A service that is restarted repeatedly for the same reason
/// logs it once.
pub(crate) fn end_of_all(message: &str) {
    write_end(&mut file(), message);
}

/// The same after a panic, which may have happened while a line was written.
pub(super) fn end_after_panic(message: &str) {
    if let Ok(mut file) = FILE.try_lock() {
        write_end(&mut file, message);
    }
}

fn write_end(file: &mut Option<(RotatingFile, bool)>, message: &str) {
    let Some((file, _)) = file else { return };
    let line = format!("{:5} {}", Level::ERROR, visible(message));
    if file.last_line().is_none_or(|last| !last.ends_with(&line)) {
        // The message goes to standard error anyway.
        let line = format!("{:.3} {line}\n", Timestamp::now());
        let _ = file.append(line.as_bytes(), || Ok(Vec::new()));
    }
}

fn file() -> MutexGuard<'static, Option<(RotatingFile, bool)>> {
    FILE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the line was written to the file. The first of several failures is reported on standard error.
fn written(line: &str) -> bool {
    let mut file = file();
    let Some((file, failing)) = &mut *file else { return false };
    match file.append(line.as_bytes(), || Ok(Vec::new())) {
        Ok(()) => *failing = false,
        Err(error) if !*failing => {
            *failing = true;
            let path = file.path().display();
            let _ = writeln!(
                std::io::stderr(),
                "mcp-refreshd: the log file {path} cannot be written: {error}; logging to standard error until it can"
            );
        }
        Err(_) => {}
    }
    !*failing
}

struct Stderr {
    journal: bool,
}

impl Subscriber for Stderr {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The level may change later.
        if is_ours(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours(metadata) && weight(metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    // There are no spans of ours.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let now = Timestamp::now();
        let dated = match JSON.load(Ordering::Relaxed) {
            true => json(now, level, &fields),
            false => format!("{now:.3} {}\n", text(level, &fields)),
        };
        if written(&dated) {
            return;
        }
        let line = match self.journal && !JSON.load(Ordering::Relaxed) {
            true => format!("<{}>{}\n", priority(level), text(level, &fields)),
            false => dated,
        };
        // In one call, so that lines of several processes do not mix. A failed write stops nothing.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().split("::").next() == Some(OURS)
}

fn weight(level: &Level) -> u8 {
    match *level {
        Level::ERROR => LogLevel::Error as u8,
        Level::WARN => LogLevel::Warn as u8,
        Level::INFO => LogLevel::Info as u8,
        _ => LogLevel::Debug as u8,
    }
}

/// The priority prefix that the journal parses (`sd-daemon(3)`).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// Whether standard error goes to the journal (`systemd.exec(5)`, `$JOURNAL_STREAM`), which adds timestamps itself.
fn goes_to_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    terminal::stderr_is(&stream)
}

/// The text and fields of one event.
#[derive(Debug, Default)]
pub(super) struct Fields {
    message: String,
    server: Option<String>,
    others: Vec<(&'static str, Value)>,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Number(u64),
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "server" => self.server = Some(value.to_owned()),
            name => self.others.push((name, Value::Text(value.to_owned()))),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.others.push((field.name(), Value::Number(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn text(level: Level, fields: &Fields) -> String {
    let mut line = format!("{level:5} ");
    if let Some(server) = &fields.server {
        line.push_str(&visible(server));
        line.push_str(": ");
    }
    line.push_str(&visible(&fields.message));
    for (name, value) in &fields.others {
        // Writing to a string cannot fail.
        let _ = match value {
            Value::Number(number) => write!(line, " {name}={number}"),
            Value::Text(text) if is_plain(text) => write!(line, " {name}={text}"),
            Value::Text(text) => write!(line, " {name}=\"{}\"", visible(text).replace('"', "'")),
        };
    }
    line
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '=')
}

fn json(now: Timestamp, level: Level, fields: &Fields) -> String {
    let mut members = serde_json::Map::new();
    let mut put = |name: &str, value: serde_json::Value| drop(members.insert(name.to_owned(), value));
    put("time", format!("{now:.3}").into());
    put("level", level.as_str().to_ascii_lowercase().into());
    if let Some(server) = &fields.server {
        put("server", server.as_str().into());
    }
    put("message", fields.message.as_str().into());
    for (name, value) in &fields.others {
        put(
            name,
            match value {
                Value::Number(number) => (*number).into(),
                Value::Text(text) => text.as_str().into(),
            },
        );
    }
    format!("{}\n", serde_json::Value::Object(members))
}

#[cfg(test)]
pub(super) fn rendered(now: Timestamp, level: Level, fields: &Fields) -> [String; 2] {
    [format!("{}\n", text(level, fields)), json(now, level, fields)]
}
