use std::collections::BTreeMap;
use std::sync::Arc;

use actuarius::erasure::keys::MasterKeys;
use serde::Serialize;

use super::Desk;
use crate::arguments::Keys;
use crate::text;
use crate::trouble::{Outcome, Trouble};

pub(super) fn run(
    desk: &mut Desk<'_, '_>,
    master: Arc<dyn MasterKeys>,
    asked: &Keys,
) -> Result<Outcome, Trouble> {
    desk.place.writable()?;
    let keys = desk.place.keys(master.clone())?.ok_or(Trouble::NoKeys)?;
    let current = master.current()?.to_string();
    match asked {
        Keys::Info => info(desk, &keys, current),
        Keys::Rotate => rotate(desk, &keys, current),
    }
}

#[derive(Serialize)]
struct KeysShown {
    identity: String,
    /// Subjects with a key.
    live: u64,
    forgotten: u64,
    /// How many keys are wrapped with each master key.
    master_keys: BTreeMap<String, u64>,
    /// The master key that new keys are wrapped with.
    current: String,
    findings: Vec<String>,
    more_findings: u64,
}

fn info(
    desk: &mut Desk<'_, '_>,
    keys: &actuarius::erasure::keys::Keys,
    current: String,
) -> Result<Outcome, Trouble> {
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
    desk.output.document(&shown, &shown.fields())?;
    for finding in &shown.findings {
        desk.output.remark(&text::Name(finding).to_string())?;
    }
    Ok(if shown.findings.is_empty() { Outcome::Fine } else { Outcome::Findings })
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
        let keys = |(id, keys): (&String, &u64)| ("master key", format!("{id} wraps {keys}"));
        fields.extend(self.master_keys.iter().map(keys));
        fields.extend((findings > 0).then(|| ("FINDINGS", findings.to_string())));
        fields
    }
}

#[derive(Serialize)]
struct RotatedShown {
    /// How many keys were wrapped anew.
    rewrapped: u64,
    current: String,
}

fn rotate(
    desk: &mut Desk<'_, '_>,
    keys: &actuarius::erasure::keys::Keys,
    current: String,
) -> Result<Outcome, Trouble> {
    let shown = RotatedShown { rewrapped: keys.rotate()?, current };
    let fields = [
        ("wrapped anew", format!("{} keys", shown.rewrapped)),
        ("current", format!("{}; no other master key is needed", shown.current)),
    ];
    desk.output.document(&shown, &fields)?;
    Ok(Outcome::Fine)
}
