"""People, organisations, and what each may do. `policy` is the one table of permissions."""
