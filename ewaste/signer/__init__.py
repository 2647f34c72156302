"""The signer of the log: a program of its own that holds the log's key and signs nothing but checkpoints that grow.

It imports nothing of the market, nobody of the market imports it, and it is reached through a Unix socket alone. It
remembers the last checkpoint that it signed, on disk before anybody sees the signature, and wants a proof that the
next one begins with all of it. So whoever takes over the market, and its worker, can add to the log and cannot
rewrite it.

    python -m ewaste.signer serve --folder FOLDER --origin market.example/log
"""
