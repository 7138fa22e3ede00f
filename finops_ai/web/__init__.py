"""The web server: an API for programs, pages for answers, hooks for peers, and health for monitors."""
