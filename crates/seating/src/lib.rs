//! Seating layouts: geometry, content hash, importers with repairs, and the generated venues of the seeded sale.
