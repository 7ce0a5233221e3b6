//! The commands `keys info` and `keys rotate`.

use std::collections::BTreeMap;
use std::sync::Arc;

use actuarius::erasure::keys::MasterKeys;
use serde::Serialize;

use super::Session;
use crate::arguments::Keys;
use crate::error::{Outcome, ToolError};
use crate::text;

pub(super) fn run(
    session: &mut Session<'_, '_>,
    master: Arc<dyn MasterKeys>,
    args: &Keys,
) -> Result<Outcome, ToolError> {
    session.store.writable()?;
    let keys = session.store.keys(master.clone())?.ok_or(ToolError::NoKeys)?;
    let current = master.current()?.to_string();
    match args {
        Keys::Info => info(session, &keys, current),
        Keys::Rotate => rotate(session, &keys, current),
    }
}

#[derive(Serialize)]
struct KeysShown {
    identity: String,
    /// Subjects with a key.
    live: u64,
    forgotten: u64,
    /// The number of keys that each master key wraps.
    master_keys: BTreeMap<String, u64>,
    /// The master key that wraps new keys.
    current: String,
    findings: Vec<String>,
    more_findings: u64,
}

fn info(
    session: &mut Session<'_, '_>,
    keys: &actuarius::erasure::keys::Keys,
    current: String,
) -> Result<Outcome, ToolError> {
    let verified = keys.verify()?;
    let shown = KeysShown {
        identity: keys.identity().to_string(),
        live: verified.live(),
        forgotten: verified.forgotten,
        master_keys: verified.masters.iter().map(|(id, keys)| (id.to_string(), *keys)).collect(),
        current,
        findings: verified.findings,
        more_findings: verified.more_findings,
    };
    session.output.document(&shown, &shown.fields())?;
    for finding in &shown.findings {
        session.output.remark(&text::Name(finding).to_string())?;
    }
    Ok(if shown.findings.is_empty() { Outcome::Success } else { Outcome::Findings })
}

impl KeysShown {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let findings = self.findings.len() as u64 + self.more_findings;
        let mut fields = vec![
            ("identity", self.identity.clone()),
            ("subjects", self.live.to_string()),
            ("forgotten", self.forgotten.to_string()),
            ("current", self.current.clone()),
        ];
        let keys = |(id, keys): (&String, &u64)| {
            ("master key", format!("{id} wraps {}", text::count(*keys, "key")))
        };
        fields.extend(self.master_keys.iter().map(keys));
        fields.extend((findings > 0).then(|| ("FINDINGS", findings.to_string())));
        fields
    }
}

#[derive(Serialize)]
struct RotatedShown {
    /// The number of keys that were wrapped again.
    rewrapped: u64,
    current: String,
}

fn rotate(
    session: &mut Session<'_, '_>,
    keys: &actuarius::erasure::keys::Keys,
    current: String,
) -> Result<Outcome, ToolError> {
    let shown = RotatedShown { rewrapped: keys.rotate()?, current };
    let fields = [
        ("rewrapped", text::count(shown.rewrapped, "key")),
        ("current", format!("{}; no other master key is needed", shown.current)),
    ];
    session.output.document(&shown, &fields)?;
    Ok(Outcome::Success)
}
