//! What each address answers.

mod card;
mod render;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use futures::future::join_all;
use jiff::Timestamp;
use minijinja::context;
use serde_json::json;
use tower_http::compression::CompressionLayer;
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use crate::assets::Assets;
use crate::guard::{Guard, guard};
use crate::layouts::Layouts;
use crate::options::Serve;
use crate::sale::Sale;
pub use render::Pages;

/// A page takes no longer than this.
const PAGE_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);
/// What has its content's hash in its name never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// What handlers need.
pub struct Context {
    /// Events.
    pub sale: Sale,
    /// Geometry.
    pub layouts: Layouts,
    /// Templates.
    pub pages: Pages,
}

type Shared = State<Arc<Context>>;

/// A failure on the way to a page: logged with its reason, told without it.
struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let request = format!("{:08x}", rand::random::<u32>());
        tracing::error!(error = format!("{:#}", self.0), request, "a page could not be made");
        let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
        response.extensions_mut().insert(Unmade(request));
        response
    }
}

/// Marks an answer whose error page has still to be made; carries the id of the request.
#[derive(Clone)]
struct Unmade(String);

/// All addresses of the site.
pub fn routes(context: Arc<Context>, guarding: Guard, options: &Serve) -> Router {
    let immutable =
        SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, header::HeaderValue::from_static(FOR_EVER));
    let dist = &options.web_dist;
    let assets = Router::new()
        .fallback_service(ServeDir::new(dist.join("assets")).precompressed_br().precompressed_gzip())
        .layer(immutable);
    let pages = Router::new()
        .route("/", get(events))
        .route("/events/{name}", get(event))
        .route("/orders", get(orders))
        .route("/orders/{order}", get(order))
        .route("/time", get(time))
        .fallback(not_found)
        .layer(CompressionLayer::new());
    Router::new()
        .merge(pages)
        .route("/layouts/{file}", get(layout))
        .nest("/assets", assets)
        .route_service("/favicon.svg", ServeFile::new(dist.join("favicon.svg")))
        .route_service("/robots.txt", ServeFile::new(dist.join("robots.txt")))
        .layer(axum::middleware::from_fn_with_state(context.clone(), explain))
        .layer(axum::middleware::from_fn(watch::watch))
        .layer(axum::middleware::from_fn_with_state(guarding, guard))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PAGE_DEADLINE))
        .with_state(context)
}

/// Turns a bare refusal into a page that says what to do.
async fn explain(
    State(context): Shared,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    let is_bare = !response.headers().contains_key(header::CONTENT_TYPE);
    if is_bare && (status.is_client_error() || status.is_server_error()) {
        let id = response.extensions().get::<Unmade>().map(|unmade| unmade.0.clone());
        return context.pages.error(&path, status, id.as_deref());
    }
    response
}

async fn events(State(context): Shared, uri: Uri) -> Result<Response, Failure> {
    let list = context.sale.events().await?;
    let events = &list.events;
    let mut cards = Vec::with_capacity(events.len());
    let mut data = Vec::with_capacity(events.len());
    // All at once: one event that is slow to answer is waited for once, and not before all others.
    let availabilities = join_all(events.iter().map(|event| context.sale.availability(event.id))).await;
    for (event, availability) in events.iter().zip(availabilities) {
        data.push(json!({
            "id": event.id, "status": event.status, "startsAt": event.starts_at, "timeZone": event.time_zone,
            "onSaleAt": event.on_sale_at, "total": availability.as_ref().map(|it| it.total)
        }));
        cards.push(card::card(event, availability.as_deref()));
    }
    Ok(context.pages.render(
        "events.html",
        uri.path(),
        "events",
        context! { events => cards },
        json!({"events": data}),
    ))
}

async fn event(State(context): Shared, Path(name): Path<String>) -> Result<Response, Failure> {
    let Some(event) = context.sale.event(&name).await? else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let availability = context.sale.availability(event.id).await;
    let layout = format!("/layouts/{}.json", event.layout);
    let categories = context.categories(&event.layout).await;
    let page = card::page(&event, availability.as_deref(), &layout, &categories);
    let path = format!("/events/{}", event.slug);
    let data = json!({"event": event, "layoutUrl": layout, "availability": availability.as_deref()});
    Ok(context.pages.render("event.html", &path, "event", context! { event => page }, data))
}

impl Context {
    /// Names and colours of a layout's categories; none when it cannot be read now.
    async fn categories(&self, hash: &str) -> card::Categories {
        match self.layouts.get(hash).await {
            Ok(Some(layout)) => card::categories(&layout.for_request(&HeaderMap::new()).1),
            Ok(None) => card::Categories::default(),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), layout = hash, "a layout could not be read");
                card::Categories::default()
            }
        }
    }
}

async fn orders(State(context): Shared, uri: Uri) -> Result<Response, Failure> {
    let events = context.event_names().await?;
    let nothing = minijinja::Value::from(());
    let page = context! { orders => nothing };
    Ok(context.pages.render("orders.html", uri.path(), "orders", page, json!({"events": events})))
}

async fn order(State(context): Shared, Path(order): Path<String>, uri: Uri) -> Result<Response, Failure> {
    let Ok(order) = order.parse::<livehouse_contract::id::OrderId>() else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let events = context.event_names().await?;
    let page = context! { order_id => order.to_string(), order => minijinja::Value::from(()) };
    Ok(context.pages.render(
        "order.html",
        uri.path(),
        "order",
        page,
        json!({"order": order, "events": events}),
    ))
}

impl Context {
    /// What the pages of orders say of their events.
    async fn event_names(&self) -> anyhow::Result<serde_json::Value> {
        let named = |event: &crate::sale::Event| {
            let facts = json!({
                "name": event.name, "url": format!("/events/{}", event.slug), "startsAt": event.starts_at,
                "timeZone": event.time_zone, "venue": event.venue, "city": event.city
            });
            (event.id.to_string(), facts)
        };
        Ok(self.sale.events().await?.events.iter().map(named).collect::<serde_json::Map<_, _>>().into())
    }
}

async fn time() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({"serverTime": Timestamp::now()}))).into_response()
}

async fn layout(
    State(context): Shared,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Some(hash) = file.strip_suffix(".json") else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    let Some(layout) = context.layouts.get(hash).await? else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let (encoding, body) = layout.for_request(&headers);
    let fixed = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::VARY, "accept-encoding"),
    ];
    let mut response = (fixed, body).into_response();
    if let Some(encoding) = encoding {
        response.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static(encoding));
    }
    Ok(response)
}

async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// Templates of a site.
pub fn pages(assets: Assets, site_url: &str, live_url: &str) -> anyhow::Result<Pages> {
    Pages::new(assets, site_url, live_url)
}
