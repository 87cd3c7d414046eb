"""People and machines: who may come in, what each may do, and what was done."""
