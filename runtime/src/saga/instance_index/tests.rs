//! Tests of the index: what of a step stays in it, and whether it is saved.

#[cfg(feature = "erasure")]
use std::sync::Arc;

use actuarius_domain::{Effects, Metadata, STEPPED, StreamId, Version};
use actuarius_persistence::{Append, Codec, Commit, EncodedEvent, NewCommit};
use bytes::Bytes;

use super::*;

#[derive(Default, Clone, Serialize, Deserialize)]
struct Sample {
    count: u32,
}

impl Saga for Sample {
    const TYPE: &'static str = "sample";
    type Deadline = String;
    fn due(&mut self, _: String) -> Effects<Self> {
        Effects::none()
    }
}

fn step(life: Life) -> Step {
    Step {
        input: Input::Begun,
        as_of: Position::NONE,
        life,
        trouble: None,
        sent: vec![],
        undoes: false,
        scheduled: vec![],
        cancelled: vec![],
        keys: vec!["key".to_owned()],
        open: 0,
    }
}

fn stepped<S: Serialize>(codec: Codec, saga: S, life: Life) -> EncodedEvent {
    let mut bytes = Vec::new();
    codec.encode_event(&Stepped::Stepped { saga, step: step(life) }, &mut bytes).unwrap();
    EncodedEvent::new(STEPPED, 1, codec, bytes)
}

fn fold_into<S: Saga>(index: &mut InstanceIndex, id: &str, version: u64, event: EncodedEvent) {
    let stream = StreamId::new(S::TYPE, id).unwrap();
    let mut append = Append::new(stream, Version::new(version - 1));
    let metadata = Metadata::default();
    let (time, command_id) = (Timestamp::from_micros(7), "x".into());
    let new = NewCommit { time, command_id, named_by_caller: false, metadata: &metadata };
    append.push_encoded(new, &[event]).unwrap();
    let frame = Bytes::copy_from_slice(append.frames().next().unwrap().0);
    let commit = Commit::from_frame(&frame, Position::new(version)).unwrap();
    let fold = fold::<S>(Decoder::new());
    commit.view().events().for_each(|event| fold(index, &commit.view(), &event));
}

fn is_saved(index: &InstanceIndex) -> bool {
    Codec::MessagePack.encode_checked(index, &mut Vec::new()).is_ok()
}

/// A saga was stored with bincode, and one release could not read its steps. The index that this release saved had
/// neither their deadlines nor their commands, and the next release, which could read them, continued with it: no
/// deadline came, and no command was sent again.
#[test]
fn an_index_that_lacks_a_step_is_not_saved() {
    let mut index = InstanceIndex::default();
    fold_into::<Sample>(&mut index, "a", 1, stepped(Codec::Bincode, 7_u32, Life::Running));
    assert!(is_saved(&index));
    let of_another_release = EncodedEvent::new(STEPPED, 1, Codec::Bincode, vec![0xff; 3]);
    fold_into::<Sample>(&mut index, "a", 2, of_another_release);
    assert!(!is_saved(&index));
    assert_eq!(index.suspects().collect::<Vec<_>>(), ["a"]);

    // Nothing is missing once the instance has ended.
    fold_into::<Sample>(&mut index, "a", 3, stepped(Codec::Bincode, 7_u32, Life::Completed));
    assert!(is_saved(&index));
}

#[test]
fn an_index_that_lacks_only_the_state_of_a_saga_is_saved() {
    let mut index = InstanceIndex::default();
    fold_into::<Sample>(&mut index, "a", 1, stepped(Codec::Json, "no number", Life::Running));
    assert_eq!(index.suspects().collect::<Vec<_>>(), ["a"]);
    assert!(is_saved(&index));
    assert_eq!(index.keys().holder("key"), Some("a"));
}

#[cfg(feature = "erasure")]
#[derive(Clone, Serialize, Deserialize)]
struct Named(actuarius_persistence::Personal<String>);

#[cfg(feature = "erasure")]
impl Default for Named {
    fn default() -> Self {
        Self(actuarius_persistence::Personal::new("nobody", String::new()))
    }
}

#[cfg(feature = "erasure")]
impl Saga for Named {
    const TYPE: &'static str = "named";
    type Deadline = String;
    fn due(&mut self, _: String) -> Effects<Self> {
        Effects::none()
    }
}

/// The index keeps nothing of the state of a saga, but counted as a view with personal data. It was computed from
/// the whole log whenever a subject was forgotten, and was never saved beside the saga.
#[cfg(feature = "erasure")]
#[test]
fn the_index_of_a_saga_with_personal_data_has_no_personal_data() {
    use actuarius_persistence::Personal;
    use actuarius_persistence::keys::{Keys, MasterKeyRing};
    use actuarius_persistence::personal::{Sealer, Subjects, collecting, within};

    let keys: Arc<dyn Sealer> = Keys::in_memory(MasterKeyRing::generate("only").unwrap()).unwrap();
    for codec in [Codec::Json, Codec::MessagePack, Codec::Bincode] {
        let state = || Named(Personal::new("ada", "Ada".to_owned()));
        let event = within(Some(&keys), || stepped(codec, state(), Life::Running));
        let (mut subjects, mut index) = (Subjects::default(), InstanceIndex::default());
        let fold = || within(Some(&keys), || fold_into::<Named>(&mut index, "a", 1, event));
        collecting(Some(&keys), &mut subjects, fold);
        assert!(subjects.is_empty(), "{codec:?}");
        let id_of_a = index.live_after("").map(|shown| shown.id).collect::<Vec<_>>();
        assert_eq!((id_of_a, index.suspects().count()), (vec!["a".to_owned()], 0));
    }
}
