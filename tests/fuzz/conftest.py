"""Nothing here is a test: fuzzers are run by hand, with a package that CI does not have."""

collect_ignore_glob = ["fuzz_*.py"]
