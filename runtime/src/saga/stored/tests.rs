//! Tests that the steps of all releases stay readable. Before a release that changes what is stored, record
//! its steps: `cargo test -p actuarius --lib saga::stored -- --ignored`.

use actuarius_domain::{Effects, Metadata, Recast, STEPPED, Saga};
use actuarius_persistence::mutations::Mutations;

use super::*;
use crate::saga::in_place::InPlace;
use crate::saga::instance::Instance;
use crate::saga::stepped::{STEPPED_IN_PLACE, Stepped};
use crate::testing::{Fixtures, fixtures};

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

const ALL: [(Codec, &str); 3] =
    [(Codec::Bincode, "bincode"), (Codec::Json, "json"), (Codec::MessagePack, "messagepack")];

fn samples((codec, name): (Codec, &str)) -> Fixtures<Instance<Sample>> {
    fixtures(format!("tests/fixtures/stepped-{name}.jsonl")).codec(codec)
}

fn step(input: Input) -> Step {
    Step::of(input, Position::new(1_000))
}

/// Each input, and each effect that can follow from one.
fn steps(codec: Codec) -> Vec<Step> {
    let effect = EffectId { step: 3, index: 1 };
    let payload = |text: &str| Payload::of(codec, &text.to_owned()).unwrap();
    let command = Arc::new(Outgoing {
        aggregate: "account".into(),
        id: "alice".into(),
        command: payload("withdraw"),
        undo: Some(payload("deposit")),
    });
    let at = Timestamp::from_micros(1_700_000_000_000_000);
    let event = Input::Event {
        stream: "order/one".to_owned(),
        event_type: "Placed".to_owned(),
        position: Position::new(999),
    };
    let accepted =
        CommandOutcome::Accepted { version: Version::new(7), position: Position::new(990) };
    let answered = |outcome| step(Input::Answered { effect, outcome });
    let trouble = |at| Some(Trouble { at, why: "it panicked".to_owned() });
    let life = |life| Step { life, ..step(Input::Due { deadline: effect }) };
    vec![
        Step { sent: vec![command.clone()], open: 1, ..step(Input::Begun) },
        Step { keys: vec!["parcel".to_owned()], ..step(event) },
        Step { undoes: true, ..answered(accepted) },
        answered(CommandOutcome::Rejected("not enough".to_owned())),
        answered(CommandOutcome::Abandoned),
        Step {
            scheduled: vec![
                Scheduled { at, what: Due::Remind(payload("late")) },
                Scheduled { at, what: Due::Send(command) },
            ],
            cancelled: vec![effect],
            ..step(Input::Known)
        },
        Step { trouble: trouble(At::Event(Position::new(5))), ..step(Input::Poisoned) },
        Step { trouble: trouble(At::Answer(effect)), ..step(Input::Retried) },
        Step { trouble: trouble(At::Deadline(effect)), ..step(Input::Skipped) },
        Step { trouble: trouble(At::Undo), ..step(Input::Cancelled) },
        life(Life::Compensating("late".to_owned())),
        life(Life::Compensated("late".to_owned())),
        life(Life::Completed),
        life(Life::Failed("no".to_owned())),
        step(Input::BegunFor { origin: origin() }),
        step(Input::EventFor {
            stream: "order/one".to_owned(),
            event_type: "Placed".to_owned(),
            position: Position::new(999),
            origin: origin(),
        }),
        step(Input::CancelledFor { origin: origin() }),
    ]
}

fn origin() -> Arc<Origin> {
    let metadata = Metadata::default().on_behalf_of("alice").with("tenant", "acme");
    Origin::of(&metadata).unwrap()
}

#[test]
fn the_steps_of_all_releases_are_read() {
    for codec in ALL {
        samples(codec).check();
    }
}

#[test]
#[ignore = "it adds samples; run it by hand before a release"]
fn the_steps_of_this_release_are_recorded() {
    for codec in ALL {
        let all = steps(codec.0).into_iter().zip(0..);
        let all = all.flat_map(|(step, count)| {
            let in_place = Stepped::SteppedInPlace(InPlace(step.clone()));
            [Stepped::Stepped { saga: Sample { count }, step }, in_place]
        });
        samples(codec).record(all);
    }
}

