use super::fix::Fix;
use std::path::Path;

/// Something that a person should know.
#[derive(Debug)]
pub(super) struct Finding {
    /// Its name in the documentation; it never changes.
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    /// The server it is about, where it is about one.
    pub(super) server: Option<String>,
    /// Where it was seen.
    pub(super) path: Option<String>,
    /// What was found, and what follows from it.
    pub(super) means: String,
    /// What to do.
    pub(super) cure: String,
    /// What `--fix` does about it.
    pub(super) fix: Option<Fix>,
}

/// Whether something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Something does not work, or will not.
    Trouble,
    /// Good to know; nothing has to be done.
    Note,
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confidence {
    /// It was seen.
    Certain,
    /// There is hardly another explanation.
    Likely,
    /// It may as well be as it should.
    Possible,
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Note => "note",
        }
    }
}

impl Confidence {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

impl Finding {
    pub(super) fn trouble(
        name: &'static str,
        confidence: Confidence,
        means: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Trouble, name, confidence, means, cure)
    }

    pub(super) fn note(
        name: &'static str,
        confidence: Confidence,
        means: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Note, name, confidence, means, cure)
    }

    pub(super) fn new(
        severity: Severity,
        name: &'static str,
        confidence: Confidence,
        means: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        let (means, cure) = (means.into(), cure.into());
        Self { name, severity, confidence, server: None, path: None, means, cure, fix: None }
    }

    pub(super) fn of(self, server: &str) -> Self {
        Self { server: Some(server.to_owned()), ..self }
    }

    pub(super) fn at(self, path: &Path) -> Self {
        Self { path: Some(path.display().to_string()), ..self }
    }

    pub(super) fn mended_by(self, fix: Fix) -> Self {
        Self { fix: Some(fix), ..self }
    }
}
