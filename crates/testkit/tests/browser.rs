//! The browser, on a page made here.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use livehouse_testkit::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PAGE: &str = "<!doctype html><title>Seats</title><button onclick=\"document.cookie='seat=14';this.textContent='held'\">\
                    Seat 14</button><input autofocus><script>console.error('a complaint')</script>";

async fn serve(page: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all(format!("{head}{page}").as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn two_people_have_cookies_of_their_own_and_two_tabs_share_them() {
    let world = World::builder().start().await.unwrap();
    let url = serve(PAGE).await;
    let browser = world.browser().await.unwrap();
    let (one, two) = (browser.person().await.unwrap(), browser.person().await.unwrap());
    one.open(&url).await.unwrap();
    one.click("button").await.unwrap();
    let held = "document.querySelector('button').textContent === 'held'";
    one.wait_for("the seat to be held", held, Duration::from_secs(5)).await;
    two.open(&url).await.unwrap();
    assert_eq!(one.evaluate("document.cookie").await.unwrap(), "seat=14");
    assert_eq!(two.evaluate("document.cookie").await.unwrap(), "");
    let tab = browser.another_tab(&one).await.unwrap();
    tab.open(&url).await.unwrap();
    assert_eq!(tab.evaluate("document.cookie").await.unwrap(), "seat=14");

    tab.evaluate("document.querySelector('input').focus()").await.unwrap();
    tab.type_text("a@b.example").await.unwrap();
    assert_eq!(tab.evaluate("document.querySelector('input').value").await.unwrap(), "a@b.example");
    assert!(tab.complaints().contains(&"a complaint".to_string()), "{:?}", tab.complaints());
    assert!(tab.evaluate("nothing.here").await.is_err());
    let picture = world.folder().join("page.png");
    tab.screenshot(&picture).await.unwrap();
    assert!(std::fs::read(picture).unwrap().starts_with(b"\x89PNG"));
}
