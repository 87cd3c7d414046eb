"""Content: what customers are sent, as files under ``content/`` of the project; see docs/content.md."""
