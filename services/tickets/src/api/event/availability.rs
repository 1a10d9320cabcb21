//! `tickets.event.$event.availability`: what is left, per section and area and in all.

use res_service::{Error, Get, Model, Resource};

use super::{Context, OWNER, access, known};
use crate::live::view::EventView;

pub(super) fn resource(context: &Context) -> Resource {
    let context = context.clone();
    Resource::model("event.$event.availability", move |get: Get| {
        let context = context.clone();
        async move {
            let event = known(&context, get.parameter("event")?)?;
            let model = context.views.look(event.row.id, EventView::availability_model);
            Model::from_serialize(&model.ok_or(Error::INTERNAL_ERROR)?)
        }
    })
    .owned_by(OWNER)
    .access(access)
}
