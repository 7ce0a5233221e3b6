//! A key that is used again belongs to the instance that has it at the position of the event, whatever the lag.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actuarius::Runtime;
use actuarius::saga::InstanceStatus;
use actuarius::store::memory::{self, Contents};
use proptest::prelude::*;
use tokio::runtime::Builder;

use crate::puppet::{Cue, Do, Said, Script, To};
use crate::till::{LONG, NOON, Show, put, put_for_now};

const ROOM: &str = "room-101";

/// Two guests stay in the same room, one after the other.
fn guests() -> [Said; 4] {
    [
        Said::start("r1", "arrives").known_as(ROOM),
        Said::by(ROOM, "leaves").doing([Do::Complete]),
        Said::start("r2", "arrives").known_as(ROOM),
        Said::by(ROOM, "leaves").doing([Do::Complete]),
    ]
}

impl Show {
    /// Publishes the events while none is handled, so that all are read together.
    async fn tell_together(&self, all: impl IntoIterator<Item = Said>) {
        let events = self.puppets.events().unwrap();
        events.pause().await;
        for said in all {
            self.say(said).await;
        }
        events.resume();
        self.runtime.caught_up(LONG).await.unwrap();
    }

    async fn expect_both_left(&self) {
        for guest in ["r1", "r2"] {
            assert_eq!(self.heard(guest).await, ["arrives", "leaves"], "{guest}");
            assert_eq!(self.end_of(guest).await, InstanceStatus::Completed);
        }
    }
}

/// A room was given to the next guest while the events of the first one still waited to be handled. The second guest
/// never received an event by the room: which guest an event went to depended on how far the saga had come.
#[tokio::test]
async fn a_key_used_again_goes_to_its_next_instance_even_if_all_events_are_read_together() {
    for _ in 0..20 {
        let show = Show::new().await;
        show.tell_together(guests()).await;
        show.expect_both_left().await;
    }
}

#[tokio::test]
async fn a_key_used_again_goes_to_its_next_instance_if_each_event_is_handled_before_the_next() {
    let show = Show::new().await;
    for said in guests() {
        show.tell(said).await;
    }
    show.expect_both_left().await;
}

/// Stores events in a store that no saga has seen.
async fn store_past(contents: &Arc<Contents>, all: impl IntoIterator<Item = Said>) {
    let runtime = Runtime::builder().on_store(memory::reopen(contents)).await.unwrap();
    let cues = runtime.host::<Cue>();
    for said in all {
        cues.execute("crier", vec![said]).await.unwrap();
    }
    assert!(runtime.shutdown(LONG).await.is_clean());
}

#[tokio::test]
async fn a_saga_over_a_past_takes_the_steps_that_it_would_have_taken_then() {
    for _ in 0..20 {
        let contents = Arc::default();
        store_past(&contents, guests()).await;
        let show = Show::on(&contents).await;
        show.runtime.caught_up(LONG).await.unwrap();
        show.expect_both_left().await;
    }
}

/// A key was given to an instance that did not exist, by an event that nobody received.
#[tokio::test]
async fn a_key_for_an_instance_that_does_not_exist_belongs_to_nobody() {
    let show = Show::new().await;
    let ghost = Said::proceed("ghost", "boo").known_as("k");
    let all = [ghost, Said::start("t", "begin").known_as("k"), Said::by("k", "one")];
    show.tell_together(all).await;
    assert_eq!(show.heard("t").await, ["begin", "one"]);
    assert_eq!(show.puppets.status("ghost").await.unwrap(), None);
}

/// A key was refused to an instance because another one held it, and the other one has ended by the time the index
/// learns of the refusal.
#[tokio::test]
async fn a_refused_key_is_not_handed_over_and_can_be_registered_again() {
    let all = || {
        [
            Said::start("t", "begin").known_as("k"),
            Said::start("u", "begin").known_as("k"),
            Said::by("k", "end").doing([Do::Complete]),
            Said::by("k", "nobody's"),
            Said::proceed("u", "again").known_as("k"),
            Said::by("k", "mine"),
        ]
    };
    let (together, spaced) = (Show::new().await, Show::new().await);
    together.tell_together(all()).await;
    for said in all() {
        spaced.tell(said).await;
    }
    for show in [together, spaced] {
        assert_eq!(show.heard("t").await, ["begin", "end"]);
        assert_eq!(show.heard("u").await, ["begin", "again", "mine"]);
    }
}

