"""Five extensions, a file each, that touch nothing of mvae_lib: what a stranger would write."""
