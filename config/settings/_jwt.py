# What accounts.auth._jwt does not say itself, where keys, claims and times are.
SIMPLE_JWT = {"USER_ID_FIELD": "id", "USER_ID_CLAIM": "sub"}
