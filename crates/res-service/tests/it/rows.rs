//! The protocol as a table, and the proof that no row of it is without a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every rule that a service must keep, or that gateways are seen to have: requests (`t`), answers (`r`), access
/// (`a`), get (`g`), call and auth (`c`), values (`v`), changes (`e`), queries (`q`), connections and resets (`s`).
/// A test says with the first words of its name which of them it is about.
const ROWS: [(&str, &str); 98] = [
    ("t01", "the kind is the first part of a subject, the method the last"),
    ("t02", "new is a method of a call and no kind of its own"),
    ("t03", "a name is non-empty parts of printable characters between dots"),
    ("t04", "a resource id is a name and perhaps a query of any characters"),
    ("t05", "a method is one part of a name"),
    ("t06", "the name of a change is one part, or it reaches nobody"),
    ("t07", "a query is in the payload and never in the subject"),
    ("t08", "{cid} is the client's connection id by the time the service sees it"),
    ("t09", "a subject of more than some 4000 bytes does not come through"),
    ("t10", "nothing larger than NATS takes is sent: an error is, in its place"),
    ("t11", "headers of messages mean nothing"),
    ("t12", "what one service sends arrives in its order"),
    ("t13", "one service at a time answers the gets of a resource"),
    ("t14", "a payload may be empty, and its members null or unknown"),
    ("t15", "characters of a payload may be escaped"),
    ("t16", "a payload that is not JSON is answered with an error"),
    ("t17", "a request without a reply subject is passed over"),
    ("t18", "what no pattern matches is not found"),
    ("r01", "an answer is one of result, resource and error"),
    ("r02", "a result is written also when it is null"),
    ("r03", "a resource in an answer is a valid reference"),
    ("r04", "an error has a code and a message, and perhaps data"),
    ("r05", "a status is 300 to 599 and for HTTP only"),
    ("r06", "a redirection goes to the Location header, else to the resource"),
    ("r07", "a status of failure shows the error given, else the one that fits"),
    ("r08", "headers have canonical names and lists of values"),
    ("r09", "the meta of a call wins over that of the access, and this over that of the authentication"),
    ("r10", "a request has exactly one answer"),
    ("r11", "a handler that does not answer is answered for"),
    ("r12", "the predefined errors have fixed codes and messages"),
    ("r13", "codes of the gateway are not for services"),
    ("r14", "a pre-response asks for more time, byte for byte"),
    ("r15", "an answer is never empty"),
    ("r16", "a gateway waits three seconds, and passes late answers over"),
    ("a01", "an access request says who asks, with which token and query"),
    ("a02", "seeing a resource is seeing what it refers to, but for soft references"),
    ("a03", "methods are listed between commas without spaces, or are all"),
    ("a04", "any error is no access, and only a denial is kept"),
    ("a05", "another service may answer instead, and this one is silent then"),
    ("a06", "nothing granted is a denial"),
    ("a07", "an access is kept for its connection until something ends it"),
    ("g01", "a get knows neither client nor token"),
    ("g02", "a get answers with a model or a collection, which may be empty"),
    ("g03", "a query resource answers with its normalised query"),
    ("g04", "an error of a get is not kept"),
    ("g05", "values are primitives, references or data"),
    ("g06", "a resource never changes between model and collection"),
    ("g07", "a get has no meta"),
    ("c01", "a call says who asks, with which token, query and parameters"),
    ("c02", "a result is any JSON"),
    ("c03", "a call may answer with a resource, which the client gets with it"),
    ("c04", "errors tell an unknown method from wrong parameters"),
    ("c05", "an authentication is told of the client's HTTP request"),
    ("c06", "an authentication needs no access"),
    ("c07", "a token comes before the answer of its authentication"),
    ("c08", "the change of a set comes before its answer"),
    ("c09", "new answers with a resource"),
    ("c10", "isHttp is said of HTTP only"),
    ("v01", "primitives are written always in the same way"),
    ("v02", "a reference has a valid resource id and nothing else"),
    ("v03", "a soft reference is not followed"),
    ("v04", "objects and arrays are wrapped as data, primitives are not"),
    ("v05", "data changes as a whole"),
    ("v06", "a delete action is for changes only"),
    ("e01", "changes come from where gets are answered, in their order"),
    ("e02", "nothing is promised of the order between resources"),
    ("e03", "what was changed without a word is followed by a reset"),
    ("e04", "a change has what changed and no more"),
    ("e05", "a change has exactly one member"),
    ("e06", "an addition has a value and a place within bounds"),
    ("e07", "a removal has a place within bounds"),
    ("e08", "a move is a removal and an addition"),
    ("e09", "a delete has no payload and ends the resource"),
    ("e10", "a creation has no payload"),
    ("e11", "a reaccess has access asked again"),
    ("e12", "a custom change carries any JSON and changes nothing"),
    ("e13", "ten names of changes are reserved"),
    ("e14", "models have changes, collections have additions and removals"),
    ("e15", "what is said of the plain name does not reach its queries"),
    ("q01", "a query change names a subject that is listened on by then"),
    ("q02", "each normalised query is asked for once"),
    ("q03", "a query is answered with its state"),
    ("q04", "that is the state of then or a later one"),
    ("q05", "a query that is not found is deleted"),
    ("q06", "a query that is not answered stays as it is"),
    ("q07", "all else of the name waits while queries are asked"),
    ("q08", "a query that is being got is passed over"),
    ("q09", "a query change without a subject is an error"),
    ("q10", "many query changes in a row must not freeze the resource"),
    ("s01", "a token is set for a connection, and null clears it"),
    ("s02", "a token for nobody is lost"),
    ("s03", "a reset lists resources and access, and leaves out what is empty"),
    ("s04", "its patterns have * for a part and > at the end"),
    ("s05", "reset resources are got again and compared"),
    ("s06", "reset access is asked again"),
    ("s07", "a token reset has connections authenticate again"),
    ("s08", "a token reset has ids and a subject of an authentication"),
    ("s09", "a service that starts resets all it has"),
];

