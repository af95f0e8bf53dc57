from accounts.selectors._people import Contact, get_contact, role_names

__all__ = ["Contact", "get_contact", "role_names"]
