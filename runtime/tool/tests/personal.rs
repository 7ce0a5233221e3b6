//! Stores with personal data: what commands show with and without keys, and commands on keys.

use std::path::{Path, PathBuf};
use std::time::Duration;

use actuarius::erasure::keys::FileMasterKeys;
use actuarius::projection::Projection;
use actuarius::{Aggregate, Codec, Context, Envelope, Hosting, Personal, Runtime};
use actuarius_tool::Tool;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::common::Ran;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Customer {
    name: Personal<String>,
    orders: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum CustomerEvent {
    Registered { name: Personal<String> },
    Ordered(u32),
}

impl Aggregate for Customer {
    const TYPE: &'static str = "customer";
    type Command = Vec<CustomerEvent>;
    type Event = CustomerEvent;
    type Error = crate::common::No;

    fn decide(
        &self,
        events: Vec<CustomerEvent>,
        _: &Context,
    ) -> Result<Vec<CustomerEvent>, crate::common::No> {
        Ok(events)
    }

    fn apply(&mut self, event: &CustomerEvent) {
        match event {
            CustomerEvent::Registered { name } => self.name = name.clone(),
            CustomerEvent::Ordered(count) => self.orders += count,
        }
    }
}

/// All names in clear text.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Names(Vec<String>);

impl Projection<Customer> for Names {
    fn project(&mut self, envelope: &Envelope<Customer>) {
        if let CustomerEvent::Registered { name } = &envelope.event {
            self.0.extend(name.get().cloned());
        }
    }
}

/// A store with two customers, and its master keys in another directory.
struct Store {
    _directory: tempfile::TempDir,
    data: PathBuf,
    master: PathBuf,
}

impl Store {
    fn with(codec: Codec) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (data, master) = (directory.path().join("data"), directory.path().join("master"));
        let store = Self { _directory: directory, data, master };
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio.block_on(async {
            let master = FileMasterKeys::open_or_generate(&store.master, "first").unwrap();
            let runtime = Runtime::builder().personal_data(master).open(&store.data).await.unwrap();
            let hosting = Hosting::default().codec(codec).snapshot_every(1);
            let customers = runtime.host_with::<Customer>(hosting);
            for (id, name) in [("ada", "Ada L."), ("bob", "Bob R.")] {
                let name = Personal::new(format!("subject-{id}"), name.to_owned());
                let events = vec![CustomerEvent::Registered { name }, CustomerEvent::Ordered(2)];
                customers.execute(id, events).await.unwrap();
            }
            let names =
                runtime.projection::<Names>("names").on::<Customer>().start().await.unwrap();
            runtime.caught_up(Duration::from_secs(60)).await.unwrap();
            assert_eq!(names.read(|names| names.0.len()), 2);
            assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
        });
        store
    }

    /// Runs the program with the master keys.
    fn actuarius(&self, arguments: &[&str]) -> Ran {
        let keys = ["--master-keys", self.master.to_str().unwrap()];
        crate::common::json(&self.data, &[&keys, arguments].concat())
    }

    /// Runs the library with the master keys.
    fn shop(&self, arguments: &[&str]) -> Ran {
        let master = FileMasterKeys::open(&self.master).unwrap();
        asked(tool(&self.data).personal_data(master), arguments)
    }
}

fn tool(directory: &Path) -> Tool {
    Tool::new().named("shop").store(directory).aggregate::<Customer>()
}

fn asked(tool: Tool, arguments: &[&str]) -> Ran {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let arguments = [&["shop", "--json"], arguments].concat();
    let code = tool.answer(arguments, &mut out, &mut errors).into();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code, out: text(out), errors: text(errors) }
}

const CODECS: [Codec; 3] = [Codec::Bincode, Codec::Json, Codec::MessagePack];

#[test]
fn with_keys_personal_data_of_registered_types_is_shown_until_it_is_forgotten() {
    for codec in CODECS {
        let store = Store::with(codec);
        let ada = json!({ "subject": "subject-ada", "value": "Ada L." });
        let erased = json!({ "subject": "subject-ada", "erased": true });
        let names = |name: &Value| {
            let first = store.shop(&["tail", "--after", "0", "-n", "1"]).fine().document();
            assert_eq!(first["value"]["name"], *name);
            let history = store.shop(&["history", "customer/ada"]).fine().json();
            assert_eq!(history[1]["state"], json!({ "name": name, "orders": 2 }));
            assert!(history.iter().all(|it| it.get("sealed").is_none()));
            let shown = store.shop(&["show", "customer/ada"]).fine().document();
            assert_eq!(shown["state"], json!({ "name": name, "orders": 2 }));
        };
        names(&ada);
        let verified = store.shop(&["verify", "--full"]).fine().document();
        assert_eq!((&verified["keys"], &verified["snapshots_replayed"]), (&json!(2), &json!(2)));
        let forgotten = store.shop(&["forget", "subject-ada", "--yes"]).fine().document();
        assert_eq!(forgotten["had_key"], json!(true));
        assert_eq!(forgotten["removed_views"], json!(["names"]));
        names(&erased);
        let verified = store.shop(&["verify", "--full"]).fine().document();
        assert_eq!(verified["keys"], json!(1));
    }
}

