//! The JSON object that every request carries.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::strict;

mod compact;

/// The object as the protocol has it. Members that are null are as good as absent, and unknown ones are passed over.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    cid: Option<Text<'a>>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    query: Option<Text<'a>>,
    #[serde(rename = "isHttp")]
    is_http: Option<bool>,
    header: Option<HashMap<String, Vec<String>>>,
    #[serde(borrow)]
    host: Option<Text<'a>>,
    #[serde(borrow, rename = "remoteAddr")]
    remote_address: Option<Text<'a>>,
    #[serde(borrow)]
    uri: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Envelope<'a> {
    fn parse(text: &'a str) -> Result<Self, Error> {
        // serde would also read an array as the members in their order.
        if !text.trim_ascii_start().starts_with(['{', 'n']) {
            return Err(Error::internal("the request is not a JSON object"));
        }
        let envelope: Option<Self> = serde_json::from_str(text).map_err(|error| {
            // serde's words may quote the payload, which may hold a token; the kind and place are enough.
            Error::internal(format!(
                "the request is not the JSON object the protocol has ({:?} at column {})",
                error.classify(),
                error.column()
            ))
        })?;
        Ok(envelope.unwrap_or_default())
    }
}

/// A payload, and where in it is what is used.
pub(super) struct Payload {
    bytes: Bytes,
    parts: Parts,
}

/// What is used of a payload. Of it only queries are copied, and texts that lie there in another spelling.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    cid: Part,
    token: Part,
    params: Part,
    query: Option<Box<str>>,
    is_http: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    None,
    Here(Range<usize>),
    /// A text that is spelled otherwise in the payload.
    Apart(Box<str>),
}

/// What an authentication also says of the client.
#[derive(Default)]
pub(super) struct Surroundings {
    pub(super) headers: HashMap<String, Vec<String>>,
    pub(super) host: Box<str>,
    pub(super) remote_address: Box<str>,
    pub(super) uri: Box<str>,
}

impl Part {
    fn raw(raw: Option<&RawValue>, payload: &str) -> Self {
        raw.map_or(Self::None, |raw| Self::find(raw.get(), payload))
    }

    fn text(text: Option<&Text<'_>>, payload: &str) -> Self {
        text.map_or(Self::None, |text| Self::find(&text.0, payload))
    }

    fn find(part: &str, payload: &str) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(payload.as_ptr().addr());
        let range = start..start.wrapping_add(part.len());
        // What was taken out of its escapes is elsewhere in memory.
        if payload.get(range.clone()).is_some() { Self::Here(range) } else { Self::Apart(part.into()) }
    }
}

impl Parts {
    /// What gateways send is read in one pass; what looks in any way otherwise is for serde to judge.
    fn read(payload: &[u8]) -> Result<Self, Error> {
        // What a gateway sends with nearly every get.
        if matches!(payload, b"" | b"{}") {
            return Ok(Self::default());
        }
        let text = checked(payload)?;
        if let Some(parts) = compact::read(text) {
            return Ok(parts);
        }
        Ok(Self::of(&Envelope::parse(text)?, text))
    }

    fn of(envelope: &Envelope<'_>, payload: &str) -> Self {
        let query = envelope.query.as_ref().filter(|query| !query.0.is_empty());
        Self {
            cid: Part::text(envelope.cid.as_ref(), payload),
            token: Part::raw(envelope.token, payload),
            params: Part::raw(envelope.params, payload),
            query: query.map(|query| query.0.as_ref().into()),
            is_http: envelope.is_http.unwrap_or(false),
        }
    }
}

/// Checked as a whole once, and not again in every string.
fn checked(payload: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(payload).map_err(|error| {
        Error::internal(format!("the request is not UTF-8 from byte {}", error.valid_up_to()))
    })
}

/// The query in the payload of a get.
pub(super) fn query(payload: &[u8]) -> Result<Option<Box<str>>, Error> {
    Parts::read(payload).map(|parts| parts.query)
}

impl Payload {
    pub(super) fn read(bytes: Bytes) -> Result<Self, Error> {
        let parts = Parts::read(&bytes)?;
        Ok(Self { bytes, parts })
    }

    pub(super) fn read_with_surroundings(bytes: Bytes) -> Result<(Self, Surroundings), Error> {
        if bytes.is_empty() {
            return Ok((Self { bytes, parts: Parts::default() }, Surroundings::default()));
        }
        let text = checked(&bytes)?;
        let mut envelope = Envelope::parse(text)?;
        let owned =
            |text: &Option<Text<'_>>| text.as_ref().map_or_else(Box::default, |text| text.0.as_ref().into());
        let surroundings = Surroundings {
            headers: envelope.header.take().unwrap_or_default(),
            host: owned(&envelope.host),
            remote_address: owned(&envelope.remote_address),
            uri: owned(&envelope.uri),
        };
        let parts = Parts::of(&envelope, text);
        Ok((Self { bytes, parts }, surroundings))
    }

    fn part<'a>(&'a self, part: &'a Part) -> Option<&'a [u8]> {
        match part {
            Part::None => None,
            Part::Here(range) => self.bytes.get(range.clone()),
            Part::Apart(text) => Some(text.as_bytes()),
        }
    }

