"""Editing parts of the map on a page: a form and its source, of which the source is the truth."""
