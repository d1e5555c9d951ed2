use super::server::SocketError;
use super::*;
use crate::control::instance::Instance;
use crate::control::protocol::Envelope;
use crate::control::protocol::{PROTOCOL, Reply, Request};
use crate::control::report::Status;
use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::sync::Notify;

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future);
}

fn serve(place: PathBuf) {
    let (listener, _) = Listener::bind(&[place]).unwrap();
    compact::spawn_local(async move {
        let answer = async |ask| match ask {
            Request::Status => Reply::Status(Status::default()),
            Request::AccessToken(_)
            | Request::AccessTokenFrom { .. }
            | Request::ProxyVariables
            | Request::Restore { .. }
            | Request::Reload
            | Request::Moves
            | Request::TestNotice
            | Request::Stop => Reply::Refused("not asked here".to_owned()),
            #[cfg(feature = "cluster")]
            Request::Cluster { .. } => Reply::Refused("not asked here".to_owned()),
            Request::Refresh { names, .. } => Reply::Refused(format!("asked for {}", names.join("+"))),
        };
        listener.serve(answer).await;
    });
}

/// The agent's answer to these bytes.
async fn said(place: &Path, bytes: &'static [u8]) -> String {
    let place = place.to_owned();
    let conversation = move || {
        let mut stream = UnixStream::connect(place).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(conversation).await.unwrap()
}

#[test]
fn a_client_finds_the_agent_and_gets_its_answer() {
    run(async {
        let state = tempfile::tempdir().unwrap();
        assert!(ask(state.path(), &Request::Status).await.unwrap().is_none());
        let instance = Instance::claim(state.path()).unwrap();
        let place = state.path().join("run/control.sock");
        serve(place.clone());
        instance.tell(Some(&place), None).unwrap();
        assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(ask(state.path(), &Request::Status).await.unwrap(), Some(Reply::Status(_))));
        let refresh = Request::Refresh { names: vec!["a".into(), "b".into()], force: false, store: None };
        assert_eq!(ask(state.path(), &refresh).await.unwrap_err().to_string(), "asked for a+b");
    });
}

#[test]
fn the_socket_of_a_dead_agent_is_replaced_and_that_of_a_live_one_is_not() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("control.sock");
        drop(UnixListener::bind(&place).unwrap());
        assert!(place.exists());
        let (live, _) = Listener::bind(std::slice::from_ref(&place)).unwrap();
        let other = folder.path().join("other.sock");
        let (second, passed_over) = Listener::bind(&[place.clone(), other.clone()]).unwrap();
        assert!(matches!(passed_over.as_slice(), [SocketError::Taken { .. }]));
        assert_eq!(second.path(), other);
        drop(live);
        assert!(!place.exists());
    });
}

#[test]
fn a_stale_lock_file_means_that_no_agent_runs() {
    run(async {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("lock"), "1\n/nowhere/at/all.sock\n").unwrap();
        assert!(ask(state.path(), &Request::Status).await.unwrap().is_none());
        let dead = state.path().join("dead.sock");
        drop(UnixListener::bind(&dead).unwrap());
        std::fs::write(state.path().join("lock"), format!("1\n{}\n", dead.display())).unwrap();
        assert!(ask(state.path(), &Request::Status).await.unwrap().is_none());
    });
}

#[test]
fn no_socket_takes_the_place_of_a_file_or_a_path_too_long() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("control.sock");
        std::fs::write(&file, "mine").unwrap();
        let long = folder.path().join("x".repeat(120)).join("control.sock");
        let errors = Listener::bind(&[file.clone(), long]).unwrap_err();
        assert!(matches!(errors.as_slice(), [SocketError::NotASocket { .. }, SocketError::TooLong { .. }]));
        assert_eq!(std::fs::read(file).unwrap(), b"mine");
    });
}

#[test]
fn an_agent_of_another_version_is_told_apart() {
    run(async {
        let state = tempfile::tempdir().unwrap();
        let place = state.path().join("control.sock");
        let listener = UnixListener::bind(&place).unwrap();
        std::fs::write(state.path().join("lock"), format!("1\n{}\n", place.display())).unwrap();
        let future_daemon = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = listener.accept().unwrap();
            BufReader::new(&stream).read_line(&mut String::new()).unwrap();
            let line =
                format!("{{\"protocol\":{},\"version\":\"9.9.9\",\"reply\":\"song\"}}\n", PROTOCOL + 1);
            stream.write_all(line.as_bytes()).unwrap();
        });
        let told = ask(state.path(), &Request::Status).await.unwrap_err().to_string();
        assert!(told.contains("9.9.9") && told.contains("restart"), "{told}");
        future_daemon.await.unwrap();
    });
}

