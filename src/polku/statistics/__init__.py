"""Statistics as pure functions of numbers and arrays: no trails, no map. scipy is imported where it is used."""
