"""Lineage of a night as OpenLineage events: which stage read and made what, column by column where the code says so."""
