//! Templates and what every page is given.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use jiff::{Timestamp, Unit};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde_json::json;

use crate::assets::Assets;

/// The templates, compiled in.
const TEMPLATES: [(&str, &str); 8] = [
    ("base.html", include_str!("../../templates/base.html")),
    ("artwork.html", include_str!("../../templates/artwork.html")),
    ("parts.html", include_str!("../../templates/parts.html")),
    ("events.html", include_str!("../../templates/events.html")),
    ("event.html", include_str!("../../templates/event.html")),
    ("orders.html", include_str!("../../templates/orders.html")),
    ("order.html", include_str!("../../templates/order.html")),
    ("error.html", include_str!("../../templates/error.html")),
];

/// Renders pages.
pub struct Pages {
    environment: Environment<'static>,
    site: Value,
    live_url: String,
}

impl Pages {
    /// The pages of a site at `site_url` whose live view is at `live_url`.
    pub fn new(assets: Assets, site_url: &str, live_url: &str) -> anyhow::Result<Self> {
        let mut environment = Environment::new();
        for (name, source) in TEMPLATES {
            environment.add_template(name, source)?;
        }
        let assets = Arc::new(assets);
        environment.add_function("assets", move |entry: String| {
            assets.entry(&entry).map(|entry| Value::from(Serde(entry))).ok_or_else(|| {
                minijinja::Error::new(
                    minijinja::ErrorKind::InvalidOperation,
                    format!("no entry '{entry}' was built"),
                )
            })
        });
        let site = context! { name => "Livehouse", url => site_url.trim_end_matches('/') };
        Ok(Self { environment, site, live_url: live_url.to_owned() })
    }

    /// The page `name`, with `values` for its template and `data` for its script.
    pub fn render(
        &self,
        template: &str,
        path: &str,
        page: &str,
        values: Value,
        data: serde_json::Value,
    ) -> Response {
        let mut page_data =
            json!({"page": page, "locale": "en", "liveUrl": self.live_url, "serverTime": server_time()});
        if let (Some(all), serde_json::Value::Object(own)) = (page_data.as_object_mut(), data) {
            all.extend(own);
        }
        let common =
            context! { site => self.site.clone(), path => path, page_data => Value::from(Serde(&page_data)) };
        let rendered = self
            .environment
            .get_template(template)
            .and_then(|template| template.render(context! { ..values, ..common }));
        match rendered {
            Ok(text) => ([(header::CACHE_CONTROL, "no-store")], Html(text)).into_response(),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), template, "a template could not be rendered");
                (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here. Please try again.")
                    .into_response()
            }
        }
    }

    /// The page for a refusal.
    pub fn error(&self, path: &str, status: StatusCode, request: Option<&str>) -> Response {
        let values = context! { status => status.as_u16(), message => (), request => request };
        let mut response = self.render("error.html", path, "error", values, json!({}));
        *response.status_mut() = status;
        response
    }
}

/// With milliseconds: the browser counts every clock from it.
fn server_time() -> String {
    Timestamp::now().round(Unit::Millisecond).unwrap_or_else(|_| Timestamp::now()).to_string()
}
