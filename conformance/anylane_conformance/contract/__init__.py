"""The contract: one app that every lane serves in the suite, with a file for each chapter."""