/// An instance that compensates receives no more events, and kept its keys all the same until its undos were done.
#[tokio::test]
async fn an_instance_that_compensates_has_lost_its_keys() {
    let show = Show::new().await;
    let gives_up = Said::by("k", "stop").doing([Do::Compensate("no".to_owned())]);
    let all = [
        Said::start("t", "begin").known_as("k").doing([put_for_now("a", 1)]),
        gives_up,
        Said::start("u", "begin").known_as("k"),
        Said::by("k", "mine"),
    ];
    show.tell_together(all).await;
    assert_eq!(show.heard("u").await, ["begin", "mine"]);
}

/// A deadline ended the instance that held a key, while an event waited that had registered the key for another
/// instance before. Whether it was refused depended on the lag.
#[tokio::test]
async fn a_key_that_was_held_at_the_position_of_an_event_is_refused_even_if_its_holder_has_ended_since()
 {
    let show = Show::new().await;
    let ends =
        Script::of([Do::RemindAt(NOON + 10, "end".to_owned())]).at_due("end", [Do::Complete]);
    show.tell(Said::start("t", "begin").known_as("k").follow(ends)).await;
    let events = show.puppets.events().unwrap();
    events.pause().await;
    show.say(Said::start("u", "begin").known_as("k")).await;
    show.clock.advance(Duration::from_secs(1));
    assert_eq!(show.end_of("t").await, InstanceStatus::Completed);
    show.say(Said::by("k", "nobody's")).await;
    show.say(Said::proceed("u", "again").known_as("k")).await;
    show.say(Said::by("k", "mine")).await;
    events.resume();
    show.runtime.caught_up(LONG).await.unwrap();
    assert_eq!(show.heard("u").await, ["begin", "again", "mine"]);
}

/// Hundreds of events that all register the same key wait for few others each.
#[tokio::test]
async fn a_key_that_all_events_register_goes_from_one_instance_to_the_next() {
    let show = Show::new().await;
    let visit = |number: usize| {
        let id = format!("t-{number}");
        let begins = Said::start(&id, "begin").known_as("k");
        [begins, Said::by("k", "one"), Said::proceed(&id, "end").doing([Do::Complete])]
    };
    show.tell_together((0..100).flat_map(visit)).await;
    for number in 0..100 {
        assert_eq!(show.heard(&format!("t-{number}")).await, ["begin", "one", "end"], "{number}");
    }
}

/// What an instance is after a log, by the order of the log alone.
#[derive(Debug, Default, PartialEq)]
struct Guest {
    heard: Vec<String>,
    has_ended: bool,
}

#[derive(Debug, Default)]
struct Model {
    guests: BTreeMap<String, Guest>,
    holders: BTreeMap<String, String>,
    /// The amounts that are put, and by whom.
    put: BTreeMap<i64, String>,
}

#[derive(Debug, Clone)]
enum Address {
    Start(u8),
    Proceed(u8),
    StartOrProceed(u8),
    By(u8),
}

#[derive(Debug, Clone)]
struct Event {
    to: Address,
    keys: Vec<u8>,
    end: Option<Do>,
}

/// What happens before an event is stored.
#[derive(Debug, Clone, Copy)]
enum Pace {
    OnlyStored,
    Pause,
    Resume,
    CatchUp,
    Restart,
    Kill,
}

fn id(number: u8) -> String {
    format!("t-{number}")
}

fn key(number: u8) -> String {
    format!("k-{number}")
}

impl Event {
    /// Whether it lets its instance put an amount. An instance that gives up sends nothing.
    fn puts(&self) -> bool {
        matches!(self.end, None | Some(Do::Complete))
    }

    fn said(&self, number: usize) -> Said {
        let word = &number.to_string();
        let said = match &self.to {
            Address::Start(it) => Said::start(&id(*it), word),
            Address::Proceed(it) => Said::proceed(&id(*it), word),
            Address::StartOrProceed(it) => Said::to(To::StartOrProceed(id(*it)), word),
            Address::By(it) => Said::by(&key(*it), word),
        };
        let said = self.keys.iter().fold(said, |said, it| said.known_as(&key(*it)));
        let put = self.puts().then(|| put("all", number as i64));
        said.doing(put.into_iter().chain(self.end.clone()))
    }
}

