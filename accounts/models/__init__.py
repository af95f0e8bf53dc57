from accounts.models._activity import ActivityEntry, ActivityQuerySet
from accounts.models._addresses import Address, AddressQuerySet
from accounts.models._ceremonies import Ceremony, CeremonyQuerySet
from accounts.models._exports import Export, ExportQuerySet
from accounts.models._factors import Identity, Passkey, RecoveryCode, TotpDevice
from accounts.models._keys import ApiKey, ApiKeyQuerySet
from accounts.models._preferences import ConsentEntry, ConsentQuerySet, Preferences
from accounts.models._sessions import RefreshToken, Session, SessionQuerySet
from accounts.models._signing_keys import SigningKey
from accounts.models._tokens import AccountRequest, AccountToken
from accounts.models._users import User, UserManager, UserQuerySet

__all__ = [
    "AccountRequest",
    "AccountToken",
    "ActivityEntry",
    "ActivityQuerySet",
    "Address",
    "AddressQuerySet",
    "ApiKey",
    "ApiKeyQuerySet",
    "Ceremony",
    "CeremonyQuerySet",
    "ConsentEntry",
    "ConsentQuerySet",
    "Export",
    "ExportQuerySet",
    "Identity",
    "Passkey",
    "Preferences",
    "RecoveryCode",
    "RefreshToken",
    "Session",
    "SessionQuerySet",
    "SigningKey",
    "TotpDevice",
    "User",
    "UserManager",
    "UserQuerySet",
]
