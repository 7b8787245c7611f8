"""Runs: identities, records, files, and the claims of the processes that execute them."""
