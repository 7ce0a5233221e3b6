//! Waits until the instances of a saga have done what there is to do.

use std::time::Duration;

use actuarius_domain::Saga;

use super::handle::Sagas;
use crate::base::deadline::Deadline;
use crate::follow::followers::WaitError;

impl<S: Saga> Sagas<S> {
    /// Waits until no instance is live, up to `within`. New events may begin instances during the wait.
    ///
    /// # Errors
    /// [`WaitError`]: instances are still live, or the index of instances has halted.
    pub async fn settled(&self, within: Duration) -> Result<(), WaitError> {
        let (index, until) = (&self.host.index, Deadline::within(within));
        self.wait_for_within(self.host.engine.tail.head(), until.remaining()).await?;
        loop {
            let shown = self.host.engine.tail.head();
            index.shared.wait_for_within(shown, until.remaining()).await?;
            if index.read(|index| index.counts().live) == 0 {
                return Ok(());
            }
            // A step of one of the live instances, or any other event.
            index.shared.wait_for_within(shown.next(), until.remaining()).await?;
        }
    }

    /// Waits until every durable event is handled, every deadline that is due by the runtime's clock has come, and the
    /// commands that follow are answered, up to `within`. Instances may wait for later events and deadlines then.
    ///
    /// Instances that are quarantined or stuck are not waited for. What other sagas and subscriptions do because of
    /// the commands is waited for only if this saga waits for it.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use actuarius::Runtime;
    /// # use actuarius::clock::ManualClock;
    /// # use actuarius::saga::{Effects, InstanceStatus, Saga};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Debug, Default, Clone, Serialize, Deserialize)]
    /// # struct Reminder;
    /// # impl Saga for Reminder {
    /// #     const TYPE: &'static str = "reminder";
    /// #     type Deadline = ();
    /// #     fn due(&mut self, (): ()) -> Effects<Self> { Effects::complete() }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let clock = Arc::new(ManualClock::default());
    /// let runtime = Runtime::builder().clock(clock.clone()).in_memory().await?;
    /// let reminders = runtime.saga::<Reminder>().start().await?;
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// reminders.begin("r-1", move |_| Effects::none().schedule_in(day, ())).await?;
    ///
    /// clock.advance(day);
    /// reminders.caught_up(Duration::from_secs(5)).await?;
    /// assert_eq!(reminders.status("r-1").await?, Some(InstanceStatus::Completed));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`WaitError`]: it takes longer, for example because a target cannot be loaded, or the saga has halted or was
    /// stopped. Everything continues.
    pub async fn caught_up(&self, within: Duration) -> Result<(), WaitError> {
        let (index, until) = (&self.host.index.shared, Deadline::within(within));
        loop {
            let handled = self.host.engine.tail.head();
            self.wait_for_within(handled, until.remaining()).await?;
            // The steps for these events are durable, too.
            let shown = self.host.engine.tail.head();
            index.wait_for_within(shown, until.remaining()).await?;
            let now = self.host.engine.clock.now();
            let is_idle = self.host.index.read(|index| index.is_idle(now));
            if is_idle && shown == handled {
                return Ok(());
            }
            if !is_idle {
                index.wait_for_within(shown.next(), until.remaining()).await?;
            }
        }
    }
}
