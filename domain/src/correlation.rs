/// Which instance of a saga an event concerns, and whether it may be the first it hears of.
///
/// ```
/// use actuarius_domain::Correlation;
///
/// let placed = Correlation::start("order-17").known_as("payment-9");
/// let paid = Correlation::proceed_by("payment-9"); // the same instance
/// let other = Correlation::ignore();
/// # let _ = (placed, paid, other);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it is the answer to which instance an event concerns"]
pub struct Correlation {
    to: To,
    starts: bool,
    continues: bool,
    keys: Vec<String>,
}

/// How the instance is named.
#[derive(Debug, Clone, PartialEq, Eq)]
enum To {
    Nobody,
    Id(String),
    Key(String),
}

impl Correlation {
    /// No instance.
    pub fn ignore() -> Self {
        Self::of(To::Nobody, false, false)
    }

    /// A new instance called `id`. If there was one of that name, the event is ignored: an instance
    /// is started once.
    pub fn start(id: impl Into<String>) -> Self {
        Self::of(To::Id(id.into()), true, false)
    }

    /// The instance called `id`. If there is none, or it has ended, the event is ignored.
    pub fn proceed(id: impl Into<String>) -> Self {
        Self::of(To::Id(id.into()), false, true)
    }

    /// The instance called `id`, which is started if there is none. If it has ended, the event is
    /// ignored.
    pub fn start_or_proceed(id: impl Into<String>) -> Self {
        Self::of(To::Id(id.into()), true, true)
    }

    /// The instance that is [`known as`](Self::known_as) `key`. If there is none, the event is ignored.
    pub fn proceed_by(key: impl Into<String>) -> Self {
        Self::of(To::Key(key.into()), false, true)
    }

    /// From here on the instance is found by this key, too, as long as it lives. May be said several
    /// times. A key that another living instance has stays with that one.
    pub fn known_as(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// The id of the instance, if it is named by its id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        if let To::Id(id) = &self.to { Some(id) } else { None }
    }

    /// The key by which the instance is looked up, if it is.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        if let To::Key(key) = &self.to { Some(key) } else { None }
    }

    /// Whether an instance that was never started starts with it.
    #[must_use]
    pub fn starts(&self) -> bool {
        self.starts
    }

    /// Whether an instance that was started before hears of it.
    #[must_use]
    pub fn continues(&self) -> bool {
        self.continues
    }

    /// The keys the instance is known as from here on.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    fn of(to: To, starts: bool, continues: bool) -> Self {
        Self { to, starts, continues, keys: Vec::new() }
    }
}
