//! A saga that follows the instructions in its events, and records everything it receives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::time::Duration;

use actuarius::saga::{Answer, Correlation, Effects, Outcome, ReactsTo, Saga, Sends};
use actuarius::{Aggregate, Context, Envelope, Id, Timestamp};
use serde::{Deserialize, Serialize};

use crate::till::{Till, TillCommand};

/// One instruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Do {
    Put(String, i64),
    /// Puts an amount, with a compensation that takes it out again.
    PutForNow(String, i64),
    PutAt(i64, String, i64),
    RemindAt(i64, String),
    RemindIn(Duration, String),
    Forget(String),
    /// Panics, unless it is fixed.
    Panic(String),
    Complete,
    Fail(String),
    Compensate(String),
}

/// Instructions for one occasion.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Script {
    pub(crate) at_once: Vec<Do>,
    /// For each answer from now on, one after the other.
    pub(crate) at_answers: VecDeque<Vec<Do>>,
    /// For each deadline, by its name.
    pub(crate) at_due: BTreeMap<String, Vec<Do>>,
    /// After the compensation.
    pub(crate) at_last: Vec<Do>,
    /// When it is cancelled, instead of compensating.
    pub(crate) at_cancel: Vec<Do>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum To {
    Start(String),
    Proceed(String),
    StartOrProceed(String),
    By(String),
    Nobody,
    /// The correlation panics, unless it is fixed.
    Panic(String, String),
}

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Said {
    Said { to: To, keys: Vec<String>, word: String, script: Script },
}

/// The labels that a test has fixed. Each test has labels of its own.
static REPAIRED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

pub(crate) fn repair(word: &str) {
    REPAIRED.lock().unwrap().insert(word.to_owned());
}

fn panic_unless_repaired(word: &str) {
    if !REPAIRED.lock().unwrap().contains(word) {
        // Unwinding without the hook: the panic is expected, its report would only be noise.
        resume_unwind(Box::new(word.to_owned()));
    }
}

/// Two sagas of this kind with different numbers receive the same events.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Marionette<const N: u8> {
    pub(crate) heard: Vec<String>,
    script: Script,
}

pub(crate) type Puppet = Marionette<0>;

impl<const N: u8> Marionette<N> {
    /// The instructions at the start, without an event.
    pub(crate) fn follow(&mut self, script: Script) -> Effects<Self> {
        let Script { at_once, at_answers, at_due, at_last, at_cancel } = script;
        self.script.at_answers.extend(at_answers);
        self.script.at_due.extend(at_due);
        self.script.at_last.extend(at_last);
        self.script.at_cancel.extend(at_cancel);
        all(at_once)
    }

    fn hear(&mut self, Said::Said { word, script, .. }: &Said) -> Effects<Self> {
        self.heard.push(word.clone());
        self.follow(script.clone())
    }
}

fn all<const N: u8>(list: Vec<Do>) -> Effects<Marionette<N>> {
    list.into_iter().fold(Effects::none(), |effects, it| match it {
        Do::Put(till, amount) => effects.send(&till_called(&till), TillCommand::Put(amount)),
        Do::PutForNow(till, amount) => {
            let (put, take) = (TillCommand::Put(amount), TillCommand::Put(-amount));
            effects.send_with_undo(&till_called(&till), put, take)
        }
        Do::PutAt(micros, till, amount) => {
            let at = Timestamp::from_micros(micros);
            effects.send_at(at, &till_called(&till), TillCommand::Put(amount))
        }
        Do::RemindAt(micros, name) => effects.schedule_at(Timestamp::from_micros(micros), name),
        Do::RemindIn(time, name) => effects.schedule_in(time, name),
        Do::Forget(name) => effects.cancel(name),
        Do::Panic(word) => {
            panic_unless_repaired(&word);
            effects
        }
        Do::Complete => effects.and_complete(),
        // These have no other effects.
        Do::Fail(why) => Effects::fail(why),
        Do::Compensate(why) => Effects::compensate(why),
    })
}

fn till_called(name: &str) -> Id<Till> {
    Id::new(name).unwrap()
}

impl<const N: u8> Saga for Marionette<N> {
    const TYPE: &'static str = if N == 0 { "puppet" } else { "twin" };
    type Deadline = String;

    fn due(&mut self, name: String) -> Effects<Self> {
        self.heard.push(format!("due {name}"));
        all(self.script.at_due.get(&name).cloned().unwrap_or_default())
    }

