"""What runs when: the nightly and backfill flows, benchmarks, and the command line. Only wiring."""
