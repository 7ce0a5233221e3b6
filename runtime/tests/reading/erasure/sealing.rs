//! Personal values are encrypted in every file, and readable with the keys only.

use std::time::Duration;

use actuarius::erasure::PersonalError;
use actuarius::erasure::keys::{KeyError, Keys};
use actuarius::error::CodecError;
use actuarius::{ExecuteError, Failure, OpenError, Personal, Runtime, Version};

use super::customers::{
    CODECS, Customer, CustomerCommand, Place, hosting, register, ring, says, subject,
};

#[tokio::test]
async fn no_file_has_personal_values_in_clear_text_and_the_keys_open_all_of_them() {
    for codec in CODECS {
        let place = Place::new();
        let runtime = place.open().await;
        let customers = runtime.host_with::<Customer>(hosting(codec));
        let name = register(&customers, "ada").await;
        customers.execute("ada", CustomerCommand::Order).await.unwrap();
        let before = customers.query("ada", Customer::clone).await.unwrap();
        assert_eq!(before.name.get(), Some(&name));
        assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
        drop((customers, runtime));
        assert!(!place.says(&name), "{codec:?}");
        assert!(place.says(&subject("ada")), "the search finds what is there");

        let runtime = place.open().await;
        let customers = runtime.host_with::<Customer>(hosting(codec));
        assert_eq!(customers.query("ada", Customer::clone).await.unwrap(), before);
    }
}

#[tokio::test]
async fn missing_keys_are_reported_with_what_to_do() {
    let runtime = Runtime::in_memory().await.unwrap();
    let customers = runtime.host::<Customer>();
    let command = CustomerCommand::Register(Personal::new("subject-ada", "Ada".to_owned()));
    let refused = customers.execute("ada", command).await.unwrap_err();
    let ExecuteError::Failed(Failure::Unstorable(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error, CodecError::Personal(PersonalError::NoKeys));
    assert!(error.to_string().contains("RuntimeBuilder::personal_data"));

    let place = Place::new();
    let runtime = place.open().await;
    register(&runtime.host::<Customer>(), "ada").await;
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    drop(runtime);
    let runtime = Runtime::open(&place.data).await.unwrap();
    let failed = runtime.host::<Customer>().query("ada", Customer::clone).await.unwrap_err();
    assert!(failed.to_string().contains("RuntimeBuilder::personal_data"), "{failed}");
}

#[tokio::test]
async fn a_copy_without_its_keys_reveals_nothing_and_is_not_taken_for_a_new_store() {
    let place = Place::new();
    let runtime = place.open().await;
    let name = register(&runtime.host::<Customer>(), "ada").await;
    assert!(runtime.shutdown(Duration::from_secs(60)).await.is_clean());
    drop(runtime);
    std::fs::remove_dir_all(place.data.join("keys")).unwrap();
    assert!(!says(&place.data, &name));
    let Err(OpenError::Keys { source: KeyError::OtherFile { .. }, .. }) =
        place.builder().open(&place.data).await
    else {
        panic!("its keys are missing")
    };
    assert!(!Keys::exist_in(place.data.join("keys")), "no new file hides that");
    let others = Keys::in_memory(ring()).unwrap();
    let opened = Runtime::builder().personal_data_with(others).open(&place.data).await;
    assert!(matches!(opened, Err(OpenError::Keys { .. })), "nor do other keys");
}

#[tokio::test]
async fn clear_text_is_not_serialized_by_accident() {
    let customer =
        Customer { name: Personal::new("subject-ada", "Ada".to_owned()), ..Customer::default() };
    assert!(!format!("{customer:?}").contains("Ada"));
    let keys = Keys::in_memory(ring()).unwrap();
    let inside = keys.within(|| actuarius::Codec::Json.encode(&customer, &mut Vec::new()));
    assert_eq!(inside, Ok(()));
    let outside = actuarius::Codec::Json.encode(&customer, &mut Vec::new());
    assert_eq!(outside, Err(CodecError::Personal(PersonalError::NoKeys)));
}

#[tokio::test]
async fn a_diff_names_changed_fields_and_hides_personal_values() {
    let runtime = Runtime::builder().personal_data(ring()).in_memory().await.unwrap();
    let customers = runtime.host::<Customer>();
    let name = register(&customers, "ada").await;
    let other = CustomerCommand::Register(Personal::new(subject("ada"), "Another".to_owned()));
    customers.execute("ada", other).await.unwrap();
    customers.execute("ada", CustomerCommand::Order).await.unwrap();
    let [one, two, three] = [1, 2, 3].map(Version::new);
    let paths = async |from: Version, to: Version| {
        let changes = customers.diff("ada", from, to).await.unwrap().changes().unwrap();
        let sealed = changes.iter().find(|it| it.path == "/name/sealed");
        assert!(sealed.is_none_or(|it| !format!("{it}").contains(&name)));
        changes.into_iter().map(|it| it.path).collect::<Vec<_>>()
    };
    assert_eq!(paths(one, two).await, ["/greeting", "/name/sealed"]);
    assert_eq!(
        paths(two, three).await,
        ["/orders"],
        "the name is the same, though encrypted again"
    );
}
