use super::UNIT;
use super::sandbox::Sandbox;
use crate::{ServiceError, Surroundings, Tool};
use std::path::{Path, PathBuf};

/// Facts about the machine and its manager.
pub(super) struct Machine {
    systemctl: Tool,
    systemd_run: Tool,
    /// `XDG_RUNTIME_DIR`, where the manager's socket is.
    runtime: Option<PathBuf>,
    user: Option<String>,
    /// Not a desktop machine.
    headless: bool,
    root: PathBuf,
}

impl Machine {
    pub(super) fn new(surroundings: &Surroundings<'_>, systemctl: Tool, systemd_run: Tool) -> Self {
        let variable = |name| (surroundings.env)(name).filter(|value| !value.is_empty());
        Self {
            systemctl,
            systemd_run,
            runtime: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            user: variable("USER").and_then(|user| user.into_string().ok()),
            headless: variable("DISPLAY").is_none() && variable("WAYLAND_DISPLAY").is_none(),
            root: PathBuf::from("/"),
        }
    }

    /// Checks that systemd runs on this machine (`sd_booted(3)`).
    ///
    /// # Errors
    /// It does not.
    pub(super) fn booted(&self) -> Result<(), ServiceError> {
        match self.root.join("run/systemd/system").is_dir() {
            true => Ok(()),
            false => Err(ServiceError::NoManager("systemd")),
        }
    }

    /// Checks that this user's manager can be reached.
    ///
    /// # Errors
    /// Says what is missing and how to fix it.
    pub(super) fn reached(&self) -> Result<(), ServiceError> {
        self.booted()?;
        match self.systemctl.ask(&["--user", "--no-pager", "show", "--property=Version"]) {
            Ok(said) if said.well() => Ok(()),
            Ok(said) => Err(ServiceError::Unreachable(self.unreachable(said.err.trim()))),
            Err(error) if error.is_missing() => {
                Err(ServiceError::Unreachable(format!("{error}; check that systemd's tools are in PATH")))
            }
            Err(error) => Err(ServiceError::Unreachable(self.unreachable(&error.to_string()))),
        }
    }

    fn unreachable(&self, why: &str) -> String {
        let user = self.user.as_deref().unwrap_or("$USER");
        let cure = match self.runtime {
            None => {
                "XDG_RUNTIME_DIR is not set, as after `su` or `sudo`: log in as this user itself (ssh, or the \
                 console), or type: export XDG_RUNTIME_DIR=/run/user/$(id -u)"
            }
            Some(_) => "log in as this user itself (ssh, or the console)",
        };
        format!(
            "systemd's user manager cannot be reached: {why}\n{cure}\n\
             On a machine where nobody logs in, first type: sudo loginctl enable-linger {user}"
        )
    }

    /// The manager's version.
    ///
    /// # Errors
    /// It cannot be reached.
    pub(super) fn version(&self) -> Result<u32, ServiceError> {
        let said = self.systemctl.run(&["--user", "--no-pager", "show", "--property=Version", "--value"])?;
        Ok(version(&said.out))
    }

    /// The strictest sandbox that works here: a service starts in it and cannot write to the home folder.
    ///
    /// # Errors
    /// Why none works, in a few words.
    pub(super) fn sandbox(&self, home: &Path) -> Result<Sandbox, String> {
        Sandbox::best(|sandbox| self.holds(sandbox, home))
    }

    fn holds(&self, sandbox: &Sandbox, home: &Path) -> Result<(), String> {
        let mut arguments: Vec<&str> = vec!["--user", "--wait", "--collect", "--quiet"];
        // Further settings only concern paths, and cannot fail if these work.
        arguments.extend(sandbox.settings().chain(["PrivateTmp=yes"]).flat_map(|setting| ["-p", setting]));
        let home = home.to_string_lossy();
        // The folder is an argument, never part of the script, because the manager expands single dollar signs.
        let home = home.replace('$', "$$");
        arguments.extend(["--", "/bin/sh", "-c", "test ! -w \"$$0\"", &home]);
        match self.systemd_run.ask(&arguments) {
            Ok(said) if said.well() => Ok(()),
            Ok(said) => Err(match said.err.lines().next() {
                Some(line) => line.trim().to_owned(),
                None => "user namespaces are forbidden".to_owned(),
            }),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What to say if this user's services end with the last logout.
    pub(super) fn without_linger(&self) -> Option<String> {
        let user = self.user.as_deref()?;
        let lingers = self.root.join("var/lib/systemd/linger").join(user).exists();
        (self.headless && !lingers).then(|| {
            format!(
                "you have no desktop session here: {UNIT} stops with your last logout; to keep it running, \
                 type: loginctl enable-linger {user}"
            )
        })
    }
}

/// The first number of "252.38-1~deb12u1" or "v255".
fn version(text: &str) -> u32 {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(unix)]
#[cfg(test)]
impl Machine {
    /// A test's machine, with a desktop session.
    pub(super) fn at(root: &Path, systemctl: Tool, systemd_run: Tool) -> Self {
        let root = root.to_owned();
        Self { systemctl, systemd_run, runtime: None, user: Some("me".to_owned()), headless: false, root }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_manager_tells_them() {
        assert_eq!(version("252.38-1~deb12u1\n"), 252);
        assert_eq!(version("v245.4"), 245);
        assert_eq!(version("257~rc1"), 257);
        assert_eq!(version(""), 0);
    }
}
