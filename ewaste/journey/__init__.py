"""The life of a device, one function per step. The legs, in order: trade_in, bench, clearing, sale, settlement.

Every step takes the session, the acting person and the time; it asks the policy before anything else, does its one
thing in the caller's transaction, and refuses with a sentence. It joins the domains; the legs do not call each other.
"""
