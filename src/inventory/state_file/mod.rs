//! The state file format: encodes and decodes the known values of every partner. docs/state.md describes it.
//!
//! A file is one gzip member of JSON lines: a head (`rows::Head`), then for each partner a row and the rows of its
//! customers. Decoding returns the whole state or an error ([`DecodeError`]). It does not panic on any input, and it
//! holds one row at a time besides the result. All customers are decoded as discovered ones: which customers are
//! configured depends on the current configuration.

mod decode;
mod encode;
mod legacy;
mod rows;
mod subscription;
mod target;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, BufReader, ErrorKind, Read as _, Write};

use elements::types::PartnerName;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};

use super::{Inventory, PriorState};
use decode::Decoder;
use encode::Encoder;
use rows::{AnyHead, Head, Row};

const FORMAT: &str = "avepoint_exporter state";
/// Increase this when an older program would misinterpret the file; an added field does not need it.
const VERSION: u32 = 2;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Maximum bytes of a row. A customer with 10,000 subscriptions takes about 5 MB.
const MAX_ROW: u64 = 64 << 20;

/// The content of a state file.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// When it was saved, in wall-clock time.
    pub saved: Timestamp,
    /// Added to the timestamps below when they are written: the correction of the wall clock since they were taken.
    pub correction: SignedDuration,
    /// Names are distinct.
    pub partners: Vec<KnownPartner>,
}

/// The stored values of one partner.
#[derive(Clone, Debug)]
pub struct KnownPartner {
    /// The partner's name when the state was saved.
    pub name: PartnerName,
    /// The app registration. The values belong to it, whatever the partner's name is.
    pub client_id: String,
    /// Listing and customers, without the settings from the configuration.
    pub past: PriorState,
}

impl KnownPartner {
    /// Takes the values of an inventory; shares its customers.
    #[must_use]
    pub fn of(client_id: &str, inventory: Inventory) -> Self {
        Self { name: inventory.partner.clone(), client_id: client_id.to_owned(), past: inventory.into() }
    }
}

/// Why bytes cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They do not start with the magic bytes of a state file.
    #[error("it is not a state file of this exporter")]
    BadMagic,
    /// Written in a format that this version does not read: usually by a newer one.
    #[error("its format is {0}, and this version reads {VERSION}")]
    UnsupportedVersion(u32),
    /// They are truncated.
    #[error("it ends too early")]
    Truncated,
    /// There are bytes after the end.
    #[error("it has data after its end")]
    TrailingBytes,
    /// The checksum does not match the decompressed content.
    #[error("its checksum does not match its content")]
    Checksum,
    /// A row is not valid JSON of the expected form; lines count from 1.
    #[error("line {line} cannot be read (column {column})")]
    Row {
        /// In the decompressed file.
        line: u64,
        /// In bytes.
        column: usize,
    },
    /// Every row can be parsed, but the content is invalid; the text says what is wrong.
    #[error("its content is invalid: {0}")]
    Invalid(&'static str),
}

impl State {
    /// The state of an app registration. If several partners share it, the state of the one with that name.
    #[must_use]
    pub fn prior_state(&self, name: &PartnerName, client_id: &str) -> Option<PriorState> {
        self.position(name, client_id).and_then(|position| self.partners.get(position)).map(|known| known.past.clone())
    }

    /// The same, for the last caller: it takes the customers instead of sharing them.
    pub fn take_prior_state(&mut self, name: &PartnerName, client_id: &str) -> Option<PriorState> {
        let position = self.position(name, client_id)?;
        self.partners.get_mut(position).map(|known| std::mem::take(&mut known.past))
    }

    fn position(&self, name: &PartnerName, client_id: &str) -> Option<usize> {
        let position = |matches: &dyn Fn(&KnownPartner) -> bool| {
            self.partners.iter().position(|known| known.client_id == client_id && matches(known))
        };
        position(&|known| known.name == *name).or_else(|| position(&|_| true))
    }

