//! A store on disk with personal values: commits that were read decode them, until the subject is
//! erased.

use actuarius_domain::{CommandId, Metadata, Position, StreamId, Timestamp, Version};
use actuarius_persistence::keys::{Keys, MasterKeyRing};
use actuarius_persistence::{
    Append, Batch, Codec, CodecError, NewCommit, PageLimit, Personal, Store, with_sealer,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Named(Personal<String>),
}

#[test]
fn commits_decode_their_personal_values_on_any_thread_until_the_subject_is_erased() {
    let directory = tempfile::tempdir().unwrap();
    let ring = MasterKeyRing::generate("only").unwrap();
    let keys = Keys::open(directory.path().join("keys"), ring).unwrap();
    let mut store = with_sealer(actuarius_sled::open(directory.path()).unwrap(), keys.clone());
    let event = Event::Named(Personal::new("ada", "Ada".to_owned()));
    let (metadata, stream) = (Metadata::default(), StreamId::new("customer", "1").unwrap());
    let mut append = Append::new(stream, Version::NONE);
    let commit = NewCommit {
        time: Timestamp::default(),
        command_id: CommandId::default(),
        named_by_caller: false,
        metadata: &metadata,
    };
    keys.within(|| append.push(commit, Codec::Bincode, std::slice::from_ref(&event), |_| 1))
        .unwrap();
    store.writer.commit(&Batch { appends: vec![append], ..Batch::default() }).unwrap();
    let decoded = |store: &Store| -> Result<Event, CodecError> {
        let page = store.reader.read_log(Position::NONE, PageLimit::default()).unwrap();
        let commit = page.commits[0].clone();
        std::thread::spawn(move || commit.view().events().next().unwrap().decode()).join().unwrap()
    };
    assert_eq!(decoded(&store), Ok(event.clone()));
    keys.forget("ada").unwrap();
    let Ok(Event::Named(name)) = decoded(&store) else { panic!() };
    assert!(name.is_erased());
}