#[test]
fn nonsense_gets_an_answer_and_harms_nobody_else() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("control.sock");
        serve(place.clone());
        let told = said(&place, b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(told.contains("did not understand"), "{told}");
        let told = said(&place, b"{\"protocol\":99,\"version\":\"9.9.9\"}\n").await;
        assert!(told.contains("another version"), "{told}");
        let endless: &'static [u8] = vec![b'x'; 60_000].leak();
        let stream = UnixStream::connect(&place).unwrap();
        (&stream).write_all(endless).unwrap();
        let told = said(&place, b"{\"protocol\":1,\"version\":\"x\",\"request\":\"status\"}\n").await;
        assert!(told.contains("\"stores\":[]"), "{told}");
    });
}

/// Whoever asks first gets no answer, the next one does. Says how many have asked.
fn slow(place: &Path) -> Rc<Cell<usize>> {
    let listener = tokio::net::UnixListener::bind(place).unwrap();
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    compact::spawn_local(async move {
        let mut unanswered = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            count.set(count.get() + 1);
            if count.get() % 2 == 1 {
                unanswered.push(stream);
                continue;
            }
            tokio::io::BufReader::new(&mut stream).read_line(&mut String::new()).await.unwrap();
            let answer = Envelope::new(&Reply::Status(Status::default())).to_line().unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    asked
}

#[test]
fn a_busy_agent_gets_longer_where_only_it_can_do_the_work() {
    run(async {
        let state = tempfile::tempdir().unwrap();
        let place = state.path().join("control.sock");
        let asked = slow(&place);
        let lock = format!("{}\n{}\n", std::process::id(), place.display());
        std::fs::write(state.path().join("lock"), lock).unwrap();
        assert!(matches!(reach(state.path()).await, Err(RequestError::Silent { .. })));
        assert_eq!(asked.replace(0), 1);
        assert_eq!(reach_patiently(state.path()).await.unwrap(), Some(Status::default()));
        assert_eq!(asked.get(), 2);
    });
}

#[test]
fn an_agent_that_a_signal_stopped_is_not_asked_again_where_the_system_says_so() {
    use rustix::process::{Pid, Signal, kill_process};
    run(async {
        let state = tempfile::tempdir().unwrap();
        let place = state.path().join("control.sock");
        let asked = slow(&place);
        let mut process = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        kill_process(Pid::from_child(&process), Signal::STOP).unwrap();
        let known = harness::until(Duration::from_secs(20), || crate::platform::is_stopped(process.id()));
        assert_eq!(known, crate::platform::KNOWS_STOPPED);
        let lock = format!("{}\n{}\n", process.id(), place.display());
        std::fs::write(state.path().join("lock"), lock).unwrap();
        let silent = reach_patiently(state.path()).await;
        process.kill().unwrap();
        process.wait().unwrap();
        if known {
            assert!(matches!(silent, Err(RequestError::Silent { pid }) if pid == process.id()), "{silent:?}");
        }
        assert_eq!(asked.get(), if known { 1 } else { 2 });
    });
}

#[test]
fn the_end_waits_for_answers_that_are_being_given() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("control.sock");
        let listener = Rc::new(Listener::bind(std::slice::from_ref(&place)).unwrap().0);
        let (heard, answered) = (Rc::new(Notify::new()), Rc::new(Cell::new(false)));
        let serving = compact::spawn_local({
            let (listener, heard, answered) = (Rc::clone(&listener), Rc::clone(&heard), Rc::clone(&answered));
            let answer = async move |_| {
                heard.notify_one();
                tokio::time::sleep(Duration::from_millis(50)).await;
                answered.set(true);
                Reply::Refreshed(vec![])
            };
            async move { listener.serve(answer).await }
        });
        let conversation = compact::spawn_local(async move {
            said(&place, b"{\"protocol\":1,\"version\":\"x\",\"request\":\"status\"}\n").await
        });
        heard.notified().await;
        serving.abort();
        assert!(serving.await.is_err());
        listener.farewell().await;
        assert!(answered.get());
        assert!(conversation.await.unwrap().contains("refreshed"));
    });
}
