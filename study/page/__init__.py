"""The page that needs no server: `make page` writes one HTML file with a shipped model in it, in plain JavaScript."""
