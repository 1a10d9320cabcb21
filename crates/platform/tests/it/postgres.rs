//! What a session is allowed.

use livehouse_platform::options::Database;
use livehouse_platform::postgres;
use livehouse_testkit::World;

#[tokio::test]
async fn a_command_has_more_patience_with_a_busy_database_than_a_request_has() {
    let world = World::builder().postgres("test").start().await.unwrap();
    let options = Database {
        postgres_url: Some(world.postgres_url("test")),
        postgres_url_file: None,
        postgres_connections_max: 1,
    };
    let limits = "select current_setting('statement_timeout'), current_setting('lock_timeout'), \
        current_setting('idle_in_transaction_session_timeout')";
    for (pool, expected) in [
        (postgres::pool(&options, "test").unwrap(), ["10s", "5s", "15s"]),
        (postgres::pool_of_command(&options, "test").unwrap(), ["2min", "1min", "15s"]),
    ] {
        let row = pool.get().await.unwrap().query_one(limits, &[]).await.unwrap();
        let found: [String; 3] = std::array::from_fn(|column| row.get(column));
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_command_is_told_at_once_that_nobody_listens() {
    // Taken, so that nobody else gets it, and not listened on.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = Database {
        postgres_url: Some(format!("postgres://somebody@127.0.0.1:{port}/test")),
        postgres_url_file: None,
        postgres_connections_max: 1,
    };
    let pool = postgres::pool_of_command(&options, "test").unwrap();
    let refused = tokio::time::timeout(std::time::Duration::from_secs(10), pool.get()).await;
    assert!(refused.expect("it does not wait").is_err());
}
