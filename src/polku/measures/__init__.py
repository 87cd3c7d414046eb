"""Measures: what the map's numbers are, and who stands behind them.

``measure(project, name, ...)`` answers any of the catalogue; ``living_map(project, ...)`` fills the map;
``customers_behind(project, journey, selector)`` lists who is behind a number; ``timeline(project, customer)`` tells
one story."""
