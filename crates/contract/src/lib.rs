//! What Livehouse services say to each other: typed ids, money, facts, error codes, RES paths.
