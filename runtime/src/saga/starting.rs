//! Starts what a saga consists of: its index, its subscription and its coordinator, or none of them.

use std::sync::Arc;
use std::time::Duration;

use actuarius_domain::{Id, Saga};

use super::host::Host;
use super::instance::Instance;
use super::instance_index::{self, InstanceIndex};
use super::stored::{Due, Outgoing};
use super::targets::Targets;
use crate::aggregate::directory::Directory;
use crate::follow::followers::{
    DesiredState, FollowerShared, FollowerStatus, StartError, WaitError,
};
use crate::inner::Inner;
use crate::projection::{InMemory, ProjectionBuilder, ViewReader};
use crate::request::query::Query;
use crate::schema::decoding::Decoder;
use crate::subscription::{Subscription, SubscriptionBuilder};

/// How long a start waits for the index before it checks again whether the index has halted.
const INDEX_CHECK_EVERY: Duration = Duration::from_secs(1);

/// The running index of a saga that is being started. It is stopped if the saga does not start.
pub(super) struct StartingIndex {
    shared: Arc<FollowerShared>,
    is_kept: bool,
}

impl StartingIndex {
    /// Starts the index. Returns once it holds every instance, so that open commands are known before new ones begin.
    pub(super) async fn start<S: Saga>(
        inner: &Arc<Inner>,
        name: &str,
    ) -> Result<(ViewReader<InstanceIndex>, Self), StartError> {
        let name = format!("{name}.board");
        let index = ProjectionBuilder::<InMemory<InstanceIndex>>::in_memory(inner.clone(), name);
        let fold = instance_index::fold::<S>(Decoder::of(&inner.engine.shapes));
        let index = index.on_stored::<Instance<S>>(fold).saved_from(InstanceIndex::clone);
        let index = index.start().await?;
        let (reader, head) = (index.view_reader(), inner.engine.tail.head());
        let starting = Self { shared: reader.shared.clone(), is_kept: false };
        while let Err(source) = reader.shared.wait_for_within(head, INDEX_CHECK_EVERY).await {
            if !matches!(source, WaitError::TimedOut { .. }) {
                starting.stop().await;
                return Err(StartError::Instances { name: S::TYPE.to_owned(), source });
            }
        }
        Ok((reader, starting))
    }

    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }

    /// Stops the index, and waits until its name is free.
    pub(super) async fn stop(self) {
        let shared = self.shared.clone();
        drop(self);
        shared.until(|status| *status == FollowerStatus::Stopped).await;
    }
}

impl Drop for StartingIndex {
    fn drop(&mut self) {
        if !self.is_kept {
            self.shared.want(DesiredState::Stop);
        }
    }
}

/// Checks that every aggregate type that a live instance may have to send to was named with `sends_to`.
pub(super) async fn check_targets<S: Saga>(
    index: &ViewReader<InstanceIndex>,
    instances: &Arc<Directory<Instance<S>>>,
    targets: &Targets<S>,
) -> Result<(), StartError> {
    let suspects = index.read(|index| index.sending_to(|aggregate| !targets.has(aggregate)));
    for id in suspects {
        // A stored id was valid when it was stored.
        let Ok(id) = Id::<Instance<S>>::new(id) else { continue };
        let pending = Query::new(instances.clone(), Ok(id.clone()), pending_types).await;
        // One that cannot be read is shown as quarantined.
        let missing = pending.unwrap_or_default().into_iter().find(|it| !targets.has(it));
        if let Some(aggregate) = missing {
            let (name, instance) = (S::TYPE.to_owned(), id.to_string());
            return Err(StartError::MissingTarget { name, aggregate, instance });
        }
    }
    Ok(())
}

/// Returns the aggregate types that an instance may have to send to.
fn pending_types<S: Saga>(instance: &Instance<S>) -> Vec<String> {
    let state = &instance.state;
    let open = state.open.iter().map(|open| &*open.outgoing);
    let undos = state.undos.iter().map(|undo| &**undo).filter(|_| !state.life.has_ended());
    let later = state.deadlines.iter().filter_map(|(_, scheduled)| match &scheduled.what {
        Due::Send(outgoing) => Some(&**outgoing),
        Due::Remind(_) => None,
    });
    let all: Vec<&Outgoing> = open.chain(undos).chain(later).collect();
    all.iter().map(|outgoing| outgoing.aggregate.clone().into_owned()).collect()
}

/// Starts the subscription, and lets the host know of it.
pub(super) async fn start_events<S: Saga>(
    host: &Arc<Host<S>>,
    subscribe: Option<SubscriptionBuilder>,
) -> Result<(), StartError> {
    let Some(subscribe) = subscribe else { return Ok(()) };
    let events: Subscription = subscribe.start().await?;
    // Only this call sets it.
    let _ = host.events.set(events);
    Ok(())
}
