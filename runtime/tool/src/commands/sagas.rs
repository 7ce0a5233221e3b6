//! The command `sagas`: counts of instances, the instances of one saga, the steps of one instance.

use actuarius::inspection::{SagaIndexes, saga_steps};
use actuarius::saga::{SagaCounts, SagaInstance};
use actuarius::{Position, StreamId, Version};
use serde::Serialize;

use super::Session;
use super::history::no_such;
use crate::arguments::Sagas;
use crate::error::{Outcome, ToolError};
use crate::moment::Utc;
use crate::progress::Progress;
use crate::scan::{self, CONTINUE};
use crate::text::Name;
use crate::value::{self, Json, Tree};

pub(super) fn run(session: &mut Session<'_, '_>, args: &Sagas) -> Result<Outcome, ToolError> {
    match args.saga.as_deref().map(|saga| saga.split_once('/').ok_or(saga)) {
        None => all(session),
        Some(Err(saga)) => instances(session, saga, args.ended),
        Some(Ok((saga, id))) => steps(session, &StreamId::new(saga, id)?),
    }
}

/// Indexes all instances by reading the whole log. Memory grows with the number of live instances.
fn indexes(session: &Session<'_, '_>) -> Result<SagaIndexes, ToolError> {
    let reader = &*session.store.reader;
    let progress = Progress::of("reading", reader.head().get(), false);
    let mut indexes = session.types.indexes();
    scan::log(reader, Position::NONE, &progress, |commit| {
        indexes.take(&commit.view());
        CONTINUE
    })?;
    Ok(indexes)
}

#[derive(Serialize)]
struct SagaShown<'a> {
    saga: &'a str,
    live: u64,
    in_trouble: u64,
    commands_under_way: u64,
    completed: u64,
    compensated: u64,
    failed: u64,
    /// Steps that could not be read.
    unreadable: u64,
}

fn all(session: &mut Session<'_, '_>) -> Result<Outcome, ToolError> {
    let indexes = indexes(session)?;
    let columns = [
        "SAGA",
        "#LIVE",
        "#IN TROUBLE",
        "#COMMANDS UNDER WAY",
        "#COMPLETED",
        "#COMPENSATED",
        "#FAILED",
        "#UNREADABLE",
    ];
    let mut table = session.output.list(&columns);
    let unreadable = |saga: &str| {
        indexes.unreadable().find(|(it, _)| *it == saga).map_or(0, |(_, events)| events)
    };
    for (saga, counts) in indexes.sagas() {
        table.row(&SagaShown::of(saga, counts, unreadable(saga)), SagaShown::cells)?;
    }
    let is_unknown = |saga: &str| indexes.sagas().all(|(it, _)| it != saga);
    for (saga, events) in indexes.unreadable().filter(|(saga, _)| is_unknown(saga)) {
        table.row(&SagaShown::of(saga, SagaCounts::default(), events), SagaShown::cells)?;
    }
    if table.end()? == 0 {
        session.output.remark("There are no sagas.")?;
    }
    Ok(Outcome::Success)
}

impl<'a> SagaShown<'a> {
    fn of(saga: &'a str, counts: SagaCounts, unreadable: u64) -> Self {
        Self {
            saga,
            live: counts.live,
            in_trouble: counts.in_trouble,
            commands_under_way: counts.commands_under_way,
            completed: counts.completed,
            compensated: counts.compensated,
            failed: counts.failed,
            unreadable,
        }
    }

    fn cells(&self) -> Vec<String> {
        let counts = [
            self.live,
            self.in_trouble,
            self.commands_under_way,
            self.completed,
            self.compensated,
            self.failed,
            self.unreadable,
        ];
        [Name(self.saga).to_string()].into_iter().chain(counts.map(|it| it.to_string())).collect()
    }
}

#[derive(Serialize)]
struct InstanceShown {
    id: String,
    status: String,
    ended: bool,
    in_trouble: bool,
    steps: u64,
    commands_under_way: u64,
    next_deadline: Option<Utc>,
    since: Utc,
    last: Utc,
}

fn instances(session: &mut Session<'_, '_>, saga: &str, ended: bool) -> Result<Outcome, ToolError> {
    let indexes = indexes(session)?;
    check_exists(&indexes, saga)?;
    let columns =
        ["ID", "STATUS", "#STEPS", "#COMMANDS UNDER WAY", "NEXT DEADLINE", "SINCE", "LAST"];
    let mut table = session.output.list(&columns);
    for instance in indexes.live(saga, "") {
        table.row(&InstanceShown::of(instance), InstanceShown::cells)?;
    }
    for instance in indexes.ended(saga).filter(|_| ended) {
        table.row(&InstanceShown::of(instance.clone()), InstanceShown::cells)?;
    }
    if table.end()? == 0 {
        session.output.remark("There are no such instances.")?;
    }
    Ok(Outcome::Success)
}

fn check_exists(indexes: &SagaIndexes, saga: &str) -> Result<(), ToolError> {
    let mut known = indexes.sagas().map(|(it, _)| it).chain(indexes.unreadable().map(|(it, _)| it));
    if known.any(|it| it == saga) {
        return Ok(());
    }
    Err(ToolError::Other(format!("the store has no instances of a saga {saga:?}")))
}

impl InstanceShown {
    fn of(instance: SagaInstance) -> Self {
        Self {
            status: instance.status.to_string(),
            ended: instance.status.has_ended(),
            in_trouble: instance.status.is_in_trouble(),
            id: instance.id,
            steps: instance.steps,
            commands_under_way: instance.commands_under_way,
            next_deadline: instance.next_deadline.map(Utc),
            since: Utc(instance.since),
            last: Utc(instance.last),
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            Name(&self.id).to_string(),
            Name(&self.status).to_string(),
            self.steps.to_string(),
            self.commands_under_way.to_string(),
            self.next_deadline.as_ref().map_or("–".to_owned(), Utc::to_string),
            self.since.to_string(),
            self.last.to_string(),
        ]
    }
}

#[derive(Serialize)]
struct StepShown {
    step: u64,
    position: u64,
    time: Utc,
    heard: String,
    effects: Vec<String>,
    status: String,
    state: Json,
}

fn steps(session: &mut Session<'_, '_>, stream: &StreamId) -> Result<Outcome, ToolError> {
    let reader = &*session.store.reader;
    let columns = ["#STEP", "#POSITION", "TIME", "INPUT", "EFFECTS", "STATUS", "STATE"];
    let mut table = session.output.list(&columns);
    let unread =
        |why: String| ToolError::Other(format!("a step of {stream} cannot be read: {why}"));
    let mut state = None;
    scan::stream(reader, stream, Version::NONE, |commit| {
        let steps = saga_steps::<Tree>(&commit.view(), Version::NONE, &mut state)
            .map_err(|it| unread(it.to_string()))?;
        for step in steps {
            let shown = StepShown {
                step: step.number,
                position: step.position.get(),
                time: Utc(step.time),
                heard: step.input,
                effects: step.effects,
                status: step.status.to_string(),
                state: value::json(&step.state).map_err(unread)?,
            };
            table.row(&shown, StepShown::cells)?;
        }
        CONTINUE
    })?;
    if table.end()? == 0 { Err(no_such(stream)) } else { Ok(Outcome::Success) }
}

impl StepShown {
    fn cells(&self) -> Vec<String> {
        vec![
            self.step.to_string(),
            self.position.to_string(),
            self.time.to_string(),
            Name(&self.heard).to_string(),
            Name(&self.effects.join("; ")).to_string(),
            Name(&self.status).to_string(),
            self.state.get().to_owned(),
        ]
    }
}
