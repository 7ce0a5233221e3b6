//! Personal data: marked, shown, forgotten.

use std::path::Path;

use actuarius::erasure::keys::FileMasterKeys;
use actuarius::{Aggregate, Context, Personal, Runtime};
use serde::{Deserialize, Serialize};

// region: fields
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum PatientEvent {
    Admitted { name: Personal<String>, ward: u32 },
    Diagnosed(Personal<Diagnosis>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Diagnosis {
    code: String,
    notes: Option<String>,
}
// endregion: fields

pub(crate) enum PatientCommand {
    Admit { subject: String, name: String, ward: u32 },
    Diagnose(Diagnosis),
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Patient {
    name: Personal<String>,
    ward: u32,
    diagnoses: u32,
}

impl Aggregate for Patient {
    const TYPE: &'static str = "patient";
    type Command = PatientCommand;
    type Event = PatientEvent;
    type Error = std::convert::Infallible;

    // region: decide
    fn decide(
        &self,
        command: PatientCommand,
        _: &Context,
    ) -> Result<Vec<PatientEvent>, Self::Error> {
        Ok(vec![match command {
            PatientCommand::Admit { subject, name, ward } => {
                PatientEvent::Admitted { name: Personal::new(subject, name), ward }
            }
            PatientCommand::Diagnose(diagnosis) => {
                PatientEvent::Diagnosed(Personal::new(self.name.subject(), diagnosis))
            }
        }])
    }
    // endregion: decide

    fn apply(&mut self, event: &PatientEvent) {
        match event {
            PatientEvent::Admitted { name, ward } => {
                (self.name, self.ward) = (name.clone(), *ward);
            }
            PatientEvent::Diagnosed(_) => self.diagnoses += 1,
        }
    }
}

// region: open
async fn open(data: &Path, secrets: &Path) -> Result<Runtime, Box<dyn std::error::Error>> {
    let master = FileMasterKeys::open_or_generate(secrets.join("master.keys"), "2026-11")?;
    Ok(Runtime::builder().personal_data(master).open(data).await?)
}
// endregion: open

// region: show
fn greeting(patient: &Patient) -> String {
    match patient.name.get() {
        Some(name) => format!("Good morning, {name}"),
        None => "Good morning".to_owned(),
    }
}
// endregion: show

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patient_is_admitted_and_forgotten() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let (data, secrets) = (directory.path().join("data"), directory.path());
    let runtime = open(&data, secrets).await?;
    let patients = runtime.host::<Patient>();
    let subject = "7f3a9c".to_owned();
    let admit = PatientCommand::Admit { subject, name: "Ada".to_owned(), ward: 3 };
    patients.execute("case-17", admit).await?;
    let diagnosis = Diagnosis { code: "J45".to_owned(), notes: None };
    patients.execute("case-17", PatientCommand::Diagnose(diagnosis)).await?;
    assert_eq!(patients.query("case-17", greeting).await?, "Good morning, Ada");

    // region: forget
    let forgotten = runtime.forget("7f3a9c").await?;
    assert!(forgotten.had_key && forgotten.is_complete());

    let patient = patients.query("case-17", Patient::clone).await?;
    assert!(patient.name.is_erased());
    assert_eq!((patient.ward, patient.diagnoses), (3, 1)); // everything else is still there
    // endregion: forget
    assert_eq!(greeting(&patient), "Good morning");

    // region: rotate
    let keys = runtime.keys().ok_or("opened without keys")?;
    let rotated = tokio::task::spawn_blocking(move || keys.rotate()).await??;
    // endregion: rotate
    assert_eq!(rotated, 0, "the only subject is forgotten");
    Ok(())
}

#[test]
fn a_test_without_a_runtime_writes_in_clear() {
    // region: test
    let event = PatientEvent::Diagnosed(Personal::new(
        "7f3a9c",
        Diagnosis { code: "J45".to_owned(), notes: None },
    ));
    let text = actuarius::erasure::in_clear(|| {
        let mut out = Vec::new();
        actuarius::Codec::Json.encode(&event, &mut out).map(|()| out)
    });
    // endregion: test
    assert!(text.is_ok());
}
