"""The contract: one app that every lane serves in the suite, a file for each chapter."""
