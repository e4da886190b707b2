"""Explicit user-item pairs over a small closed catalogue: data, splits, training and protocol.

Source: docs/methods/debias.md#coat-protocol. The nightly stages learn from impressions; this package trains the same
objectives where every pair of the catalogue can be listed, so that estimators can be held against published figures and
against known truth.
"""
