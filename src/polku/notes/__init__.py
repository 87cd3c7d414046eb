"""What people note down of what happens off line: a call, a visit to the shop, a sale at the counter, a question."""
