//! What a transcript that is not played to its end shows.

use res_service::test_kit::Session;
use res_service::{Builder, Call, Resource};

use super::{SHORT, counter, picture, session};

/// Compares a picture but for what was passed over: whether the reset of the start is there by now is chance.
fn assert_shows(picture: &str, lines: &str) {
    let picture = picture.split("passed over before:").next().unwrap_or_default();
    let unindented: Vec<&str> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let shown: Vec<&str> = picture.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(shown, unindented, "{picture}");
}

#[tokio::test]
async fn a_wrong_value_is_shown_where_it_is() {
    let session = session().await;
    let picture = picture(
        &session,
        r#"
        > get.test.counter
        < {"result":{"model":{"count":0}}}
        > call.test.counter.add {"params":2}
        < event.test.counter.change {"values":{"count":1}}
        < {"result":2}
        "#,
    )
    .await;
    assert_shows(
        &picture,
        r#"
        the transcript differs in line 5:
            2  > get.test.counter
            3  < {"result":{"model":{"count":0}}}
            4  > call.test.counter.add {"params":2}
        expected:
            < event.test.counter.change {"values":{"count":1}}
        said instead:
            < event.test.counter.change {"values":{"count":2}}
                values.count: 1 is expected, and 2 came
        and after that:
            < {"result":2}   (the answer to line 4)
        "#,
    );
}

#[tokio::test]
async fn the_order_of_changes_and_answers_counts() {
    let session = session().await;
    session.get("test.counter").await;
    let wrong = picture(
        &session,
        "> call.test.counter.add {}\n< {\"result\":1}\n< event.test.counter.change {\"values\":{\"count\":1}}",
    )
    .await;
    for words in [
        "differs in line 2",
        "something is published before the answer",
        "and after that:\n    < {\"result\":1}",
    ] {
        assert!(wrong.contains(words), "{wrong}");
    }
    let wrong = picture(
        &session,
        "> call.test.counter.add {}\n< event.test.counter.change {\"values\":{\"count\":2}}\n\
         < event.test.other.change {}\n< {\"result\":2}",
    )
    .await;
    assert!(wrong.contains("differs in line 3"), "{wrong}");
    assert!(wrong.contains("an answer came before what is expected to be published"), "{wrong}");
}

#[tokio::test]
async fn lines_in_any_order_change_places_with_their_neighbours_only() {
    let session = session().await;
    session
        .transcript(
            r#"
            > get.test.counter
            < {"result":{"model":{"count":0}}}
            > call.test.counter.add {}
            # It comes after the change.
            <~ {"result":1}
            <~ event.test.counter.change {"values":{"count":1}}
            > call.test.counter.addLater {}
            <~ event.test.counter.change {"values":{"count":2}}
            <~ {"result":2}
            "#,
        )
        .await;
    let wrong = picture(
        &session,
        "> call.test.counter.add {}\n<~ {\"result\":3}\n<~ event.test.other.change {}\n<~ event.test.counter.delete",
    )
    .await;
    assert_shows(
        &wrong,
        r#"
        the transcript differs in line 2:
           1  > call.test.counter.add {}
        expected:
           <~ {"result":3}
           <~ event.test.other.change {}
           <~ event.test.counter.delete
        said instead:
           < event.test.counter.change {"values":{"count":3}}
        and after that:
           < {"result":3}   (the answer to line 1)
        "#,
    );
    let wrong = picture(
        &session,
        "> call.test.counter.add {}\n<~ {\"result\":4}\n< event.test.counter.change {\"values\":{\"count\":4}}",
    )
    .await;
    assert!(
        wrong.contains("something is published before the answer"),
        "a lone one keeps its place: {wrong}"
    );
}

#[tokio::test]
async fn what_follows_without_a_line_is_told() {
    let session = session().await;
    session.get("test.counter").await;
    let wrong =
        picture(&session, "> call.test.counter.add {}\n< event.test.counter.change {\"values\":\"$any\"}")
            .await;
    assert_shows(
        &wrong,
        r#"
        the transcript differs after its last line:
           1  > call.test.counter.add {}
           2  < event.test.counter.change {"values":"$any"}
        expected:
           nothing more
        said instead:
           < {"result":1}   (the answer to line 1)
        "#,
    );
}

#[tokio::test]
async fn a_change_that_waits_for_its_time_is_not_missed_at_the_end() {
    let session = Session::start(Builder::new("test").resource(counter().changes_per_second_max(5))).await;
    session.get("test.counter").await;
    let wrong = picture(
        &session,
        r#"
        > call.test.counter.add {}
        < event.test.counter.change {"values":{"count":1}}
        < {"result":1}
        > call.test.counter.addLater {}
        < {"result":2}
        "#,
    )
    .await;
    assert!(wrong.contains("after its last line"), "{wrong}");
    assert!(wrong.contains(r#"< event.test.counter.change {"values":{"count":2}}"#), "{wrong}");
}

#[tokio::test]
async fn what_never_comes_is_told_after_the_patience() {
    let session = session().await.patience(SHORT);
    let wrong =
        picture(&session, "> call.test.counter.add {}\n< {\"result\":1}\n< event.test.counter.change {}")
            .await;
    assert_shows(
        &wrong,
        r#"
        the transcript differs in line 3:
           1  > call.test.counter.add {}
           2  < {"result":1}
        expected:
           < event.test.counter.change {}
        said instead:
           nothing within 300ms (the service has nothing left to do)
        "#,
    );
}

#[tokio::test]
async fn a_service_that_is_not_done_is_told_with_what_it_has_to_do() {
    let never = Resource::new("never").call("ends", |_: Call| std::future::pending());
    let session = Session::start(Builder::new("test").resource(never)).await.patience(SHORT);
    let wrong = picture(&session, "> call.test.never.ends {}").await;
    assert!(wrong.contains("not done after 300ms: 1 calls and authentications"), "{wrong}");
    assert!(wrong.contains("no answer is written for the request of line 1"), "{wrong}");
    assert!(session.published().await.expect_err("busy").to_string().contains("not done after"));
}

#[tokio::test]
async fn what_is_wrong_in_a_transcript_is_told_with_its_line() {
    let session = session().await;
    let wrong = picture(&session, "\n> get.test.counter\n< {\"result\":}").await;
    assert_eq!(wrong, "line 3 of the transcript: this is not JSON: expected value");
    let wrong = picture(&session, "> get.other.counter").await;
    for words in ["differs in line 1", "for the service \"other\"", "has only test", "start_another"] {
        assert!(wrong.contains(words), "{wrong}");
    }
    let wrong = picture(&session, "> get.test.item.$id").await;
    assert!(wrong.contains("$id stands for nothing yet"), "{wrong}");
}
