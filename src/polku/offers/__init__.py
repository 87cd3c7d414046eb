"""What offers are made of: products, discount codes, referrals, points. How it works is told in docs/offers.md."""
