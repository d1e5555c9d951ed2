//! Running the tool, and what its exit codes mean.

use super::{KeychainError, KeychainStore, SecurityCall, SecurityTool, ToolError, answer, poll_state};
use crate::{FileSystem, KeychainItem};
use oauth_secret::SecretBytes;
use std::time::Duration;

impl<F: FileSystem, T: SecurityTool> KeychainStore<F, T> {
    /// The main item's content, unless access is paused.
    pub(super) async fn password(&self, limit: Duration) -> Result<Option<SecretBytes>, KeychainError> {
        self.secret(&self.item, limit).await
    }

    pub(super) async fn secret(
        &self,
        item: &KeychainItem,
        limit: Duration,
    ) -> Result<Option<SecretBytes>, KeychainError> {
        if let Some(error) = self.poll_state.borrow().refusal() {
            return Err(error);
        }
        let found = self.ask(Self::find_item(item, &["-w"], limit)).await;
        self.poll_state.borrow_mut().note_answer(found.as_ref().err());
        Ok(found?.map(|printed| answer::password(&printed)))
    }

    /// Runs the tool and returns its output; `None` if there is no such item.
    pub(super) async fn ask(&self, call: SecurityCall) -> Result<Option<SecretBytes>, KeychainError> {
        let limit = call.limit;
        let output = self.tool.run(call).await.map_err(|error| self.no_answer(&error, limit))?;
        match output.code {
            Some(0) => Ok(Some(output.stdout)),
            // The low byte of errSecItemNotFound; likewise below.
            Some(44) => Ok(None),
            code => Err(self.refusal(code)),
        }
    }

    pub(super) fn no_answer(&self, error: &ToolError, limit: Duration) -> KeychainError {
        let item = self.location.clone();
        match error {
            ToolError::NoAnswer => KeychainError::NoAnswer { item, limit },
            ToolError::Io { .. } => KeychainError::Tool { item, why: error.to_string() },
        }
    }

    pub(super) fn refusal(&self, code: Option<i32>) -> KeychainError {
        let item = self.location.clone();
        match code {
            Some(36) => KeychainError::Locked { item },
            Some(37 | 50) => KeychainError::NoKeychain { item },
            Some(51) => KeychainError::Refused { item },
            Some(128) => KeychainError::Declined { item, again_in: poll_state::AFTER_NO },
            Some(code) => {
                KeychainError::Tool { item, why: format!("/usr/bin/security exited with code {code}") }
            }
            None => KeychainError::Tool { item, why: "/usr/bin/security was killed".to_owned() },
        }
    }
}
