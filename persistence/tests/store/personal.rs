//! Personal values survive every codec, and can be read only with their key.

use std::sync::Arc;

use actuarius_persistence::keys::{
    KeyError, Keys, MasterKey, MasterKeyError, MasterKeyId, MasterKeyRing, MasterKeys,
};
use actuarius_persistence::personal::{
    PersonalError, Sealer, Subjects, collecting, deriving, in_clear,
};
use actuarius_persistence::{Codec, CodecError, Personal};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const ALL: [Codec; 3] = [Codec::Bincode, Codec::Json, Codec::MessagePack];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Unit,
    One(Personal<String>),
    Several { name: Personal<Name>, before: u8, both: (Personal<i64>, Option<Personal<bool>>) },
    Nested(Personal<Vec<Personal<String>>>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Name {
    first: String,
    last: Option<String>,
}

fn ring() -> MasterKeyRing {
    MasterKeyRing::generate("only").unwrap()
}

fn personal<T: std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Personal<T>> {
    ("[a-c]|.{1,100}", value).prop_map(|(subject, value)| Personal::new(subject, value))
}

fn event() -> impl Strategy<Value = Event> {
    let name =
        (any::<String>(), any::<Option<String>>()).prop_map(|(first, last)| Name { first, last });
    prop_oneof![
        Just(Event::Unit),
        personal(any::<String>()).prop_map(Event::One),
        (
            personal(name),
            any::<u8>(),
            personal(any::<i64>()),
            proptest::option::of(personal(any::<bool>()))
        )
            .prop_map(|(name, before, one, two)| Event::Several {
                name,
                before,
                both: (one, two)
            }),
        personal(proptest::collection::vec(personal(any::<String>()), 0..3))
            .prop_map(Event::Nested),
    ]
}

fn through(codec: Codec, event: &Event) -> Result<Event, CodecError> {
    let mut bytes = Vec::new();
    let name = codec.encode_event(event, &mut bytes)?;
    codec.decode_event(name, &bytes)
}

proptest! {
    #[test]
    fn every_value_survives_every_codec(event in event()) {
        let keys = Keys::in_memory(ring()).unwrap();
        for codec in ALL {
            let back = keys.within(|| through(codec, &event));
            prop_assert_eq!(back.as_ref(), Ok(&event));
            // A decoded value can be encoded again.
            let again = keys.within(|| through(codec, &back.unwrap()));
            prop_assert_eq!(again, Ok(event.clone()));
            prop_assert_eq!(in_clear(|| through(codec, &event)), Ok(event.clone()));
        }
    }

    #[test]
    fn values_of_a_forgotten_subject_stay_erased_and_can_be_encoded_again(
        secret in "[a-z]{12,20}", kept in any::<String>()
    ) {
        let keys = Keys::in_memory(ring()).unwrap();
        let event = Event::Several {
            name: Personal::new("gone", Name { first: secret.clone(), last: None }),
            before: 1,
            both: (Personal::new("stays", 7), None),
        };
        let other = Event::One(Personal::new("stays", kept));
        for codec in ALL {
            let keys = Keys::in_memory(ring()).unwrap();
            let mut bytes = Vec::new();
            let name = keys.within(|| codec.encode_event(&event, &mut bytes)).unwrap();
            prop_assert!(!bytes.windows(secret.len()).any(|found| found == secret.as_bytes()));
            keys.forget("gone").unwrap();
            let mut read: Event = keys.within(|| codec.decode_event(name, &bytes)).unwrap();
            for _ in 0..3 {
                let Event::Several { name, both, .. } = &read else { panic!() };
                prop_assert!(name.is_erased() && name.get().is_none() && name.subject() == "gone");
                prop_assert_eq!(both.0.get(), Some(&7));
                read = keys.within(|| through(codec, &read)).unwrap();
            }
            let refused = keys.within(|| codec.encode_event(&event, &mut Vec::new()));
            let forgotten = PersonalError::Forgotten { subject: "gone".to_owned() };
            prop_assert_eq!(refused, Err(CodecError::Personal(forgotten)));
            let sealer: Arc<dyn Sealer> = keys.clone();
            let derived = deriving(Some(&sealer), || through(codec, &event));
            let Ok(Event::Several { name, .. }) = derived else { panic!() };
            prop_assert!(name.is_erased());
        }
        for codec in ALL {
            prop_assert_eq!(keys.within(|| through(codec, &other)), Ok(other.clone()));
        }
    }

    #[test]
    fn no_bytes_make_decoding_panic(name in "Unit|One|Several|Nested", bytes: Vec<u8>) {
        let keys = Keys::in_memory(ring()).unwrap();
        for codec in ALL {
            let _ = keys.within(|| codec.decode_event::<Event>(&name, &bytes));
        }
    }
}

/// Damaged bytes gave a length for which memory was allocated, which aborted the process.
#[test]
fn an_impossible_length_is_an_error() {
    let keys = Keys::in_memory(ring()).unwrap();
    let huge = [&[253][..], &u64::MAX.to_le_bytes()].concat();
    for bytes in [huge.clone(), [&[1, b'a'][..], &huge].concat()] {
        let read = keys.within(|| Codec::Bincode.decode_event::<Event>("One", &bytes));
        assert!(matches!(read, Err(CodecError::Decode(_))), "{read:?}");
    }
}

#[test]
fn a_value_that_was_never_set_needs_no_keys_and_is_not_erased() {
    let unset = Personal::<String>::default();
    assert!(!unset.is_erased() && unset.get().is_none());
    for codec in ALL {
        let event = Event::One(unset.clone());
        assert_eq!(through(codec, &event), Ok(event));
    }
}

#[test]
fn a_subject_without_a_name_or_with_a_long_one_is_refused() {
    let keys = Keys::in_memory(ring()).unwrap();
    for subject in [String::new(), "x".repeat(513)] {
        let event = Event::One(Personal::new(subject, "value".to_owned()));
        let refused = keys.within(|| through(Codec::Json, &event));
        let subject = CodecError::Personal(PersonalError::Keys(KeyError::Subject));
        assert_eq!(refused, Err(subject));
    }
}

#[test]
fn scopes_nest_and_are_restored_after_a_panic() {
    let (one, two) = (Keys::in_memory(ring()).unwrap(), Keys::in_memory(ring()).unwrap());
    let event = Event::One(Personal::new("ada", "Ada".to_owned()));
    let write = || {
        let mut bytes = Vec::new();
        Codec::Json.encode_event(&event, &mut bytes).map(|_| bytes)
    };
    let mut subjects = Subjects::default();
    let sealer: Arc<dyn Sealer> = one.clone();
    let (outer, inner) = collecting(Some(&sealer), &mut subjects, || {
        one.within(|| {
            let inner = two.within(write).unwrap();
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                two.within(|| std::panic::resume_unwind(Box::new(())))
            }));
            assert!(panicked.is_err());
            (write().unwrap(), inner)
        })
    });
    assert!(subjects.may_have(one.fingerprint("ada")) && subjects.may_have(two.fingerprint("ada")));
    assert!(write().is_err(), "no keys are in scope any more");
    let read = |keys: &Arc<Keys>, bytes: &[u8]| {
        keys.within(|| Codec::Json.decode_event::<Event>("One", bytes))
    };
    assert_eq!(read(&one, &outer), Ok(event.clone()));
    assert_eq!(read(&two, &inner), Ok(event.clone()));
    assert!(read(&one, &inner).is_err() && read(&two, &outer).is_err());
}

