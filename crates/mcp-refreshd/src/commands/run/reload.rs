use crate::agent::{Agent, config_check};
use crate::commands::run::notify;
use crate::commands::run::token_socket::Allowed;
use crate::control::protocol::Reloaded;
use crate::observers::log;
use crate::settings::config::{Change, Config, changes, same_token_socket};
use crate::settings::paths::Paths;

/// Reloads the configuration. Running refreshes keep the old one.
pub(super) struct Reloader {
    current: Config,
    paths: Paths,
    allowed: Allowed,
}

impl Reloader {
    pub(super) fn new(current: Config, paths: Paths, allowed: Allowed) -> Self {
        Self { current, paths, allowed }
    }

    /// Applies the present configuration; an invalid one changes nothing.
    pub(super) async fn reload(&mut self, agent: &Agent) -> Reloaded {
        notify::reloading();
        let reloaded = self.attempt(agent).await;
        notify::ready(&notify::summary(&agent.status(None)));
        match &reloaded.invalid {
            Some(error) => {
                let error = error.replace('\n', "; ");
                tracing::error!("the old configuration stays in effect: {error}");
            }
            None if reloaded.changed.is_empty() && reloaded.at_restart.is_empty() => {
                tracing::info!("configuration reloaded: no changes");
            }
            None => {
                let changed = reloaded.changed.iter().chain(&reloaded.at_restart);
                let changed: Vec<_> = changed.map(String::as_str).collect();
                tracing::info!("configuration reloaded: {}", changed.join(", "));
            }
        }
        if !reloaded.at_restart.is_empty() {
            tracing::warn!("takes effect after a restart: {}", reloaded.at_restart.join(", "));
        }
        reloaded.remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
        reloaded
    }

    async fn attempt(&mut self, agent: &Agent) -> Reloaded {
        let invalid = |error: String| Reloaded { invalid: Some(error), ..Reloaded::default() };
        let config = match Config::load(&self.paths.config, &self.paths.home) {
            Ok(config) => config,
            Err(error) => return invalid(error.to_string()),
        };
        for kept in agent.kept() {
            // Even if it is unchanged: a file that it names, or Claude Code's settings, may have changed.
            if let Err(error) = kept.network.replace(&config.network).await {
                return invalid(format!("the configuration's `[network]` cannot be used: {error}"));
            }
        }
        // A vault that is new since the start.
        if let Err(error) = agent.heed_moves().await {
            tracing::warn!("{error}");
        }
        let (at_restart, changed): (Vec<Change>, Vec<Change>) =
            changes(&self.current, &config).into_iter().partition(|change| change.needs_restart);
        let shown = |changes: Vec<Change>| changes.iter().map(Change::to_string).collect();
        let folders = agent.kept().iter().map(|kept| kept.folder.clone()).collect();
        let remarks = config_check::remarks(&config, folders, &agent.status(None)).await;
        self.apply(config, agent);
        Reloaded { invalid: None, changed: shown(changed), at_restart: shown(at_restart), remarks }
    }

    fn apply(&mut self, config: Config, agent: &Agent) {
        for kept in agent.kept() {
            kept.keeper.set_policy(config.policy.clone());
        }
        agent.set_config(&config);
        log::set(config.log);
        agent.observer().notices.set(config.notices.clone());
        if same_token_socket(&self.current, &config) {
            self.allowed.set(config.token_socket.as_ref());
            self.current.token_socket.clone_from(&config.token_socket);
        } else {
            self.allowed.take_back(config.token_socket.as_ref());
        }
        // Settings that need a restart keep their old values, so the next reload reports them again.
        let Config { policy, network, log, notices, .. } = config;
        self.current = Config { policy, network, log, notices, ..self.current.clone() };
    }
}
