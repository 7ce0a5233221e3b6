//! The `metrics` facade, or types that record nothing in a build without the feature `metrics`.

#[cfg(feature = "metrics")]
pub(crate) use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::*;

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
