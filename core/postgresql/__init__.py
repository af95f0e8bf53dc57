"""Django's PostgreSQL backend, on connections that know how long they may wait."""
