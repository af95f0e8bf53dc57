"""What keeps the shop up under load: whose request it is, how much they may ask, and who is shut out."""
