//! Arguments of the commands for the service.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// Allow installing as root, for root's own Claude Code
    #[arg(long)]
    pub(crate) allow_root: bool,
    /// Only print what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Watch this shell's store in addition to those that the agent watches now
    #[arg(long)]
    pub(crate) add_store: bool,
    /// Watch only this shell's store from now on
    #[arg(long, conflicts_with = "add_store")]
    pub(crate) replace_store: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Only print what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also remove state and configuration, after asking
    #[arg(long)]
    pub(crate) purge: bool,
    /// With --purge: do not ask
    #[arg(long, requires = "purge")]
    pub(crate) yes: bool,
}
