"""The truth about every model of a simulated night: what its metrics would be had everything been exposed at random."""
