//! A strict parser of both formats that shares no code with the writer.

use std::collections::HashSet;

/// One line of values.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The name of the series, with `_bucket`, `_sum` or `_count` if it has one.
    pub name: String,
    /// In the order of the line, without escapes.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// A family with its samples.
#[derive(Debug, Default, PartialEq)]
pub struct Family {
    /// As written in the metadata.
    pub name: String,
    /// The type.
    pub kind: String,
    /// The help, without escapes.
    pub help: String,
    /// The unit; only OpenMetrics has it.
    pub unit: Option<String>,
    /// In the order of the text.
    pub samples: Vec<Sample>,
}

/// Parses an exposition, or returns what is wrong with it.
pub fn parse(text: &str, openmetrics: bool) -> Result<Vec<Family>, String> {
    let body = if openmetrics { text.strip_suffix("# EOF\n").ok_or("no # EOF")? } else { text };
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut families: Vec<Family> = Vec::new();
    let mut series = HashSet::new();
    for line in body.split_terminator('\n') {
        let wrong = |what: &str| format!("{what}: {line}");
        if let Some(comment) = line.strip_prefix("# ") {
            read_metadata(&mut families, comment, openmetrics).map_err(|what| wrong(&what))?;
        } else {
            let sample = read_sample(line).map_err(|what| wrong(&what))?;
            let family = families.last_mut().ok_or_else(|| wrong("sample before metadata"))?;
            let allowed = sample_names(&family.name, &family.kind, openmetrics);
            if !allowed.contains(&sample.name) {
                return Err(wrong("sample of another family"));
            }
            if family.kind == "info" && sample.value != 1.0 {
                return Err(wrong("an info that is not 1"));
            }
            let mut labels = sample.labels.clone();
            labels.sort();
            if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(wrong("duplicate label"));
            }
            if !series.insert((sample.name.clone(), labels)) {
                return Err(wrong("duplicate series"));
            }
            family.samples.push(sample);
        }
    }
    let mut names = HashSet::new();
    for family in &families {
        if family.kind.is_empty() || family.help.is_empty() || family.samples.is_empty() {
            return Err(format!("incomplete family: {}", family.name));
        }
        for name in sample_names(&family.name, &family.kind, openmetrics) {
            if !names.insert(name.clone()) {
                return Err(format!("families share a name: {name}"));
            }
        }
    }
    Ok(families)
}

fn sample_names(name: &str, kind: &str, openmetrics: bool) -> Vec<String> {
    let suffixes: &[&str] = match (kind, openmetrics) {
        ("counter", true) => &["_total"],
        ("info", true) => &["_info"],
        ("histogram", _) => &["_bucket", "_sum", "_count"],
        _ => &[""],
    };
    suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect()
}

/// `HELP name text`, `TYPE name word` or `UNIT name word`; the first of them opens a family.
fn read_metadata(families: &mut Vec<Family>, comment: &str, openmetrics: bool) -> Result<(), String> {
    let mut parts = comment.splitn(3, ' ');
    let (Some(keyword), Some(name), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("neither metadata nor sample".to_owned());
    };
    if !is_name(name, true) {
        return Err("bad name".to_owned());
    }
    if families.last().is_none_or(|family| family.name != name) {
        if families.iter().any(|family| family.name == name) {
            return Err("family comes back".to_owned());
        }
        families.push(Family { name: name.to_owned(), ..Family::default() });
    }
    let Some(family) = families.last_mut().filter(|family| family.samples.is_empty()) else {
        return Err("metadata after samples".to_owned());
    };
    let kinds: &[&str] =
        if openmetrics { &["gauge", "counter", "histogram", "info"] } else { &["gauge", "counter", "histogram"] };
    match keyword {
        "HELP" if family.help.is_empty() => family.help = unescape(rest, openmetrics)?,
        "TYPE" if family.kind.is_empty() && kinds.contains(&rest) => rest.clone_into(&mut family.kind),
        "UNIT" if openmetrics && family.unit.is_none() && name.ends_with(&format!("_{rest}")) => {
            family.unit = Some(rest.to_owned());
        }
        _ => return Err("bad metadata".to_owned()),
    }
    Ok(())
}

fn read_sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    if !is_name(name, true) {
        return Err("bad name".to_owned());
    }
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("no label")?;
            if !is_name(label, false) {
                return Err("bad label name".to_owned());
            }
            let mut escaped = false;
            let close = after.find(|c| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            let (value, after) = after.split_at(close.ok_or("open label value")?);
            labels.push((label.to_owned(), unescape(value, true)?));
            if let Some(after) = after.strip_prefix("\"} ") {
                rest = after;
                break;
            }
            rest = after.strip_prefix("\",").ok_or("no comma")?;
        }
    } else {
        rest = &rest[1..];
    }
    Ok(Sample { name: name.to_owned(), labels, value: read_number(rest)? })
}

fn read_number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => return Ok(f64::INFINITY),
        "-Inf" => return Ok(f64::NEG_INFINITY),
        "NaN" => return Ok(f64::NAN),
        _ => (),
    }
    let mantissa = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = mantissa.split_once('e').unwrap_or((mantissa, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix('-').unwrap_or(exponent);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !(digits(whole) && digits(fraction) && digits(exponent)) {
        return Err("bad number".to_owned());
    }
    text.parse().map_err(|_| "bad number".to_owned())
}

fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(match chars.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                _ => return Err("bad escape".to_owned()),
            }),
            '"' if quotes => return Err("bare quote".to_owned()),
            c => out.push(c),
        }
    }
    Ok(out)
}

fn is_name(text: &str, colon: bool) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':'))
}
