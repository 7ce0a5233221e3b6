//! [`TimedHosting`]: the options of one hosted aggregate type, with its timers.

use std::fmt;
use std::sync::Arc;

use actuarius_domain::{Aggregate, Timestamp};

use super::hosting::Hosting;
use crate::base::schema_error::HostError;

/// How many timers an aggregate type has at most. Each is evaluated after each command with events, and the notes of
/// one turn are one set.
pub(crate) const TIMERS_MAX: usize = 16;

/// How many bytes the name of a timer has at most. It is part of the keys of notes.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// The options of one hosted aggregate type, with its timers; for
/// [`Runtime::host_with`](crate::Runtime::host_with). Returned by [`Hosting::timer`].
pub struct TimedHosting<A: Aggregate> {
    pub(crate) hosting: Hosting,
    pub(crate) timers: Vec<Declared<A>>,
}

/// A timer that an aggregate type has.
pub(crate) struct Declared<A: Aggregate> {
    pub(crate) name: Arc<str>,
    pub(crate) due: Due<A>,
    pub(crate) command: MakeCommand<A>,
}

type Due<A> = Arc<dyn Fn(&A) -> Option<Timestamp> + Send + Sync>;
type MakeCommand<A> = Arc<dyn Fn(&A) -> <A as Aggregate>::Command + Send + Sync>;

impl Hosting {
    /// Adds a timer: `due` returns when the state of an aggregate wants the command that `command` returns, or
    /// `None` if it wants none. See [`timers`](crate::timers) for what is promised.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::time::Duration;
    /// use actuarius::{Aggregate, Context, Hosting, Runtime, Timestamp};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Default, Serialize, Deserialize)]
    /// struct Session {
    ///     used: Option<Timestamp>,
    /// }
    ///
    /// enum Command {
    ///     Use,
    ///     Close,
    /// }
    ///
    /// #[derive(Serialize, Deserialize)]
    /// enum Event {
    ///     Used(Timestamp),
    ///     Closed,
    /// }
    ///
    /// impl Aggregate for Session {
    ///     const TYPE: &'static str = "session";
    ///     type Command = Command;
    ///     type Event = Event;
    ///     type Error = Infallible;
    ///
    ///     fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, Infallible> {
    ///         Ok(vec![match command {
    ///             Command::Use => Event::Used(context.now()),
    ///             Command::Close => Event::Closed,
    ///         }])
    ///     }
    ///
    ///     fn apply(&mut self, event: &Event) {
    ///         self.used = match event {
    ///             Event::Used(at) => Some(*at),
    ///             Event::Closed => None,
    ///         };
    ///     }
    /// }
    ///
    /// const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::in_memory().await?;
    /// let hosting = Hosting::default()
    ///     .passivate_after(Duration::from_secs(60))
    ///     .timer("idle", |it: &Session| Some(it.used?.plus(HALF_AN_HOUR)), |_| Command::Close);
    /// let sessions = runtime.host_with::<Session>(hosting);
    /// sessions.execute("alice", Command::Use).await?; // closed half an hour after the last use
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn timer<A: Aggregate>(
        self,
        name: impl Into<Arc<str>>,
        due: impl Fn(&A) -> Option<Timestamp> + Send + Sync + 'static,
        command: impl Fn(&A) -> A::Command + Send + Sync + 'static,
    ) -> TimedHosting<A> {
        TimedHosting::from(self).timer(name, due, command)
    }
}

impl<A: Aggregate> TimedHosting<A> {
    /// Adds a timer, as [`Hosting::timer`]. A type has at most 16 timers, each with a name of its own, of 1 to 128
    /// bytes.
    #[must_use]
    pub fn timer(
        mut self,
        name: impl Into<Arc<str>>,
        due: impl Fn(&A) -> Option<Timestamp> + Send + Sync + 'static,
        command: impl Fn(&A) -> A::Command + Send + Sync + 'static,
    ) -> Self {
        let (due, command) = (Arc::new(due), Arc::new(command));
        self.timers.push(Declared { name: name.into(), due, command });
        self
    }

    /// Returns the timers that a state sets: the name of each, and when it is due. For tests.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use actuarius::{Aggregate, Context, Hosting, Timestamp};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Trial { ends: Option<Timestamp> }
    /// # #[derive(Serialize, Deserialize)]
    /// # enum Ended { Ended }
    /// # impl Aggregate for Trial {
    /// #     const TYPE: &'static str = "trial";
    /// #     type Command = ();
    /// #     type Event = Ended;
    /// #     type Error = Infallible;
    /// #     fn decide(&self, (): (), _: &Context) -> Result<Vec<Ended>, Infallible> { Ok(vec![Ended::Ended]) }
    /// #     fn apply(&mut self, _: &Ended) { self.ends = None; }
    /// # }
    /// let hosting = Hosting::default().timer("end", |trial: &Trial| trial.ends, |_| ());
    /// let noon = Timestamp::from_micros(1);
    /// assert_eq!(hosting.timers_of(&Trial { ends: Some(noon) }), [("end", noon)]);
    /// assert_eq!(hosting.timers_of(&Trial { ends: None }), []);
    /// ```
    #[must_use]
    pub fn timers_of(&self, state: &A) -> Vec<(&str, Timestamp)> {
        let set = self.timers.iter().filter_map(|it| Some((&*it.name, (it.due)(state)?)));
        set.collect()
    }

    pub(crate) fn timer_names(&self) -> Vec<Arc<str>> {
        self.timers.iter().map(|it| it.name.clone()).collect()
    }

    /// Checks the names of the timers.
    pub(crate) fn check(&self) -> Result<(), HostError> {
        let names = || self.timers.iter().map(|it| &it.name);
        let refused = |timer: &str, why| {
            Err(HostError::Timer { aggregate: A::TYPE, timer: timer.to_owned(), why })
        };
        if let Some(surplus) = names().nth(TIMERS_MAX) {
            return refused(surplus, "a type has at most 16 timers");
        }
        for (place, name) in names().enumerate() {
            if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
                return refused(name, "a name has 1 to 128 bytes");
            }
            if names().take(place).any(|other| other == name) {
                return refused(name, "two timers have this name");
            }
        }
        Ok(())
    }
}

impl<A: Aggregate> From<Hosting> for TimedHosting<A> {
    fn from(hosting: Hosting) -> Self {
        Self { hosting, timers: Vec::new() }
    }
}

impl<A: Aggregate> Clone for TimedHosting<A> {
    fn clone(&self) -> Self {
        let clone = |it: &Declared<A>| Declared {
            name: it.name.clone(),
            due: it.due.clone(),
            command: it.command.clone(),
        };
        Self { hosting: self.hosting.clone(), timers: self.timers.iter().map(clone).collect() }
    }
}

impl<A: Aggregate> fmt::Debug for TimedHosting<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.timers.iter().map(|it| &it.name).collect();
        let mut shown = out.debug_struct("TimedHosting");
        shown.field("hosting", &self.hosting).field("timers", &names).finish()
    }
}
