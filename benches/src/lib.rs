//! What Actuarius can do, measured beside a plain append-only log in the same run.