/// Master keys that can be made unavailable.
struct Flaky(MasterKeyRing, std::sync::atomic::AtomicBool);

impl MasterKeys for Flaky {
    fn current(&self) -> Result<MasterKeyId, MasterKeyError> {
        self.0.current()
    }

    fn key(&self, id: &MasterKeyId) -> Result<MasterKey, MasterKeyError> {
        match self.1.load(std::sync::atomic::Ordering::Relaxed) {
            true => Err(MasterKeyError::Unavailable { why: "no network".to_owned() }),
            false => self.0.key(id),
        }
    }
}

#[test]
fn an_unavailable_master_key_prevents_only_new_subjects() {
    let master = Arc::new(Flaky(ring(), false.into()));
    let keys = Keys::in_memory(master.clone()).unwrap();
    let [ada, bob] = ["ada", "bob"].map(|it| Event::One(Personal::new(it, it.to_owned())));
    assert_eq!(keys.within(|| through(Codec::Json, &ada)), Ok(ada.clone()));
    master.1.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(keys.within(|| through(Codec::Json, &ada)), Ok(ada));
    let refused = keys.within(|| through(Codec::Json, &bob)).unwrap_err();
    assert!(refused.to_string().contains("no network"), "{refused}");
    master.1.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(keys.within(|| through(Codec::Json, &bob)), Ok(bob));
}
