"""What comes in, as it comes: the latest events and what they did, what was refused and why, and how far behind it is.

Pages (/live, /connect), the API and ``polku live`` and ``polku refusals`` all show what this room tells.
"""
