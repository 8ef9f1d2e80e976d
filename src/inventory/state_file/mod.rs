//! The state file: what is known of every partner, as bytes that outlive the process.
//!
//! ```text
//! "avepoint_exporter state\n"   what it is, readable with `head -1`
//! u32  version                  of everything after it
//! u64  length                   of the body
//! u32  checksum                 CRC-32 of all before it and of the body
//! body                          postcard: see `rows`
//! ```
//!
//! Numbers of the head are little-endian. Decoding gives everything or nothing: what is torn, foreign, newer, changed
//! or contradicts itself is refused as a whole, with a reason ([`Damage`]). It does not panic, whatever it is given,
//! and allocates by what is there, not by a length that it read. Customers come back as discovered ones: what the
//! configuration says of them is the present configuration's to say.
//!
//! No I/O of its own: bytes in, bytes out, to whoever writes them.

mod rows;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};

use crc32fast::Hasher;
use jiff::Timestamp;

use super::{Inventory, Past};
use crate::domain::PartnerName;

const MAGIC: &[u8; 24] = b"avepoint_exporter state\n";
/// To be raised whenever the body changes; files of other versions are refused.
const VERSION: u32 = 1;
const HEAD: usize = MAGIC.len() + 4 + 8 + 4;

/// What a state file holds.
#[derive(Clone, Debug)]
pub struct State {
    /// When it was saved.
    pub saved: Timestamp,
    /// Names are distinct.
    pub partners: Vec<KnownPartner>,
}

/// What is known of one partner.
#[derive(Clone, Debug)]
pub struct KnownPartner {
    /// Its name at that time.
    pub name: PartnerName,
    /// Its app registration, of which all this is true whatever the name is.
    pub client_id: String,
    /// Listing and customers, without what the configuration says of them.
    pub past: Past,
}

impl KnownPartner {
    /// What an inventory knows; shares its customers.
    #[must_use]
    pub fn of(client_id: &str, inventory: Inventory) -> Self {
        Self { name: inventory.partner.clone(), client_id: client_id.to_owned(), past: inventory.into() }
    }
}

/// Why bytes are no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// They do not begin as a state file does.
    Foreign,
    /// Written by a version of the exporter that knows more.
    Newer(u32),
    /// They end before the end.
    Torn,
    /// They go on after the end.
    Trailing,
    /// The checksum is another.
    Corrupt,
    /// The checksum is right, the content cannot be: what it is that is wrong.
    Invalid(&'static str),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("it is not a state file of this exporter"),
            Self::Newer(version) => write!(f, "its format {version} is not the {VERSION} that this version reads"),
            Self::Torn => f.write_str("it ends too early"),
            Self::Trailing => f.write_str("it goes on after its end"),
            Self::Corrupt => f.write_str("its checksum does not fit its content"),
            Self::Invalid(what) => write!(f, "its content is not possible: {what}"),
        }
    }
}

impl std::error::Error for Damage {}

impl State {
    /// What is known of an app registration; of several partners that have it, of the one of that name.
    #[must_use]
    pub fn past_of(&self, name: &PartnerName, client_id: &str) -> Option<Past> {
        self.place_of(name, client_id).and_then(|place| self.partners.get(place)).map(|known| known.past.clone())
    }

    /// The same for the last one who asks for it: nobody shares the customers then.
    pub fn take_past_of(&mut self, name: &PartnerName, client_id: &str) -> Option<Past> {
        let place = self.place_of(name, client_id)?;
        self.partners.get_mut(place).map(|known| std::mem::take(&mut known.past))
    }

    fn place_of(&self, name: &PartnerName, client_id: &str) -> Option<usize> {
        let place = |is_it: &dyn Fn(&KnownPartner) -> bool| {
            self.partners.iter().position(|known| known.client_id == client_id && is_it(known))
        };
        place(&|known| known.name == *name).or_else(|| place(&|_| true))
    }

    /// The file, whole.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut file = Vec::new();
        // Memory does not refuse bytes.
        let _ = self.write_to(&mut file);
        file
    }

    /// Writes the file, row by row.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let body = rows::Body::of(self);
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&body.length.to_le_bytes());
        let mut checksum = Hasher::new();
        checksum.update(&head);
        checksum.combine(&body.checksum);
        head.extend_from_slice(&checksum.finalize().to_le_bytes());
        out.write_all(&head)?;
        body.write_to(out)
    }

    /// Reads a file.
    pub fn decode(file: &[u8]) -> Result<Self, Damage> {
        let rest = match file.strip_prefix(MAGIC) {
            Some(rest) => rest,
            None if MAGIC.starts_with(file) => return Err(Damage::Torn),
            None => return Err(Damage::Foreign),
        };
        let (version, rest) = rest.split_first_chunk().ok_or(Damage::Torn)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(Damage::Newer(version));
        }
        let (length, rest) = rest.split_first_chunk().ok_or(Damage::Torn)?;
        let (expected, body) = rest.split_first_chunk().ok_or(Damage::Torn)?;
        match u64::from_le_bytes(*length).cmp(&(body.len() as u64)) {
            std::cmp::Ordering::Greater => return Err(Damage::Torn),
            std::cmp::Ordering::Less => return Err(Damage::Trailing),
            std::cmp::Ordering::Equal => {}
        }
        let (head, _) = file.split_at(HEAD - 4);
        if checksum(head, body) != u32::from_le_bytes(*expected) {
            return Err(Damage::Corrupt);
        }
        Self::decode_body(body)
    }

    /// Reads what comes after the head: for those who try what a checksum would stop.
    pub fn decode_body(body: &[u8]) -> Result<Self, Damage> {
        rows::decode(body)
    }
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}
