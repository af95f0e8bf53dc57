"""What catalog holds on people: nothing but who of the staff did something."""

from core.personal_data import tells_nothing

tells_nothing(
    "catalog.ImportJob", because="A supplier's file; it names who sent it by id only."
)
