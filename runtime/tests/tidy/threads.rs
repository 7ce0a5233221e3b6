//! Which threads the runtime may use for work that blocks.

use crate::sources::{below, read, shown};

/// What waits for one of tokio's blocking threads.
const TAKES_A_BLOCKING_THREAD: [&str; 4] =
    ["spawn_blocking", "block_in_place", "tokio::fs", "lookup_host"];

/// Callers that wait for answers may take up all of tokio's blocking threads. What needs one to answer them waits
/// without end, and the callers with it.
#[test]
fn nothing_waits_for_a_blocking_thread_of_tokio() {
    let mut found = Vec::new();
    for file in below("runtime/src", "rs") {
        for (number, line) in read(&file).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if TAKES_A_BLOCKING_THREAD.iter().any(|it| code.contains(it)) {
                found.push(format!("{}:{}: {}", shown(&file), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "use a pool of `engine/pool.rs`:\n{}", found.join("\n"));
}
