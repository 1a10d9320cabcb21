use super::*;
use crate::middleware::Layers;
use crate::resource::Resource;
use crate::{Get, Model, lease::Holding};

const TIME_TO_LIVE: Duration = Duration::from_secs(10);
const NAME: &str = "test.event.1";

fn route() -> Route {
    let resource = Resource::model("event.$event", |_: Get| async { Err::<Model, _>(Error::NOT_FOUND) });
    let definition = resource.owned_by("event.$event").define(0, None, &Layers::default(), None);
    Route::new(Arc::new(definition.expect("valid")), NAME)
}

/// Gets the key, as a replica does that has lost it or never had it.
fn acquire(ownership: &Ownership) {
    let holding = Holding { key: "event.1".to_owned(), holder: "a".to_owned(), epoch: 1 };
    let changes = ownership.apply(Instant::now(), TIME_TO_LIVE, vec![holding]);
    assert!(ownership.ready(&changes.acquired[0]));
}

fn remember(groups: &Groups, ownership: &Ownership, route: &Route) {
    let ready = ownership.ready_term("event.1", Instant::now()).expect("it is ready");
    groups.lock().entries.insert(NAME.into(), Remembered::new(route, ready, 0));
}

#[tokio::test(start_paused = true)]
async fn a_get_begins_at_once_only_in_the_term_that_was_found_and_when_its_group_has_nothing_to_do() {
    let (groups, route) = (Groups::default(), route());
    let ownership = Ownership::new("a", false, TIME_TO_LIVE, Vec::new());
    let begins = || groups.begin_at_once(&ownership, NAME, Instant::now()).is_some();
    acquire(&ownership);
    assert!(!begins(), "nothing is remembered");
    remember(&groups, &ownership, &route);
    assert!(begins());
    assert!(!begins(), "another one is being served");
    assert!(groups.next(&route.group).is_none() && begins(), "it has been served");
    assert!(groups.next(&route.group).is_none());

    ownership.demote(&["event.1".to_owned()]);
    assert!(!begins(), "the key is lost");
    acquire(&ownership);
    assert!(!begins(), "this is another term");
    remember(&groups, &ownership, &route);
    tokio::time::advance(TIME_TO_LIVE).await;
    assert!(!begins(), "the term is over by itself");
}