impl Model {
    fn take(&mut self, event: &Event, number: usize) {
        let (to, starts, continues) = match &event.to {
            Address::Start(it) => (Some(id(*it)), true, false),
            Address::Proceed(it) => (Some(id(*it)), false, true),
            Address::StartOrProceed(it) => (Some(id(*it)), true, true),
            Address::By(it) => (self.holders.get(&key(*it)).cloned(), false, true),
        };
        let Some(to) = to else { return };
        let takes = match self.guests.get(&to) {
            Some(guest) => continues && !guest.has_ended,
            None => starts,
        };
        if !takes {
            return;
        }
        let guest = self.guests.entry(to.clone()).or_default();
        guest.heard.push(number.to_string());
        if event.puts() {
            self.put.insert(number as i64, to.clone());
        }
        for it in &event.keys {
            self.holders.entry(key(*it)).or_insert_with(|| to.clone());
        }
        if let Some(end) = &event.end {
            guest.has_ended = true;
            if let Do::Compensate(why) = end {
                guest.heard.push(format!("compensated: {why}"));
            }
            self.holders.retain(|_, holder| *holder != to);
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let to = prop_oneof![
        3 => (0..6u8).prop_map(Address::Start),
        2 => (0..6u8).prop_map(Address::Proceed),
        1 => (0..6u8).prop_map(Address::StartOrProceed),
        5 => (0..3u8).prop_map(Address::By),
    ];
    let end = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Do::Complete)),
        1 => Just(Some(Do::Fail("no".to_owned()))),
        1 => Just(Some(Do::Compensate("no".to_owned()))),
    ];
    let keys = prop::collection::vec(0..3u8, 0..=2);
    (to, keys, end).prop_map(|(to, keys, end)| Event { to, keys, end })
}

fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![
        12 => Just(Pace::OnlyStored),
        2 => Just(Pace::Pause),
        2 => Just(Pace::Resume),
        3 => Just(Pace::CatchUp),
        1 => Just(Pace::Restart),
        1 => Just(Pace::Kill),
    ]
}

/// Stores the events at their pace, and handles all of them in the end.
async fn live_through(contents: &Arc<Contents>, events: &[(Event, Pace)]) -> Show {
    let mut show = Show::on(contents).await;
    for (number, (event, pace)) in events.iter().enumerate() {
        match pace {
            Pace::OnlyStored => {}
            Pace::Pause => show.puppets.events().unwrap().pause().await,
            Pace::Resume => show.puppets.events().unwrap().resume(),
            Pace::CatchUp => {
                show.puppets.events().unwrap().resume();
                show.runtime.caught_up(LONG).await.unwrap();
            }
            Pace::Restart => {
                show.shut_down().await;
                show = Show::on(contents).await;
            }
            Pace::Kill => {
                show.leave(contents).await;
                show = Show::on(contents).await;
            }
        }
        show.say(event.said(number)).await;
    }
    show.puppets.events().unwrap().resume();
    show.runtime.caught_up(LONG).await.unwrap();
    show
}

async fn check(show: &Show, model: &Model) {
    show.puppets.caught_up(LONG).await.unwrap();
    check_put(show, model).await;
    for number in 0..6 {
        let id = id(number);
        let expected = model.guests.get(&id);
        let status = show.puppets.status(&id).await.unwrap();
        assert_eq!(status.is_some(), expected.is_some(), "{id}");
        let has_ended = status.is_some_and(|status| status.has_ended());
        let mut heard = show.heard(&id).await;
        heard.retain(|word| !word.ends_with(" accepted"));
        assert_eq!(Guest { heard, has_ended }, expected.map_or_else(Guest::default, Guest::copy));
    }
}

/// Each amount is put once. One that waited when its instance began to compensate may be left out.
async fn check_put(show: &Show, model: &Model) {
    let mut put = show.put("all").await;
    put.sort_unstable();
    let is_undone = |id: &str| model.guests[id].heard.iter().any(|it| it.starts_with("comp"));
    let may_miss = |amount: &i64| is_undone(&model.put[amount]) && !put.contains(amount);
    let expected: Vec<_> = model.put.keys().copied().filter(|it| !may_miss(it)).collect();
    assert_eq!(put, expected);
}

impl Guest {
    fn copy(&self) -> Self {
        Self { heard: self.heard.clone(), has_ended: self.has_ended }
    }
}

fn agrees(events: &[(Event, Pace)]) {
    let mut model = Model::default();
    for (number, (event, _)) in events.iter().enumerate() {
        model.take(event, number);
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let show = live_through(&Arc::default(), events).await;
        check(&show, &model).await;
        let past = Arc::default();
        let all = events.iter().enumerate();
        store_past(&past, all.map(|(number, (event, _))| event.said(number))).await;
        let show = Show::on(&past).await;
        show.runtime.caught_up(LONG).await.unwrap();
        check(&show, &model).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// An event by a key was handled, ignored or given to another instance by how far the saga had come when the
    /// event was read.
    #[test]
    fn who_receives_an_event_follows_from_the_order_of_the_log_alone(
        events in prop::collection::vec((event(), pace()), 1..60),
    ) {
        agrees(&events);
    }
}
