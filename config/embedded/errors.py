class EmbeddedError(Exception):
    """Say in one sentence why the built-in servers cannot run, and what to do about it."""
