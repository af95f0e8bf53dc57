"""What inventory holds on people: nothing but who of the staff did something."""

from core.personal_data import tells_nothing

tells_nothing(
    "inventory.Movement",
    because="The ledger of the goods; it names who counted by id only.",
)
