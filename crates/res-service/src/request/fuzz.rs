//! Payloads of requests, and what a browser puts into its headers.

use std::collections::HashMap;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Get, Payload, cookie_of, header_of};
use crate::fuzz::{VERY_DEEP, broken_json, bytes, json, object, text};

/// A request's payload, with members of the protocol that are right or wrong, once or twice.
fn payload() -> impl Strategy<Value = String> {
    let names =
        vec!["cid", "token", "params", "query", "isHttp", "header", "host", "remoteAddr", "uri", "other"];
    let value = prop_oneof![
        json(),
        text(),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just(r#"{"Cookie":["a=b"],"X":[]}"#.to_owned()),
    ];
    let member = (prop::sample::select(names).prop_map(|name| format!("{name:?}")), value);
    prop::collection::vec(member, 0..7).prop_map(|members| object(&members))
}

/// The connection, the query, the token and the parameters.
type Parts = (String, Option<String>, Option<Bytes>, Option<Bytes>);

/// Reads a payload as every kind of request does.
fn read(bytes: &[u8]) -> Result<Parts, crate::Error> {
    let payload = Payload::read(Bytes::copy_from_slice(bytes))?;
    let (again, _) = Payload::read_with_surroundings(Bytes::copy_from_slice(bytes))?;
    assert_eq!(
        (again.cid(), again.raw_token(), again.params()),
        (payload.cid(), payload.raw_token(), payload.params())
    );
    let query = payload.query().map(str::to_owned);
    assert_eq!(Get::parse_query(bytes).expect("it was read").as_deref(), query.as_deref());
    let _any = payload.token::<Value>();
    let _strange = payload.token::<HashMap<String, u8>>();
    let part = |part: Option<&[u8]>| part.map(Bytes::copy_from_slice);
    Ok((payload.cid().to_owned(), query, part(payload.raw_token()), part(payload.params())))
}

proptest! {
    #[test]
    fn any_payload_is_read_or_refused_and_what_is_refused_is_not_repeated(
        payload in prop_oneof![bytes(), broken_json(), payload().prop_map(String::into_bytes)],
    ) {
        if let Err(error) = read(&payload) {
            prop_assert_eq!(&error, &crate::Error::INTERNAL_ERROR);
            let cause = error.cause_chain().unwrap_or_default();
            prop_assert!(cause.len() < 200, "{}", cause);
        }
    }

    #[test]
    fn what_is_read_is_what_was_sent(
        cid in "\\PC{0,20}", query in prop::option::of("\\PC{0,20}"), token in prop::option::of(json()), params in prop::option::of(json()),
        unknown in json(),
    ) {
        let mut members = vec![("\"unknown\"".to_owned(), unknown)];
        members.push(("\"cid\"".to_owned(), json!(cid).to_string()));
        members.extend(query.as_ref().map(|query| ("\"query\"".to_owned(), json!(query).to_string())));
        members.extend(token.clone().map(|token| ("\"token\"".to_owned(), token)));
        members.extend(params.clone().map(|params| ("\"params\"".to_owned(), params)));
        let (read_cid, read_query, read_token, read_params) = read(object(&members).as_bytes()).expect("a request");
        prop_assert_eq!(read_cid, cid);
        prop_assert_eq!(read_query, query.filter(|query| !query.is_empty()));
        let sent = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| text != "null");
        let read = |bytes: Option<Bytes>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).expect("UTF-8"));
        prop_assert_eq!(read(read_token), sent(token));
        prop_assert_eq!(read(read_params), sent(params));
    }

    #[test]
    fn a_cookie_is_found_whatever_stands_around_it(
        before in "[a-z=;, \"]{0,20}", value in "[A-Za-z0-9.]{0,12}", after in "\\PC{0,20}", name in prop::sample::select(vec!["Cookie", "cookie", "COOKIE"]),
    ) {
        let lines = vec![before.replace("session", "s"), format!("{before}; session=\"{value}\" ;{after}")];
        let headers = HashMap::from([(name.to_owned(), lines), ("X".to_owned(), vec!["session=wrong".to_owned()])]);
        prop_assert_eq!(cookie_of(&headers, "session"), Some(value.as_str()));
    }

    #[test]
    fn any_headers_are_searched_without_harm(
        headers in prop::collection::hash_map("\\PC{0,8}|[Cc]ookie", prop::collection::vec("\\PC{0,30}", 0..3), 0..5),
        name in "\\PC{0,8}",
    ) {
        let _none_or_some = (cookie_of(&headers, &name), header_of(&headers, &name));
        if let Some((name, values)) = headers.iter().next() {
            prop_assert_eq!(header_of(&headers, name), values.first().map(String::as_str));
        }
    }
}

#[test]
fn depth_size_and_bytes_beyond_measure_are_refused_or_kept_as_text() {
    let deep = format!("{}{}", "[".repeat(VERY_DEEP), "]".repeat(VERY_DEEP));
    let (_, _, token, params) =
        read(format!("{{\"token\":{deep},\"params\":{deep},\"unknown\":{deep}}}").as_bytes()).expect("read");
    assert_eq!(token.expect("a token").len(), deep.len());
    // Neither is taken apart as deep as that.
    assert!(crate::strict::from_json::<Value>(&params.expect("parameters")).is_err());
    for wrong in [
        format!("{{\"query\":{deep}}}").into_bytes(),
        format!("{{\"header\":{deep}}}").into_bytes(),
        "{\"token\":".repeat(VERY_DEEP).into_bytes(),
        deep.into_bytes(),
        b"{\"token\":\"\xff\"}".to_vec(),
        b"{\"query\":\"\xed\xa0\x80\"}".to_vec(),
        br#"{"query":"\ud800"}"#.to_vec(),
        br#"{"cid":"a","cid":"b"}"#.to_vec(),
        br#"{"token":1,"token":2}"#.to_vec(),
        br#"{"isHttp":1}"#.to_vec(),
        br#"{"header":{"Cookie":"a=b"}}"#.to_vec(),
        b"{} {}".to_vec(),
    ] {
        assert!(read(&wrong).is_err(), "{:?}", String::from_utf8_lossy(&wrong[..wrong.len().min(40)]));
    }
    let huge = "é".repeat(500_000);
    let (_, query, ..) = read(json!({"query": huge, "cid": huge}).to_string().as_bytes()).expect("read");
    assert_eq!(query.map(|query| query.len()), Some(huge.len()));
}
