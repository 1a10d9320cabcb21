//! `tickets.event.$event.section.$section`: one character a seat.

use res_service::{Error, Get, Model, Resource};

use super::{Context, OWNER, access, known};

pub(super) fn resource(context: &Context) -> Resource {
    let context = context.clone();
    Resource::model("event.$event.section.$section", move |get: Get| {
        let context = context.clone();
        async move {
            let event = known(&context, get.parameter("event")?)?;
            let section: String = get.parameter("section")?;
            let number = event.layout.index.section_number(&section).ok_or(Error::NOT_FOUND)?;
            let model = context.views.look(event.row.id, |view| view.section_model(number)).flatten();
            // The view belongs to the owner, and the owner has opened it; without it this is not absence.
            Model::from_serialize(&model.ok_or(Error::INTERNAL_ERROR)?)
        }
    })
    .owned_by(OWNER)
    .access(access)
}
