//! `basic_auth_users`: passwords against their bcrypt hashes.
//!
//! bcrypt is slow on purpose, so it runs off the threads of the runtime, one at a time, with a bounded queue, and its
//! verdicts are remembered: a scrape costs one HMAC. What is remembered is an HMAC of user, hash and password under a key
//! that this process made for itself; no password is kept, and a changed hash forgets by itself. The right password of
//! each user has a place of its own, so that no flood of wrong ones pushes it out. A user who does not exist costs what
//! one who does costs: the password is held against the hash of another.

use std::collections::{HashMap, VecDeque};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bcrypt::HashParts;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::SystemRandom;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tokio::sync::Semaphore;

use crate::config::{At, Pairs};

/// Passwords that may wait for bcrypt at the same time, the one under way included.
const WAITING: usize = 32;
/// Wrong passwords that are remembered, so that a client that is configured wrongly costs one bcrypt and not one a scrape.
const WRONG: usize = 100;
/// bcrypt looks no further.
const LONGEST: usize = 72;

/// Who may ask, and the hashes of their passwords.
#[derive(Default)]
pub(super) struct Users(HashMap<String, SecretString>);

impl Users {
    /// Reads `basic_auth_users`.
    pub(super) fn read(at: &At<'_>, raw: Pairs) -> Self {
        let mut users = HashMap::new();
        for (index, (name, hash)) in raw.0.into_iter().enumerate() {
            let Some(hash) = hash else {
                // What stands alone may be the password.
                let what = format!("entry {} is a name without a hash, or the other way round", index + 1);
                at.wrong(what, "write the name, a colon, a space and the bcrypt hash");
                continue;
            };
            let at = at.key(&name);
            if name.contains(':') {
                at.wrong("a user's name cannot have a colon in it: it ends the name", "choose another name");
            }
            // Neither what stands there nor the library's message is quoted: it may be the password itself.
            if !is_hash(&hash) {
                at.wrong("this is not a bcrypt hash", "make one with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`");
            }
            if users.insert(name, hash.into()).is_some() {
                at.wrong("this user stands twice", "keep one of them");
            }
        }
        Self(users)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hash to hold a password against, and whether it is the user's own.
    fn hash_of(&self, user: &str, key: &hmac::Key) -> Option<(&SecretString, bool)> {
        if let Some(hash) = self.0.get(user) {
            return Some((hash, true));
        }
        // Always the same one for a name, and any of them: so neither its cost nor a change of it tells anything.
        let pick = hmac::sign(key, user.as_bytes()).as_ref().first().map_or(0, |&byte| usize::from(byte));
        self.0.values().nth(pick % self.0.len().max(1)).map(|hash| (hash, false))
    }
}

/// `$2a$`, `$2b$`, `$2x$` or `$2y$`, a cost from 4 to 31, salt and hash.
fn is_hash(text: &str) -> bool {
    HashParts::from_str(text).is_ok_and(|parts| (4..=31).contains(&parts.get_cost()))
}

/// What a password is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Too many others are being looked at.
    Busy,
}

/// What is remembered, and the queue for what is not.
pub(super) struct Passwords {
    key: hmac::Key,
    turn: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    memory: Mutex<Memory>,
    runs: AtomicU64,
}

#[derive(Default)]
struct Memory {
    right: HashMap<String, hmac::Tag>,
    wrong: VecDeque<hmac::Tag>,
}

impl Passwords {
    pub(super) fn new() -> Result<Self, ring::error::Unspecified> {
        Ok(Self {
            key: hmac::Key::generate(HMAC_SHA256, &SystemRandom::new())?,
            turn: Arc::new(Semaphore::new(1)),
            queue: Arc::new(Semaphore::new(WAITING)),
            memory: Mutex::default(),
            runs: AtomicU64::new(0),
        })
    }

