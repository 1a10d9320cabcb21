//! `tickets.event.$event.area.$area`: counts of a general-admission area.

use res_service::{Error, Get, Model, Resource};

use super::{Context, OWNER, access, known};

pub(super) fn resource(context: &Context) -> Resource {
    let context = context.clone();
    Resource::model("event.$event.area.$area", move |get: Get| {
        let context = context.clone();
        async move {
            let event = known(&context, get.parameter("event")?)?;
            let area: String = get.parameter("area")?;
            let number = event.layout.area_number(&area).ok_or(Error::NOT_FOUND)?;
            let model = context.views.look(event.row.id, |view| view.area_model(number)).flatten();
            Model::from_serialize(&model.ok_or(Error::INTERNAL_ERROR)?)
        }
    })
    .owned_by(OWNER)
    .access(access)
}