#[test]
fn every_row_of_the_protocol_has_a_test() {
    let names: BTreeSet<&str> = ROWS.iter().map(|(id, _)| *id).collect();
    assert_eq!(names.len(), ROWS.len(), "no row is there twice");
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "tests", "conformance"].iter().flat_map(|folder| sources(&crate_folder.join(folder)));
    let mut tested: BTreeSet<String> = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_rust = file.extension().is_some_and(|extension| extension == "rs");
        let tests = if is_rust { rust_tests(&text) } else { node_tests(&text) };
        tested.extend(tests.iter().flat_map(|name| ids(name)));
    }
    let missing: Vec<String> = ROWS
        .iter()
        .filter(|(id, _)| !tested.contains(*id))
        .map(|(id, rule)| format!("{id} ({rule})"))
        .collect();
    assert!(missing.is_empty(), "{} rows have no test: {}", missing.len(), missing.join("; "));
}

/// The ids that a name begins with.
fn ids(name: &str) -> Vec<String> {
    let is_id = |word: &&str| match word.as_bytes() {
        [kind, digits @ ..] => {
            b"tragcveqs".contains(kind) && digits.len() == 2 && digits.iter().all(u8::is_ascii_digit)
        }
        [] => false,
    };
    name.split(['_', ' ']).take_while(is_id).map(str::to_owned).collect()
}

/// The names of the functions that are run as tests.
fn rust_tests(text: &str) -> Vec<String> {
    let mut attributes = String::new();
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            attributes.push_str(line);
            continue;
        }
        let is_test = attributes.contains("test]") || attributes.contains("::test(");
        if is_test
            && !attributes.contains("#[ignore")
            && let Some(name) = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('('))
        {
            names.push(name.0.to_owned());
        }
        attributes.clear();
    }
    names
}

/// The titles of tests in Node: `test('…`, and nothing that is skipped.
fn node_tests(text: &str) -> Vec<String> {
    let titles = text.lines().filter_map(|line| line.trim().strip_prefix("test("));
    titles.map(|title| title.trim_start_matches(['\'', '"', '`']).to_owned()).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() && !path.ends_with("node_modules") {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "mjs") {
            files.push(path);
        }
    }
    files
}
