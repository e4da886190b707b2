"""The stages of a night: contract, ingest, validate, features, table, train, evaluate, gate, score, report."""
