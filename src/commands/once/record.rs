//! `once --record`: starts and ends a recording, and prints its summary.

use std::fmt::Write as _;
use std::path::Path;

use elements::recording::{PartnerToRecord, Recorder, Summary};
use serde_json::{Value, json};

use crate::commands::{CommandError, output};
use crate::config::{Config, PartnerSettings};
use crate::polling::CustomerFilter;
use crate::web::format;

/// Maximum texts per list in the summary.
const SHOWN: usize = 20;

/// Starts a recording.
pub(super) fn start(folder: &Path, config: &Config) -> Result<Recorder, CommandError> {
    let partners = config.partners.iter().map(partner).collect();
    Recorder::create(folder, partners, settings(config)).map_err(|error| failed(folder, &error))
}

/// Ends the recording, and prints on standard error what was replaced.
pub(super) fn finish(recorder: &Recorder, folder: &Path, is_complete: bool) -> Result<(), CommandError> {
    let summary = recorder.finish().map_err(|error| failed(folder, &error))?;
    if !is_complete {
        output::print_error("Interrupted: the recording has only what was read until then.\n");
    }
    output::print_error(&describe(&summary, folder));
    Ok(())
}

fn failed(folder: &Path, error: &std::io::Error) -> CommandError {
    CommandError::Run(format!("--record={}: {error}", folder.display()))
}

fn partner(settings: &PartnerSettings) -> PartnerToRecord {
    let filter = CustomerFilter::new(&settings.customers);
    let list = settings.customers.list.iter();
    PartnerToRecord {
        name: settings.name.to_string(),
        discovers: settings.customers.discover,
        list: list.map(|listed| (listed.id.to_string(), listed.name.clone(), listed.labels.clone())).collect(),
        leaves_out: Box::new(move |id, name| !filter.matches(&id.into(), name.filter(|name| !name.is_empty()))),
    }
}

/// The collectors and the metric settings, which contain no customer's text.
fn settings(config: &Config) -> Value {
    let whole: Value = serde_yaml::from_str(&config.to_redacted_yaml()).unwrap_or_default();
    let part = |key: &str| whole.get(key).cloned().unwrap_or_default();
    json!({"collectors": part("collectors"), "metrics": part("metrics")})
}

fn describe(summary: &Summary, folder: &Path) -> String {
    let Summary { exchanges, ids, texts, secrets, left_out, values, fields, new_values } = summary;
    let plural = |number: &usize, noun| format::plural(*number as u64, noun);
    let mut text = format!("Recorded {} in {}.\n", plural(exchanges, "exchange"), folder.display());
    let _ = writeln!(
        text,
        "Replaced: {} by pseudonyms, {} by placeholders.",
        plural(ids, "id"),
        plural(texts, "name or other text")
    );
    let _ = writeln!(text, "Removed: {}.", plural(secrets, "secret"));
    if *left_out > 0 {
        let _ = writeln!(text, "Emptied, since the filters leave them out: {}.", plural(left_out, "customer"));
    }
    let mut list = |title: &str, texts: &[String]| {
        if texts.is_empty() {
            return;
        }
        let _ = writeln!(text, "{title}");
        for value in texts.iter().take(SHOWN) {
            let _ = writeln!(text, "  {value}");
        }
        if texts.len() > SHOWN {
            let _ = writeln!(text, "  and {} more", texts.len() - SHOWN);
        }
    };
    list("Kept, besides numbers, dates and field names:", values);
    list("Kept, names of fields that are not documented:", fields);
    list(
        "New to this version, so that some of their words were replaced. If they are AvePoint's own words and no customer's, please \
         write them beside the recording:",
        new_values,
    );
    text += "Look at the files before you send them: besides the above, they must not contain anybody's name or id.\n\
             To try the recording: avepoint_exporter simulate --replay=";
    let _ = writeln!(text, "{}", folder.display());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_says_what_it_replaced_and_what_to_do() {
        let summary =
            Summary { exchanges: 3, ids: 2, left_out: 1, values: vec!["Core".to_owned(); 21], ..Summary::default() };
        let text = describe(&summary, Path::new("out"));
        for part in [
            "3 exchanges",
            "2 ids by",
            "leave them out: 1 customer.",
            "  Core\n",
            "and 1 more",
            "Look at the files",
            "--replay=out",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("New to this version"), "{text}");
    }
}
