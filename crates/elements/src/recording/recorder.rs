//! Writes a recording, exchange by exchange.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value, json};

use super::exchange::{self, Exchange};
use super::pseudonyms::Pseudonyms;
use super::rewrite::{LeavesOut, Rewriter, quoted};
use super::{FORMAT, INDEX, fields};

/// A customer's word of this many characters is removed from within the name of an unknown field as well.
const MIN_WORD_IN_FIELD: usize = 8;

/// The settings of a partner that a replay needs.
pub struct PartnerToRecord {
    /// Its name, which is not written.
    pub name: String,
    /// Whether its customers are discovered.
    pub discovers: bool,
    /// The customers of `customers.list`: id, name, labels.
    pub list: Vec<ListedCustomer>,
    /// Whether the filters leave out the customer with this id and name.
    pub leaves_out: Filter,
}

/// Takes the id and the name of a customer.
type Filter = Box<dyn Fn(&str, Option<&str>) -> bool + Send>;

/// An id, a name if there is one, and labels.
type ListedCustomer = (String, Option<String>, Vec<(String, String)>);

/// Writes a recording. Cheap to clone; clones write to the same folder.
#[derive(Clone)]
pub struct Recorder(Arc<Mutex<State>>);

/// What was written, replaced and kept, for a review before the recording is shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of exchanges.
    pub exchanges: usize,
    /// The number of distinct ids that were replaced by pseudonyms.
    pub ids: usize,
    /// The number of distinct names and other texts that were replaced by placeholders.
    pub texts: usize,
    /// The number of secrets that were removed from bodies.
    pub secrets: usize,
    /// Customers whose rows were emptied, because the filters leave them out.
    pub left_out: usize,
    /// Values of enumerations that stayed.
    pub values: Vec<String>,
    /// Names of fields that stayed although the documentation does not have them.
    pub fields: Vec<String>,
    /// Values of enumerations with words that are not known to be AvePoint's, as they came. They are not in the
    /// recording.
    pub new_values: Vec<String>,
}

/// What the rewriter has kept, and what it has removed.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) values: BTreeSet<String>,
    pub(super) new_values: BTreeSet<String>,
    pub(super) fields: BTreeSet<String>,
    pub(super) secrets: usize,
    /// Pseudonyms of customers that the filters leave out.
    pub(super) left_out: BTreeSet<String>,
}

struct State {
    folder: PathBuf,
    settings: Value,
    partners: Vec<Partner>,
    pseudonyms: Pseudonyms,
    kept: Kept,
    /// Name of the file, number of the partner.
    exchanges: Vec<(String, usize)>,
    failed: Option<io::Error>,
    finished: bool,
}

struct Partner {
    settings: PartnerToRecord,
    left_out: BTreeSet<String>,
}

impl Recorder {
    /// Starts a recording in a folder, which is made, or must be empty. `settings` is what a
    /// replay needs of the configuration besides the partners.
    pub fn create(folder: &Path, partners: Vec<PartnerToRecord>, settings: Value) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        if fs::read_dir(folder)?.next().is_some() {
            let message = "the folder is not empty; name one that is, or that does not exist";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        let pseudonyms = Pseudonyms::new().map_err(|_| io::Error::other("the system gives no random numbers"))?;
        let partners = partners.into_iter().map(|settings| Partner { settings, left_out: BTreeSet::new() }).collect();
        Ok(Self(Arc::new(Mutex::new(State {
            folder: folder.to_owned(),
            settings,
            partners,
            pseudonyms,
            kept: Kept::default(),
            exchanges: Vec::new(),
            failed: None,
            finished: false,
        }))))
    }

    /// Writes an exchange, unless the recording is finished. The first error ends the recording; [`Self::finish`] returns it.
    pub fn record(&self, exchange: &Exchange<'_>) {
        let mut state = self.state();
        if state.failed.is_none() && !state.finished {
            state.failed = state.write(exchange).err();
        }
    }

