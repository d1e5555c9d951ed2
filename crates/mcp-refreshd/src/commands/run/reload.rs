use crate::agent::Agent;
use crate::commands::run::notify;
use crate::observers::log;
use crate::settings::config::Config;
use crate::settings::paths::Paths;

/// Reads the configuration again. What is under way goes on by the old one.
pub(super) struct Reloader {
    current: Config,
    paths: Paths,
}

impl Reloader {
    pub(super) fn new(current: Config, paths: Paths) -> Self {
        Self { current, paths }
    }

    /// Takes the configuration over as it is now; one that cannot be used changes nothing.
    pub(super) fn reload(&mut self, agent: &Agent) {
        notify::reloading();
        match Config::load(&self.paths.config, &self.paths.home) {
            Ok(config) => self.take_over(config, agent),
            Err(error) => tracing::error!("the old configuration stays in effect: {error}"),
        }
        notify::ready(&notify::summary(&agent.status(None)));
    }

    fn take_over(&mut self, config: Config, agent: &Agent) {
        let Config { stores, keychain, policy, network, log, log_file, notices, environment } = config;
        // Also where it is the same: a file that it names, or Claude Code's settings, may be another one.
        let replaced = agent.kept().iter().try_for_each(|kept| kept.network.replace(&network));
        match replaced {
            Ok(()) => self.current.network = network,
            Err(error) => tracing::error!("the old network settings stay in effect: {error}"),
        }
        if stores != self.current.stores {
            tracing::warn!("a change of `stores` takes effect at the next start");
        }
        if keychain != self.current.keychain {
            tracing::warn!("a change of `keychain` takes effect at the next start");
        }
        if log_file != self.current.log_file {
            tracing::warn!("a change of `log.file` takes effect at the next start");
        }
        if environment != self.current.environment {
            tracing::warn!("a change of [environment] takes effect at the next start");
        }
        for kept in agent.kept() {
            kept.keeper.set_policy(policy.clone());
        }
        log::set(log);
        agent.observer().notices.set(notices.clone());
        self.current.policy = policy;
        self.current.log = log;
        self.current.notices = notices;
        tracing::info!("the configuration was read again");
    }
}
