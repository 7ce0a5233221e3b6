use actuarius::inspection::{SagaIndexes, saga_steps};
use actuarius::saga::{SagaCounts, SagaInstance};
use actuarius::{Position, StreamId, Version};
use serde::Serialize;

use super::Desk;
use super::history::no_such;
use crate::arguments::Sagas;
use crate::moment::Utc;
use crate::progress::Progress;
use crate::scan::{self, GO_ON};
use crate::text::Name;
use crate::trouble::{Outcome, Trouble};
use crate::value::{self, Json, Tree};

pub(super) fn run(desk: &mut Desk<'_, '_>, asked: &Sagas) -> Result<Outcome, Trouble> {
    match asked.saga.as_deref().map(|saga| saga.split_once('/').ok_or(saga)) {
        None => all(desk),
        Some(Err(saga)) => instances(desk, saga, asked.ended),
        Some(Ok((saga, id))) => steps(desk, &StreamId::new(saga, id)?),
    }
}

/// Where all instances are, from all events of the log: memory grows with those that live.
fn boards(desk: &Desk<'_, '_>) -> Result<SagaIndexes, Trouble> {
    let reader = &*desk.place.reader;
    let progress = Progress::of("reading", reader.head().get(), false);
    let mut boards = desk.types.boards();
    scan::log(reader, Position::NONE, &progress, |commit| {
        boards.take(&commit.view());
        GO_ON
    })?;
    Ok(boards)
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

fn all(desk: &mut Desk<'_, '_>) -> Result<Outcome, Trouble> {
    let boards = boards(desk)?;
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
    let mut table = desk.output.list(&columns);
    let unreadable = |saga: &str| {
        boards.unreadable().find(|(it, _)| *it == saga).map_or(0, |(_, events)| events)
    };
    for (saga, counts) in boards.sagas() {
        table.row(&SagaShown::of(saga, counts, unreadable(saga)), SagaShown::cells)?;
    }
    let is_unknown = |saga: &str| boards.sagas().all(|(it, _)| it != saga);
    for (saga, events) in boards.unreadable().filter(|(saga, _)| is_unknown(saga)) {
        table.row(&SagaShown::of(saga, SagaCounts::default(), events), SagaShown::cells)?;
    }
    if table.end()? == 0 {
        desk.output.remark("There are no sagas.")?;
    }
    Ok(Outcome::Fine)
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

fn instances(desk: &mut Desk<'_, '_>, saga: &str, ended: bool) -> Result<Outcome, Trouble> {
    let boards = boards(desk)?;
    let columns =
        ["ID", "STATUS", "#STEPS", "#COMMANDS UNDER WAY", "NEXT DEADLINE", "SINCE", "LAST"];
    let mut table = desk.output.list(&columns);
    for instance in boards.live(saga, "") {
        table.row(&InstanceShown::of(instance), InstanceShown::cells)?;
    }
    for instance in boards.ended(saga).filter(|_| ended) {
        table.row(&InstanceShown::of(instance.clone()), InstanceShown::cells)?;
    }
    if table.end()? == 0 {
        desk.output.remark("There are no such instances.")?;
    }
    Ok(Outcome::Fine)
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

fn steps(desk: &mut Desk<'_, '_>, stream: &StreamId) -> Result<Outcome, Trouble> {
    let reader = &*desk.place.reader;
    let columns = ["#STEP", "#POSITION", "TIME", "HEARD", "EFFECTS", "STATUS", "STATE"];
    let mut table = desk.output.list(&columns);
    let unread = |why: String| Trouble::Other(format!("a step of {stream} cannot be read: {why}"));
    scan::stream(reader, stream, Version::NONE, |commit| {
        let steps = saga_steps::<Tree>(&commit.view(), Version::NONE)
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
        GO_ON
    })?;
    if table.end()? == 0 { Err(no_such(stream)) } else { Ok(Outcome::Fine) }
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
