//! Realistic company names, each used only once.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::rng::SeededRng;
use crate::wire_value::Text;

/// Towns and family names, some with non-ASCII letters.
static FIRST: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let names = "\
        Riverton, Ashford, Müller, Lakeside, Harrow, Grünwald, Kingsley, Brookhaven, Peña, Whitfield, Stonebridge, \
        Åkerlund, Marlow, Fairview, Delacroix, Norwood, Westbury, Łukasik, Hollister, Elmwood, Fontaine, Bayview, \
        Redcliff, Sørensen, Thornton, Maple Grove, Castellano, Eastgate, Winslow, Köhler, Summit, Ferndale, Okafor, \
        Granite Bay, Langley, Béranger, Oakridge, Pembroke, Tanaka, Clearwater, Rosenthal, Millbrook, Vogel, Highland, \
        Nakamura, Cedar Falls, Jørgensen, Ravenswood, Sinclair, Weiß, Greenfield, Barrett, Old Harbour, Moreau, \
        Wexford, Schäfer, Northgate, Calloway, Silverton, Novák, Bridgewater, Holt, Larkspur, O'Brien, Kaya, \
        Windermere, Petrov, Arden, Copper Hill, Lindqvist, Foxborough, D'Angelo, Sterling, Hawthorne, Zielinski, \
        Meadowbrook, Garnier, Underhill, Sandoval, Brandt, Valley Forge, Quigley, Ostermann, Willow Creek, Haddad, \
        Crestline, Bellamy, Tremblay, Iron Gate, Fischer, Dunmore, Yamada, Port Ellis, Abernathy, Kowalski, Glenwood";
    names.split(", ").collect()
});

/// Trades.
static TRADE: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let names = "\
        Dental Care, Law Partners, Primary School, Manufacturing, Family Clinic, Accountants, Logistics, Architects, \
        Veterinary Hospital, Precision Tools, Credit Union, Community College, Plumbing & Heating, Insurance Brokers, \
        Physiotherapy, Packaging, Real Estate, Orthodontics, Construction, Foods, Museum, Tax Advisers, Timber, \
        Pharmacy, Engineering, Legal, Academy, Printing, Opticians, Electric, Housing Association, Freight, \
        Surgical Centre, Wealth Management, Textiles, Hotel Group, Recycling, Notaries, Steelworks, Kindergarten, \
        Brewery, Auto Parts, Radiology, Surveyors, Garden Centres, Media, Water Works, Theatre, Plastics, Care Homes, \
        Roofing, Consulting Engineers, Bakery, Robotics, Travel, Farm Supplies, Ophthalmology, Glass, Charity Trust, \
        Furniture, Laboratories, Cold Storage, Marina, Cycle Works";
    names.split(", ").collect()
});

/// Suffixes that keep names unique after all combinations are used.
const LAST: &[&str] = &["", " Group", " North", " & Co", " International", " South", " West", " East", " Holding"];

/// Names that must be escaped somewhere, for customers with a fixed index.
const SPECIAL_CHARACTERS: &[(u32, &str)] =
    &[(5, "Ludwig \"Lou\" Becker & Söhne"), (11, "Back\\slash Studios"), (17, "O'Neill, Núñez & Żak")];

/// Hostile names that try to break a page or a line format.
const HOSTILE: &[(u32, &str)] = &[(2, "<script>alert(1)</script>"), (3, "Line one\nLine two")];

/// The name of a customer; `hostile` adds the two hostile ones.
pub(super) fn company(seed: u64, index: u32, special_characters: bool, hostile: bool) -> Text {
    let special = |list: &[(u32, &'static str)]| list.iter().find(|&&(at, _)| at == index).map(|&(_, name)| name);
    if let Some(name) =
        special(HOSTILE).filter(|_| hostile).or_else(|| special(SPECIAL_CHARACTERS).filter(|_| special_characters))
    {
        return Cow::Borrowed(name);
    }
    let pairs = FIRST.len() * TRADE.len();
    // 7919 is a prime that does not divide the number of pairs: every pair is used once before any is used twice.
    let start = SeededRng::of(&[seed, 0x4E41_4D45]).next_u64() % pairs as u64;
    let (index, start) = (index as usize, usize::try_from(start).unwrap_or(0));
    let pair = (start + index * 7919) % pairs;
    let (first, trade) = (FIRST.get(pair / TRADE.len()), TRADE.get(pair % TRADE.len()));
    let round = index / pairs;
    let last = LAST.get(round).map_or_else(|| format!(" {round}"), |&last| last.to_owned());
    Cow::Owned(format!("{} {}{last}", first.unwrap_or(&""), trade.unwrap_or(&"")))
}

/// The ASCII letters and digits of a name, for tenants and email addresses.
pub(super) fn short(company: &str) -> String {
    company.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_come_once() {
        let names: BTreeSet<_> = (0..80_000).map(|index| company(9, index, true, true)).collect();
        assert_eq!(names.len(), 80_000);
    }

    #[test]
    fn a_seed_decides() {
        assert_eq!(company(1, 40, true, false), company(1, 40, false, true));
        assert_ne!(company(1, 40, true, false), company(2, 40, true, false));
        assert_eq!(company(1, 2, true, true), "<script>alert(1)</script>");
    }
}
