//! Spans and log events of the runtime have ids as fields, and never a payload.
//!
//! This binary has one test only: a subscriber of one thread can miss callsites that another thread
//! has reached first.

#[path = "common/mod.rs"]
mod common;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use actuarius::Runtime;
use common::{Command, Ledger};

#[test]
fn spans_have_ids_as_fields_and_never_payloads() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::NEW)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
        threads.expect("a runtime").block_on(async {
            let runtime = Runtime::in_memory().await.unwrap();
            let ledgers = runtime.host::<Ledger>();
            ledgers.execute("alice", Command::Add(987_654_321)).await.unwrap();
            ledgers.execute("alice", Command::PanicInApply).await.unwrap_err();
        });
    });
    let log = log.text();
    for told in ["actuarius::execute", "actuarius::turn", "ledger/alice", "quarantined"] {
        assert!(log.contains(told), "{told} is missing");
    }
    assert!(!log.contains("987654321") && !log.contains("987_654_321"), "no payload is logged");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no writer panics")).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
