//! Configuration errors: every error has a location, says what is wrong and what to do.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// A message and a help text. The caller adds the location. Contains no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Diagnostic {
    /// A diagnostic from its two sentences.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(OneLine(f), "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for Diagnostic {}

/// Writes its input on one line: keys and paths may contain line breaks.
struct OneLine<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| {
            if c.is_control() { write!(self.0, "{}", c.escape_default()) } else { self.0.write_char(c) }
        })
    }
}

/// The location of a problem in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// No particular location.
    File,
    /// A line and a column, both counted from 1.
    Line {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A key, such as `partners[0].auth`.
    Key(String),
}

/// One problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub location: Location,
    /// The message and the help text.
    pub diagnostic: Diagnostic,
}

impl Problem {
    fn write(&self, f: &mut fmt::Formatter<'_>, file: Option<&Path>) -> fmt::Result {
        let mut f = OneLine(f);
        if let Some(file) = file {
            write!(f, "{}:", file.display())?;
            if !matches!(self.location, Location::Line { .. }) {
                f.write_str(" ")?;
            }
        }
        match &self.location {
            Location::File => {}
            Location::Line { line, column } => write!(f, "{line}:{column}: ")?,
            Location::Key(key) => write!(f, "{key}: ")?,
        }
        write!(f, "{}", self.diagnostic)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, None)
    }
}

/// All problems of a configuration. `Display` writes one line per problem, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: Option<PathBuf>,
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// Problems of a text, at least one.
    #[must_use]
    pub const fn new(problems: Vec<Problem>) -> Self {
        Self { file: None, problems }
    }

    /// Adds the path of the file.
    #[must_use]
    pub fn of_file(self, file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }

    /// The problems, at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.write(f, self.file.as_deref())?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The path of a key during validation; errors at this path are recorded and validation continues.
#[derive(Clone, Debug)]
pub struct ConfigPath<'a> {
    path: String,
    problems: &'a RefCell<Vec<Problem>>,
}

impl<'a> ConfigPath<'a> {
    /// The top level of the file.
    #[must_use]
    pub const fn top(problems: &'a RefCell<Vec<Problem>>) -> Self {
        Self { path: String::new(), problems }
    }

    /// A key of the mapping at this path.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { path, problems: self.problems }
    }

    /// An item of the list at this path, from 0.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        Self { path: format!("{}[{index}]", self.path), problems: self.problems }
    }

    /// Records an error at this path.
    pub fn error(&self, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::new(message, help));
    }

    /// Records an existing error at this path.
    pub fn report(&self, diagnostic: Diagnostic) {
        let location = if self.path.is_empty() { Location::File } else { Location::Key(self.path.clone()) };
        self.problems.borrow_mut().push(Problem { location, diagnostic });
    }

    /// Returns the value, or records the error and returns `None`.
    pub fn ok_or_report<T>(&self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.report(diagnostic)).ok()
    }
}

/// Quotes a text of the configuration in a message: on one line and shortened.
#[must_use]
pub fn quoted(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let shown: String = text.chars().take(MAX_CHARS).flat_map(char::escape_debug).collect();
    let rest = if text.chars().nth(MAX_CHARS).is_some() { "..." } else { "" };
    format!("`{shown}{rest}`")
}
