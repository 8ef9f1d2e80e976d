//! Output of the commands: the only module that writes to standard output and standard error.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use crate::terminal::escape_lines;

/// Prints to standard output, escaped if it is a terminal. A closed pipe (`
/// head`) is not an error.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let text = if out.is_terminal() { escape_lines(text) } else { Cow::Borrowed(text) };
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints an error to standard error.
pub(super) fn print_error(text: &str) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{}", escape_lines(text.trim_end()));
}
