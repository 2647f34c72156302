"""The public log: what was certified, revoked and accredited, in an order that nobody can change afterwards.

A step appends a leaf in its own transaction (`log.append`), so nothing is accepted that the log will not hold. The
worker gives the leaves their numbers (`sequencer`), has the root signed by the signer (`signing`) and collects what
witnesses say (`witnesses`). Nothing here can sign. Rows are added and never changed; the database sees to that.
"""
