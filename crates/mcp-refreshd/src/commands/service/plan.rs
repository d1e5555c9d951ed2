use super::running::Running;
use super::stores::folders_of_service;
use crate::control::protocol::VERSION;
use crate::platform::files::FOLDER_VARIABLES;
use crate::platform::process::user_id;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy::by_hand;
use crate::terminal::wording::visible;
use claude_store::StorageFolder;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use user_agent_service::{Plan, ServiceManager, Standing, Surroundings, service_manager};

/// The service manager of this system.
///
/// # Errors
/// None is known here.
pub(crate) fn manager(paths: &Paths) -> Result<Box<dyn ServiceManager>, Failure> {
    known_manager(paths).ok_or_else(|| {
        Failure::new(
            Exit::Person,
            format!(
                "this system has no service manager that mcp-refreshd supports; to start the agent by hand, type: {}",
                by_hand()
            ),
        )
    })
}

fn known_manager(paths: &Paths) -> Option<Box<dyn ServiceManager>> {
    service_manager(&Surroundings {
        home: paths.home.clone(),
        uid: user_id(),
        state: paths.state.clone(),
        agent: Rc::new(Running { state: paths.state.clone() }),
        env: &|name| std::env::var_os(name),
    })
}

/// How the service stands, by its files; `None` if it is not installed. What it should look like is judged by the configuration in
/// effect, and by the defaults where that cannot be used.
pub(crate) fn service_status(paths: &Paths) -> Option<Standing> {
    let manager = known_manager(paths).filter(|manager| manager.is_installed())?;
    let config = Config::load(&paths.config, &paths.home).unwrap_or_default();
    Some(manager.standing(&plan(&config, paths).ok()?))
}

/// What `status` says of the service besides: a program that is no longer where the service looks for it.
pub(crate) fn program_gone(paths: &Paths) -> Option<String> {
    let program = service_status(paths)?.program.filter(|program| !program.exists())?;
    Some(format!(
        "the service's program {} is gone; from where the program is now, type: mcp-refreshd install",
        visible(&program.to_string_lossy())
    ))
}

/// What the service is to run, and what it needs.
///
/// # Errors
/// The system does not say where this program is.
pub(crate) fn plan(config: &Config, paths: &Paths) -> Result<Plan, Failure> {
    let mut writable = vec![paths.state.clone()];
    for folder in folders_of_service(config, paths) {
        writable.extend(folders_of(&folder));
    }
    writable.extend(config.log_file.as_deref().and_then(Path::parent).map(Path::to_owned));
    Ok(Plan {
        program: program()?,
        version: VERSION.to_owned(),
        writable,
        variables: variables(paths, &|name| std::env::var(name).ok()),
    })
}

/// The storage folder, that of the needs-auth cache, and the folders that they and the files in them resolve to.
fn folders_of(folder: &StorageFolder) -> Vec<PathBuf> {
    let behind = |path: PathBuf| Some(path.canonicalize().ok()?.parent()?.to_owned());
    let behind = [behind(folder.credentials_path()), behind(folder.needs_auth_path())];
    let mut folders = vec![folder.path().to_owned()];
    folders.extend(folder.path().canonicalize());
    if folder.config_folder() != folder.path() {
        folders.push(folder.config_folder().to_owned());
        folders.extend(folder.config_folder().canonicalize());
    }
    folders.extend(behind.into_iter().flatten());
    folders
}

fn variables(paths: &Paths, env: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let moved = FOLDER_VARIABLES.iter().filter_map(|(name, usual)| {
        let value = env(name).filter(|value| Path::new(value).is_absolute())?;
        (Path::new(&value) != paths.home.join(usual)).then(|| ((*name).to_owned(), value))
    });
    moved.collect()
}

/// This program, by the name under which a later version of it will be found.
pub(crate) fn program() -> Result<PathBuf, Failure> {
    let failed =
        |error| Failure::new(Exit::Person, format!("cannot find out where this program is: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let name = program.file_name().unwrap_or_default();
    let linked = std::env::split_paths(&folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| path.canonicalize().is_ok_and(|path| path == program));
    // A link in the PATH outlives the version that it leads to.
    Ok(linked.unwrap_or(program))
}

// Their paths and variables are those of Unix.
#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_a_shell_moved_are_told_to_the_service() {
        let paths = Paths {
            home: "/home/u".into(),
            config: PathBuf::new(),
            state: PathBuf::new(),
            sockets: Vec::new(),
        };
        let told = variables(&paths, &|name| match name {
            "XDG_CONFIG_HOME" => Some("/home/u/.config".into()),
            "XDG_STATE_HOME" => Some("/srv/state".into()),
            "XDG_CACHE_HOME" => Some("relative".into()),
            _ => None,
        });
        assert_eq!(told, [("XDG_STATE_HOME".to_owned(), "/srv/state".to_owned())]);
    }

    #[test]
    fn a_store_that_is_a_link_is_writable_where_it_leads() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        let (storage, dotfiles) = (real.join("claude"), real.join("dotfiles"));
        std::fs::create_dir(&storage).unwrap();
        std::fs::create_dir(&dotfiles).unwrap();
        std::fs::write(dotfiles.join("credentials"), "{}").unwrap();
        std::os::unix::fs::symlink(dotfiles.join("credentials"), storage.join(".credentials.json")).unwrap();
        let folders = folders_of(&StorageFolder::at(&storage, &real));
        assert!(folders.contains(&storage) && folders.contains(&dotfiles), "{folders:?}");
    }
}
