//! A small program of a user, which runs with every set of features; see `Cargo.toml`.

pub use actuarius::Runtime;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use actuarius::{Aggregate, Context, Runtime};
    #[cfg(any(feature = "bincode", feature = "json", feature = "messagepack"))]
    use actuarius::{Codec, Hosting};
    use serde::{Deserialize, Serialize};

    #[derive(Default, Serialize, Deserialize)]
    struct Counter(i64);

    #[derive(Serialize, Deserialize)]
    enum Counted {
        Added(i64),
    }

    impl Aggregate for Counter {
        const TYPE: &'static str = "counter";
        type Command = i64;
        type Event = Counted;
        type Error = Infallible;

        fn decide(&self, amount: i64, _: &Context) -> Result<Vec<Counted>, Infallible> {
            Ok(vec![Counted::Added(amount)])
        }

        fn apply(&mut self, Counted::Added(amount): &Counted) {
            self.0 += amount;
        }
    }

    /// A codec that this build has.
    #[cfg(any(feature = "bincode", feature = "json", feature = "messagepack"))]
    fn codec() -> Codec {
        if cfg!(feature = "messagepack") {
            Codec::default()
        } else if cfg!(feature = "bincode") {
            Codec::Bincode
        } else {
            Codec::Json
        }
    }

    #[cfg(any(feature = "bincode", feature = "json", feature = "messagepack"))]
    async fn counts(runtime: &Runtime) -> i64 {
        let hosting = Hosting::default().codec(codec());
        let hosting = match cfg!(feature = "bincode") {
            true => hosting,
            false => hosting.snapshot_codec(codec()),
        };
        let counters = runtime.host_with::<Counter>(hosting);
        counters.execute("visits", 1).await.expect("durable");
        counters.query("visits", |counter| counter.0).await.expect("readable")
    }

    #[cfg(any(feature = "bincode", feature = "json", feature = "messagepack"))]
    #[tokio::test]
    async fn commands_are_stored_with_whichever_codec_there_is() {
        let runtime = Runtime::in_memory().await.expect("opens");
        assert_eq!(counts(&runtime).await, 1);
    }

    #[cfg(not(feature = "messagepack"))]
    #[tokio::test]
    async fn a_command_without_the_default_codec_is_refused_and_says_which_feature_is_missing() {
        let runtime = Runtime::in_memory().await.expect("opens");
        let refused = runtime.host::<Counter>().execute("visits", 1).await;
        let refused = refused.expect_err("nothing can be encoded").to_string();
        assert!(refused.contains("enable the feature `messagepack`"), "{refused}");
    }

    #[cfg(all(feature = "sled", feature = "full"))]
    #[tokio::test]
    async fn a_store_on_disk_is_found_again() {
        let directory = tempfile::tempdir().expect("a directory");
        for visits in 1..=2 {
            let runtime = Runtime::open(directory.path()).await.expect("opens");
            assert_eq!(counts(&runtime).await, visits);
            let report = runtime.shutdown(std::time::Duration::from_secs(10)).await;
            assert!(report.is_clean());
        }
    }
}
