//! `completion` and `man`: shell completions and man pages for packages, generated from the command line definition.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap::builder::Resettable;
use clap_complete::Shell;

use super::{CommandError, output};
use crate::cli::Cli;

/// The text after the flags on the main man page, in roff.
const SECTIONS: &str = r".SH EXIT STATUS
0: done. 1: failed at run time. 2: bad usage or configuration.
.SH SIGNALS
\fBSIGHUP\fR reads the configuration again; a file that is wrong changes nothing. \fBSIGTERM\fR and \fBSIGINT\fR end it.
.SH FILES
.TP
\fI/etc/avepoint_exporter/config.yaml\fR
The configuration that the service of a package reads. Every key is explained in it.
.TP
\fI/etc/avepoint_exporter/client_secret\fR
The client secret that the service reads, of mode 0600.
.TP
\fI/etc/default/avepoint_exporter\fR
Flags of the service.
.TP
\fI/usr/share/avepoint_exporter\fR
Rules for Prometheus, runbooks, and dashboards for Grafana.
";

/// Prints the completion script for a shell.
pub(super) fn completion(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "avepoint_exporter", &mut script);
    output::print(&String::from_utf8_lossy(&script));
}

/// Writes `avepoint_exporter.1` and one page per command into a folder.
pub(super) fn man_pages(directory: &Path) -> Result<(), CommandError> {
    let failed = |error| CommandError::Run(format!("writing man pages to {}: {error}", directory.display()));
    // No page for `help`, and no revision, which would make the pages of each build differ.
    let command = Cli::command().disable_help_subcommand(true).long_version(Resettable::Reset);
    clap_mangen::generate_to(command, directory).map_err(failed)?;
    let page = directory.join("avepoint_exporter.1");
    let text = fs::read_to_string(&page).map_err(failed)?;
    // The version comes last, and only on the first page.
    let (text, version) = text.split_once(".SH VERSION").unwrap_or((&text, ""));
    fs::write(&page, format!("{text}{SECTIONS}.SH VERSION{version}")).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_help_shows_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        man_pages(folder.path()).unwrap();
        let page = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let shown: Vec<_> =
            Cli::command().get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
        assert!(shown.len() > 5);
        for command in &shown {
            let name = command.get_name();
            assert!(page(&format!("avepoint_exporter-{name}.1")).contains(".SH SYNOPSIS"), "{name}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), shown.len() + 1);
        let main = page("avepoint_exporter.1");
        for wanted in [".SH OPTIONS", SECTIONS, crate::VERSION] {
            assert!(main.contains(wanted), "{wanted}");
        }
    }
}
