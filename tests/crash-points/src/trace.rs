//! The main thread's steps, as recorded by strace.

use harness::strace::{self, Call};
use std::path::Path;

/// A whole trace. The first thread is the main one.
#[derive(Default)]
pub(crate) struct Trace {
    pub(crate) calls: Vec<Call>,
}

impl Trace {
    /// Reads strace's output so far.
    pub(crate) fn read(path: &Path) -> Self {
        Self { calls: strace::read(path) }
    }

    /// The main thread's id, which is the process id.
    pub(crate) fn main(&self) -> Option<u32> {
        self.calls.first().map(|call| call.thread)
    }

    /// Every named step: its name, and its ordinal among the main thread's calls of the same kind.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut counts = std::collections::BTreeMap::<&str, usize>::new();
        for call in self.calls.iter().filter(|call| Some(call.thread) == self.main()) {
            let count = counts.entry(&call.name).or_default();
            *count += 1;
            if let Some(label) = label(call) {
                let mut label = label;
                let same = steps.iter().filter(|step: &&Step| step.plain == label).count();
                let plain = label.clone();
                if same > 0 {
                    label = format!("{label} #{}", same + 1);
                }
                steps.push(Step { call: call.name.clone(), nth: *count, plain, label });
            }
        }
        steps
    }

    /// The last call started by the main thread.
    pub(crate) fn last_step(&self) -> Option<String> {
        let last = self.calls.iter().rfind(|call| Some(call.thread) == self.main())?;
        label(last).or_else(|| Some(last.name.clone()))
    }
}

/// A step at which the daemon can crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The system call.
    pub(crate) call: String,
    /// Its ordinal in the main thread, from 1.
    pub(crate) nth: usize,
    /// Its description.
    pub(crate) plain: String,
    /// The same, numbered if it occurs several times.
    pub(crate) label: String,
}

/// The calls that change a file or use the network, for strace's filter.
pub(crate) const SHOWN: &str = "execve,mkdir,mkdirat,rmdir,open,openat,creat,fallocate,write,pwrite64,writev,ftruncate,fchmod,\
     chmod,utimensat,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,connect,sendto,recvfrom,read,clone,clone3,fsync,fdatasync,\
     sync_file_range,syncfs,msync,prctl,shutdown";

/// The description of a call, if it is relevant.
fn label(call: &Call) -> Option<String> {
    let arguments = &call.arguments;
    let paths = || {
        let quoted = arguments.split('"').skip(1).step_by(2);
        quoted.map(short).collect::<Vec<_>>().join(" -> ")
    };
    match call.name.as_str() {
        "open" | "openat" if arguments.contains("O_CREAT") => Some(format!("create {}", paths())),
        "open" | "openat" | "read" | "prctl" | "execve" => None,
        "clone" | "clone3" if arguments.contains("CLONE_VFORK") => Some("start a tool".to_owned()),
        "clone" | "clone3" => Some("start a thread".to_owned()),
        "write" | "writev" => {
            let (file, rest) = arguments.split_once(',')?;
            let file = file.split_once('<').map_or(file, |(_, path)| path.trim_end_matches('>'));
            if arguments.starts_with("2<") || file.contains("eventfd") {
                return None;
            }
            let is_socket = file.contains("socket") || file.contains("TCP");
            let content = rest.split_once('"')?.1;
            let word = content.trim_start_matches(|c: char| !c.is_alphanumeric());
            let word: String = word.chars().take_while(char::is_ascii_alphabetic).collect();
            let what = if word.is_empty() { "something" } else { &word };
            let to = if is_socket { "the network".to_owned() } else { short(file) };
            Some(format!("write {what} to {to}"))
        }
        "recvfrom" => Some("receive from the network".to_owned()),
        "connect" => Some("connect".to_owned()),
        "shutdown" => None,
        "ftruncate" | "fallocate" | "fchmod" | "fsync" | "fdatasync" => {
            let file = arguments.split_once('<').map_or("", |(_, rest)| rest);
            let file = file.split_once('>').map_or(file, |(path, _)| path);
            let empties = if call.name == "ftruncate"
                && (arguments.contains(">, 0)") || arguments.contains(">, 0 <"))
            {
                " to nothing"
            } else {
                ""
            };
            Some(format!("{} {}{empties}", call.name, short(file)))
        }
        name => Some(format!("{name} {}", paths())),
    }
}

/// The last part of a path, without what varies between runs.
fn short(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.split_once(".tmp.mcp-refreshd-") {
        Some((before, _)) => format!("{}.tmp", before.trim_start_matches('.')),
        None if name.starts_with(".tmp") => "the home".to_owned(),
        None if name.starts_with(".mcp-refreshd-") => "a new file".to_owned(),
        None if name.starts_with("mcp-refresh-") => "the refresh lock".to_owned(),
        None if name == ".storage-write.lock" => "the storage lock".to_owned(),
        None => name.to_owned(),
    }
}
