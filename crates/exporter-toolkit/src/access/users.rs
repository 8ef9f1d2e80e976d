//! `basic_auth_users`: user names and bcrypt hashes, validated.

use std::collections::HashMap;
use std::str::FromStr as _;

use bcrypt::HashParts;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

use super::passwords::{MAX_WAIT, sign};
use crate::{ConfigPath, Pairs};

/// Above this cost bcrypt takes seconds, for wrong passwords too.
const HIGH_COST: u32 = 12;
/// Above this cost bcrypt takes longer than [`MAX_WAIT`].
const MAX_COST: u32 = 16;

const MAKE_HASH: &str = "make one with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`";

/// Users and the bcrypt hashes of their passwords.
#[derive(Default)]
pub(super) struct Users(pub(super) HashMap<String, SecretString>);

impl Users {
    /// Reads `basic_auth_users`.
    pub(super) fn read(at: &ConfigPath<'_>, raw: Pairs, warnings: &mut Vec<String>) -> Self {
        let mut users = HashMap::new();
        for (index, (name, hash)) in raw.0.into_iter().enumerate() {
            let Some(hash) = hash else {
                // Not quoted: it may be the password.
                let what = format!("entry {} is a name without a hash, or the other way round", index + 1);
                at.error(what, "write the name, a colon, a space and the bcrypt hash");
                continue;
            };
            let at = at.key(&name);
            if name.contains(':') {
                at.error("a user's name cannot have a colon in it: it ends the name", "choose another name");
            }
            // Neither the value nor the library's message is quoted: it may be the password.
            match cost(&hash) {
                None => at.error("this is not a bcrypt hash", MAKE_HASH),
                Some(cost) if cost > MAX_COST => at.error(
                    format!("a bcrypt hash of cost {cost} takes longer than a login may, {} s", MAX_WAIT.as_secs()),
                    MAKE_HASH,
                ),
                Some(cost) if cost > HIGH_COST => warnings.push(format!(
                    "basic_auth_users: a hash has the bcrypt cost {cost}: a few wrong passwords keep the processor busy \
                     for seconds; {MAKE_HASH}"
                )),
                Some(_) => {}
            }
            if users.insert(name, hash.into()).is_some() {
                at.error("this user stands twice", "keep one of them");
            }
        }
        Self(users)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hash to compare a password with, and whether it is the user's own.
    pub(super) fn hash_of(&self, user: &str, key: &hmac::Key) -> Option<(&SecretString, bool)> {
        if let Some(hash) = self.0.get(user) {
            return Some((hash, true));
        }
        // The choice depends only on the name and the chosen hash, so neither the order of users nor a change of
        // another user reveals that this user does not exist.
        let rank = |hash: &&SecretString| {
            let tag = sign(key, &[user.as_bytes(), hash.expose_secret().as_bytes()]);
            <[u8; 32]>::try_from(tag.as_ref()).unwrap_or_default()
        };
        self.0.values().min_by_key(rank).map(|hash| (hash, false))
    }
}

/// The cost of a bcrypt hash of version 2a, 2b, 2x or 2y, from 4 to 31; `None` if the text is not such a hash.
fn cost(hash: &str) -> Option<u32> {
    let cost = HashParts::from_str(hash).ok()?.get_cost();
    (4..=31).contains(&cost).then_some(cost)
}

impl PartialEq for Users {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().all(|(user, hash)| {
                other.0.get(user).is_some_and(|other| other.expose_secret() == hash.expose_secret())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_bcrypt_and_nothing_else_is_a_hash() {
        let rest = "$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";
        for version in ["2a", "2b", "2x", "2y"] {
            assert_eq!(cost(&format!("${version}{rest}")), Some(10), "{version}");
        }
        for wrong in ["", "doe", "$2y$10$short", "$1$abc", &format!("$2y{rest}x"), &format!("$2z{rest}")] {
            assert_eq!(cost(wrong), None, "{wrong}");
        }
        for wrong in ["03", "32", "99", "ab"] {
            assert_eq!(cost(&format!("$2y{}", rest.replacen("10", wrong, 1))), None, "{wrong}");
        }
    }
}
