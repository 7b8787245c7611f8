"""The record of a run: what it holds, where it is stored, and which process may write it."""
