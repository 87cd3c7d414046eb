"""One-off campaigns: whom one reaches, launching it, sending it in slices, answers to invitations."""