    fn cancelled(&mut self, why: &str) -> Effects<Self> {
        if self.script.at_cancel.is_empty() {
            return Effects::compensate(why);
        }
        self.heard.push(format!("cancelled: {why}"));
        all(std::mem::take(&mut self.script.at_cancel))
    }

    fn compensated(&mut self, why: &str) -> Effects<Self> {
        self.heard.push(format!("compensated: {why}"));
        all(std::mem::take(&mut self.script.at_last))
    }
}

impl<const N: u8> Sends<Till> for Marionette<N> {
    fn answered(&mut self, answer: Answer<Till>) -> Effects<Self> {
        let Answer { id, command, outcome } = answer;
        let how = match outcome {
            Outcome::Accepted { .. } => "accepted".to_owned(),
            Outcome::Rejected(why) => why.to_string(),
        };
        self.heard.push(format!("{command} {id} {how}"));
        all(self.script.at_answers.pop_front().unwrap_or_default())
    }
}

fn whose(Said::Said { to, keys, .. }: &Said) -> Correlation {
    let correlation = match to {
        To::Start(id) => Correlation::start(id),
        To::Proceed(id) => Correlation::proceed(id),
        To::StartOrProceed(id) => Correlation::start_or_proceed(id),
        To::By(key) => Correlation::proceed_by(key),
        To::Nobody => Correlation::ignore(),
        To::Panic(word, id) => {
            panic_unless_repaired(word);
            Correlation::start_or_proceed(id)
        }
    };
    keys.iter().fold(correlation, Correlation::known_as)
}

/// An aggregate type whose commands are the events that follow.
macro_rules! crier {
    ($name:ident, $type:literal) => {
        #[derive(Debug, Default, Serialize, Deserialize)]
        pub(crate) struct $name;

        impl Aggregate for $name {
            const TYPE: &'static str = $type;
            type Command = Vec<Said>;
            type Event = Said;
            type Error = std::convert::Infallible;

            fn decide(&self, said: Vec<Said>, _: &Context) -> Result<Vec<Said>, Self::Error> {
                Ok(said)
            }

            fn apply(&mut self, _: &Said) {}
        }

        impl<const N: u8> ReactsTo<$name> for Marionette<N> {
            fn correlate(event: &Envelope<$name>) -> Correlation {
                whose(&event.event)
            }

            fn react(&mut self, event: &Envelope<$name>) -> Effects<Self> {
                self.hear(&event.event)
            }
        }
    };
}

crier!(Cue, "cue");
crier!(Hint, "hint");

impl Said {
    pub(crate) fn to(to: To, word: &str) -> Self {
        Self::Said { to, keys: vec![], word: word.to_owned(), script: Script::default() }
    }

    pub(crate) fn start(id: &str, word: &str) -> Self {
        Self::to(To::Start(id.to_owned()), word)
    }

    pub(crate) fn proceed(id: &str, word: &str) -> Self {
        Self::to(To::Proceed(id.to_owned()), word)
    }

    pub(crate) fn by(key: &str, word: &str) -> Self {
        Self::to(To::By(key.to_owned()), word)
    }

    pub(crate) fn known_as(mut self, key: &str) -> Self {
        let Self::Said { keys, .. } = &mut self;
        keys.push(key.to_owned());
        self
    }

    pub(crate) fn follow(mut self, new: Script) -> Self {
        let Self::Said { script, .. } = &mut self;
        *script = new;
        self
    }

    pub(crate) fn doing(self, list: impl IntoIterator<Item = Do>) -> Self {
        self.follow(Script::of(list))
    }
}

impl Script {
    pub(crate) fn of(list: impl IntoIterator<Item = Do>) -> Self {
        Self { at_once: list.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn at_answer(mut self, list: impl IntoIterator<Item = Do>) -> Self {
        self.at_answers.push_back(list.into_iter().collect());
        self
    }

    pub(crate) fn at_due(mut self, name: &str, list: impl IntoIterator<Item = Do>) -> Self {
        self.at_due.insert(name.to_owned(), list.into_iter().collect());
        self
    }

    pub(crate) fn at_last(mut self, list: impl IntoIterator<Item = Do>) -> Self {
        self.at_last = list.into_iter().collect();
        self
    }
}

impl fmt::Display for TillCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(amount) => write!(formatter, "{amount}"),
            other => write!(formatter, "{other:?}"),
        }
    }
}
