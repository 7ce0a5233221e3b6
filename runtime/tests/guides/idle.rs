//! A session that is closed half an hour after its last use, by a timer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actuarius::clock::ManualClock;
use actuarius::timers::TimedHosting;
use actuarius::{Aggregate, Context, Hosting, Runtime, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Session {
    used: Option<Timestamp>,
    closed: bool,
}

enum SessionCommand {
    Use,
    Close,
}

#[derive(Serialize, Deserialize)]
enum SessionEvent {
    Used(Timestamp),
    Closed,
}

impl Aggregate for Session {
    const TYPE: &'static str = "session";
    type Command = SessionCommand;
    type Event = SessionEvent;
    type Error = Infallible;

    fn decide(
        &self,
        command: SessionCommand,
        context: &Context,
    ) -> Result<Vec<SessionEvent>, Infallible> {
        Ok(match command {
            SessionCommand::Use => vec![SessionEvent::Used(context.now())],
            SessionCommand::Close if self.closed => vec![],
            SessionCommand::Close => vec![SessionEvent::Closed],
        })
    }

    fn apply(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Used(at) => *self = Self { used: Some(*at), closed: false },
            SessionEvent::Closed => self.closed = true,
        }
    }
}

// region: declare
const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);

impl Session {
    fn idle_at(&self) -> Option<Timestamp> {
        let is_open = !self.closed;
        self.used.filter(|_| is_open).map(|used| used.plus(HALF_AN_HOUR))
    }
}

fn hosting() -> TimedHosting<Session> {
    Hosting::default().timer("idle", Session::idle_at, |_| SessionCommand::Close)
}
// endregion: declare

#[test]
fn a_session_sets_its_timer_while_it_is_open() {
    // region: state
    let used = Timestamp::from_micros(0);
    let session = Session { used: Some(used), closed: false };
    assert_eq!(hosting().timers_of(&session), [("idle", used.plus(HALF_AN_HOUR))]);
    // endregion: state
    assert_eq!(hosting().timers_of(&Session { closed: true, ..session }), []);
}

#[tokio::test]
async fn a_session_is_closed_half_an_hour_after_its_last_use()
-> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(ManualClock::at(Timestamp::default()));
    let runtime = Runtime::builder().clock(clock.clone()).in_memory().await?;
    // region: host
    let sessions = runtime.host_with::<Session>(hosting());
    sessions.execute("alice", SessionCommand::Use).await?;
    // endregion: host
    clock.advance(HALF_AN_HOUR / 2);
    sessions.execute("alice", SessionCommand::Use).await?;
    clock.advance(HALF_AN_HOUR);
    let closed = async {
        while !sessions.query("alice", |it| it.closed).await? {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok::<_, actuarius::Failure>(())
    };
    tokio::time::timeout(Duration::from_secs(60), closed).await??;
    // region: arm
    let mut page = sessions.arm_timers().await?;
    while let Some(position) = page.next {
        page = sessions.arm_timers().after(position).await?;
    }
    // endregion: arm
    Ok(())
}
