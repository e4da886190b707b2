"""Models of what a user watched in a row: data, split, training and protocol.

Source: docs/methods/sequences.md#sequence-protocol. The nightly stages learn from impressions and read a history that
ends before the day. This package ranks the watched over the just-skipped, user by user, so that SINE and its relatives
can be compared under their own protocol.
"""
