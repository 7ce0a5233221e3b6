//! Commands that are sent again while the runtime has no room.

use std::time::Duration;

use actuarius::{Aggregate, Aggregates, CommandId, ExecuteError, Failure, Receipt};

/// Five seconds in all: a runtime without room for that long will not have any soon.
const RETRIES: u32 = 500;
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// Executes a command, and sends it again while the error is retryable. Its id makes this safe.
///
/// # Errors
/// The last [`ExecuteError`].
pub async fn execute<A: Aggregate<Command: Clone>>(
    aggregates: &Aggregates<A>,
    id: &str,
    command: A::Command,
    command_id: CommandId,
) -> Result<Receipt, ExecuteError<A::Error>> {
    for _ in 0..RETRIES {
        match aggregates.execute(id, command.clone()).command_id(command_id).await {
            Err(error) if error.is_retryable() => tokio::time::sleep(RETRY_AFTER).await,
            answer => return answer,
        }
    }
    aggregates.execute(id, command).command_id(command_id).await
}

/// The answer of an aggregate: a receipt or its refusal. The command id is made of `id` and `verb`.
///
/// # Errors
/// [`Failure`] of the runtime.
pub async fn answer<A: Aggregate<Command: Clone>>(
    aggregates: &Aggregates<A>,
    id: &str,
    verb: &str,
    command: A::Command,
) -> Result<Result<Receipt, A::Error>, Failure> {
    match execute(aggregates, id, command, CommandId::from(format!("{id}/{verb}"))).await {
        Ok(receipt) => Ok(Ok(receipt)),
        Err(ExecuteError::Rejected(refusal)) => Ok(Err(refusal)),
        Err(ExecuteError::Failed(failure)) => Err(failure),
    }
}
