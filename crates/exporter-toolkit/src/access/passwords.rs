//! `basic_auth_users`: passwords against their bcrypt hashes.
//!
//! bcrypt is slow on purpose. It runs off the threads of the runtime, one password at a time, with a bounded queue and
//! a maximum wait. Verdicts are cached, so a scrape costs one HMAC. The cache holds HMACs of user, hash and password
//! under a random key of this process: it contains no password, and a changed hash invalidates its entry. The accepted
//! password of each user has its own entry, so a flood of wrong passwords cannot evict it.
//!
//! An unknown user takes as long as a known one: the password is compared with the hash of another user. Which user
//! that is does not depend on the order in the file and changes only if that user's hash changes. When any user
//! changes, all cached rejections are removed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::SystemRandom;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::users::Users;

/// The maximum number of passwords that wait for bcrypt, including the one in progress.
const MAX_QUEUED: usize = 32;
/// The maximum time that a request waits for its verdict, including the queue; then it gets 503 with `Retry-After`.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(5);
/// The maximum number of cached rejections. A misconfigured client then costs one bcrypt run, not one per scrape.
const MAX_REJECTED: usize = 100;
/// bcrypt ignores further bytes.
const MAX_PASSWORD_BYTES: usize = 72;

/// Signs the parts, each with its length, so that different lists have different input.
pub(super) fn sign(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.sign()
}

/// The result of a password check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Rejected,
    /// The queue is full, or the check took too long.
    Busy,
}

/// Verifies passwords: the cache of verdicts, and the queue for bcrypt.
pub(super) struct Passwords {
    key: hmac::Key,
    bcrypt_permit: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    cache: Mutex<VerdictCache>,
    runs: AtomicU64,
}

#[derive(Default)]
struct VerdictCache {
    accepted: HashMap<String, hmac::Tag>,
    rejected: VecDeque<hmac::Tag>,
}

impl Passwords {
    pub(super) fn new() -> Result<Self, ring::error::Unspecified> {
        Ok(Self {
            key: hmac::Key::generate(HMAC_SHA256, &SystemRandom::new())?,
            bcrypt_permit: Arc::new(Semaphore::new(1)),
            queue: Arc::new(Semaphore::new(MAX_QUEUED)),
            cache: Mutex::default(),
            runs: AtomicU64::new(0),
        })
    }

    /// Verifies a user's password, within [`MAX_WAIT`].
    pub(super) async fn verify(self: &Arc<Self>, users: &Users, user: &str, password: SecretSlice<u8>) -> Verdict {
        let Some((hash, exists)) = users.hash_of(user, &self.key) else { return Verdict::Rejected };
        let tag = self.tag(user, hash, &password);
        if let Some(verdict) = self.cached(user, &tag) {
            return verdict;
        }
        let Ok(place) = Arc::clone(&self.queue).try_acquire_owned() else { return Verdict::Busy };
        let run = async {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&self.bcrypt_permit).acquire_owned().await else { return Verdict::Busy };
            // The same password may have been verified meanwhile.
            if let Some(verdict) = self.cached(user, &tag) {
                return verdict;
            }
            let (this, hash, user) = (Arc::clone(self), hash.clone(), user.to_owned());
            let run = tokio::task::spawn_blocking(move || {
                this.runs.fetch_add(1, Ordering::Relaxed);
                let accepted = bcrypt::verify(password.expose_secret(), hash.expose_secret()).unwrap_or(false) & exists;
                this.remember(user, tag, accepted);
                // Held until here, because the work continues if the client disconnects.
                drop((permit, place));
                if accepted { Verdict::Accepted } else { Verdict::Rejected }
            });
            run.await.unwrap_or(Verdict::Busy)
        };
        timeout(MAX_WAIT, run).await.unwrap_or(Verdict::Busy)
    }

    /// How often bcrypt has run.
    #[cfg(test)]
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Removes the entries of removed users, and all cached rejections, so that response times do not reveal whose hash
    /// was unchanged.
    pub(super) fn users_changed(&self, before: &Users, after: &Users) {
        let mut cache = self.cache();
        cache.accepted.retain(|user, _| after.0.contains_key(user));
        if before != after {
            cache.rejected.clear();
        }
    }

    fn tag(&self, user: &str, hash: &SecretString, password: &SecretSlice<u8>) -> hmac::Tag {
        let password = password.expose_secret();
        let password = password.get(..MAX_PASSWORD_BYTES).unwrap_or(password);
        sign(&self.key, &[user.as_bytes(), hash.expose_secret().as_bytes(), password])
    }

    fn cached(&self, user: &str, tag: &hmac::Tag) -> Option<Verdict> {
        let cache = self.cache();
        if cache.accepted.get(user).is_some_and(|known| is_same(known, tag)) {
            return Some(Verdict::Accepted);
        }
        cache.rejected.iter().any(|known| is_same(known, tag)).then_some(Verdict::Rejected)
    }

    fn remember(&self, user: String, tag: hmac::Tag, accepted: bool) {
        let mut cache = self.cache();
        if accepted {
            cache.accepted.insert(user, tag);
            return;
        }
        if cache.rejected.len() >= MAX_REJECTED {
            cache.rejected.pop_front();
        }
        cache.rejected.push_back(tag);
    }

    fn cache(&self) -> MutexGuard<'_, VerdictCache> {
        self.cache.lock()
    }
}

