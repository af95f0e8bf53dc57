from accounts.auth import Argon2Hasher


class CheapArgon2Hasher(Argon2Hasher):
    """The real one with the least work, where a test asks hundreds of times."""

    time_cost = 1
    memory_cost = 64
