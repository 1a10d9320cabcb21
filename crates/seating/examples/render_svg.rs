//! Draws a layout as SVG, to look at it: `render_svg concert-hall > hall.svg` or `render_svg plan.json > plan.svg`.

#![allow(clippy::too_many_lines)]
#![allow(clippy::print_stdout)]

use std::collections::HashMap;
use std::fmt::Write;

use anyhow::{Context, bail};
use livehouse_seating::{Attribute, Layout, Point, ShapeKind, generate, import};

fn main() -> anyhow::Result<()> {
    let Some(source) = std::env::args().nth(1) else {
        bail!("give the name of a generated venue ({}) or a file", generate::NAMES.join(", "));
    };
    let layout = match generate::named(&source) {
        Some(layout) => layout,
        None => read(&source)?,
    };
    eprintln!(
        "{}: {} seats, {} people, {} sections, {} rows, {} categories, {} bytes of JSON, size {:?}",
        layout.name,
        layout.seat_count(),
        layout.unit_count(),
        layout.sections.len(),
        layout.sections.iter().map(|section| section.rows.len()).sum::<usize>(),
        layout.categories.len(),
        layout.canonical_json().len(),
        layout.size,
    );
    println!("{}", svg(&layout)?);
    Ok(())
}

fn read(path: &str) -> anyhow::Result<Layout> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
    let imported = import::parse(&bytes)?;
    for repair in &imported.repairs {
        eprintln!("repaired {repair}");
    }
    Ok(imported.layout)
}

fn svg(layout: &Layout) -> anyhow::Result<String> {
    let colors: HashMap<_, _> =
        layout.categories.iter().map(|category| (category.id.as_str(), category.color.as_str())).collect();
    let [width, height] = layout.size;
    let mut out = String::new();
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="DejaVu Sans">"##
    )?;
    writeln!(out, r##"<rect width="{width}" height="{height}" fill="#f7f6f3"/>"##)?;
    let text_size = width.min(height) / 60.0;
    for shape in &layout.shapes {
        let points = points(&shape.polygon);
        let fill = shape.color.as_deref().unwrap_or(match shape.kind {
            ShapeKind::Stage => "#2c2a33",
            ShapeKind::Pitch => "#bfe0b0",
            ShapeKind::Floor => "#eceae4",
            ShapeKind::Object => "#d8d5cd",
            ShapeKind::Line | ShapeKind::Text => "none",
        });
        match shape.kind {
            ShapeKind::Line => writeln!(
                out,
                r##"<polyline points="{points}" fill="none" stroke="#ffffff" stroke-opacity=".8" stroke-width="14"/>"##
            )?,
            ShapeKind::Text => {}
            _ => writeln!(out, r##"<polygon points="{points}" fill="{fill}"/>"##)?,
        }
        if let Some(label) = &shape.label {
            let color = if shape.kind == ShapeKind::Stage { "#ffffff" } else { "#6b675e" };
            words(&mut out, &shape.polygon, label, color, text_size)?;
        }
    }
    for section in &layout.sections {
        if let Some(polygon) = &section.polygon {
            let color = section.areas.first().map_or("#ffffff", |area| colors[area.category.as_str()]);
            let opacity = if section.areas.is_empty() { 1.0 } else { 0.35 };
            writeln!(
                out,
                r##"<polygon points="{}" fill="{color}" fill-opacity="{opacity}" stroke="#c9c5ba" stroke-width="4" stroke-linejoin="round"/>"##,
                points(polygon)
            )?;
        }
        for seat in section.rows.iter().flat_map(|row| &row.seats) {
            let color = colors[seat.category.as_str()];
            let stroke = match seat.attributes.first() {
                Some(Attribute::Accessible) => r##" stroke="#000" stroke-width="8""##,
                Some(Attribute::Companion) => r##" stroke="#888" stroke-width="8""##,
                _ => "",
            };
            let faint = if seat.attributes.contains(&Attribute::RestrictedView) {
                r##" fill-opacity=".45""##
            } else {
                ""
            };
            writeln!(
                out,
                r##"<circle cx="{}" cy="{}" r="20" fill="{color}"{stroke}{faint}/>"##,
                seat.x, seat.y
            )?;
        }
        for area in &section.areas {
            if let Some(polygon) = &area.polygon {
                words(
                    &mut out,
                    polygon,
                    &format!("{} ({})", area.name, area.capacity),
                    "#22202a",
                    text_size,
                )?;
            }
        }
        if let (Some(polygon), true) = (&section.polygon, section.areas.is_empty()) {
            words(&mut out, polygon, &section.name, "#22202a", text_size)?;
        }
    }
    out.push_str("</svg>");
    Ok(out)
}

fn points(polygon: &[Point]) -> String {
    polygon.iter().map(|[x, y]| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
}

/// Words in the middle of a polygon's points.
fn words(out: &mut String, polygon: &[Point], label: &str, color: &str, size: f64) -> anyhow::Result<()> {
    let count = polygon.len() as f64;
    let [x, y] =
        polygon.iter().fold([0.0, 0.0], |sum, point| [sum[0] + point[0] / count, sum[1] + point[1] / count]);
    let label = label.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(
        out,
        r##"<text x="{x:.0}" y="{:.0}" font-size="{size:.0}" text-anchor="middle" fill="{color}" stroke="#fff" stroke-opacity=".7" stroke-width="{:.0}" paint-order="stroke">{label}</text>"##,
        y + size / 3.0,
        size / 6.0
    )?;
    Ok(())
}
