//! Personal values read back, in any order and after their subject was forgotten.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{ALL, reads_back};
use crate::keys::{Keys, MasterKeyRing};
use crate::personal::{
    KeyError, Opened, PersonalError, Sealer, Subjects, deriving, in_clear, within,
};
use crate::{Codec, CodecError, Personal};

fn new_keys() -> Arc<Keys> {
    Keys::in_memory(MasterKeyRing::generate("m").unwrap()).unwrap()
}

/// Commands of a customer were refused at random with "subject \"\" was forgotten". The event had a set of personal
/// values, one of them unset, and the set had another order after it was decoded.
#[test]
fn sets_and_maps_of_set_unset_and_erased_personal_values_read_back() {
    let keys = new_keys();
    let erased = |codec: Codec| -> Personal<String> {
        let (gone, mut bytes) = (Personal::new("gone", "x".to_owned()), Vec::new());
        let other = new_keys();
        other.within(|| codec.encode(&gone, &mut bytes)).expect("encodable");
        other.forget("gone").expect("it forgets");
        other.within(|| codec.decode(&bytes)).expect("it reads as erased")
    };
    for codec in ALL {
        for _ in 0..100 {
            let set = Personal::new("s", "Ada".to_owned());
            let all = [set, Personal::default(), erased(codec)];
            let map: HashMap<u8, _> = (0..).zip(all.clone()).collect();
            let value = (HashSet::from(all), map);
            assert!(keys.within(|| reads_back(codec, &value)), "{codec:?}");
            assert!(in_clear(|| reads_back(codec, &value)), "{codec:?}");
        }
    }
}

#[test]
fn personal_values_read_back() {
    type Value = HashMap<u8, Personal<HashMap<u8, Option<u8>>>>;
    let inner = |key: u8| (0..key).map(|key| (key, Some(key))).collect();
    let value: Value = (0..9).map(|key| (key, Personal::new("s", inner(key)))).collect();
    let keys = new_keys();
    let nested = (Personal::new("s", Personal::new("t", 1)), Personal::<u8>::default());
    for codec in ALL {
        assert!(keys.within(|| reads_back(codec, &value)), "{codec:?}");
        assert!(in_clear(|| reads_back(codec, &value)), "{codec:?}");
        assert!(keys.within(|| reads_back(codec, &nested)), "{codec:?}");
        let collapsing = (1, Personal::new("s", Some(None::<u8>)));
        assert!(!keys.within(|| reads_back(codec, &collapsing)), "{codec:?}");
    }
}

/// What is derived from stored data may contain a subject that was forgotten since. It is written as
/// erased, and reads back as erased.
#[test]
fn a_derived_value_of_a_forgotten_subject_reads_back_as_erased() {
    let keys = new_keys();
    keys.forget("s").unwrap();
    let sealer: Arc<dyn Sealer> = keys;
    let value: HashMap<u8, _> = (0..9).map(|key| (key, Personal::new("s", key))).collect();
    for codec in ALL {
        let derived = || codec.encode_checked(&value, &mut Vec::new());
        let decoded = deriving(Some(&sealer), derived).expect("it reads back");
        assert!(decoded.values().all(Personal::is_erased) && decoded.len() == 9);
        let written = within(Some(&sealer), || codec.encode_checked(&value, &mut Vec::new()));
        assert!(matches!(written, Err(CodecError::Personal(_))), "{written:?}");
    }
}

/// Keys whose subjects are forgotten as soon as something is sealed for them.
#[derive(Debug)]
struct Forgetful(Arc<Keys>);

impl Sealer for Forgetful {
    fn seal(&self, subject: &str, clear: &[u8]) -> Result<Vec<u8>, PersonalError> {
        let sealed = self.0.seal(subject, clear)?;
        self.0.forget(subject).expect("it is written");
        Ok(sealed)
    }

    fn unseal(
        &self,
        subject: &str,
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, PersonalError> {
        self.0.unseal(subject, sealed)
    }

    fn seal_for(&self, subjects: &Subjects, clear: &[u8]) -> Result<Option<Vec<u8>>, KeyError> {
        self.0.seal_for(subjects, clear)
    }

    fn open_for(&self, sealed: &[u8]) -> Result<Opened, KeyError> {
        self.0.open_for(sealed)
    }

    fn forgotten(&self) -> u64 {
        Sealer::forgotten(&*self.0)
    }

    fn flush(&self) -> Result<(), KeyError> {
        self.0.flush()
    }

    fn settle(&self) -> Result<(), KeyError> {
        self.0.settle()
    }

    fn close(&self) -> Result<(), KeyError> {
        Ok(())
    }
}

/// A subject that is forgotten while a value is encoded is no defect of the value: a view that was told
/// `DoesNotReadBack` would halt for good.
#[test]
fn a_subject_that_is_forgotten_meanwhile_is_reported_as_such() {
    let forgotten = PersonalError::Forgotten { subject: "s".to_owned() };
    for codec in ALL {
        let sealer: Arc<dyn Sealer> = Arc::new(Forgetful(new_keys()));
        let value = vec![Personal::new("s", 7_u8)];
        let checked = || codec.encode_checked(&value, &mut Vec::new());
        assert_eq!(within(Some(&sealer), checked), Err(CodecError::Personal(forgotten.clone())));
        let again = deriving(Some(&sealer), checked).expect("it is erased now");
        assert!(again[0].is_erased());
    }
}

/// The value is sealed once, and no sum of clear text is stored.
#[test]
fn the_check_leaves_sealed_values_only() {
    let keys = new_keys();
    let value = (Personal::new("s", "Ada".repeat(20)), 1_u8);
    for codec in ALL {
        let [mut one, mut other] = [Vec::new(), Vec::new()];
        keys.within(|| codec.encode_checked(&value, &mut one)).expect("it reads back");
        keys.within(|| codec.encode(&value, &mut other)).expect("encodable");
        assert_eq!(one.len(), other.len(), "{codec:?}");
        assert_ne!(one, other, "{codec:?}: each has a nonce of its own");
        let outside = codec.encode(&value, &mut Vec::new());
        assert_eq!(outside, Err(CodecError::Personal(PersonalError::NoKeys)));
    }
}