    /// Ends the recording and writes the index.
    pub fn finish(&self) -> io::Result<Summary> {
        let mut state = self.state();
        state.finished = true;
        match state.failed.take() {
            Some(error) => Err(error),
            None => state.finish(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl State {
    fn write(&mut self, exchange: &Exchange<'_>) -> io::Result<()> {
        let Some(number) = self.partners.iter().position(|partner| partner.settings.name == exchange.partner) else {
            return Ok(());
        };
        let Self { partners, pseudonyms, kept, .. } = self;
        let Some(partner) = partners.get_mut(number) else { return Ok(()) };
        let lists = exchange.operation == "services" || exchange.operation == "customers";
        let filter: LeavesOut<'_> = &*partner.settings.leaves_out;
        let leaves_out = lists.then_some(filter);
        let text = exchange::document(exchange, &mut Rewriter { pseudonyms, kept, leaves_out });
        partner.left_out.append(&mut kept.left_out);
        let file = format!("{:04}-{}.json", self.exchanges.len() + 1, exchange.operation);
        fs::write(self.folder.join(&file), text)?;
        self.exchanges.push((file, number));
        Ok(())
    }

    fn finish(&mut self) -> io::Result<Summary> {
        let Self { partners, pseudonyms, .. } = self;
        let names: Vec<String> = (1..=partners.len()).map(|number| format!("partner-{number}")).collect();
        let listed: Vec<Value> =
            partners.iter().zip(&names).map(|(partner, name)| index(partner, name, pseudonyms)).collect();
        self.hide_fields()?;
        let partner_of = |number: usize| names.get(number).cloned().unwrap_or_default();
        let files = self.exchanges.iter().map(|(file, number)| json!({"file": file, "partner": partner_of(*number)}));
        let document = json!({
            "format": FORMAT,
            "exporter": env!("CARGO_PKG_VERSION"),
            "recorded": Timestamp::now().strftime("%Y-%m-%d").to_string(),
            "settings": self.settings,
            "partners": listed,
            "exchanges": files.collect::<Vec<_>>(),
        });
        fs::write(self.folder.join(INDEX), serde_json::to_string_pretty(&document)? + "\n")?;
        let (ids, texts) = self.pseudonyms.counts();
        let list = |texts: &BTreeSet<String>| texts.iter().cloned().collect();
        Ok(Summary {
            exchanges: self.exchanges.len(),
            ids,
            texts,
            secrets: self.kept.secrets,
            left_out: self.partners.iter().map(|partner| partner.left_out.len()).sum(),
            values: list(&self.kept.values),
            fields: list(&self.kept.fields),
            new_values: list(&self.kept.new_values),
        })
    }

    /// Replaces names of unknown fields that turned out to be, or to contain, a text that was replaced elsewhere.
    fn hide_fields(&mut self) -> io::Result<()> {
        let Self { kept, pseudonyms, .. } = self;
        let hidden: Vec<String> =
            kept.fields.iter().filter(|field| pseudonyms.is_known_in(field, MIN_WORD_IN_FIELD)).cloned().collect();
        for field in hidden {
            self.kept.fields.remove(&field);
            let (from, to) = (quoted(&field), quoted(&self.pseudonyms.text(&field)));
            for (file, _) in &self.exchanges {
                let path = self.folder.join(file);
                let text = fs::read_to_string(&path)?;
                if text.contains(&from) {
                    fs::write(&path, text.replace(&from, &to))?;
                }
            }
        }
        Ok(())
    }
}

/// What a replay needs to know of a partner.
fn index(partner: &Partner, name: &str, pseudonyms: &mut Pseudonyms) -> Value {
    let list = partner.settings.list.iter().map(|(id, name, labels)| {
        let mut entry = Map::from_iter([("id".to_owned(), Value::from(pseudonyms.id(id)))]);
        if let Some(name) = name {
            entry.insert("name".to_owned(), pseudonyms.text(name).into());
        }
        if !labels.is_empty() {
            let labels = labels.iter().map(|(label, value)| {
                // Prometheus' names are plain; one that is a customer's own word is replaced like a value.
                let is_hidden = !fields::looks_like_a_field(label) || pseudonyms.is_known_in(label, MIN_WORD_IN_FIELD);
                let label = if is_hidden { pseudonyms.text(label).replace(' ', "_") } else { label.clone() };
                (label, Value::from(pseudonyms.text(value)))
            });
            entry.insert("labels".to_owned(), Value::Object(labels.collect()));
        }
        Value::Object(entry)
    });
    let list: Vec<Value> = list.collect();
    json!({
        "name": name,
        "customers": {"discover": partner.settings.discovers, "exclude": partner.left_out, "list": list},
    })
}
