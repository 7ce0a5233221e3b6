//! The state of a running subscription.

use std::sync::Arc;

use tokio::sync::watch;

use super::attempts::Attempts;
use super::failures::Failures;
use super::lanes::Lanes;
use super::opening::{Found, Plan};
use super::parked::ParkedEvents;
use super::reading::Reading;
use super::requests::Requests;
use super::retries::Retries;
use super::routes::Due;
use super::writing::Writing;
use crate::follow::followers::{DesiredState, FollowerStatus};

/// A subscription at work: from the log into lanes, from lanes to handlers, and what is finished
/// into the checkpoint. It waits for all of them at once, and for none of them alone.
pub(super) struct SubscriptionState {
    pub(super) plan: Arc<Plan>,
    pub(super) desired: watch::Receiver<(DesiredState, u64)>,
    pub(super) wanted: DesiredState,
    pub(super) reading: Reading,
    pub(super) lanes: Lanes<Due>,
    pub(super) attempts: Attempts,
    pub(super) failures: Failures,
    pub(super) parked: ParkedEvents,
    pub(super) writing: Writing,
    pub(super) requests: Requests,
    pub(super) retries: Retries,
    /// Why nothing is started any more, until it is asked to resume.
    pub(super) halted: Option<FollowerStatus>,
    /// The last status told, to tell each change once.
    pub(super) reported: Option<FollowerStatus>,
}

impl SubscriptionState {
    pub(super) fn new(plan: Arc<Plan>, found: Found) -> Self {
        let mark = found.checkpoint.mark;
        let mut desired = plan.shared.wanted();
        let (wanted, _) = *desired.borrow_and_update();
        plan.shared.meters.parked(found.parked.count());
        Self {
            desired,
            wanted,
            reading: Reading::after(&plan.engine, mark),
            lanes: Lanes::default(),
            attempts: Attempts::default(),
            failures: Failures::default(),
            parked: found.parked,
            writing: Writing::after(found.checkpoint),
            requests: Requests::default(),
            retries: Retries::default(),
            halted: None,
            reported: None,
            plan,
        }
    }
}
