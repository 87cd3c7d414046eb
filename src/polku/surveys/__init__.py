"""Surveys, their answers and what people write; reviews with replies. What is asked stands in the map."""
