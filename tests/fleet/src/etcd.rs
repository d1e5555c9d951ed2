use crate::certificates::Certificates;
use crate::{Fallible, MEMBERS};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};

/// Where etcd serves anybody by HTTP.
pub(crate) const PLAIN_PORT: u16 = 2379;
/// Where it serves whoever shows a certificate, by HTTPS.
pub(crate) const TLS_PORT: u16 = 2378;

/// A member of etcd in its own network namespace.
pub(crate) struct Etcd {
    number: usize,
    certificates: Certificates,
    folder: PathBuf,
    process: Mutex<Option<Child>>,
}

impl Etcd {
    pub(crate) fn start(scene: &Path, number: usize, certificates: &Certificates) -> Fallible<Self> {
        let folder = scene.join(format!("etcd{number}"));
        let etcd = Self { number, certificates: certificates.clone(), folder, process: Mutex::default() };
        std::fs::create_dir(&etcd.folder)?;
        etcd.run("new")?;
        Ok(etcd)
    }

    fn run(&self, state: &str) -> Fallible<()> {
        let number = self.number;
        let all: Vec<_> =
            (1..=MEMBERS).map(|other| format!("etcd{other}=http://10.9.0.{other}:2380")).collect();
        let own = format!("http://10.9.0.{number}:2380");
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("etcd{number}"), "etcd"]);
        command.args(["--name", &format!("etcd{number}"), "--data-dir"]).arg(self.folder.join("data"));
        let clients = format!("http://0.0.0.0:{PLAIN_PORT},https://0.0.0.0:{TLS_PORT}");
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls"]);
        command.args([&format!("http://10.9.0.{number}:{PLAIN_PORT}"), "--listen-peer-urls", &own]);
        let Certificates { authority, etcd: (certificate, key), .. } = &self.certificates;
        command.arg("--cert-file").arg(certificate).arg("--key-file").arg(key);
        command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(authority);
        command.args(["--initial-advertise-peer-urls", &own, "--initial-cluster", &all.join(",")]);
        command.args(["--initial-cluster-state", state, "--logger", "zap"]);
        let process = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    pub(crate) fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub(crate) fn restart(&self) -> Fallible<()> {
        self.kill();
        self.run("existing")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        signal_to(process.as_ref(), signal);
    }

    /// Cuts its only cable, or mends it.
    pub(crate) fn cable(&self, state: &str) {
        let _ = Command::new("ip").args(["link", "set", &format!("e{}", self.number), state]).status();
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to a process that may have ended.
pub(crate) fn signal_to(process: Option<&Child>, signal: Signal) {
    let pid = process.and_then(|process| i32::try_from(process.id()).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}