#[test]
fn without_keys_personal_data_stays_encrypted_and_everything_else_is_shown() {
    for codec in CODECS {
        let store = Store::with(codec);
        let sealed = |arguments: &[&str]| asked(tool(&store.data), arguments).fine();
        let events = sealed(&["history", "customer/ada"]).json();
        assert_eq!((&events[0]["sealed"], &events[1]["sealed"]), (&json!(true), &json!(true)));
        assert_eq!((&events[1]["value"], events[1].get("state")), (&json!(2), None));
        let tail = sealed(&["tail", "-n", "1"]).document();
        assert_eq!((&tail["value"], tail.get("sealed")), (&json!(2), None));
        let shown = sealed(&["show", "customer/ada"]).document();
        assert_eq!((&shown["version"], &shown["sealed"]), (&json!(2), &json!(true)));
        assert!(shown.get("state").is_none());
        let verified = sealed(&["verify", "--full"]).document();
        assert_eq!((&verified["keys"], &verified["whole"]), (&json!(null), &json!(true)));
        assert_eq!(verified["snapshots_replayed"], json!(0));
        // An unregistered type.
        let unknown = crate::common::json(&store.data, &["history", "customer/ada"]).fine();
        assert!(!unknown.out.contains("Ada L."));
        let unknown = unknown.json();
        let has_value = codec != Codec::Bincode;
        assert_eq!(unknown[0]["value"]["name"]["sealed"].is_string(), has_value);
        assert_eq!(events[0]["value"]["name"], unknown[0]["value"]["name"]);
    }
}

#[test]
fn a_backup_has_no_keys_so_its_personal_data_is_shown_encrypted() {
    let store = Store::with(Codec::Bincode);
    let saved = store.data.with_file_name("saved");
    store.actuarius(&["backup", saved.to_str().unwrap()]).fine();
    let shop = |arguments: &[&str]| {
        let master = FileMasterKeys::open(&store.master).unwrap();
        asked(tool(&saved).personal_data(master), arguments)
    };
    assert_eq!(shop(&["show", "customer/ada"]).fine().document()["sealed"], json!(true));
    assert_eq!(shop(&["forget", "subject-ada", "--yes"]).code, 2);
}

#[test]
fn keys_are_counted_and_rotated() {
    let store = Store::with(Codec::Bincode);
    let counted = || {
        let info = store.actuarius(&["keys", "info"]).fine().document();
        (info["live"].clone(), info["forgotten"].clone(), info["master_keys"].clone())
    };
    assert_eq!(counted(), (json!(2), json!(0), json!({ "first": 2 })));
    store.actuarius(&["forget", "subject-bob", "--yes"]).fine();
    assert_eq!(counted(), (json!(1), json!(1), json!({ "first": 1 })));
    let master = FileMasterKeys::open(&store.master).unwrap();
    let first = master.ids()[0];
    master.add("second").unwrap();
    let rotated = store.actuarius(&["keys", "rotate"]).fine().document();
    assert_eq!(rotated, json!({ "rewrapped": 1, "current": "second" }));
    master.remove(&first).unwrap();
    assert_eq!(counted(), (json!(1), json!(1), json!({ "second": 1 })));
}

#[test]
fn a_subject_is_forgotten_only_with_confirmation_and_the_right_keys() {
    let store = Store::with(Codec::Bincode);
    let refused = |ran: Ran, why: &str| {
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.errors.contains(why), "{}", ran.errors);
    };
    refused(store.actuarius(&["forget", "subject-ada"]), "--yes");
    refused(crate::common::json(&store.data, &["forget", "subject-ada", "--yes"]), "--master-keys");
    refused(store.actuarius(&["forget", "", "--yes"]), "1 to 512 bytes");
    let other = store.data.with_file_name("other");
    FileMasterKeys::generate(&other, "first").unwrap();
    let with_others = ["--master-keys", other.to_str().unwrap(), "keys", "info"];
    refused(crate::common::json(&store.data, &with_others), "is not the one");
    let missing = ["--master-keys", "/nowhere", "tail"];
    refused(crate::common::json(&store.data, &missing), "/nowhere");
    assert_eq!(store.actuarius(&["keys", "info"]).fine().document()["live"], json!(2));
    let file = store.data.join("keys").join("keys");
    std::fs::rename(&file, store.data.with_file_name("away")).unwrap();
    refused(store.actuarius(&["tail"]), "but there is none");
    assert!(!file.exists(), "no new one is made");
}

#[test]
fn a_store_without_personal_data_needs_no_keys_and_gets_none() {
    let directory = tempfile::tempdir().unwrap();
    let (data, master) = (directory.path().join("data"), directory.path().join("master"));
    crate::common::two_accounts(&data, Codec::Json);
    FileMasterKeys::generate(&master, "first").unwrap();
    let with_keys = |arguments: &[&str]| {
        let keys = ["--master-keys", master.to_str().unwrap()];
        crate::common::json(&data, &[&keys, arguments].concat())
    };
    assert_eq!(with_keys(&["tail"]).fine().json().len(), 5);
    assert_eq!(with_keys(&["verify"]).fine().document()["keys"], json!(null));
    assert_eq!(with_keys(&["keys", "info"]).code, 2);
    assert!(!data.join("keys").exists());
}

#[test]
fn damaged_keys_are_findings() {
    let store = Store::with(Codec::Bincode);
    let path = store.data.join("keys").join("keys");
    let mut bytes = std::fs::read(&path).unwrap();
    // Both copies of the first slot: pages 2 and 3.
    bytes[2 * 4096 + 50] ^= 1;
    bytes[3 * 4096 + 50] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    for command in ["verify", "keys"] {
        let more: &[&str] = if command == "keys" { &["info"] } else { &[] };
        let found = store.actuarius(&[&[command], more].concat());
        assert_eq!(found.code, 1, "{found:?}");
        assert!(found.out.contains("slot 0: both copies are damaged"), "{}", found.out);
    }
}
