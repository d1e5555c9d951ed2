use crate::agent::status::gather;
use crate::commands::service::service_status;
use crate::control::report::Status;
use crate::settings::paths::Paths;
use crate::terminal::failure::Failure;

/// The state of everything, and where no agent answers, whether one is installed.
///
/// # Errors
/// As for [`gather`].
pub(crate) async fn everything(paths: &Paths) -> Result<Status, Failure> {
    let mut status = gather(paths).await?;
    if status.daemon.is_none() {
        status.found.installed = Some(service_status(paths).is_some());
    }
    Ok(status)
}
