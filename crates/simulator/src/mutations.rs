//! Mutations of a valid JSON body, as a faulty or hostile server might send it.

use serde_json::Value;

/// A mutation of a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyMutation {
    /// Sets these fields to another value, wherever they occur.
    Values {
        /// The names, spelled as in live responses.
        fields: &'static [&'static str],
        /// Inserted unchanged, whether it is JSON or not.
        json: &'static str,
    },
    /// Omits this field at its first occurrence, and at every `every`th one after it.
    Without {
        /// Its name.
        field: &'static str,
        /// 1 omits it everywhere.
        every: usize,
    },
    /// Non-negative numbers get a plus sign and become strings, in fields with these names.
    PlusSign(&'static [&'static str]),
    /// The `Z` at the end of dates in fields with these names becomes ` +00:00`.
    SpacedOffset(&'static [&'static str]),
    /// The rows in `data`, or the response itself, become lists of their values.
    Lists,
    /// Adds a field whose value is nested lists with this depth.
    Deep(usize),
    /// The `@` of every address is replaced by bytes that are not UTF-8.
    NoUtf8,
}

impl BodyMutation {
    /// Returns the mutated body; one that is not JSON stays unchanged.
    pub(super) fn apply(&self, body: Vec<u8>) -> Vec<u8> {
        /// A text that no response contains.
        const MARK: &str = "<<value>>";
        let Ok(mut json) = serde_json::from_slice::<Value>(&body) else { return body };
        // What stands in the response where the mark is.
        let mut raw = String::new();
        match self {
            Self::Values { fields, json: value } => {
                raw.push_str(value);
                each_field(&mut json, fields, |value| *value = MARK.into());
            }
            Self::PlusSign(fields) => each_field(&mut json, fields, |value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if text.starts_with(|c: char| c.is_ascii_digit()) {
                    *value = format!("+{text}").into();
                }
            }),
            Self::SpacedOffset(fields) => each_field(&mut json, fields, |value| {
                if let Some(date) = value.as_str().and_then(|text| text.strip_suffix('Z')) {
                    *value = format!("{date} +00:00").into();
                }
            }),
            Self::Without { field, every } => {
                let mut place = 0;
                each_object(&mut json, &mut |object| {
                    if object.contains_key(*field) {
                        if place % every.max(&1) == 0 {
                            object.remove(*field);
                        }
                        place += 1;
                    }
                });
            }
            Self::Lists => {
                let list = |row: &mut Value| {
                    if let Value::Object(fields) = row {
                        *row = fields.values().cloned().collect();
                    }
                };
                match json.get_mut("data").and_then(Value::as_array_mut) {
                    Some(rows) => rows.iter_mut().for_each(list),
                    None => list(&mut json),
                }
            }
            Self::Deep(depth) => {
                raw = "[".repeat(*depth) + &"]".repeat(*depth);
                if let Some(object) = json.as_object_mut() {
                    object.insert("more".to_owned(), MARK.into());
                }
            }
            Self::NoUtf8 => return body.into_iter().map(|byte| if byte == b'@' { 0xff } else { byte }).collect(),
        }
        json.to_string().replace(&format!("\"{MARK}\""), &raw).into_bytes()
    }
}

/// Changes every field with one of these names.
fn each_field(json: &mut Value, fields: &[&str], mut change: impl FnMut(&mut Value)) {
    each_object(json, &mut |object| {
        object.iter_mut().filter(|(name, _)| fields.contains(&name.as_str())).for_each(|(_, value)| change(value));
    });
}

/// From the outside in: changed values are mutated further.
fn each_object(json: &mut Value, change: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match json {
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|value| each_object(value, change));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| each_object(value, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(edit: &BodyMutation, body: &str) -> String {
        String::from_utf8_lossy(&edit.apply(body.as_bytes().to_vec())).into_owned()
    }

    #[test]
    fn edits_change_what_they_name() {
        let page = r#"{"data":[{"id":"a","n":1},{"id":"b","n":2}]}"#;
        let values = |json| BodyMutation::Values { fields: &["n"], json };
        assert_eq!(edited(&values("NaN"), page), r#"{"data":[{"id":"a","n":NaN},{"id":"b","n":NaN}]}"#);
        assert_eq!(edited(&values("[1]"), r#"{"n":1}"#), r#"{"n":[1]}"#);
        let without = BodyMutation::Without { field: "id", every: 2 };
        assert_eq!(edited(&without, page), r#"{"data":[{"n":1},{"id":"b","n":2}]}"#);
        assert_eq!(
            edited(&BodyMutation::PlusSign(&["n"]), r#"[{"n":1},{"n":"2"},{"n":-3}]"#),
            r#"[{"n":"+1"},{"n":"+2"},{"n":-3}]"#
        );
        assert_eq!(
            edited(&BodyMutation::SpacedOffset(&["n"]), r#"[{"n":"T0Z"},{"n":"0"}]"#),
            r#"[{"n":"T0 +00:00"},{"n":"0"}]"#
        );
        assert_eq!(edited(&BodyMutation::Lists, page), r#"{"data":[["a",1],["b",2]]}"#);
        assert_eq!(edited(&BodyMutation::Lists, r#"{"n":1}"#), "[1]");
        assert_eq!(edited(&BodyMutation::Deep(3), r#"{"n":1}"#), r#"{"more":[[[]]],"n":1}"#);
        assert_eq!(edited(&BodyMutation::NoUtf8, r#"{"n":"a@b"}"#), "{\"n\":\"a\u{fffd}b\"}");
        assert_eq!(edited(&BodyMutation::Lists, "no JSON"), "no JSON");
    }
}
