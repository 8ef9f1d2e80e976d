//! The gauges of a text exposition, parsed line by line, to fill every compared library.

use std::collections::HashSet;
use std::io::{self, BufRead};

/// One series. Label names are shared, as in a normal program.
#[derive(Debug)]
pub struct Series {
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

/// A family of gauges, or one of its series; the series follow their family.
#[derive(Debug)]
pub enum Item {
    Family { name: String, help: String },
    Series(Series),
}

/// Calls `each` for every gauge family and its series, in order; skips other families.
pub fn read(text: impl BufRead, mut each: impl FnMut(Item)) -> io::Result<()> {
    let mut names = HashSet::new();
    let (mut help, mut gauge) = (String::new(), false);
    for line in text.lines() {
        let line = line?;
        if let Some(rest) = line.strip_prefix("# HELP ") {
            rest.split_once(' ').unwrap_or((rest, "")).1.clone_into(&mut help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
            gauge = kind == "gauge";
            if gauge {
                each(Item::Family { name: name.to_owned(), help: std::mem::take(&mut help) });
            }
        } else if gauge && !line.is_empty() {
            let series = series(&line, &mut names).ok_or_else(|| io::Error::other(format!("not a sample: {line}")))?;
            each(Item::Series(series));
        }
    }
    Ok(())
}

fn series(line: &str, names: &mut HashSet<&'static str>) -> Option<Series> {
    let (head, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let mut labels = Vec::new();
    if let Some((_, rest)) = head.split_once('{') {
        let mut rest = rest.strip_suffix('}')?;
        while !rest.is_empty() {
            let (name, after) = rest.split_once("=\"")?;
            let (text, after) = unescaped(after)?;
            labels.push((shared(name, names), text));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
    }
    labels.shrink_to_fit();
    Some(Series { labels, value })
}

/// The label value at the start of `text`, and the text after its closing quote.
fn unescaped(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                value.shrink_to_fit();
                return Some((value, text.get(at + 1..)?));
            }
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

fn shared(name: &str, names: &mut HashSet<&'static str>) -> &'static str {
    if let Some(known) = names.get(name) {
        return known;
    }
    // A dozen names, kept for the life of the process.
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    name
}