/// Snapshots of instances were stored like this in the first release.
#[test]
fn a_snapshot_of_an_earlier_release_is_read() {
    let stored = r#"{"saga": {"count": 7}, "book": {"steps": 3, "has_begun": true, "life": "Running",
        "trouble": null, "seen": 9, "open": [], "undos": [], "deadlines": [], "muted": null}}"#;
    let instance: Instance<Sample> = Codec::Json.decode(stored.as_bytes()).unwrap();
    assert_eq!((instance.saga.count, instance.state.steps), (7, 3));
}

/// The saga in a later release.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Later {
    count: u64,
    name: String,
}

impl Saga for Later {
    const TYPE: &'static str = "sample";
    const SCHEMA_VERSION: u32 = 2;
    type Deadline = String;
    fn upcasters() -> actuarius_domain::Upcasters {
        actuarius_domain::Upcasters::new().upcast(STEPPED, 1, |old: Sample| {
            Recast::to(2, Self { count: old.count.into(), name: "later".to_owned() })
        })
    }
}

#[test]
fn the_state_in_a_step_is_upcast_and_all_else_stays() {
    for (codec, _) in ALL {
        for before in steps(codec) {
            let stepped = Stepped::Stepped { saga: Sample { count: 7 }, step: before.clone() };
            let mut bytes = Vec::new();
            codec.encode_event(&stepped, &mut bytes).unwrap();
            let event = actuarius_persistence::EventView::detached(STEPPED, 1, codec, &bytes);
            let facts =
                crate::schema::decoding::Decoder::<Instance<Later>>::new().facts(&event).unwrap();
            let [Stepped::Stepped { saga, step }] = &facts[..] else { panic!("one of one") };
            assert_eq!(*saga, Later { count: 7, name: "later".to_owned() });
            assert_eq!(*step, before);
        }
    }
}

/// A saga that received every event, to replace a deadline, stored its whole state with each step.
#[test]
fn a_step_in_place_has_few_bytes_and_reads_back_whatever_the_schema_of_the_state_is() {
    for (codec, name) in ALL {
        for before in steps(codec) {
            let mut bytes = Vec::new();
            let stepped = Stepped::<Later>::SteppedInPlace(InPlace(before.clone()));
            codec.encode_event_checked(&stepped, &mut bytes).unwrap();
            let event =
                actuarius_persistence::EventView::detached(STEPPED_IN_PLACE, 1, codec, &bytes);
            let facts =
                crate::schema::decoding::Decoder::<Instance<Later>>::new().facts(&event).unwrap();
            let [Stepped::SteppedInPlace(InPlace(step))] = &facts[..] else { panic!("{name}") };
            assert_eq!(*step, before);
            let mut whole = Vec::new();
            codec.encode_event(&Stepped::Stepped { saga: (), step: before }, &mut whole).unwrap();
            assert!(codec == Codec::Bincode || bytes.len() + 20 < whole.len(), "{name}");
        }
    }
}

#[test]
fn no_mutated_step_panics_or_allocates_without_a_bound() {
    for (codec, name) in ALL {
        let samples = steps(codec).into_iter().flat_map(|step| {
            let in_place = Stepped::SteppedInPlace(InPlace(step.clone()));
            [Stepped::Stepped { saga: Sample { count: 3 }, step }, in_place].map(|stepped| {
                let mut bytes = Vec::new();
                codec.encode_event(&stepped, &mut bytes).expect("encodable");
                bytes
            })
        });
        // serde reserves 1 MiB at most for each list, however long it claims to be.
        let decoder = Mutations::of(name, samples).may_allocate(8 * 1024 * 1024, 256);
        decoder.run(
            |work| allocation_counter::measure(work).bytes_max,
            |bytes| {
                for event_type in [STEPPED, STEPPED_IN_PLACE] {
                    let stepped = codec.decode_event::<Stepped<Sample>>(event_type, bytes);
                    for command in stepped.iter().flat_map(|stepped| &stepped.step().sent) {
                        let _ = command.command.decode::<String>();
                    }
                }
            },
        );
    }
}

