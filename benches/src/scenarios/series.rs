//! The scenarios `clients`, `zipf`, `encodings` and `payloads`: the load of `spread` with one thing changed at a time.

use super::throughput::spread_as;
use crate::Result;
use crate::distribution::Distribution;
use crate::options::{Encoding, Options};
use crate::row::Row;

/// From one client, which waits for each sync, to ten times as many as the other scenarios have.
const CLIENTS: [usize; 5] = [1, 8, 64, 1_024, 10_240];

/// 100 B, 1 KB and 16 KB.
const PAYLOADS: [usize; 3] = [100, 1_000, 16_000];

const ENCODINGS: [(Encoding, &str); 3] = [
    (Encoding::Bincode, "bincode"),
    (Encoding::MessagePack, "messagepack"),
    (Encoding::Json, "json"),
];

pub(super) async fn clients(options: &Options) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for clients in CLIENTS {
        let options = Options { clients: Some(clients), ..options.clone() };
        rows.extend(spread_as(&format!("clients-{clients}"), &options).await?);
    }
    Ok(rows)
}

pub(super) async fn zipf(options: &Options) -> Result<Vec<Row>> {
    let options = Options { distribution: Some(Distribution::Zipf), ..options.clone() };
    spread_as("zipf", &options).await
}

pub(super) async fn encodings(options: &Options) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (codec, name) in ENCODINGS {
        let options = Options { codec, ..options.clone() };
        rows.extend(spread_as(&format!("encoding-{name}"), &options).await?);
    }
    Ok(rows)
}

pub(super) async fn payloads(options: &Options) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for payload_bytes in PAYLOADS {
        let options = Options { payload_bytes, ..options.clone() };
        rows.extend(spread_as(&format!("payload-{payload_bytes}"), &options).await?);
    }
    Ok(rows)
}
