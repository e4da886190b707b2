"""A factorisation machine over categorical fields: the floor that public click protocols are held against.

Protocols of others (`benchmarks/kuairand_techjam`, `benchmarks/kuaivideo_x1`) judge rows as published, without the cleaning and the
calendar of a night; what they share lies here.
"""
