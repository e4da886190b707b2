"""A mirror of the registry in MLflow's: runs, model versions and aliases, over the REST API of a server."""
