//! [`HandedOut`]: which code of the user's is at work with clear text of data subjects.

use std::collections::BTreeMap;
#[cfg(feature = "erasure")]
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "erasure")]
use actuarius_persistence::personal::Fingerprint;
use actuarius_persistence::personal::Subjects;

tokio::task_local! {
    /// What the current task is at work with.
    static LENT: Place;
}

/// The number of a loan, and how many subjects were forgotten when it was decoded.
#[derive(Debug, Clone, Copy)]
struct Place {
    number: u64,
    forgotten: u64,
}

/// The clear text that code of the user's is at work with.
#[derive(Default)]
pub(crate) struct HandedOut(Mutex<Loans>);

#[derive(Default)]
struct Loans {
    next: u64,
    all: BTreeMap<u64, Loan>,
}

struct Loan {
    to: Arc<str>,
    subjects: Subjects,
}

impl HandedOut {
    fn loans(&self) -> MutexGuard<'_, Loans> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that clear text of `subjects` is handed to the follower `to`. It was decoded when `forgotten` subjects
    /// had been forgotten.
    pub(super) fn lend(
        self: &Arc<Self>,
        to: &Arc<str>,
        subjects: Subjects,
        forgotten: u64,
    ) -> Lent {
        let mut loans = self.loans();
        let number = loans.next;
        loans.next += 1;
        loans.all.insert(number, Loan { to: to.clone(), subjects });
        drop(loans);
        Lent { all: self.clone(), place: Place { number, forgotten } }
    }

    /// Returns the names of those that may hold clear text of the subject, except for the loan with this number.
    #[cfg(feature = "erasure")]
    pub(crate) fn holders_of(
        &self,
        subject: Fingerprint,
        except: Option<u64>,
    ) -> BTreeSet<Arc<str>> {
        let loans = self.loans();
        let others = loans.all.iter().filter(|(number, _)| Some(**number) != except);
        let holders = others.filter(|(_, loan)| loan.subjects.may_have(subject));
        holders.map(|(_, loan)| loan.to.clone()).collect()
    }
}

/// Clear text that is handed to code of the user's, until this is dropped.
pub(crate) struct Lent {
    all: Arc<HandedOut>,
    place: Place,
}

impl Lent {
    /// Runs the code that the clear text is handed to.
    pub(crate) async fn during<F: Future>(self, work: F) -> F::Output {
        LENT.scope(self.place, work).await
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.all.loans().all.remove(&self.place.number);
    }
}

/// Returns the number of the loan that the current task is at work with.
#[cfg(feature = "erasure")]
pub(crate) fn current() -> Option<u64> {
    LENT.try_with(|place| place.number).ok()
}

/// Returns whether the current task is at work with clear text that was decoded when fewer subjects than `forgotten`
/// had been forgotten.
#[cfg(feature = "sagas")]
pub(crate) fn is_outdated(forgotten: u64) -> bool {
    LENT.try_with(|place| place.forgotten < forgotten).unwrap_or(false)
}