mod releases {
    #![allow(dead_code)]
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) enum Order {
        Pay { cents: u64, fee: u64 },
        Cancel,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) enum Swapped {
        Pay { fee: u64, cents: u64 },
        Cancel,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) enum Extended {
        Pay { cents: u64, fee: u64 },
        Cancel,
        Refund(u64),
    }
}

/// A command waits in an outbox while the program is updated. With bincode, two swapped fields of its type sent
/// the cents as the fee.
#[test]
fn a_command_of_another_shape_is_not_sent() {
    use releases::{Extended, Order, Swapped};
    let order = Order::Pay { cents: 500, fee: 1 };
    let payload = Payload::of(Codec::Bincode, &order).unwrap();
    assert_eq!(payload.decode::<Order>(), Ok(order));
    assert_eq!(payload.decode::<Extended>(), Ok(Extended::Pay { cents: 500, fee: 1 }));
    let CodecError::OtherCommandShape { recorded, current, .. } =
        payload.decode::<Swapped>().unwrap_err()
    else {
        panic!("refused for another reason")
    };
    assert_eq!(recorded, "enum(Pay{cents: u64, fee: u64}|Cancel)");
    assert_eq!(current, "enum(Pay{fee: u64, cents: u64}|Cancel)");
    // With names, it can be read.
    for codec in [Codec::Json, Codec::MessagePack] {
        let payload = Payload::of(codec, &Order::Pay { cents: 500, fee: 1 }).unwrap();
        assert_eq!(payload.decode::<Swapped>(), Ok(Swapped::Pay { fee: 1, cents: 500 }));
    }
}

/// Commands that were stored without their shape are read on.
#[test]
fn a_command_of_an_earlier_release_is_read() {
    let mut bytes = Vec::new();
    let order = releases::Order::Pay { cents: 500, fee: 1 };
    Codec::Bincode.encode(&order, &mut bytes).unwrap();
    assert_eq!(Payload::Bytes(Codec::Bincode.byte(), bytes).decode(), Ok(order));
}

/// An order waited in an outbox, whose type was described in 1,000 bytes. A release added one at the end,
/// the description became a hash, and the order was not sent any more.
#[test]
fn a_command_is_sent_after_its_type_has_become_long() {
    use releases::{Extended, Order};
    let whole = |words: &str| Payload::Shaped {
        codec: Codec::Bincode.byte(),
        shape: words.to_owned(),
        bytes: vec![1],
    };
    macro_rules! long {
        ($name:ident $($more:ident)*) => {
            #[derive(Debug, PartialEq, Serialize, Deserialize)]
            #[allow(dead_code)]
            enum $name {
                First,
                Second,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough01,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough02,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough03,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough04,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough05,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough06,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough07,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough08,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough09,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough10,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough11,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough12,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough13,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough14,
                VariantWithANameThatIsSixtyCharactersLongSoThatFewAreEnough15,
                $($more,)*
            }
        };
    }
    long!(Short);
    long!(Longer VariantThatTheNextReleaseAddedAtTheEndOfTheEnum AndAnotherOneOfTheReleaseAfterThat);
    let stored = Payload::of(Codec::Bincode, &Short::Second).unwrap();
    let Payload::Shaped { shape, .. } = &stored else { panic!("{stored:?}") };
    assert!(shape.starts_with("enum("), "{shape}");
    assert_eq!(stored.decode(), Ok(Longer::Second));
    let stored = Payload::of(Codec::Bincode, &Longer::Second).unwrap();
    let Payload::Shaped { shape, .. } = &stored else { panic!("{stored:?}") };
    assert!(shape.starts_with('#'), "{shape}");
    assert_eq!(stored.decode(), Ok(Longer::Second));
    assert!(matches!(stored.decode::<Short>(), Err(CodecError::OtherCommandShape { .. })));
    // A program that was rolled back sends what it knows.
    let later = "enum(Pay{cents: u64, fee: u64}|Cancel|Refund(u64))";
    assert_eq!(whole(later).decode(), Ok(Order::Cancel));
    assert_eq!(whole(later).decode(), Ok(Extended::Cancel));
    assert!(matches!(
        whole("enum(Cancel|Pay)").decode::<Order>(),
        Err(CodecError::OtherCommandShape { .. })
    ));
}
