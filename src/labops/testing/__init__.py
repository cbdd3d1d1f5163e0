"""The kit: contract suites, strategies, faulty wrappers and the dvc oracle for tests of labops."""