    /// The encoded file in memory.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut file = Vec::new();
        // Writing to memory does not fail.
        let _ = self.write_to(&mut file);
        file
    }

    /// Writes the file, row by row.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut out = GzEncoder::new(out, Compression::fast());
        self.write_rows(&mut out)?;
        out.finish().map(drop)
    }

    fn write_rows(&self, out: &mut impl Write) -> io::Result<()> {
        let head =
            Head { format: FORMAT.into(), version: VERSION, written_by: crate::VERSION.into(), saved: self.saved };
        let mut line = Vec::new();
        write_row(out, &mut line, &head)?;
        let encoder = Encoder(self.correction);
        for known in &self.partners {
            write_row(out, &mut line, &Row { partner: Some(encoder.partner(known)), customer: None })?;
            for customer in known.past.customers.values() {
                write_row(out, &mut line, &Row { partner: None, customer: Some(encoder.customer(customer)) })?;
            }
        }
        Ok(())
    }

    /// Reads a file of `length` bytes. The outer `Err` is an I/O error of the reader; the inner one is invalid content.
    pub fn read(file: &mut impl BufRead, length: u64) -> io::Result<Result<Self, DecodeError>> {
        let start = file.fill_buf()?;
        let is_begun = |magic: &[u8]| magic.starts_with(start) || start.is_empty();
        if start.starts_with(legacy::MAGIC) {
            return legacy::read(file, length);
        }
        if !start.starts_with(&GZIP_MAGIC) {
            let truncated = is_begun(legacy::MAGIC) || is_begun(&GZIP_MAGIC);
            return Ok(Err(if truncated { DecodeError::Truncated } else { DecodeError::BadMagic }));
        }
        let mut rows = BufReader::new(GzDecoder::new(file));
        let read = Self::read_rows(&mut rows);
        let state = match read {
            Ok(Ok(state)) => state,
            Ok(Err(error)) => return Ok(Err(error)),
            Err(error) => return damaged(error).map(Err),
        };
        let is_at_end = rows.into_inner().into_inner().fill_buf()?.is_empty();
        Ok(if is_at_end { Ok(state) } else { Err(DecodeError::TrailingBytes) })
    }

    /// Decodes decompressed content. Tests use it to pass content that a checksum would reject.
    pub fn read_rows(rows: &mut impl BufRead) -> io::Result<Result<Self, DecodeError>> {
        let (mut buffer, mut number) = (Vec::new(), 0);
        let (mut saved, mut decoder) = (None, Decoder::default());
        loop {
            buffer.clear();
            let length = rows.by_ref().take(MAX_ROW).read_until(b'\n', &mut buffer)?;
            if length == 0 {
                break;
            }
            number += 1;
            let result = match saved {
                None => head(&buffer).map(|head| saved = Some(head.saved)),
                Some(_) => row(&buffer, number).and_then(|row| decoder.take(row)),
            };
            if let Err(error) = result {
                return Ok(Err(error));
            }
        }
        let saved = saved.ok_or(DecodeError::Truncated);
        Ok(saved.map(|saved| Self { saved, partners: decoder.finish(), ..Self::default() }))
    }

    /// Decodes a file that is in memory.
    pub fn decode(file: &[u8]) -> Result<Self, DecodeError> {
        // Reading from memory does not fail.
        Self::read(&mut &*file, file.len() as u64).unwrap_or(Err(DecodeError::Truncated))
    }
}

fn write_row(out: &mut impl Write, line: &mut Vec<u8>, row: &impl serde::Serialize) -> io::Result<()> {
    line.clear();
    serde_json::to_writer(&mut *line, row)?;
    line.push(b'\n');
    out.write_all(line)
}

fn head(line: &[u8]) -> Result<Head<'_>, DecodeError> {
    let any: AnyHead<'_> = serde_json::from_slice(line).map_err(|_| DecodeError::BadMagic)?;
    if any.format != FORMAT {
        return Err(DecodeError::BadMagic);
    }
    if any.version != VERSION {
        return Err(DecodeError::UnsupportedVersion(any.version));
    }
    serde_json::from_slice(line).map_err(|error| DecodeError::Row { line: 1, column: error.column() })
}

fn row(line: &[u8], number: u64) -> Result<Row<'_>, DecodeError> {
    serde_json::from_slice(line).map_err(|error| DecodeError::Row { line: number, column: error.column() })
}

/// Separates errors of the decompressor about invalid bytes from I/O errors.
fn damaged(error: io::Error) -> io::Result<DecodeError> {
    match error.kind() {
        ErrorKind::UnexpectedEof => Ok(DecodeError::Truncated),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Ok(DecodeError::Checksum),
        _ => Err(error),
    }
}
