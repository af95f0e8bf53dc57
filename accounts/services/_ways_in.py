from accounts.models import Identity, Passkey, User


def has_way_in(user: User, *, without: Passkey | Identity) -> bool:
    """Tell whether the account could still be opened if this were gone.

    Ask it with the user's row locked, or two may each take the other's last one.
    """
    if user.has_usable_password():
        return True
    passkeys = Passkey.objects.filter(user=user).exclude(pk=without.pk)
    identities = Identity.objects.filter(user=user).exclude(pk=without.pk)
    return passkeys.exists() or identities.exists()
