from accounts.selectors._activity import activity_of
from accounts.selectors._people import Contact, get_contact, role_names

__all__ = ["Contact", "activity_of", "get_contact", "role_names"]
