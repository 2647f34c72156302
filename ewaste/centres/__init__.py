"""Test centres: their accreditation, their stations, and the credentials that we issue to them.

Promises: only a station enrolled with a centre's one-time code speaks for it; a work order names one device, every
medium expected in it and a challenge that is used once; a suspended centre clears nothing.
"""
