"""One-off campaigns: who would get one, launching it, sending it in slices, answers to invitations; docs/campaigns.md."""
