"""Verdicts on the paper's claims, from the reports of the sweeps that they are about."""
