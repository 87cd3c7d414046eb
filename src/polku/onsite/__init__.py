"""On the site: messages that wait for a browser, pieces for all visitors, what visitors answer; docs/on-site.md."""
