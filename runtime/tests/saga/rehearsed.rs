//! The test kit of sagas stores and reads with the codec that the saga has, so that it refuses what a runtime refuses.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actuarius::saga::{Effects, Saga, SagaBuilder};
use actuarius::testing::{SagaUnderTest, saga};
use actuarius::{Codec, Runtime};
use serde::{Deserialize, Serialize};

/// An answer that was given may be an empty one, which MessagePack stores as no answer at all.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Poll {
    answer: Option<Option<u8>>,
}

impl Saga for Poll {
    const TYPE: &'static str = "poll";
    type Deadline = ();
}

/// Its tag is a field, which bincode cannot read.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Stage {
    #[default]
    Open,
    Closed {
        by: String,
    },
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Vote {
    stage: Stage,
}

impl Saga for Vote {
    const TYPE: &'static str = "vote";
    type Deadline = ();
}

fn answered(poll: &mut Poll) -> Effects<Poll> {
    poll.answer = Some(None);
    Effects::none()
}

fn closed(vote: &mut Vote) -> Effects<Vote> {
    vote.stage = Stage::Closed { by: "alice".to_owned() };
    Effects::none()
}

fn kit_takes<S: Saga>(codec: Option<Codec>, reaction: fn(&mut S) -> Effects<S>) -> bool {
    let test = saga::<S>("1");
    let test = codec.into_iter().fold(test, SagaUnderTest::with_codec);
    catch_unwind(AssertUnwindSafe(|| drop(test.when_begun(reaction)))).is_ok()
}

async fn runtime_takes<S: Saga>(codec: Option<Codec>, reaction: fn(&mut S) -> Effects<S>) -> bool {
    let runtime = Runtime::in_memory().await.unwrap();
    let saga = codec.into_iter().fold(runtime.saga::<S>(), SagaBuilder::codec);
    saga.start().await.unwrap().begin("1", reaction).await.is_ok()
}

/// The kit used bincode whatever the saga was started with. It refused states that a runtime stores, and passed others
/// that a runtime refuses.
#[tokio::test]
async fn the_kit_takes_a_state_if_a_runtime_takes_it() {
    for (codec, poll, vote) in [
        (None, false, true),
        (Some(Codec::MessagePack), false, true),
        (Some(Codec::Bincode), true, false),
    ] {
        assert_eq!(runtime_takes(codec, answered).await, poll, "{codec:?}");
        assert_eq!(kit_takes(codec, answered), poll, "{codec:?}");
        assert_eq!(runtime_takes(codec, closed).await, vote, "{codec:?}");
        assert_eq!(kit_takes(codec, closed), vote, "{codec:?}");
    }
}
