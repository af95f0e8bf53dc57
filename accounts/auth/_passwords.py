from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id as OWASP advises for servers: 19 MiB, two passes, one lane.

    Django's own parameters take 100 MiB and eight threads for each attempt, so that a
    handful of sign-ins at once could starve a small machine.
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1
