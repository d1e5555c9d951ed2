//! The service in launchd's domain of the user, by launchctl.

use super::Launchd;
use super::answer::{Answer, Job, disabled_in, job, understood};
use super::plist::{self, LABEL};
use crate::{Said, ServiceError, ToolError};
use std::thread;
use std::time::{Duration, Instant};

impl Launchd {
    /// Runs launchctl and leaves the result to the caller.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<(Answer, Said), ServiceError> {
        let said = self.launchctl.ask(arguments).map_err(|error| match error.is_missing() {
            true => ServiceError::NoManager("launchd"),
            false => ServiceError::Tool(error),
        })?;
        Ok((understood(&said), said))
    }

    pub(super) fn failed(&self, arguments: &[&str], said: Said) -> ServiceError {
        ServiceError::Tool(self.launchctl.failed(arguments, said))
    }

    /// The state of the service; `None` if launchd does not know it.
    pub(super) fn job(&self) -> Result<Option<Job>, ServiceError> {
        let service = self.service();
        let arguments = ["print", service.as_str()];
        let (answer, said) = self.ask(&arguments)?;
        match answer {
            Answer::Done => Ok(Some(job(&said.out))),
            Answer::NotLoaded | Answer::NoDomain => Ok(None),
            _ => Err(self.failed(&arguments, said)),
        }
    }

    /// Polls until `done` holds; `None` on timeout.
    pub(super) fn wait<T>(
        &self,
        patience: Duration,
        mut done: impl FnMut(&Self) -> Result<Option<T>, ServiceError>,
    ) -> Result<Option<T>, ServiceError> {
        let began = Instant::now();
        loop {
            if let Some(done) = done(self)? {
                return Ok(Some(done));
            }
            if began.elapsed() >= patience {
                return Ok(None);
            }
            thread::sleep(self.patience.look);
        }
    }

    pub(super) fn unreachable(&self) -> ServiceError {
        ServiceError::Unreachable(format!(
            "launchd has no domain {} now: user {} is not logged in at the screen of this Mac (a login over ssh is not enough). \
             The agent starts by itself at the next login there; or log in there and type: mcp-refreshd start",
            self.domain(),
            self.uid
        ))
    }

    pub(super) fn disabled(&self) -> ServiceError {
        ServiceError::Refused(format!(
            "launchd was told never to start {LABEL}; type: launchctl enable {}, then: mcp-refreshd start",
            self.service()
        ))
    }

    /// Loads the agent's file. While launchd cleans up after a previous service, its errors are transient.
    pub(super) fn load(&self) -> Result<(), ServiceError> {
        let (domain, file) = (self.domain(), self.file());
        let file = file.to_str().ok_or_else(|| plist::not_unicode(&file))?;
        let arguments = ["bootstrap", domain.as_str(), file];
        let mut last = None;
        let loaded = self.wait(self.patience.up, |this| {
            let (answer, said) = this.ask(&arguments)?;
            match answer {
                Answer::Done => return Ok(Some(())),
                Answer::NoDomain => return Err(this.unreachable()),
                Answer::Disabled => return Err(this.disabled()),
                // All three may mean that the service is already loaded, or not quite gone yet.
                Answer::AlreadyLoaded | Answer::InProgress | Answer::InputOutput => {}
                Answer::NotLoaded | Answer::NotPermitted | Answer::Other => {
                    return Err(this.failed(&arguments, said));
                }
            }
            if this.job()?.is_some_and(|job| !job.is_leaving()) {
                return Ok(Some(()));
            }
            // Some versions report a disabled service only as "Input/output error".
            if answer == Answer::InputOutput && this.is_disabled()? {
                return Err(this.disabled());
            }
            last = Some(said);
            Ok(None)
        })?;
        match (loaded, last) {
            (Some(()), _) => Ok(()),
            (None, Some(said)) => Err(ServiceError::Refused(format!(
                "{}. launchd gives no reason; look for one: the file {file} must be yours and writable for nobody else, \
                 its program must exist, and in System Settings under Login Items mcp-refreshd must be allowed in the \
                 background. Then type: mcp-refreshd start",
                self.launchctl.failed(&arguments, said)
            ))),
            (None, None) => Err(ServiceError::Tool(ToolError::TooSlow {
                command: arguments.join(" "),
                limit: self.patience.up,
            })),
        }
    }

    pub(super) fn is_disabled(&self) -> Result<bool, ServiceError> {
        let (answer, said) = self.ask(&["print-disabled", &self.domain()])?;
        Ok(answer == Answer::Done && disabled_in(&said.out, LABEL))
    }
}
