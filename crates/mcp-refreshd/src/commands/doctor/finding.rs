use super::fix::Fix;
use std::path::Path;

/// Something that the user should know.
#[derive(Debug)]
pub(super) struct Finding {
    /// Its name in the documentation; it never changes.
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    /// The servers it is about; empty if it is about none in particular.
    pub(super) servers: Vec<String>,
    /// Where it was seen.
    pub(super) path: Option<String>,
    /// What was found, and what follows from it.
    pub(super) means: String,
    /// What to do.
    pub(super) cure: String,
    /// What `--fix` does about it.
    pub(super) fix: Option<Fix>,
    /// How it reads for several servers with the same cause.
    pub(super) together: Option<Together>,
}

/// One finding in place of several that have the same cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Together {
    pub(super) means: String,
    pub(super) cure: String,
}

/// Whether something has to be done.
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
    /// It may be intended.
    Possible,
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Trouble => "problem",
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
        Self {
            name,
            severity,
            confidence,
            servers: Vec::new(),
            path: None,
            means,
            cure,
            fix: None,
            together: None,
        }
    }

    pub(super) fn of(self, server: &str) -> Self {
        self.of_all([server])
    }

    pub(super) fn of_all<'a>(self, servers: impl IntoIterator<Item = &'a str>) -> Self {
        Self { servers: servers.into_iter().map(str::to_owned).collect(), ..self }
    }

    pub(super) fn at(self, path: &Path) -> Self {
        Self { path: Some(path.display().to_string()), ..self }
    }

    pub(super) fn fixed_by(self, fix: Fix) -> Self {
        Self { fix: Some(fix), ..self }
    }

    /// Becomes one with others of its name that say the same for several servers.
    pub(super) fn together(self, means: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { together: Some(Together { means: means.into(), cure: cure.into() }), ..self }
    }
}
