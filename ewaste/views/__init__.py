"""What pages show across domains: read-only, a constant number of statements, plain values in the words of the pages.

No Flask here. A view asks the policy first, or says in its docstring that its caller has done so.
"""
