//! Plane geometry for outlines: hull, inside, middle, bounds.

use super::Point;

/// Whether a point lies inside a polygon that closes itself. A point exactly on an edge may count as either.
pub fn contains(polygon: &[Point], point: Point) -> bool {
    let mut inside = false;
    let mut previous = match polygon.last() {
        Some(last) => *last,
        None => return false,
    };
    for &current in polygon {
        let crosses = (current[1] > point[1]) != (previous[1] > point[1]);
        if crosses {
            let share = (point[1] - current[1]) / (previous[1] - current[1]);
            if point[0] < current[0] + share * (previous[0] - current[0]) {
                inside = !inside;
            }
        }
        previous = current;
    }
    inside
}

/// The distance between two points.
pub(crate) fn distance(a: Point, b: Point) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The smallest box around points: top left and bottom right.
pub(crate) fn bounds(points: impl IntoIterator<Item = Point>) -> Option<(Point, Point)> {
    points.into_iter().fold(None, |found, point| {
        let (low, high) = found.unwrap_or((point, point));
        Some(([low[0].min(point[0]), low[1].min(point[1])], [high[0].max(point[0]), high[1].max(point[1])]))
    })
}

/// The middle of the box around a polygon.
pub(crate) fn middle(polygon: &[Point]) -> Option<Point> {
    bounds(polygon.iter().copied()).map(|(low, high)| [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0])
}

/// The convex hull of points, each widened to an octagon of the given padding, so that a single seat or a single row
/// has an outline too.
pub(crate) fn padded_hull(points: &[Point], padding: f64) -> Vec<Point> {
    let near = padding * (std::f64::consts::PI / 8.0).tan();
    let mut widened: Vec<Point> = points
        .iter()
        .flat_map(|[x, y]| {
            [(padding, near), (near, padding), (-near, padding), (-padding, near)]
                .into_iter()
                .flat_map(move |(dx, dy)| [[x + dx, y + dy], [x + dx, y - dy]])
        })
        .collect();
    widened.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    widened.dedup();
    if widened.len() < 3 {
        return widened;
    }
    let mut hull = half_hull(widened.iter().copied());
    hull.extend(half_hull(widened.iter().rev().copied()));
    hull
}

/// One side of Andrew's monotone chain, without its last point.
fn half_hull(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut chain: Vec<Point> = Vec::new();
    for point in points {
        while let [.., a, b] = chain[..] {
            let turn = (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]);
            if turn > 0.0 {
                break;
            }
            chain.pop();
        }
        chain.push(point);
    }
    chain.pop();
    chain
}
