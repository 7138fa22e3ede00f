"""The web server: the API, metrics, signed answers and webhooks, each a face of the same program."""
