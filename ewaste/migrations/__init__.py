"""How the database came to be as it is; run by the owner role, through `python -m ewaste migrate`."""
