//! Which instance of a saga receives an event.

/// Which instance of a saga receives an event, and whether the event may start the instance.
///
/// ```
/// # mod actuarius { pub mod saga { pub use actuarius_domain::*; } }
/// use actuarius::saga::Correlation;
///
/// let placed = Correlation::start("order-17").known_as("payment-9");
/// let paid = Correlation::proceed_by("payment-9"); // the same instance
/// let other = Correlation::ignore();
/// # let _ = (placed, paid, other);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "return it from `correlate`"]
pub struct Correlation {
    to: To,
    starts: bool,
    continues: bool,
    keys: Vec<String>,
}

/// How the instance is identified.
#[derive(Debug, Clone, PartialEq, Eq)]
enum To {
    NoInstance,
    Id(String),
    Key(String),
}

impl Correlation {
    /// Selects no instance: the event is ignored.
    pub fn ignore() -> Self {
        Self::of(To::NoInstance, false, false)
    }

    /// Starts a new instance called `id`. If an instance of that name was started before, the event is
    /// ignored.
    pub fn start(id: impl Into<String>) -> Self {
        Self::of(To::Id(id.into()), true, false)
    }

    /// Selects the instance called `id`. If it does not exist or has ended, the event is ignored.
    pub fn proceed(id: impl Into<String>) -> Self {
        Self::of(To::Id(id.into()), false, true)
    }

    /// Selects the instance called `id`, and starts it if it does not exist. If it has ended, the event
    /// is ignored.
    pub fn start_or_proceed(id: impl Into<String>) -> Self {
        Self::of(To::Id(id.into()), true, true)
    }

    /// Selects the instance [`known as`](Self::known_as) `key`. If there is none, the event is ignored.
    pub fn proceed_by(key: impl Into<String>) -> Self {
        Self::of(To::Key(key.into()), false, true)
    }

    /// Registers a further key for the instance, which is valid until the instance ends or compensates. May be called
    /// several times. A key that another running instance holds at this event stays with that one.
    pub fn known_as(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Returns the id of the instance, or `None` if it is not selected by its id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        if let To::Id(id) = &self.to { Some(id) } else { None }
    }

    /// Returns the key by which the instance is looked up, or `None` if it is not selected by a key.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        if let To::Key(key) = &self.to { Some(key) } else { None }
    }

    /// Returns whether the event starts an instance that was never started.
    #[must_use]
    pub fn starts(&self) -> bool {
        self.starts
    }

    /// Returns whether an instance that was started before receives the event.
    #[must_use]
    pub fn continues(&self) -> bool {
        self.continues
    }

    /// Returns the keys that the event registers for the instance.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    fn of(to: To, starts: bool, continues: bool) -> Self {
        Self { to, starts, continues, keys: Vec::new() }
    }
}
