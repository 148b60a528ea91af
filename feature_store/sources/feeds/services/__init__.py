"""What each kind of service is asked and how its answers are read, one module per service.

A module lists the requests of a look at a league and turns a decoded answer into facts; it sends nothing itself.
"""
