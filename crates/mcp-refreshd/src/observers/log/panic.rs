//! A panic, which is always a bug, ends the program at once and in every build: nothing unwinds, no task dies alone while the others look
//! healthy. What was in flight is in the journal, and a service manager starts the program again.

use super::layer;
use crate::terminal::output;
use std::panic::PanicHookInfo;

/// As Rust's own runtime exits after a panic. No signal, so that no system writes a dump of memory that holds tokens.
const EXIT_CODE: i32 = 101;

/// Installs the hook. Call first.
pub(crate) fn end_at_a_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let text = text(panic);
        output::message(&text);
        layer::end_after_panic(&text);
        std::process::exit(EXIT_CODE);
    }));
}

fn text(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    // Only what was known when it was compiled: a formatted message may quote a token.
    let what = panic.payload().downcast_ref::<&'static str>();
    let what = what.map_or_else(String::new, |what| format!(": {what}"));
    format!(
        "internal error at {place}{what}; this is a bug, please report this line; refreshes in flight are in the journal, and the next start finishes them"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    const CHILD: &str = "MCP_REFRESHD_PANICS";

    /// Run by the test below in a process of its own.
    #[tokio::test]
    async fn a_program_that_panics_in_a_task() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        struct Cleaned;
        impl Drop for Cleaned {
            fn drop(&mut self) {
                output::message("unwound");
            }
        }
        end_at_a_panic();
        let tasks = LocalSet::new();
        let end = tasks.run_until(async {
            let token = String::from("rt_made_up");
            let task = spawn_local(async move {
                let _cleaned = Cleaned;
                yield_now().await;
                panic!("this is no token: {token}");
            });
            task.await
        });
        drop(end.await);
        output::message("went on");
    }

    #[test]
    fn a_panic_in_a_task_ends_the_program_and_names_the_place_but_no_token() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "observers::log::panic::tests::a_program_that_panics_in_a_task", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let told = String::from_utf8(child.stderr).unwrap();
        assert_eq!(child.status.code(), Some(EXIT_CODE), "{told}");
        let place = file!().rsplit('/').next().unwrap();
        assert!(told.contains("internal error at ") && told.contains(place), "{told}");
        assert!(told.contains("please report"), "{told}");
        for absent in ["rt_made_up", "unwound", "went on", "backtrace"] {
            assert!(!told.contains(absent), "{told}");
        }
    }
}
