//! The state of a running subscription.

use std::sync::Arc;

use tokio::sync::watch;

use super::attempts::Attempts;
use super::erasing::Erasing;
use super::failures::Failures;
use super::lanes::Lanes;
use super::opening::{Plan, Stored};
use super::parked::ParkedEvents;
use super::reading::Reading;
use super::requests::Requests;
use super::retries::Retries;
use super::routes::Due;
use super::writing::Writing;
use crate::follow::followers::{DesiredState, FollowerStatus};

/// The state of a running subscription: the log is read into lanes, handlers take events from the lanes, and
/// what is finished goes into the checkpoint. The loop waits for all of these at once.
pub(super) struct SubscriptionState {
    pub(super) plan: Arc<Plan>,
    pub(super) desired: watch::Receiver<(DesiredState, u64)>,
    pub(super) wanted: DesiredState,
    pub(super) reading: Reading,
    pub(super) lanes: Lanes<Due>,
    pub(super) erasing: Erasing,
    pub(super) attempts: Attempts,
    pub(super) failures: Failures,
    pub(super) parked: ParkedEvents,
    pub(super) writing: Writing,
    pub(super) requests: Requests,
    pub(super) retries: Retries,
    /// Whether retries of an earlier run are still to be continued.
    pub(super) continues: bool,
    /// Why nothing is started until the subscription is resumed.
    pub(super) halted: Option<FollowerStatus>,
    /// The last published status, so that each change is published once.
    pub(super) reported: Option<FollowerStatus>,
}

impl SubscriptionState {
    pub(super) fn new(plan: Arc<Plan>, stored: Stored) -> Self {
        let mark = stored.checkpoint.mark;
        let mut desired = plan.shared.wanted();
        let (wanted, _) = *desired.borrow_and_update();
        plan.shared.parked(stored.parked.counted());
        Self {
            desired,
            wanted,
            reading: Reading::after(&plan.engine, mark),
            lanes: Lanes::default(),
            erasing: Erasing::of(&plan.shared, &plan.engine.keyring),
            attempts: Attempts::of(&plan.shared),
            failures: Failures::default(),
            parked: stored.parked,
            writing: Writing::after(stored.checkpoint),
            requests: Requests::default(),
            retries: Retries::default(),
            continues: true,
            halted: None,
            reported: None,
            plan,
        }
    }

    /// Publishes how much is parked.
    pub(super) fn report_parked(&self) {
        self.plan.shared.parked(self.parked.counted());
    }
}
