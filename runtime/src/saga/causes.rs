//! What has caused a stored step of an instance, and so the commands that it sends and the deadlines that it sets.

use actuarius_domain::{CausationId, Id, Position, Saga, Version};
use actuarius_persistence::{PageLimit, ReadError, Reader};

use super::host::Host;
use super::instance::Instance;

impl<S: Saga> Host<S> {
    /// Returns what has caused a step: its causation id, or that of the call if it has none, which is its command id.
    ///
    /// Returns `None` if the step cannot be read now. Nothing waits for that: the cause is only a trace.
    pub(super) async fn cause_of(&self, id: &Id<Instance<S>>, step: u64) -> Option<CausationId> {
        let (stream, before) = (id.stream(), Version::new(step.checked_sub(1)?));
        let read = move |reader: &dyn Reader| {
            let one = PageLimit { commits: 1, bytes: 0 };
            let page = reader.read_stream(&stream, before, Position::NONE, one)?;
            let commit = page.commits.first().filter(|commit| commit.gone().is_none());
            Ok::<_, ReadError>(commit.map(|commit| {
                let view = commit.view();
                view.causation_id.unwrap_or_else(|| view.command_id.into())
            }))
        };
        self.engine.read(read).await.ok().flatten()
    }
}
