use super::*;
use crate::error::Error;
use crate::middleware::Layers;
use crate::resource::Resource;
use crate::{Get, Model, lease::Holding};

const TIME_TO_LIVE: Duration = Duration::from_secs(10);
const NAME: &str = "test.event.1";

pub(super) fn route() -> Route {
    let resource = Resource::model("event.$event", |_: Get| async { Err::<Model, _>(Error::NOT_FOUND) });
    let definition = resource.owned_by("event.$event").define(0, None, &Layers::default(), None);
    Route::new(Arc::new(definition.expect("valid")), NAME)
}

/// What a round tells a replica that has the key.
fn round(ownership: &Ownership) -> crate::ownership::Changes {
    let holding = Holding { key: "event.1".to_owned(), holder: "a".to_owned(), epoch: 1 };
    ownership.apply(Instant::now(), TIME_TO_LIVE, vec![holding])
}

fn acquire(ownership: &Ownership) {
    assert!(ownership.ready(&round(ownership).acquired[0]));
}

/// Another get has gone its way through all that must be asked.
fn get(groups: &Groups, ownership: &Ownership, route: &Route) {
    let ready = ownership.ready_term("event.1", Instant::now()).expect("it is ready");
    groups.begin_get(1, &Statistics::default(), route, ready);
}

#[tokio::test(start_paused = true)]
async fn a_get_begins_at_once_only_in_the_term_that_was_found_and_when_its_group_has_nothing_to_do() {
    let (groups, route) = (Groups::default(), route());
    let ownership = Ownership::new("a", false, TIME_TO_LIVE, Vec::new());
    let begins = || {
        let remembered = groups.begin_at_once(&ownership, NAME, Instant::now());
        remembered.is_some_and(|(_, ready)| ready.is_some())
    };
    let is_over = || groups.next(&route.group).is_none();
    acquire(&ownership);
    assert!(!begins(), "nothing is remembered");
    get(&groups, &ownership, &route);
    assert!(begins());
    assert!(!begins(), "another one is being served");
    assert!(is_over() && begins() && is_over());

    tokio::time::advance(TIME_TO_LIVE / 2).await;
    assert_eq!(round(&ownership), crate::ownership::Changes::default());
    assert!(begins() && is_over(), "the term goes on");
    tokio::time::advance(TIME_TO_LIVE / 2).await;
    assert!(!begins(), "that its end was put off is not known here");
    get(&groups, &ownership, &route);
    assert!(begins() && is_over(), "and now it is");

    ownership.demote(&["event.1".to_owned()]);
    assert!(!begins(), "the key is lost");
    acquire(&ownership);
    assert!(!begins(), "this is another term");
    get(&groups, &ownership, &route);
    assert!(begins() && is_over());
    tokio::time::advance(TIME_TO_LIVE).await;
    assert!(!begins(), "the term is over by itself");
}
