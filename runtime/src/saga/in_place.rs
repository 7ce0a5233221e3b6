//! `InPlace`: a step that left the state of the saga as it was, as it is stored: only what it has.

use std::sync::Arc;

use actuarius_domain::Position;
use serde::{Deserialize, Serialize, Serializer};

use super::stored::{EffectId, Input, Life, Outgoing, Scheduled, Step, Trouble};

/// A step without a state. What is empty or usual is left out, because a saga may take a step for every event that it
/// receives.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Fields")]
pub(crate) struct InPlace(pub(super) Step);

/// What is stored.
#[derive(Deserialize)]
#[serde(rename = "InPlace")]
struct Fields {
    input: Input,
    as_of: Position,
    changes: Vec<Change>,
}

/// What a step has. What it lacks is `Running`, no trouble, `false`, an empty list or 0.
#[derive(Deserialize)]
enum Change {
    Life(Life),
    Trouble(Trouble),
    Sent(Vec<Arc<Outgoing>>),
    Undoes,
    Scheduled(Vec<Scheduled>),
    Cancelled(Vec<EffectId>),
    Keys(Vec<String>),
    Open(u64),
}

/// As [`Fields`], to be written.
#[derive(Serialize)]
#[serde(rename = "InPlace")]
struct Written<'a> {
    input: &'a Input,
    as_of: Position,
    changes: Vec<WrittenChange<'a>>,
}

/// As [`Change`], to be written: the same variants in the same order.
#[derive(Serialize)]
#[serde(rename = "Change")]
enum WrittenChange<'a> {
    Life(&'a Life),
    Trouble(&'a Trouble),
    Sent(&'a [Arc<Outgoing>]),
    Undoes,
    Scheduled(&'a [Scheduled]),
    Cancelled(&'a [EffectId]),
    Keys(&'a [String]),
    Open(u64),
}

impl Serialize for InPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Step { input, as_of, .. } = &self.0;
        Written { input, as_of: *as_of, changes: changes(&self.0) }.serialize(serializer)
    }
}

fn changes(step: &Step) -> Vec<WrittenChange<'_>> {
    let Step { life, trouble, sent, undoes, scheduled, cancelled, keys, open, .. } = step;
    let all = [
        (*life != Life::Running).then_some(WrittenChange::Life(life)),
        trouble.as_ref().map(WrittenChange::Trouble),
        (!sent.is_empty()).then_some(WrittenChange::Sent(sent)),
        undoes.then_some(WrittenChange::Undoes),
        (!scheduled.is_empty()).then_some(WrittenChange::Scheduled(scheduled)),
        (!cancelled.is_empty()).then_some(WrittenChange::Cancelled(cancelled)),
        (!keys.is_empty()).then_some(WrittenChange::Keys(keys)),
        (*open > 0).then_some(WrittenChange::Open(*open)),
    ];
    all.into_iter().flatten().collect()
}

impl From<Fields> for InPlace {
    fn from(Fields { input, as_of, changes }: Fields) -> Self {
        let mut step = Step::of(input, as_of);
        for change in changes {
            match change {
                Change::Life(life) => step.life = life,
                Change::Trouble(trouble) => step.trouble = Some(trouble),
                Change::Sent(sent) => step.sent = sent,
                Change::Undoes => step.undoes = true,
                Change::Scheduled(scheduled) => step.scheduled = scheduled,
                Change::Cancelled(cancelled) => step.cancelled = cancelled,
                Change::Keys(keys) => step.keys = keys,
                Change::Open(open) => step.open = open,
            }
        }
        Self(step)
    }
}
