"""DataFrame or tensor -> a matplotlib figure -> a file, and its CSV beside it."""
