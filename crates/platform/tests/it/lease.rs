//! Who owns what, when replicas stop and databases hang.

use std::time::{Duration, Instant};

use livehouse_platform::lease::PostgresLease;
use livehouse_platform::postgres;
use livehouse_testkit::{Stopwatch, wait_until};
use res_service::{Holding, Lease};

use super::place::{PATIENCE, Place};

fn keys() -> Vec<String> {
    (0..4).map(|number| format!("event.{number}")).collect()
}

fn held_by(replica: &str, holdings: &[Holding]) -> Vec<String> {
    holdings.iter().filter(|holding| holding.holder == replica).map(|holding| holding.key.clone()).collect()
}

/// A round, tried again as the library does: on a busy machine one may take longer than it is given.
async fn round(lease: &PostgresLease, replica: &str) -> Vec<Holding> {
    wait_until("a round", PATIENCE, || async {
        lease.round(replica, &keys()).await.map_err(|error| error.to_string())
    })
    .await
}

async fn release(lease: &PostgresLease, replica: &str, keys: &[String]) {
    wait_until("a release", PATIENCE, || async {
        lease.release(replica, keys).await.map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_evenly_and_one_that_stops_hands_everything_over_at_once() {
    let place = Place::open().await;
    let (one, two) = (PostgresLease::new(place.pool.clone()), PostgresLease::new(place.pool.clone()));
    assert_eq!(held_by("one", &round(&one, "one").await).len(), 4);
    assert!(held_by("two", &round(&two, "two").await).is_empty());
    for _ in 0..2 {
        round(&one, "one").await;
        let surplus = one.surrender("one").await.unwrap();
        assert_eq!(surplus.len(), 1, "it has more than its part");
        release(&one, "one", &surplus).await;
    }
    assert_eq!(held_by("two", &round(&two, "two").await).len(), 2);
    let mine = held_by("one", &round(&one, "one").await);
    assert_eq!(mine.len(), 2, "who released one of several keys still counts as a replica");
    release(&one, "one", &mine).await;
    let taken = round(&two, "two").await;
    assert_eq!(
        held_by("two", &taken).len(),
        4,
        "the keys of a replica that has stopped wait for its time to run out"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_replica_gets_a_part_of_what_two_share_evenly() {
    let place = Place::open().await;
    let lease = || PostgresLease::new(place.pool.clone());
    let replicas = [("one", lease()), ("two", lease()), ("three", lease())];
    let mut moved = Vec::new();
    for (number, replicas) in
        [&replicas[..1], &replicas[..2], &replicas[..2], &replicas, &replicas, &replicas]
            .into_iter()
            .enumerate()
    {
        for (name, lease) in replicas {
            round(lease, name).await;
            let surplus = lease.surrender(name).await.unwrap();
            moved.extend(surplus.iter().map(|key| (number, *name, key.clone())));
            if !surplus.is_empty() {
                release(lease, name, &surplus).await;
            }
        }
    }
    let holdings = round(&replicas[0].1, "one").await;
    let mut held = ["one", "two", "three"].map(|name| held_by(name, &holdings).len());
    held.sort_unstable();
    assert_eq!(held, [1, 1, 2], "{moved:?}");
    assert_eq!(moved.len(), 3, "nothing goes to and fro: {moved:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_leaves_out_goes_to_another_beyond_its_share_and_stays_there() {
    let place = Place::open().await;
    let (one, two) = (PostgresLease::new(place.pool.clone()), PostgresLease::new(place.pool.clone()));
    let (all, prepared) = (keys(), &keys()[..3]);
    round(&one, "one").await;
    let rounds = || async {
        two.round("two", prepared).await.map_err(|error| error.to_string())?;
        let holdings = one.round("one", &all).await.map_err(|error| error.to_string())?;
        let surplus = one.surrender("one").await.unwrap();
        if !surplus.is_empty() {
            one.release("one", &surplus).await.map_err(|error| error.to_string())?;
        }
        Ok::<_, String>((holdings.len(), surplus))
    };
    wait_until("a key lies free, as neither takes more than its share", PATIENCE, || async {
        let (held, surplus) = rounds().await?;
        if held < all.len() && surplus.is_empty() { Ok(()) } else { Err(format!("{held} {surplus:?}")) }
    })
    .await;
    wait_until("all are held again", PATIENCE, || async {
        let (held, surplus) = rounds().await?;
        if held == all.len() { Ok(()) } else { Err(format!("{held} {surplus:?}")) }
    })
    .await;
    for _ in 0..10 {
        let (held, surplus) = wait_until("a round", PATIENCE, rounds).await;
        assert_eq!((held, surplus), (all.len(), Vec::new()), "a key wanders");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_round_was_given_up_is_not_used_again() {
    let place = Place::open().await;
    let pool = postgres::pool_of(&place.world.postgres_url("test"), 2, "lease", "").unwrap();
    let lease = PostgresLease::new(pool.clone());
    round(&lease, "one").await;
    assert_eq!(pool.status().size, 1, "a good connection stays");
    place.world.postgres().pause();
    let watch = Stopwatch::start();
    lease.round("one", &keys()).await.unwrap_err();
    let took = watch.stop();
    assert!(took.ran < lease.time_to_live() / 3, "the library would have given up first: {took:?}");
    assert_eq!(pool.status().size, 0, "the connection that waits for an answer went back to the pool");
    place.world.postgres().resume();
    wait_until("a good round", PATIENCE, || async {
        lease.round("one", &keys()).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_is_followed_when_its_time_is_over_and_the_epoch_rises() {
    let place = Place::open().await;
    let lease = PostgresLease::new(place.pool.clone());
    let died = Instant::now();
    let before = round(&lease, "one").await;
    let after = wait_until("all keys at the other replica", PATIENCE, || async {
        let holdings = lease.round("two", &keys()).await.map_err(|error| error.to_string())?;
        if held_by("two", &holdings).len() == 4 { Ok(holdings) } else { Err(format!("{holdings:?}")) }
    })
    .await;
    assert!(
        died.elapsed() > Duration::from_millis(1_500),
        "keys were taken from a replica that may still act"
    );
    for key in keys() {
        let epoch = |holdings: &[Holding]| holdings.iter().find(|holding| holding.key == key).unwrap().epoch;
        assert!(epoch(&after) > epoch(&before));
    }
}
