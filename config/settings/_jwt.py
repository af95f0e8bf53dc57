from datetime import timedelta

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ALGORITHM": "HS256",
    "ISSUER": "shopwright",
    "USER_ID_FIELD": "id",
    "USER_ID_CLAIM": "sub",
}
