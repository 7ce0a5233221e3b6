//! The smallest program: a counter that survives the end of its process.
use std::convert::Infallible;

use actuarius::{Aggregate, Context, Runtime};
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).unwrap_or("data/hello".to_owned());
    let runtime = Runtime::open(directory).await?;
    let counters = runtime.host::<Counter>();
    counters.execute("visits", 1).await?; // durable now
    let visits = counters.query("visits", |counter| counter.0).await?;
    println!("visits: {visits}");
    Ok(())
}
