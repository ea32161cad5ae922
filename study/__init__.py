"""What makes this study: the evidence behind its claims, its pictures, its app. It imports `mvae_lib`, never the reverse."""
