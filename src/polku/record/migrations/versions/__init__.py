"""One module a step of the state's format; the number is the format's."""
