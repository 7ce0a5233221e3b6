//! Ids of commands whose caller has set none.

use actuarius_domain::{CommandId, Timestamp};
use uuid::{NoContext, Uuid};

/// Returns a new id, which contains the time `at` of the decision.
///
/// Its 74 random bits are from a generator of this thread, so threads neither share a counter nor read the
/// clock again.
pub(super) fn new_command_id(at: Timestamp) -> CommandId {
    let micros = u64::try_from(at.as_micros()).unwrap_or_default();
    let nanos = (micros % 1_000_000) as u32 * 1_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, micros / 1_000_000, nanos)).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_one_instant_differ_also_before_1970() {
        let times = [i64::MIN, -1, 0, 1_700_000_000_123_456, i64::MAX].map(Timestamp::from_micros);
        let ids: HashSet<_> =
            times.iter().flat_map(|at| (0..1_000).map(|_| new_command_id(*at))).collect();
        assert_eq!(ids.len(), 5_000);
    }

    #[test]
    fn ids_contain_the_time_of_the_decision() {
        let id = new_command_id(Timestamp::from_micros(1_700_000_000_123_456));
        let (seconds, nanos) = id.as_uuid().get_timestamp().expect("version 7").to_unix();
        assert_eq!((seconds, nanos), (1_700_000_000, 123_000_000));
    }
}