    /// Empty if there is none.
    pub(super) fn cid(&self) -> &str {
        self.part(&self.parts.cid).and_then(|cid| std::str::from_utf8(cid).ok()).unwrap_or_default()
    }

    pub(super) fn params(&self) -> Option<&[u8]> {
        self.part(&self.parts.params)
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.parts.query.as_deref()
    }

    pub(super) fn is_http(&self) -> bool {
        self.parts.is_http
    }

    pub(super) fn raw_token(&self) -> Option<&[u8]> {
        self.part(&self.parts.token)
    }

    pub(super) fn token<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        match self.raw_token() {
            None => Ok(None),
            // A token this version cannot read gives no rights. What serde says of it could quote it, so it is not kept;
            // the place is made of the names of `T` alone.
            Some(token) => strict::read(token).map(Some).map_err(|(error, place)| {
                let kind = error.classify();
                Error::ACCESS_DENIED
                    .caused_by(format!("the token is not readable: {kind:?} error at {place:?}"))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::json;
    use proptest::prelude::*;

    /// Pieces of values: some of them are one, some are one together with others.
    const PIECES: [&str; 30] = [
        "0",
        "1",
        "-",
        ".",
        "e",
        "+",
        "E5",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\"k\":",
        "\"k\"",
        "\"\\n\"",
        "\"\\x\"",
        "\"\\u00e9\"",
        "\"\\u00g9\"",
        "\"\\u12\"",
        "\"\u{1}\"",
        "\"\t\"",
        "\"é, and eight more\"",
        "true",
        "fals",
        "null",
        " ",
        "\\",
        "\"",
        "\"eight and\u{2}\"",
        ":",
    ];

    fn assert_read_alike(payload: &str) {
        if let Some(parts) = compact::read(payload) {
            match Envelope::parse(payload) {
                Ok(envelope) => assert_eq!(Parts::of(&envelope, payload), parts, "{payload}"),
                Err(error) => panic!("serde does not read {payload}: {:?}", error.cause_chain()),
            }
        }
    }

    #[test]
    fn of_all_values_of_three_pieces_none_is_read_that_serde_does_not_read_alike() {
        let mut values = vec![String::new()];
        for _ in 0..3 {
            let longer = |value: &String| PIECES.map(|piece| format!("{value}{piece}"));
            values.extend(values.iter().flat_map(longer).collect::<Vec<_>>());
            values.sort_unstable();
            values.dedup();
        }
        for value in values {
            assert_read_alike(&format!("{{\"params\":{value}}}"));
            assert_read_alike(&format!("{{\"token\":[{value}],\"cid\":\"c1\"}}"));
        }
    }

    /// Payloads like those of a gateway, and some that are not.
    fn payload() -> impl Strategy<Value = String> {
        let names = vec!["cid", "token", "params", "query", "isHttp", "other"];
        let value = prop::sample::select(vec![
            "true",
            "null",
            "\"c1\"",
            "\"a=1&b\"",
            "\"\"",
            "\"\\u00e9\"",
            "[{}]",
            "1",
        ]);
        let member =
            (prop::sample::select(names), value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        let end = prop::sample::select(vec!["}", "}", "}", "", ",}", "} ", "}}", "}{}"]);
        (prop::collection::vec(member, 0..4), end)
            .prop_map(|(members, end)| format!("{{{}{end}", members.join(",")))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn what_is_read_in_one_pass_is_what_serde_reads(payload in payload()) {
            assert_read_alike(&payload);
        }

        #[test]
        fn any_compact_json_is_read_in_one_pass(params in json()) {
            let value: Box<RawValue> = serde_json::from_str(&params).expect("JSON");
            let is_compact = !params.contains(|letter: char| letter.is_ascii_whitespace());
            let payload = format!("{{\"params\":{},\"cid\":\"c1\"}}", value.get());
            prop_assert!(compact::read(&payload).is_some() || !is_compact, "{payload}");
        }
    }

    #[test]
    fn at_the_deepest_level_that_is_read_serde_reads_alike() {
        for depth in 60..70 {
            let nested = |open: &str, middle: &str, close: &str| {
                format!("{{\"params\":{}{middle}{}}}", open.repeat(depth), close.repeat(depth))
            };
            let payloads = [
                nested("[", "1", "]"),
                nested("[", "[]", "]"),
                nested("{\"a\":", "{}", "}"),
                nested("[{\"a\":", "1", "}]"),
                nested("[", "1", "}"),
                nested("{\"a\":", "1", "]"),
            ];
            payloads.iter().for_each(|payload| assert_read_alike(payload));
        }
    }

    #[test]
    fn what_gateways_send_is_read_in_one_pass() {
        for payload in [
            r#"{"params":{"seats":["A-1","A-2"],"price":-12.5e3,"note":"a \"b\" \u003c\n","none":null},"token":{"sub":"u1","roles":[]},"cid":"c0ffee","isHttp":true}"#,
            r#"{"token":null,"cid":"c1","query":"from=0&to=10"}"#,
            r#"{"query":"q=é"}"#,
            r#"{"params":[[[{}]],[],0,-0,1e9,true,false],"cid":"c1"}"#,
        ] {
            assert!(compact::read(payload).is_some(), "{payload}");
        }
    }
}
