"""Names in ``request.META`` under which the layers tell each other about a request."""

# How important it was taken for.
PRIORITY = "shopwright.priority"
# It was answered from memory: what that took says nothing about the work.
FROM_CACHE = "shopwright.from_cache"
# The door has announced it to the gate, which counts it among those who are coming.
ANNOUNCED = "shopwright.announced"