/// Compares in constant time.
fn is_same(one: &hmac::Tag, other: &hmac::Tag) -> bool {
    one.as_ref().iter().zip(other.as_ref()).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::{ConfigPath, Pairs};

    fn hash(password: &str) -> String {
        bcrypt::hash(password, 4).unwrap()
    }

    fn users(list: &[(&str, &str)]) -> Users {
        let problems = RefCell::default();
        let pairs = list.iter().map(|(name, hash)| ((*name).to_owned(), Some((*hash).to_owned()))).collect();
        let users = Users::read(&ConfigPath::top(&problems), Pairs(pairs), &mut Vec::new());
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

        fn change(&mut self, list: &[(&str, &str)]) {
            let before = std::mem::replace(&mut self.users, users(list));
            self.passwords.users_changed(&before, &self.users);
        }

        /// The verdict, and how often bcrypt ran for it.
        async fn verify(&self, user: &str, password: &[u8]) -> (Verdict, u64) {
            let before = self.passwords.runs();
            let verdict = self.passwords.verify(&self.users, user, password.to_vec().into()).await;
            (verdict, self.passwords.runs() - before)
        }
    }

    #[tokio::test]
    async fn what_was_asked_once_costs_nothing_again() {
        let fixture = Fixture::new(&[("alice", &hash("one")), ("bob", &hash("two"))]);
        assert_eq!(fixture.verify("alice", b"one").await, (Verdict::Accepted, 1));
        assert_eq!(fixture.verify("alice", b"one").await, (Verdict::Accepted, 0));
        assert_eq!(fixture.verify("alice", b"two").await, (Verdict::Rejected, 1));
        assert_eq!(fixture.verify("alice", b"two").await, (Verdict::Rejected, 0));
        assert_eq!(fixture.verify("bob", b"two").await, (Verdict::Accepted, 1));
        assert_eq!(fixture.verify("alice", b"one").await, (Verdict::Accepted, 0));
    }

    #[tokio::test]
    async fn who_does_not_exist_costs_the_same_and_gets_nowhere() {
        let fixture = Fixture::new(&[("alice", &hash("one"))]);
        for user in ["nobody", "", "Alice", "alice "] {
            assert_eq!(fixture.verify(user, b"one").await, (Verdict::Rejected, 1), "{user:?}");
            assert_eq!(fixture.verify(user, b"one").await, (Verdict::Rejected, 0), "{user:?}");
        }
        let nobody = Fixture::new(&[]);
        assert_eq!(nobody.verify("alice", b"one").await, (Verdict::Rejected, 0));
    }

    #[tokio::test]
    async fn a_flood_of_wrong_passwords_does_not_push_out_a_right_one() {
        let fixture = Fixture::new(&[("alice", &hash("one"))]);
        fixture.verify("alice", b"one").await;
        for number in 0..MAX_REJECTED + 10 {
            fixture.verify("alice", number.to_string().as_bytes()).await;
        }
        assert_eq!(fixture.verify("alice", b"one").await, (Verdict::Accepted, 0));
        assert_eq!(fixture.verify("alice", b"0").await, (Verdict::Rejected, 1), "the oldest is forgotten");
        assert_eq!(fixture.passwords.cache().rejected.len(), MAX_REJECTED);
    }

    #[tokio::test]
    async fn a_changed_hash_forgets_and_a_removed_user_is_forgotten() {
        let mut fixture = Fixture::new(&[("alice", &hash("one")), ("bob", &hash("two"))]);
        fixture.verify("alice", b"one").await;
        fixture.verify("bob", b"two").await;
        fixture.change(&[("alice", &hash("new"))]);
        assert_eq!(fixture.verify("alice", b"one").await, (Verdict::Rejected, 1));
        assert_eq!(fixture.verify("bob", b"two").await, (Verdict::Rejected, 1));
        assert_eq!(fixture.passwords.cache().accepted.len(), 1);
    }

    /// Neither the order of users nor a change of others tells a name that is none from one that is.
    #[tokio::test]
    async fn a_change_of_the_file_does_not_reveal_who_exists() {
        let hashes: Vec<_> = (0..8).map(|number| hash(&number.to_string())).collect();
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut list: Vec<(&str, &str)> = names.into_iter().zip(hashes.iter().map(String::as_str)).collect();
        let mut fixture = Fixture::new(&list);
        let unknown: Vec<_> = (0..20).map(|number| format!("nobody{number}")).collect();
        let runs = async |fixture: &Fixture| {
            let mut runs = Vec::new();
            for name in names.iter().copied().chain(unknown.iter().map(String::as_str)) {
                let (verdict, count) = fixture.verify(name, b"wrong").await;
                assert_eq!(verdict, Verdict::Rejected);
                runs.push(count);
            }
            runs
        };
        assert_eq!(runs(&fixture).await, [1; 28]);
        list.reverse();
        fixture.change(&list);
        assert_eq!(runs(&fixture).await, [0; 28], "in another order");
        let new = hash("new");
        list[0].1 = &new;
        fixture.change(&list);
        assert_eq!(runs(&fixture).await, [1; 28], "with another hash of one");
        // Each name keeps the hash that it is compared with, and so the time that takes, unless that is the one
        // changed.
        let key = &fixture.passwords.key;
        let compared = |users: &Users, name: &str| users.hash_of(name, key).unwrap().0.expose_secret().to_owned();
        let before = users(&names.into_iter().zip(hashes.iter().map(String::as_str)).collect::<Vec<_>>());
        let moved = unknown.iter().filter(|name| {
            let (then, now) = (compared(&before, name), compared(&fixture.users, name));
            then != now && then != hashes[7] && now != new
        });
        assert_eq!(moved.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_waits_5_seconds_at_most() {
        let fixture = Fixture::new(&[("alice", &hash("one"))]);
        let held = fixture.passwords.bcrypt_permit.clone().acquire_owned().await.unwrap();
        let start = tokio::time::Instant::now();
        assert_eq!(fixture.verify("alice", b"one").await, (Verdict::Busy, 0));
        assert!((MAX_WAIT..MAX_WAIT * 2).contains(&start.elapsed()));
        assert_eq!(fixture.passwords.queue.available_permits(), MAX_QUEUED, "it does not wait any more");
        drop(held);
    }

    #[tokio::test]
    async fn beyond_72_bytes_nothing_counts() {
        let long = "x".repeat(80);
        let fixture = Fixture::new(&[("alice", &hash(&long))]);
        assert_eq!(fixture.verify("alice", long.as_bytes()).await, (Verdict::Accepted, 1));
        assert_eq!(fixture.verify("alice", &long.as_bytes()[..72]).await, (Verdict::Accepted, 0));
        assert_eq!(fixture.verify("alice", &long.as_bytes()[..71]).await, (Verdict::Rejected, 1));
    }

    #[tokio::test]
    async fn many_who_ask_the_same_cost_one_and_a_crowd_is_sent_away() {
        let fixture = Fixture::new(&[("alice", &bcrypt::hash("one", 6).unwrap())]);
        let same = futures(&fixture, |_| "one".to_owned()).await;
        assert_eq!(fixture.passwords.runs(), 1);
        assert!(same.iter().all(|verdict| matches!(verdict, Verdict::Accepted | Verdict::Busy)), "{same:?}");
        let crowd = futures(&fixture, |number| number.to_string()).await;
        assert!(crowd.contains(&Verdict::Busy) && crowd.contains(&Verdict::Rejected), "{crowd:?}");
        assert!(fixture.passwords.runs() <= 1 + MAX_QUEUED as u64);
    }

    async fn futures(fixture: &Fixture, password: impl Fn(usize) -> String) -> Vec<Verdict> {
        // Nothing is verified before every task waits or was turned away.
        let held = fixture.passwords.bcrypt_permit.clone().acquire_owned().await.unwrap();
        let mut all = tokio::task::JoinSet::new();
        let users = Arc::new(users(&[("alice", fixture.users.0["alice"].expose_secret())]));
        for number in 0..MAX_QUEUED * 2 {
            let (passwords, users) = (Arc::clone(&fixture.passwords), Arc::clone(&users));
            let password = password(number).into_bytes().into();
            all.spawn(async move { passwords.verify(&users, "alice", password).await });
        }
        tokio::task::yield_now().await;
        drop(held);
        all.join_all().await
    }
}