    /// Judges a user's password.
    pub(super) async fn judge(self: &Arc<Self>, users: &Users, user: &str, password: SecretSlice<u8>) -> Verdict {
        let Some((hash, exists)) = users.hash_of(user, &self.key) else { return Verdict::Wrong };
        let tag = self.tag(user, hash, &password);
        if let Some(verdict) = self.remembered(user, &tag) {
            return verdict;
        }
        let Ok(place) = Arc::clone(&self.queue).try_acquire_owned() else { return Verdict::Busy };
        // Nobody closes the semaphore.
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Verdict::Busy };
        // Somebody may have asked the same in the meantime.
        if let Some(verdict) = self.remembered(user, &tag) {
            return verdict;
        }
        let (this, hash, user) = (Arc::clone(self), hash.clone(), user.to_owned());
        let run = tokio::task::spawn_blocking(move || {
            this.runs.fetch_add(1, Ordering::Relaxed);
            let right = bcrypt::verify(password.expose_secret(), hash.expose_secret()).unwrap_or(false) & exists;
            this.remember(user, tag, right);
            // Held until here: whoever asked may be gone, the work goes on.
            drop((turn, place));
            if right { Verdict::Right } else { Verdict::Wrong }
        });
        run.await.unwrap_or(Verdict::Busy)
    }

    /// How often bcrypt has run.
    #[cfg(test)]
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Forgets who is no longer a user.
    pub(super) fn keep_only(&self, users: &Users) {
        self.memory().right.retain(|user, _| users.0.contains_key(user));
    }

    fn tag(&self, user: &str, hash: &SecretString, password: &SecretSlice<u8>) -> hmac::Tag {
        let password = password.expose_secret();
        let mut context = hmac::Context::with_key(&self.key);
        // Each with its length, so that no two triples read alike.
        for part in [user.as_bytes(), hash.expose_secret().as_bytes(), password.get(..LONGEST).unwrap_or(password)] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign()
    }

    fn remembered(&self, user: &str, tag: &hmac::Tag) -> Option<Verdict> {
        let memory = self.memory();
        if memory.right.get(user).is_some_and(|known| is_same(known, tag)) {
            return Some(Verdict::Right);
        }
        memory.wrong.iter().any(|known| is_same(known, tag)).then_some(Verdict::Wrong)
    }

    fn remember(&self, user: String, tag: hmac::Tag, right: bool) {
        let mut memory = self.memory();
        if right {
            memory.right.insert(user, tag);
            return;
        }
        if memory.wrong.len() >= WRONG {
            memory.wrong.pop_front();
        }
        memory.wrong.push_back(tag);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In a time that does not depend on where they differ.
fn is_same(one: &hmac::Tag, other: &hmac::Tag) -> bool {
    one.as_ref().iter().zip(other.as_ref()).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn hash(password: &str) -> String {
        bcrypt::hash(password, 4).unwrap()
    }

    fn users(list: &[(&str, &str)]) -> Users {
        let problems = RefCell::default();
        let pairs = list.iter().map(|(name, hash)| ((*name).to_owned(), Some((*hash).to_owned()))).collect();
        let users = Users::read(&At::top(&problems), Pairs(pairs));
        assert!(problems.into_inner().is_empty());
        users
    }

    struct Fixture {
        passwords: Arc<Passwords>,
        users: Users,
    }

    impl Fixture {
        fn new(list: &[(&str, &str)]) -> Self {
            Self { passwords: Arc::new(Passwords::new().unwrap()), users: users(list) }
        }

        /// The verdict, and how often bcrypt ran for it.
        async fn judge(&self, user: &str, password: &[u8]) -> (Verdict, u64) {
            let before = self.passwords.runs();
            let verdict = self.passwords.judge(&self.users, user, password.to_vec().into()).await;
            (verdict, self.passwords.runs() - before)
        }
    }

    #[tokio::test]
    async fn what_was_asked_once_costs_nothing_again() {
        let fixture = Fixture::new(&[("alice", &hash("one")), ("bob", &hash("two"))]);
        assert_eq!(fixture.judge("alice", b"one").await, (Verdict::Right, 1));
        assert_eq!(fixture.judge("alice", b"one").await, (Verdict::Right, 0));
        assert_eq!(fixture.judge("alice", b"two").await, (Verdict::Wrong, 1));
        assert_eq!(fixture.judge("alice", b"two").await, (Verdict::Wrong, 0));
        assert_eq!(fixture.judge("bob", b"two").await, (Verdict::Right, 1));
        assert_eq!(fixture.judge("alice", b"one").await, (Verdict::Right, 0));
    }

    #[tokio::test]
    async fn who_does_not_exist_costs_the_same_and_gets_nowhere() {
        let fixture = Fixture::new(&[("alice", &hash("one"))]);
        for user in ["nobody", "", "Alice", "alice "] {
            assert_eq!(fixture.judge(user, b"one").await, (Verdict::Wrong, 1), "{user:?}");
            assert_eq!(fixture.judge(user, b"one").await, (Verdict::Wrong, 0), "{user:?}");
        }
        let nobody = Fixture::new(&[]);
        assert_eq!(nobody.judge("alice", b"one").await, (Verdict::Wrong, 0));
    }

    #[tokio::test]
    async fn a_flood_of_wrong_passwords_does_not_push_out_a_right_one() {
        let fixture = Fixture::new(&[("alice", &hash("one"))]);
        fixture.judge("alice", b"one").await;
        for number in 0..WRONG + 10 {
            fixture.judge("alice", number.to_string().as_bytes()).await;
        }
        assert_eq!(fixture.judge("alice", b"one").await, (Verdict::Right, 0));
        assert_eq!(fixture.judge("alice", b"0").await, (Verdict::Wrong, 1), "the oldest is forgotten");
        assert_eq!(fixture.passwords.memory().wrong.len(), WRONG);
    }

    #[tokio::test]
    async fn a_changed_hash_forgets_and_a_removed_user_is_forgotten() {
        let mut fixture = Fixture::new(&[("alice", &hash("one")), ("bob", &hash("two"))]);
        fixture.judge("alice", b"one").await;
        fixture.judge("bob", b"two").await;
        fixture.users = users(&[("alice", &hash("new"))]);
        fixture.passwords.keep_only(&fixture.users);
        assert_eq!(fixture.judge("alice", b"one").await, (Verdict::Wrong, 1));
        assert_eq!(fixture.judge("bob", b"two").await, (Verdict::Wrong, 1));
        assert_eq!(fixture.passwords.memory().right.len(), 1);
    }

    #[tokio::test]
    async fn beyond_72_bytes_nothing_counts() {
        let long = "x".repeat(80);
        let fixture = Fixture::new(&[("alice", &hash(&long))]);
        assert_eq!(fixture.judge("alice", long.as_bytes()).await, (Verdict::Right, 1));
        assert_eq!(fixture.judge("alice", &long.as_bytes()[..72]).await, (Verdict::Right, 0));
        assert_eq!(fixture.judge("alice", &long.as_bytes()[..71]).await, (Verdict::Wrong, 1));
    }

    #[tokio::test]
    async fn many_who_ask_the_same_cost_one_and_a_crowd_is_sent_away() {
        let fixture = Fixture::new(&[("alice", &bcrypt::hash("one", 6).unwrap())]);
        let same = futures(&fixture, |_| "one".to_owned()).await;
        assert_eq!(fixture.passwords.runs(), 1);
        assert!(same.iter().all(|verdict| matches!(verdict, Verdict::Right | Verdict::Busy)), "{same:?}");
        let crowd = futures(&fixture, |number| number.to_string()).await;
        assert!(crowd.contains(&Verdict::Busy) && crowd.contains(&Verdict::Wrong), "{crowd:?}");
        assert!(fixture.passwords.runs() <= 1 + WAITING as u64);
    }

    async fn futures(fixture: &Fixture, password: impl Fn(usize) -> String) -> Vec<Verdict> {
        let mut all = tokio::task::JoinSet::new();
        let users = Arc::new(users(&[("alice", fixture.users.0["alice"].expose_secret())]));
        for number in 0..WAITING * 2 {
            let (passwords, users) = (Arc::clone(&fixture.passwords), Arc::clone(&users));
            let password = password(number).into_bytes().into();
            all.spawn(async move { passwords.judge(&users, "alice", password).await });
        }
        all.join_all().await
    }

    #[test]
    fn every_kind_of_bcrypt_and_nothing_else_is_a_hash() {
        let rest = "$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";
        for version in ["2a", "2b", "2x", "2y"] {
            assert!(is_hash(&format!("${version}{rest}")), "{version}");
        }
        for wrong in ["", "doe", "$2y$10$short", "$1$abc", &format!("$2y{rest}x"), &format!("$2z{rest}")] {
            assert!(!is_hash(wrong), "{wrong}");
        }
        for cost in ["03", "32", "99", "ab"] {
            assert!(!is_hash(&format!("$2y{}", rest.replacen("10", cost, 1))), "{cost}");
        }
    }
}
