"""Facts to pages: HTML, Markdown, tables and charts from one report value."""
