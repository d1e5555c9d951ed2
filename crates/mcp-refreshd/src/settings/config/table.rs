use super::duration;
use super::error::Problem;
use crate::terminal::columns::shortened;
use crate::terminal::suggest::nearest;
use crate::terminal::wording::visible;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One value and its position.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Collects all mistakes, so that the user can fix them in one go.
pub(super) struct Findings<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Findings<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, problems: Vec::new() }
    }

    /// Notes a problem at this position in the text.
    pub(super) fn note(&mut self, span: Range<usize>, text: impl Into<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.problems.push(Problem { line, text: text.into() });
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// One table of the configuration, with the keys it may have.
pub(super) struct Table<'a, 't> {
    name: String,
    table: &'a DeTable<'t>,
}

impl<'a, 't> Table<'a, 't> {
    /// The table called `name` (empty for the whole file); unknown keys are noted.
    pub(super) fn new(
        name: impl Into<String>,
        table: &'a DeTable<'t>,
        known: &[&str],
        findings: &mut Findings<'_>,
    ) -> Self {
        let this = Self { name: name.into(), table };
        for key in table.keys() {
            let word: &str = key.get_ref();
            if !known.contains(&word) {
                let hint = match nearest(word, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known keys: {}", known.join(", ")),
                };
                findings.note(key.span(), format!("unknown key `{}`; {hint}", this.path(word)));
            }
        }
        this
    }

    /// The key's dotted name.
    pub(super) fn path(&self, key: &str) -> String {
        let key = shortened(key, 60);
        if self.name.is_empty() { key } else { format!("{}.{key}", self.name) }
    }

    /// The position of this key's value.
    pub(super) fn place(&self, key: &str) -> Option<Range<usize>> {
        self.value(key).map(Spanned::span)
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Value<'t>> {
        self.table.get(key)
    }

    fn wrong_type(&self, key: &str, value: &Value<'_>, expected: &str, findings: &mut Findings<'_>) {
        let found = value.get_ref().type_str();
        findings.note(value.span(), format!("`{}` must be {expected}, not {found}", self.path(key)));
    }

    /// The table under this key.
    pub(super) fn table(&self, key: &str, findings: &mut Findings<'_>) -> Option<&'a DeTable<'t>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => {
                self.wrong_type(key, value, "a table", findings);
                None
            }
        }
    }

    /// The string under this key, and its position.
    pub(super) fn text(&self, key: &str, findings: &mut Findings<'_>) -> Option<(&'a str, Range<usize>)> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some((text, value.span())),
            _ => {
                self.wrong_type(key, value, "a quoted string", findings);
                None
            }
        }
    }

    pub(super) fn boolean(&self, key: &str, findings: &mut Findings<'_>) -> Option<bool> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(yes) => Some(*yes),
            _ => {
                self.wrong_type(key, value, "true or false", findings);
                None
            }
        }
    }

    /// A whole number within `range`; `why` explains its bounds.
    pub(super) fn number(
        &self,
        key: &str,
        range: RangeInclusive<u8>,
        why: &str,
        findings: &mut Findings<'_>,
    ) -> Option<u8> {
        let value = self.value(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(key, value, "a whole number", findings);
            return None;
        };
        let number =
            u8::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.out_of_range(key, value, range.start(), range.end(), why, findings);
        }
        number
    }

    /// A duration within `range`; `why` explains its bounds.
    pub(super) fn duration(
        &self,
        key: &str,
        range: RangeInclusive<Duration>,
        why: &str,
        findings: &mut Findings<'_>,
    ) -> Option<Duration> {
        let value = self.value(key)?;
        let form = "a duration like \"90s\", \"7m\", \"2h\" or \"1d\"";
        let DeValue::String(text) = value.get_ref() else {
            self.wrong_type(key, value, form, findings);
            return None;
        };
        let Some(time) = duration::parse(text) else {
            let found = visible(&shortened(text, 40));
            findings.note(value.span(), format!("`{}` must be {form}, not \"{found}\"", self.path(key)));
            return None;
        };
        if !range.contains(&time) {
            let (least, most) = (duration::written(*range.start()), duration::written(*range.end()));
            self.out_of_range(key, value, &least, &most, why, findings);
            return None;
        }
        Some(time)
    }

    /// One of a fixed set of words.
    pub(super) fn word<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        let (text, span) = self.text(key, findings)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            findings.note(
                span,
                format!(
                    "`{}` must be {}, not \"{}\"",
                    self.path(key),
                    words.join(" or "),
                    shortened(text, 40)
                ),
            );
        }
        found
    }

    /// A list of strings, each with its position.
    pub(super) fn texts(
        &self,
        key: &str,
        findings: &mut Findings<'_>,
    ) -> Option<Vec<(&'a str, Range<usize>)>> {
        let value = self.value(key)?;
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong_type(key, value, "a list of strings", findings);
            return None;
        };
        let mut texts = Vec::new();
        for item in list.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push((&**text, item.span())),
                _ => self.wrong_type(key, item, "a list of strings", findings),
            }
        }
        Some(texts)
    }

    fn out_of_range(
        &self,
        key: &str,
        value: &Value<'_>,
        least: &impl Display,
        most: &impl Display,
        why: &str,
        findings: &mut Findings<'_>,
    ) {
        findings
            .note(value.span(), format!("`{}` must be between {least} and {most}: {why}", self.path(key)));
    }
}
