//! Health counts the instances that wait for an operator.

use actuarius::health::Trouble;

use crate::common::eventually;
use crate::puppet::{Do, Said, repair};
use crate::till::{LONG, Show};

/// A list of the instances in trouble had 10,000 entries at most, and did not say whether there were more.
#[tokio::test]
async fn a_page_of_instances_says_where_the_next_one_begins() {
    let show = Show::new().await;
    for id in ["a", "b", "c", "d", "e"] {
        show.tell(Said::start(id, "begin")).await;
    }
    show.runtime.caught_up(LONG).await.unwrap();
    let (mut ids, mut after) = (Vec::new(), Some(String::new()));
    let mut pages = 0;
    while let Some(from) = after {
        let page = show.puppets.list(&from, 2, |shown| shown.id != "c");
        ids.extend(page.iter().map(|shown| shown.id.clone()));
        (after, pages) = (page.next, pages + 1);
    }
    assert_eq!((ids.join(" "), pages), ("a b d e".to_owned(), 2));
    assert_eq!(show.puppets.list("", 0, |_| true).next.as_deref(), Some("a"));
}

/// A readiness probe and every alarm on `Health::is_good` stayed green while an instance was quarantined.
#[tokio::test]
async fn an_instance_in_trouble_needs_an_operator_and_the_service_stays_ready() {
    let show = Show::new().await;
    let health = || show.runtime.health();
    assert!(health().is_good());
    let panics = Do::Panic("health".to_owned());
    show.tell(Said::start("t", "begin").doing([panics])).await;
    show.until_in_trouble("t").await;
    let instances = || {
        let troubles = health().troubles();
        troubles.into_iter().find_map(|trouble| match trouble {
            Trouble::Instances { name, instances } => Some((name.to_string(), instances)),
            _ => None,
        })
    };
    eventually(|| instances().is_some()).await;
    assert_eq!(instances(), Some(("saga.puppet".to_owned(), 1)));
    assert_eq!((health().is_ready(), health().is_good()), (true, false));
    repair("health");
    show.puppets.retry("t").await.unwrap();
    eventually(|| health().is_good()).await;
}
