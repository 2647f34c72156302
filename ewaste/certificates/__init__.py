"""Certificates: examined, accepted or refused, looked up, revoked; and the clearances that stand on them.

Promises: a certificate is stored whole, as it came; a refused one is kept with the reason; a device is clear only
while a certificate that covers every medium observed in its custody cycle stands.
"""
