"""Lists of customers for advertising: who is on each, the files that Meta and Google take, what changed since."""
