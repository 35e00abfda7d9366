"""The tests. They mirror the package; `worlds/` holds the little worlds that they share."""
