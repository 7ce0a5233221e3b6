//! The `metrics` facade with guards, or types that record nothing in a build without the feature `metrics`.
//!
//! A recorder is code of the user's. If it panics, that measurement is lost, and nothing else: commands,
//! followers and the committer measure in places where a panic would end them.

#[cfg(feature = "metrics")]
pub(crate) use enabled::*;

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::*;

#[cfg(feature = "metrics")]
mod enabled {
    use metrics::IntoF64;
    pub(crate) use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    use crate::base::panics::guarded;

    /// Counts, unless the recorder panics.
    #[derive(Clone)]
    pub(crate) struct Counter(metrics::Counter);

    impl Counter {
        pub(crate) fn of(register: impl FnOnce() -> metrics::Counter) -> Self {
            Self(guarded(register).unwrap_or_else(|_| metrics::Counter::noop()))
        }

        pub(crate) fn increment(&self, by: u64) {
            let _ = guarded(|| self.0.increment(by));
        }

        pub(crate) fn absolute(&self, count: u64) {
            let _ = guarded(|| self.0.absolute(count));
        }
    }

    /// Shows a value, unless the recorder panics.
    #[derive(Clone)]
    pub(crate) struct Gauge(metrics::Gauge);

    impl Gauge {
        pub(crate) fn of(register: impl FnOnce() -> metrics::Gauge) -> Self {
            Self(guarded(register).unwrap_or_else(|_| metrics::Gauge::noop()))
        }

        pub(crate) fn increment<T: IntoF64>(&self, by: T) {
            let _ = guarded(|| self.0.increment(by));
        }

        pub(crate) fn decrement<T: IntoF64>(&self, by: T) {
            let _ = guarded(|| self.0.decrement(by));
        }

        pub(crate) fn set<T: IntoF64>(&self, value: T) {
            let _ = guarded(|| self.0.set(value));
        }
    }

    /// Records values, unless the recorder panics.
    #[derive(Clone)]
    pub(crate) struct Histogram(metrics::Histogram);

    impl Histogram {
        pub(crate) fn of(register: impl FnOnce() -> metrics::Histogram) -> Self {
            Self(guarded(register).unwrap_or_else(|_| metrics::Histogram::noop()))
        }

        pub(crate) fn record<T: IntoF64>(&self, value: T) {
            let _ = guarded(|| self.0.record(value));
        }
    }

    macro_rules! counter {
        ($($label:tt)*) => {
            $crate::base::telemetry::facade::Counter::of(|| metrics::counter!($($label)*))
        };
    }

    macro_rules! gauge {
        ($($label:tt)*) => {
            $crate::base::telemetry::facade::Gauge::of(|| metrics::gauge!($($label)*))
        };
    }

    macro_rules! histogram {
        ($($label:tt)*) => {
            $crate::base::telemetry::facade::Histogram::of(|| metrics::histogram!($($label)*))
        };
    }

    pub(crate) use {counter, gauge, histogram};
}

#[cfg(not(feature = "metrics"))]
mod disabled {
    /// Counts nothing.
    #[derive(Clone, Copy)]
    pub(crate) struct Counter;

    impl Counter {
        pub(crate) fn increment(&self, _: u64) {}

        pub(crate) fn absolute(&self, _: u64) {}
    }

    /// Shows nothing.
    #[derive(Clone, Copy)]
    pub(crate) struct Gauge;

    impl Gauge {
        pub(crate) fn increment<T>(&self, _: T) {}

        pub(crate) fn decrement<T>(&self, _: T) {}

        pub(crate) fn set<T>(&self, _: T) {}
    }

    /// Records nothing.
    #[derive(Clone, Copy)]
    pub(crate) struct Histogram;

    impl Histogram {
        pub(crate) fn record<T>(&self, _: T) {}
    }

    macro_rules! counter {
        ($($label:tt)*) => {
            $crate::base::telemetry::facade::Counter
        };
    }

    macro_rules! gauge {
        ($($label:tt)*) => {
            $crate::base::telemetry::facade::Gauge
        };
    }

    macro_rules! histogram {
        ($($label:tt)*) => {
            $crate::base::telemetry::facade::Histogram
        };
    }

    pub(crate) use {counter, gauge, histogram};
}
